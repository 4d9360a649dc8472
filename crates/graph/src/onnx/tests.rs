//! Files that are small, old, damaged or hostile.
use super::*;
use crate::check::Numbers;
use crate::graph::{Graph, Role};
use crate::op::Op;
use messages::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
    attribute_type, data_type,
};
use prost::Message;

mod unrolled;

fn node(op: &str, input: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        input: input.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

fn with_int(mut node: NodeProto, name: &str, value: i64) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        i: Some(value),
        r#type: Some(attribute_type::INT),
        ..AttributeProto::default()
    });
    node
}

fn floats(name: &str, dims: &[i64], data: Vec<f32>) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(data_type::FLOAT),
        float_data: data,
        ..TensorProto::default()
    }
}

fn ints(name: &str, data: Vec<i64>) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: vec![data.len() as i64],
        data_type: Some(data_type::INT64),
        int64_data: data,
        ..TensorProto::default()
    }
}

/// A model over `x` of shape `[N, dims…]` whose output is `y`.
fn model(
    opset: i64,
    dims: &[i64],
    node: Vec<NodeProto>,
    initializer: Vec<TensorProto>,
) -> ModelProto {
    let named = |value| DimensionProto { value: Some(value) };
    let batch = named(DimensionValue::DimParam("N".into()));
    let rest = dims.iter().map(|&dim| named(DimensionValue::DimValue(dim)));
    let shape = TensorShapeProto { dim: std::iter::once(batch).chain(rest).collect() };
    let tensor = TensorTypeProto { elem_type: Some(data_type::FLOAT), shape: Some(shape) };
    let input = ValueInfoProto {
        name: Some("x".into()),
        r#type: Some(TypeProto { tensor_type: Some(tensor) }),
    };
    let output = ValueInfoProto { name: Some("y".into()), r#type: None };
    let graph = GraphProto {
        node,
        initializer,
        name: Some("net".into()),
        input: vec![input],
        output: vec![output],
    };
    let set = OperatorSetIdProto { domain: None, version: Some(opset) };
    ModelProto { graph: Some(Box::new(graph)), opset_import: vec![set], ..ModelProto::default() }
}

fn read(model: &ModelProto) -> crate::Result<Graph> {
    import(&model.encode_to_vec(), None, Batch::AsStored)
}

fn refusal(model: &ModelProto) -> String {
    read(model).unwrap_err().to_string()
}

/// Two layers with everything that shapes need between them, its nodes in no order.
fn network() -> ModelProto {
    let numbers = |seed, dims: &[usize]| Numbers(seed).tensor(dims).data().to_vec();
    let nodes = vec![
        node("Reshape", &["r", "target"], "flat"),
        with_int(node("Gather", &["shape", "zero"], "n"), "axis", 0),
        node("Relu", &["c"], "r"),
        with_int(node("Unsqueeze", &["n", "axes"], "n1"), "unused", 0),
        node("Conv", &["x", "conv.weight", "conv.bias"], "c"),
        with_int(node("Concat", &["n1", "rest"], "target"), "axis", 0),
        node("Shape", &["x"], "shape"),
        node("Add", &["product", "fc.bias"], "y"),
        node("MatMul", &["flat", "fc.weight"], "product"),
    ];
    let mut zero = ints("zero", vec![0]);
    zero.dims.clear();
    let stored = vec![
        floats("conv.weight", &[2, 1, 3, 3], numbers(1, &[2, 1, 3, 3])),
        floats("conv.bias", &[2], vec![0.5, -0.5]),
        floats("fc.weight", &[8, 3], numbers(2, &[8, 3])),
        floats("fc.bias", &[3], vec![1.0, 2.0, 3.0]),
        zero,
        ints("axes", vec![0]),
        ints("rest", vec![-1]),
    ];
    let mut model = model(17, &[1, 4, 4], nodes, stored);
    model.graph.as_mut().unwrap().node[3].attribute.clear();
    model
}

#[test]
fn shapes_are_computed_and_roles_follow_from_readers() {
    let graph = read(&network()).unwrap();
    let roles: Vec<_> = graph.params.iter().map(|p| (p.name.as_str(), p.role)).collect();
    let expected = [
        ("conv.weight", Role::Weight),
        ("conv.bias", Role::Bias),
        ("fc.weight", Role::Weight),
        ("fc.bias", Role::Bias),
    ];
    assert_eq!(roles, expected);
    let ops: Vec<_> = graph.nodes.iter().map(|node| node.op.name()).collect();
    assert_eq!(ops, ["Conv", "Relu", "Reshape", "MatMul", "Add"]);
    assert_eq!(graph.value(graph.outputs[0]).kind.shape.to_string(), "[batch, 3]");
    assert_eq!(graph.value(graph.outputs[0]).name, "y");
}

#[test]
fn integers_of_the_file_are_constants_where_values_are_read_and_shapes_where_shapes_are() {
    // What torch writes for `x.expand(-1, 3)`: dimensions of -1 are taken from ones.
    let mut all = node("Constant", &[], "minus");
    all.attribute.push(AttributeProto {
        name: Some("value_ints".into()),
        ints: vec![-1, -1],
        r#type: Some(attribute_type::INTS),
        ..AttributeProto::default()
    });
    let nodes = vec![
        all,
        node("Shape", &["x"], "from"),
        node("Equal", &["wanted", "minus"], "open"),
        node("Where", &["open", "from", "wanted"], "shape"),
        node("Expand", &["x", "shape"], "wide"),
        with_int(node("Cast", &["wide"], "whole"), "to", i64::from(data_type::INT64)),
        node("Div", &["whole", "places"], "half"),
        node("Greater", &["half", "places"], "above"),
        node("Where", &["above", "wide", "nothing"], "y"),
    ];
    let stored = vec![
        ints("wanted", vec![-1, 3]),
        ints("places", vec![2, 3, 4]),
        floats("nothing", &[], vec![0.5]),
    ];
    let graph = read(&model(17, &[1], nodes, stored)).unwrap();
    let ops: Vec<_> = graph.nodes.iter().map(|node| node.op.name()).collect();
    assert_eq!(ops, ["Expand", "Cast", "Constant", "IntegerDiv", "Greater", "Where"]);
    let x = crate::Array::new(&[2, 1], vec![9.0, 16.5]);
    let y = crate::evaluate(&graph, &[x], &graph.outputs, 0).unwrap().remove(0);
    assert_eq!((y.shape, y.data), (vec![2, 3], vec![9.0, 0.5, 0.5, 16.5, 16.5, 0.5]));
}

#[test]
fn an_op_that_cannot_run_is_named_with_node_and_opset() {
    let mut odd = node("Det", &["x"], "y");
    odd.name = Some("act".into());
    assert_eq!(
        refusal(&model(17, &[4], vec![odd], vec![])),
        "node `act`: Det of opset 17 is not supported"
    );
    let odd = with_int(node("Relu", &["x"], "y"), "slope", 3);
    let text = refusal(&model(13, &[4], vec![odd], vec![]));
    assert_eq!(text, "node `y`: Relu of opset 13 with attribute `slope` is not supported");
}

#[test]
fn a_softmax_of_an_old_opset_runs_over_all_axes_that_follow() {
    let softmax = || with_int(node("Softmax", &["x"], "y"), "axis", 1);
    let names = |opset| {
        let graph = read(&model(opset, &[2, 3], vec![softmax()], vec![])).unwrap();
        graph.nodes.iter().map(|node| node.op.name()).collect::<Vec<_>>()
    };
    assert_eq!(names(12), ["Reshape", "Softmax", "Reshape"]);
    assert_eq!(names(13), ["Softmax"]);
}

#[test]
fn same_padding_puts_the_odd_element_where_it_is_said() {
    let pads = |side: &str| {
        let mut conv = node("Conv", &["x", "w"], "y");
        conv.attribute.push(AttributeProto {
            name: Some("auto_pad".into()),
            s: Some(side.as_bytes().to_vec()),
            r#type: Some(attribute_type::STRING),
            ..AttributeProto::default()
        });
        let graph =
            read(&model(8, &[1, 4], vec![conv], vec![floats("w", &[1, 1, 2], vec![1.0; 2])]));
        match graph.unwrap().nodes.remove(0).op {
            Op::Conv(conv) => conv.window.pads,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(pads("SAME_UPPER"), [0, 1]);
    assert_eq!(pads("SAME_LOWER"), [1, 0]);
}

#[test]
fn outputs_beside_the_first_are_an_error_only_where_they_are_read() {
    let mut pool = with_int(node("MaxPool", &["x"], "y"), "ceil_mode", 0);
    pool.output.push("places".into());
    pool.attribute.push(AttributeProto {
        name: Some("kernel_shape".into()),
        ints: vec![2],
        r#type: Some(attribute_type::INTS),
        ..AttributeProto::default()
    });
    assert!(read(&model(12, &[1, 4], vec![pool.clone()], vec![])).is_ok());
    let relu = node("Relu", &["places"], "z");
    assert_eq!(
        refusal(&model(12, &[1, 4], vec![pool, relu], vec![])),
        "node `z`: Relu of opset 12 reads `places`, output 1 of MaxPool, which is not computed"
    );
}

#[test]
fn parts_of_a_split_have_the_names_of_the_file() {
    let mut split = with_int(node("Split", &["x"], "a"), "axis", -1);
    split.output.push("b".into());
    let sum = node("Add", &["b", "b"], "y");
    let of = |opset, size| read(&model(opset, &[size], vec![split.clone(), sum.clone()], vec![]));
    for (opset, size, a) in [(11, 4, 2), (13, 4, 2), (18, 5, 3)] {
        let graph = of(opset, size).unwrap();
        let shapes: Vec<String> =
            graph.values.iter().map(|v| format!("{} {}", v.name, v.kind.shape)).collect();
        let a = format!("a [batch, {a}]");
        assert_eq!(shapes[1..], [&a, "b [batch, 2]", "y [batch, 2]"]);
    }
    assert!(of(13, 5).is_err());
    let told = node("Split", &["x", "sizes"], "y");
    let refused = refusal(&model(13, &[5], vec![told], vec![ints("sizes", vec![1, 4])]));
    assert!(refused.ends_with("of [batch, 5] along axis 0 into 1 parts"), "{refused}");
}

#[test]
fn negative_pads_crop() {
    let pad = node("Pad", &["x", "pads"], "y");
    let stored = vec![ints("pads", vec![0, -1, 0, 2])];
    let graph = read(&model(17, &[4], vec![pad], stored)).unwrap();
    let x = crate::Array::new(&[1, 4], vec![1.0, 2.0, 3.0, 4.0]);
    let y = crate::evaluate(&graph, &[x], &graph.outputs, 0).unwrap().remove(0);
    assert_eq!(y.data, [2.0, 3.0, 4.0, 0.0, 0.0]);
}

fn with_text(mut node: NodeProto, name: &str, value: &str) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        s: Some(value.as_bytes().to_vec()),
        r#type: Some(attribute_type::STRING),
        ..AttributeProto::default()
    });
    node
}

/// The sum over every letter that the output does not have, taken literally; all letters have sizes of `sizes`.
fn letters(equation: &str, operands: &[&crate::Array], sizes: &[(char, usize)]) -> Vec<f64> {
    let (left, right) = equation.split_once("->").unwrap();
    let size = |c: char| sizes.iter().find(|(letter, _)| *letter == c).unwrap().1;
    let shape: Vec<usize> = right.chars().map(size).collect();
    let mut y = vec![0.0; shape.iter().product()];
    let all: Vec<usize> = sizes.iter().map(|(_, size)| *size).collect();
    crate::for_each_index(&all, |index| {
        let at = |c: char| index[sizes.iter().position(|(letter, _)| *letter == c).unwrap()];
        let place = |term: &str| term.chars().fold(0, |place, c| place * size(c) + at(c));
        let factors = left.split(',').zip(operands).map(|(term, x)| x.data[place(term)]);
        y[place(right)] += factors.product::<f64>();
    });
    y
}

#[test]
fn sums_of_products_by_letters_are_what_they_say() {
    let weight = Numbers(4).tensor(&[3, 4]);
    let x = crate::Array::from(&Numbers(5).tensor(&[2, 3]));
    let w = crate::Array::from(&weight);
    let sizes = [('n', 2), ('i', 3), ('j', 4)];
    for equation in
        ["ni,ij->nj", "ni,ij->jn", "ni,ij->nij", "ni,ij->i", "ni,ij->n", "ni,ij->", "ij,ni->jni"]
    {
        let x_first = equation.starts_with('n');
        let inputs = if x_first { ["x", "w"] } else { ["w", "x"] };
        let einsum = with_text(node("Einsum", &inputs, "y"), "equation", equation);
        let stored = floats("w", &[3, 4], weight.data().to_vec());
        let graph = read(&model(12, &[3], vec![einsum], vec![stored])).unwrap();
        let y = crate::evaluate(&graph, std::slice::from_ref(&x), &graph.outputs, 0).unwrap();
        let operands = if x_first { [&x, &w] } else { [&w, &x] };
        for (got, want) in y[0].data.iter().zip(letters(equation, &operands, &sizes)) {
            assert!((got - want).abs() < 1e-12, "{equation}: {got}, need {want}");
        }
    }
    for equation in ["nn->n", "ni->n?", "n->n", "ni->nk", "ni,ni->n", "...i->i"] {
        let einsum = with_text(node("Einsum", &["x"], "y"), "equation", equation);
        assert!(read(&model(12, &[3], vec![einsum], vec![])).is_err(), "{equation}");
    }
}

#[test]
fn a_recurrent_layer_may_have_samples_before_steps() {
    let numbers = |seed, dims: &[usize]| Numbers(seed).tensor(dims).data().to_vec();
    let stored = vec![
        floats("w", &[1, 8, 3], numbers(1, &[8, 3])),
        floats("r", &[1, 8, 2], numbers(2, &[8, 2])),
    ];
    let mut lstm = with_int(node("LSTM", &["x", "w", "r"], ""), "layout", 1);
    lstm.output = vec![String::new(), "y".into()];
    let lstm = with_int(lstm, "hidden_size", 2);
    let graph = read(&model(14, &[5, 3], vec![lstm.clone()], stored.clone())).unwrap();
    let ops: Vec<_> = graph.nodes.iter().map(|node| node.op.name()).collect();
    assert_eq!(ops, ["Transpose", "Expand", "LSTM", "Transpose"]);
    assert_eq!(graph.value(graph.outputs[0]).kind.shape.to_string(), "[batch, 1, 2]");
    let odd = with_text(lstm, "direction", "sideways");
    assert_eq!(
        refusal(&model(14, &[5, 3], vec![odd], stored)),
        "node `y`: LSTM of opset 14 with direction sideways is not supported"
    );
}

#[test]
fn hostile_files_are_refused_with_one_clear_line() {
    let relu = || node("Relu", &["x"], "y");
    let lie = floats("w", &[1 << 20, 1 << 20], vec![1.0]);
    assert!(refusal(&model(17, &[4], vec![relu()], vec![lie])).contains("tensor `w` has 1 values"));
    let lie = floats("w", &[i64::MAX, i64::MAX], vec![]);
    assert!(refusal(&model(17, &[4], vec![relu()], vec![lie])).contains("tensor `w` has 0 values"));
    let lie = floats("w", &[-1], vec![]);
    assert!(refusal(&model(17, &[4], vec![relu()], vec![lie])).contains("has shape [-1]"));
    let cycle = vec![node("Add", &["x", "y"], "a"), node("Relu", &["a"], "y")];
    assert!(refusal(&model(17, &[4], cycle, vec![])).ends_with("there is a cycle"));
    assert!(refusal(&model(6, &[4], vec![relu()], vec![])).contains("opset 6, need 7 to 28"));
    assert!(refusal(&model(29, &[4], vec![relu()], vec![])).contains("opset 29, need 7 to 28"));
    let missing = model(17, &[4], vec![node("Relu", &["z"], "y")], vec![]);
    assert!(refusal(&missing).contains("reads `z`, which nothing gives"));
    let big = node("ConstantOfShape", &["size"], "c");
    let sum = node("Add", &["x", "c"], "y");
    let huge = model(17, &[4], vec![big, sum], vec![ints("size", vec![50_000, 50_000])]);
    assert!(refusal(&huge).contains("of shape [50000, 50000] is not supported"));
}

#[test]
fn weights_outside_are_read_only_from_inside_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("model");
    std::fs::create_dir(&inside).unwrap();
    let bytes: Vec<u8> = [1f32, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(inside.join("w.bin"), &bytes).unwrap();
    std::fs::write(folder.path().join("secret"), &bytes).unwrap();
    let at = |location: &str, offset: &str| {
        let mut tensor = floats("w", &[2], vec![]);
        tensor.data_location = Some(1);
        let entry = |key: &str, value: &str| messages::StringStringEntryProto {
            key: Some(key.into()),
            value: Some(value.into()),
        };
        tensor.external_data = vec![entry("location", location), entry("offset", offset)];
        let model = model(17, &[2], vec![node("Add", &["x", "w"], "y")], vec![tensor]);
        import(&model.encode_to_vec(), Some(&inside), Batch::AsStored)
    };
    assert_eq!(at("w.bin", "4").unwrap().params[0].tensor.data(), [2.0, 3.0]);
    std::fs::create_dir(inside.join("folder")).unwrap();
    for (location, offset) in
        [("../secret", "4"), ("/etc/passwd", "0"), ("w.bin", "0"), ("w.bin", "99"), ("folder", "0")]
    {
        assert!(at(location, offset).is_err(), "{location} {offset}");
    }
}

/// The answer to one sample of these numbers.
fn answer(model: &ModelProto, x: Vec<f64>) -> Vec<f64> {
    let graph = read(model).unwrap();
    let shape = graph.value(graph.inputs[0]).kind.shape.bind(&[("batch".into(), 1)].into());
    let x = crate::Array { shape: shape.unwrap(), data: x };
    crate::evaluate(&graph, &[x], &graph.outputs, 0).unwrap().remove(0).data
}

#[test]
fn a_resize_of_opset_10_takes_the_element_after_where_there_are_fewer() {
    let resize = || vec![node("Resize", &["x", "scales"], "y")];
    let scales = |scales: &[f32]| vec![floats("scales", &[4], scales.to_vec())];
    let eight: Vec<f64> = (1..9).map(f64::from).collect();
    // `test_resize_downsample_nearest` of ONNX 1.5.
    let small = model(10, &[1, 2, 4], resize(), scales(&[1.0, 1.0, 0.6, 0.6]));
    assert_eq!(answer(&small, eight.clone()), [1.0, 3.0]);
    let both = model(10, &[1, 2, 4], resize(), scales(&[1.0, 1.0, 1.5, 0.6]));
    assert_eq!(answer(&both, eight), [1.0, 3.0, 1.0, 3.0, 5.0, 7.0]);
}

#[test]
fn what_another_opset_reads_elsewhere_is_refused_and_not_left_out() {
    let axes = |op, attribute: &str| {
        let mut node = node(op, &["x"], "y");
        node.attribute.push(AttributeProto {
            name: Some(attribute.into()),
            ints: vec![1],
            r#type: Some(attribute_type::INTS),
            ..AttributeProto::default()
        });
        node
    };
    for (opset, op) in [(18, "ReduceMean"), (13, "ReduceSum"), (13, "Squeeze")] {
        let text = refusal(&model(opset, &[1, 4], vec![axes(op, "axes")], vec![]));
        assert!(text.ends_with("with attribute `axes` is not supported"), "{text}");
    }
    let one = || vec![ints("one", vec![1])];
    let number = || vec![floats("one", &[], vec![0.5])];
    for (opset, op, stored) in [
        (11, "ReduceSum", one()),
        (12, "Squeeze", one()),
        (9, "Slice", one()),
        (10, "Pad", one()),
        (10, "Clip", number()),
    ] {
        let text = refusal(&model(opset, &[1, 4], vec![node(op, &["x", "one"], "y")], stored));
        assert!(text.ends_with("has input 1, which this opset does not know"), "{text}");
    }
    let single = with_int(node("ReduceMean", &["x"], "y"), "axes", 1);
    let text = refusal(&model(13, &[1, 4], vec![single], vec![]));
    assert!(text.ends_with("has `axes` that is no list of integers"), "{text}");
}

#[test]
fn a_normalization_that_gives_the_statistics_of_a_batch_is_refused_before_opset_14() {
    let stored = || ["s", "b", "m", "v"].map(|name| floats(name, &[2], vec![1.0, 2.0])).to_vec();
    let mut norm = node("BatchNormalization", &["x", "s", "b", "m", "v"], "y");
    assert!(read(&model(9, &[2, 4], vec![norm.clone()], stored())).is_ok());
    norm.output.push("mean".into());
    let text = refusal(&model(9, &[2, 4], vec![norm], stored()));
    assert!(text.contains("statistics of a batch"), "{text}");
}

#[test]
fn casts_of_what_is_known_may_say_how_8_bit_floats_saturate() {
    let cast =
        |x: &str, y: &str, to| with_int(with_int(node("Cast", &[x], y), "to", to), "saturate", 1);
    let nodes = vec![
        node("Shape", &["x"], "s"),
        cast("s", "t", i64::from(data_type::INT64)),
        node("Reshape", &["x", "t"], "r"),
        cast("w", "v", i64::from(data_type::FLOAT)),
        node("Add", &["r", "v"], "y"),
    ];
    let graph = read(&model(20, &[4], nodes, vec![floats("w", &[1], vec![1.0])])).unwrap();
    assert_eq!(graph.nodes.len(), 1);
}

/// The shapes of the inputs of a file whose inputs have these dimensions: names, or numbers.
fn shapes_of(inputs: &[&[&str]], batch: Batch) -> Vec<String> {
    let mut file = model(17, &[1], vec![node("Relu", &["x0"], "y")], vec![]);
    let info = |(at, dims): (usize, &&[&str])| {
        let value = |text: &&str| match text.parse() {
            Ok(number) => DimensionValue::DimValue(number),
            Err(_) => DimensionValue::DimParam((*text).into()),
        };
        let dim = dims.iter().map(|text| DimensionProto { value: Some(value(text)) }).collect();
        let tensor = TensorTypeProto {
            elem_type: Some(data_type::FLOAT),
            shape: Some(TensorShapeProto { dim }),
        };
        let kind = TypeProto { tensor_type: Some(tensor) };
        ValueInfoProto { name: Some(format!("x{at}")), r#type: Some(kind) }
    };
    file.graph.as_mut().unwrap().input = inputs.iter().enumerate().map(info).collect();
    let graph = import(&file.encode_to_vec(), None, batch).unwrap();
    graph.inputs.iter().map(|id| graph.value(*id).kind.shape.to_string()).collect()
}

#[test]
fn one_name_of_a_file_counts_samples_wherever_it_stands() {
    let stored = |inputs: &[&[&str]]| shapes_of(inputs, Batch::AsStored);
    assert_eq!(stored(&[&["N", "T", "8"], &["1", "N", "4"]]), ["[batch, T, 8]", "[1, batch, 4]"]);
    assert_eq!(stored(&[&["seq", "batch", "8"]]), ["[seq, batch, 8]"]);
    assert_eq!(stored(&[&["nodes", "4"], &["edges", "2"]]), ["[batch, 4]", "[edges, 2]"]);
    assert_eq!(stored(&[&["?", "?"], &["-1", "2"]]), ["[batch, x0_1]", "[batch, 2]"]);
    let any = |inputs: &[&[&str]]| shapes_of(inputs, Batch::Symbolic);
    assert_eq!(any(&[&["1", "3"], &["1", "1"]]), ["[batch, 3]", "[batch, 1]"]);
    assert_eq!(any(&[&["N", "3"], &["1", "4"]]), ["[batch, 3]", "[1, 4]"]);
}

#[test]
fn an_output_keeps_its_name_where_a_node_has_nothing_to_do() {
    let nodes = vec![
        node("Relu", &["x"], "h"),
        with_int(node("Cast", &["h"], "y"), "to", i64::from(data_type::FLOAT)),
    ];
    let graph = read(&model(17, &[4], nodes, vec![])).unwrap();
    assert_eq!(graph.value(graph.outputs[0]).name, "y");
}

#[test]
fn damaged_files_never_panic() {
    let whole = network().encode_to_vec();
    for length in 0..whole.len() {
        let _ = import(&whole[..length], None, Batch::Symbolic);
    }
    let mut numbers = Numbers(7);
    let mut draw = |below: usize| (numbers.tensor(&[1]).data()[0].to_bits() as usize >> 3) % below;
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=draw(3) {
            let at = draw(bytes.len());
            bytes[at] = draw(256) as u8;
        }
        let _ = import(&bytes, None, Batch::AsStored);
    }
}
