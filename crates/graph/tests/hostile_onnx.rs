//! ONNX files that were made to do harm: each is refused in one line that says what is wrong, at once and without memory.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::onnx::messages::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use hoyer_graph::onnx::{Batch, import};
use prost::Message;
use std::time::{Duration, Instant};

const FLOAT: i32 = 1;
const STRING: i32 = 8;

fn node(op: &str, input: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        input: input.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    }
}

fn with(mut node: NodeProto, name: &str, set: impl Fn(&mut AttributeProto)) -> NodeProto {
    let mut attribute = AttributeProto { name: Some(name.into()), ..AttributeProto::default() };
    set(&mut attribute);
    node.attribute.push(attribute);
    node
}

fn with_ints(node: NodeProto, name: &str, ints: &[i64]) -> NodeProto {
    with(node, name, |attribute| attribute.ints = ints.to_vec())
}

fn floats(name: &str, dims: &[i64], count: usize) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.to_vec(),
        data_type: Some(FLOAT),
        float_data: vec![0.5; count],
        ..TensorProto::default()
    }
}

fn ints(name: &str, data: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: vec![data.len() as i64],
        data_type: Some(7),
        int64_data: data.to_vec(),
        ..TensorProto::default()
    }
}

fn info(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&size: &i64| DimensionProto { value: Some(DimensionValue::DimValue(size)) };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = TensorTypeProto { elem_type: Some(FLOAT), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { tensor_type: Some(tensor) }),
    }
}

/// A file over `x` of shape `[1, 2, 4, 4]` that gives `y`.
fn file(node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    let output = ValueInfoProto { name: Some("y".into()), r#type: None };
    let graph = GraphProto {
        node,
        initializer,
        input: vec![info("x", &[1, 2, 4, 4])],
        output: vec![output],
        ..GraphProto::default()
    };
    let opset = OperatorSetIdProto { version: Some(17), ..OperatorSetIdProto::default() };
    ModelProto { graph: Some(Box::new(graph)), opset_import: vec![opset], ..ModelProto::default() }
}

/// The whole message, causes and all.
fn refusal(model: &ModelProto) -> String {
    let start = Instant::now();
    let error = import(&model.encode_to_vec(), None, Batch::AsStored).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(1), "{error}");
    let (mut text, mut cause) = (error.to_string(), std::error::Error::source(&error));
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

fn refused_with(model: &ModelProto, words: &str) {
    let text = refusal(model);
    assert!(text.contains(words), "{text}, expected {words}");
}

#[test]
fn a_file_that_was_cut_off_is_refused_or_whole() {
    let conv = with_ints(node("Conv", &["x", "w"], "y"), "kernel_shape", &[1, 1]);
    let bytes = file(vec![conv], vec![floats("w", &[3, 2, 1, 1], 6)]).encode_to_vec();
    let whole = import(&bytes, None, Batch::AsStored).unwrap();
    for length in 0..bytes.len() {
        match import(&bytes[..length], None, Batch::AsStored) {
            Ok(read) => assert_eq!(read, whole, "{length}"),
            Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
        }
    }
}

#[test]
fn wrong_types_are_refused() {
    let mut text = floats("w", &[1], 0);
    text.data_type = Some(STRING);
    refused_with(&file(vec![node("Add", &["x", "w"], "y")], vec![text]), "element type 8");
    let shape = vec![floats("shape", &[2], 2)];
    refused_with(&file(vec![node("Reshape", &["x", "shape"], "y")], shape), "node `y`: Reshape");
    let softmax = with(node("Softmax", &["x"], "y"), "axis", |axis| axis.f = Some(1.0));
    refused_with(&file(vec![softmax], vec![]), "has `axis` that is no integer");
    let pad = with(node("Pad", &["x", "p"], "y"), "mode", |mode| mode.s = Some(vec![0xff, 0xfe]));
    refused_with(&file(vec![pad], vec![ints("p", &[0; 8])]), "has `mode` that is no text");
    let mut image = file(vec![node("Relu", &["x"], "y")], vec![]);
    let graph = image.graph.as_mut().unwrap();
    graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = Some(STRING);
    refused_with(&image, "input `x` has element type 8, which is not read");
    image.graph.as_mut().unwrap().input[0].r#type = None;
    refused_with(&image, "input `x` is no tensor");
}

#[test]
fn cycles_and_names_given_twice_are_refused() {
    let own = node("Add", &["x", "y"], "y");
    refused_with(&file(vec![own], vec![]), "`y` waits for itself: there is a cycle");
    let ring =
        vec![node("Relu", &["c"], "a"), node("Relu", &["a"], "b"), node("Add", &["b", "x"], "c")];
    let ring = ring.into_iter().chain([node("Relu", &["c"], "y")]).collect();
    refused_with(&file(ring, vec![]), "there is a cycle");
    let twice = vec![node("Relu", &["x"], "y"), node("Tanh", &["x"], "y")];
    refused_with(&file(twice, vec![]), "two nodes give `y`");
    let weights = vec![floats("w", &[1], 1), floats("w", &[1], 1)];
    refused_with(&file(vec![node("Add", &["x", "w"], "y")], weights), "two tensors named `w`");
    let shadow = file(vec![node("Relu", &["x"], "x")], vec![]);
    refused_with(&shadow, "`x`");
}

#[test]
fn sizes_that_overflow_are_refused() {
    const MANY: i64 = i64::MAX;
    for dims in [[MANY, MANY], [1 << 40, 1 << 40], [MANY, 2], [1 << 60, 1]] {
        let lie = floats("w", &dims, 4);
        refused_with(
            &file(vec![node("Add", &["x", "w"], "y")], vec![lie]),
            "tensor `w` has 4 values",
        );
        let mut wide = file(vec![node("Relu", &["x"], "y")], vec![]);
        wide.graph.as_mut().unwrap().input = vec![info("x", &dims)];
        refused_with(&wide, "more elements than can be counted");
    }
    let one = |node, stored: &[i64]| file(vec![node], vec![ints("n", stored)]);
    for pads in [[0, 0, MANY, 0, 0, 0, MANY, 0], [0, 0, MANY, MANY, 0, 0, MANY, MANY]] {
        refusal(&one(node("Pad", &["x", "n"], "y"), &pads));
    }
}

#[test]
fn tensors_that_lie_are_refused() {
    let add = || vec![node("Add", &["x", "w"], "y")];
    refused_with(&file(add(), vec![floats("w", &[4], 3)]), "tensor `w` has 3 values");
    refused_with(&file(add(), vec![floats("w", &[], 0)]), "tensor `w` has 0 values");
    refused_with(&file(add(), vec![floats("w", &[-4], 4)]), "tensor `w` has shape [-4]");
    refused_with(&file(add(), vec![floats("w", &[1; 40], 1)]), "tensor `w` has shape [1, 1");
    let raw = |bytes: usize| TensorProto { raw_data: Some(vec![0; bytes]), ..floats("w", &[4], 0) };
    refused_with(&file(add(), vec![raw(15)]), "tensor `w` has 15 bytes, need a multiple of 4");
    refused_with(&file(add(), vec![raw(20)]), "tensor `w` has 5 values");
    let outside = TensorProto { data_location: Some(1), ..floats("w", &[4], 0) };
    refused_with(
        &file(add(), vec![outside]),
        "tensor `w` lies in another file, but there is no folder",
    );
}

#[test]
fn ten_gigabytes_in_a_few_bytes_are_refused() {
    let lie = floats("w", &[50_000, 50_000], 1);
    refused_with(&file(vec![node("Add", &["x", "w"], "y")], vec![lie]), "tensor `w` has 1 values");
    let size = || ints("n", &[50_000, 50_000]);
    let made = node("ConstantOfShape", &["n"], "c");
    let sum = node("Add", &["x", "c"], "y");
    refused_with(&file(vec![made, sum], vec![size()]), "node `c`: ConstantOfShape");
    // No node is too large, but all together are.
    let mut nodes: Vec<NodeProto> =
        (0..3_000).map(|i| node("ConstantOfShape", &["n"], &format!("c{i}"))).collect();
    nodes.push(node("Relu", &["x"], "y"));
    let many = file(nodes, vec![ints("n", &[1_000, 900])]);
    refused_with(&many, "computes more constants than the file has weights for");
}

#[test]
fn sizes_whose_symbols_double_are_refused() {
    let mut nodes = vec![node("Shape", &["x"], "s"), node("Gather", &["s", "zero"], "n0")];
    nodes.extend((0..40).map(|i| {
        let (from, to) = (format!("n{i}"), format!("n{}", i + 1));
        node("Mul", &[&from, &from], &to)
    }));
    nodes.push(node("Reshape", &["x", "n40"], "y"));
    let mut wide = file(nodes, vec![ints("zero", &[0])]);
    let batch = DimensionProto { value: Some(DimensionValue::DimParam("batch".into())) };
    let input = &mut wide.graph.as_mut().unwrap().input[0];
    let tensor = input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
    tensor.shape.as_mut().unwrap().dim[0] = batch;
    refused_with(&wide, "Mul of opset 17 over these integers is not supported");
}

#[test]
fn weights_that_nothing_reads_cost_nothing_while_shapes_are_computed() {
    let mut nodes: Vec<NodeProto> =
        (0..2_000).map(|i| node("Slice", &["line", "one", "two"], &format!("s{i}"))).collect();
    nodes.push(node("Relu", &["x"], "y"));
    let line = [ints("line", &[1, 2, 3]), ints("one", &[1]), ints("two", &[2])];
    let stored = [vec![floats("unread", &[1_000, 1_000], 1_000_000)], line.to_vec()].concat();
    let start = Instant::now();
    import(&file(nodes, stored).encode_to_vec(), None, Batch::AsStored).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_file_of_very_many_weights_takes_time_in_proportion() {
    let count = 50_000;
    let name = |i: usize| if i == count { "y".to_owned() } else { format!("v{i}") };
    let mut nodes = vec![node("Relu", &["x"], "v0")];
    let mut stored = Vec::new();
    for i in 0..count {
        nodes.push(node("Add", &[&name(i), &format!("w{i}")], &name(i + 1)));
        stored.push(floats(&format!("w{i}"), &[1], 1));
    }
    let start = Instant::now();
    let bytes = file(nodes, stored).encode_to_vec();
    assert_eq!(import(&bytes, None, Batch::AsStored).unwrap().params.len(), count);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_file_of_very_many_nodes_takes_time_in_proportion() {
    let count = 20_000;
    let name = |i: usize| if i == count { "y".to_owned() } else { format!("v{i}") };
    let chain = (0..count).map(|i| match i {
        0 => node("Relu", &["x"], &name(1)),
        _ => node("Add", &[&name(i), "w"], &name(i + 1)),
    });
    let mut nodes: Vec<NodeProto> = chain.collect();
    nodes.reverse();
    let start = Instant::now();
    let bytes = file(nodes, vec![floats("w", &[1], 1)]).encode_to_vec();
    assert_eq!(import(&bytes, None, Batch::AsStored).unwrap().nodes.len(), count);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn reshapes_to_another_number_of_elements_are_refused() {
    const MANY: i64 = i64::MAX;
    for shape in [&[3, -1][..], &[5, 7], &[32, 2], &[-1, 0, 5], &[-1, -1], &[-2, 16], &[0, 0, 0]] {
        let reshape = file(vec![node("Reshape", &["x", "s"], "y")], vec![ints("s", shape)]);
        refused_with(&reshape, "node `y`: Reshape of opset 17 has shape [");
        refused_with(&reshape, "over [1, 2, 4, 4]");
    }
    // Products that wrap around to 32, or to what divides it.
    for shape in [&[MANY, MANY, 32][..], &[1 << 32, 1 << 32, 32], &[1 << 62, 1 << 62, -1]] {
        let reshape = file(vec![node("Reshape", &["x", "s"], "y")], vec![ints("s", shape)]);
        refused_with(&reshape, "node `y`: Reshape of opset 17 has shape [");
    }
}

#[test]
fn convolutions_that_do_not_fit_are_refused() {
    let conv = |name: &str, list: &[i64], w: &[i64]| {
        let node = match name {
            "group" => with(node("Conv", &["x", "w"], "y"), name, |a| a.i = Some(list[0])),
            _ => with_ints(node("Conv", &["x", "w"], "y"), name, list),
        };
        let count = w.iter().product::<i64>() as usize;
        file(vec![node], vec![floats("w", w, count)])
    };
    let square = &[4, 2, 3, 3];
    for name in ["strides", "dilations", "kernel_shape"] {
        refused_with(
            &conv(name, &[0, 1], square),
            &format!("Conv: {name} = [0, 1], need 2 numbers, all at least 1"),
        );
        refused_with(&conv(name, &[1, -1], square), &format!("has {name} [1, -1]"));
        refused_with(&conv(name, &[i64::MIN, 1], square), &format!("has {name} ["));
    }
    for (name, list) in [("strides", &[1][..]), ("dilations", &[1, 1, 1]), ("pads", &[1, 1, 1])] {
        refused_with(&conv(name, list, square), &format!("Conv: {name} = {list:?}, need "));
    }
    refused_with(&conv("pads", &[0, 0, -1, 0], square), "has pads [0, 0, -1, 0]");
    refused_with(&conv("dilations", &[i64::MAX, 1], square), "node `y`: Conv");
    refused_with(&conv("pads", &[i64::MAX, 0, i64::MAX, 0], square), "node `y`: Conv");
    refused_with(&conv("kernel_shape", &[2, 2], square), "need [out, in / group] and the kernel");
    refused_with(&conv("kernel_shape", &[3], square), "node `y`: Conv");
    for group in [0, -1, i64::MIN] {
        let none = format!("has group {group}, need at least 1");
        refused_with(&conv("group", &[group], square), &none);
    }
    for (group, w) in [(3, [3, 1, 3, 3]), (4, [4, 1, 3, 3]), (i64::MAX, [4, 1, 3, 3])] {
        let split = format!("Conv: group = {group}, need a divisor of 2 channels");
        refused_with(&conv("group", &[group], &w), &split);
    }
    // The groups split the input's channels, not the output's.
    refused_with(&conv("group", &[2], &[3, 1, 3, 3]), "one that fits 2 channels in 2 groups");
    refused_with(&conv("group", &[2], &[4, 2, 3, 3]), "one that fits 2 channels in 2 groups");
}
