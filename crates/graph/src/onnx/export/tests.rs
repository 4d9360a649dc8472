//! What is written can be read, keeps its names, and is refused where ONNX has no form for it.
use super::*;
use crate::answers::{answers, through_a_file};
use crate::graph::{Role, ValueId};
use crate::op::*;
use crate::{Shape, Tensor};

fn shape(rest: &[Dim]) -> Shape {
    Shape([Dim::symbol("batch")].into_iter().chain(rest.iter().cloned()).collect())
}

fn numbers(rest: &[usize]) -> Shape {
    shape(&rest.iter().map(|&size| Dim::from(size)).collect::<Vec<_>>())
}

/// A network of one op over one input.
fn one(op: impl Into<Op>, from: Shape) -> Graph {
    let mut g = Graph::new("one");
    let x = g.input("x", Type::f32(from));
    let y = g.add("y", op, &[x]).unwrap();
    g.outputs.push(y);
    g
}

fn proto(g: &Graph) -> ModelProto {
    ModelProto::decode(export(g, &Metadata::default()).unwrap().as_slice()).unwrap()
}

#[test]
fn shapes_with_symbols_are_computed_where_they_cannot_be_copied() {
    let time = || Dim::symbol("time");
    let rows =
        |size: usize| Shape(vec![Dim::symbol("batch").times(&time()).unwrap(), Dim::from(size)]);
    let cases = [
        one(Reshape { shape: numbers(&[2, 3]) }, numbers(&[6])),
        one(
            Reshape { shape: shape(&[time(), Dim::from(6)]) },
            shape(&[time(), 2.into(), 3.into()]),
        ),
        one(Reshape { shape: rows(2) }, shape(&[time(), Dim::from(2)])),
        one(Reshape { shape: shape(&[Dim::from(2), time()]) }, shape(&[time(), Dim::from(2)])),
        one(Expand { shape: shape(&[time(), Dim::from(5)]) }, shape(&[time(), Dim::from(1)])),
        one(Expand { shape: shape(&[Dim::from(4), time()]) }, shape(&[Dim::from(1), time()])),
    ];
    for g in cases {
        let read = through_a_file(&g);
        assert_eq!(
            read.value(read.outputs[0]).kind,
            g.value(g.outputs[0]).kind,
            "{:?}",
            g.nodes[0]
        );
        assert_eq!(answers(&read), answers(&g));
    }
    // Two symbols that stand elsewhere: both come from the shape of the input.
    let mut g = Graph::new("unrow");
    let x = g.input("x", Type::f32(shape(&[time(), Dim::from(4)])));
    let y = g.add("rows", Reshape { shape: rows(4) }, &[x]).unwrap();
    let back = Shape(vec![time(), Dim::symbol("batch"), Dim::from(4)]);
    let y = g.add("back", Reshape { shape: back }, &[y]).unwrap();
    g.outputs.push(y);
    assert_eq!(answers(&through_a_file(&g)), answers(&g));
}

#[test]
fn names_of_parameters_inputs_and_outputs_stay() {
    let mut g = Graph::new("net");
    let x = g.input("fc", Type::f32(numbers(&[2])));
    let w = g.param("fc.weight", Role::Weight, Tensor::full(&[3, 2], 0.5)).unwrap();
    let y = g.add("fc", Gemm::linear(), &[x, w]).unwrap();
    let z = g.add("fc", Relu, &[y]).unwrap();
    g.outputs.extend([z, w, x, z]);
    let graph = *proto(&g).graph.unwrap();
    let names = |infos: &[ValueInfoProto]| -> Vec<String> {
        infos.iter().map(|info| info.name.clone().unwrap()).collect()
    };
    assert_eq!(names(&graph.input), ["fc"]);
    assert_eq!(names(&graph.output), ["fc_", "fc.weight_", "fc___", "fc____"]);
    assert_eq!(graph.initializer[0].name.as_deref(), Some("fc.weight"));
    assert_eq!(answers(&through_a_file(&g)), answers(&g));
}

#[test]
fn parameters_that_nothing_reads_are_left_out() {
    let mut g = one(Relu, numbers(&[2]));
    g.param("old", Role::Weight, Tensor::full(&[9], 0.0)).unwrap();
    assert_eq!(proto(&g).graph.unwrap().initializer, []);
}

#[test]
fn files_say_who_made_them_and_what_they_speak() {
    let model = proto(&one(Relu, numbers(&[2])));
    assert_eq!((model.ir_version, model.opset_import[0].version), (Some(8), Some(17)));
    assert_eq!(model.producer_name.as_deref(), Some("hoyer"));
    assert_eq!(model.producer_version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    let input = model.graph.unwrap().input.remove(0);
    let dims = input.r#type.unwrap().tensor_type.unwrap().shape.unwrap().dim;
    assert_eq!(dims[0].value, Some(DimensionValue::DimParam("batch".into())));
    assert_eq!(dims[1].value, Some(DimensionValue::DimValue(2)));
}

fn refusal(g: &Graph) -> String {
    export(g, &Metadata::default()).unwrap_err().to_string()
}

#[test]
fn what_only_training_has_is_refused_in_one_line() {
    let dropout = Dropout { training: true, ..Dropout::new(0.5, 1) };
    assert_eq!(
        refusal(&one(dropout, numbers(&[2]))),
        "node `y`: Dropout cannot be written as ONNX: it zeroes elements at random, export the network \
         without training"
    );
    let mut g = Graph::new("g");
    let [x, dy] = ["x", "dy"].map(|name| g.input(name, Type::f32(numbers(&[2]))));
    let y = g.add("back", ReluGradient, &[dy, x]).unwrap();
    g.outputs.push(y);
    assert_eq!(
        refusal(&g),
        "node `back`: ReluGradient cannot be written as ONNX: it belongs to training, export the network \
         without it"
    );
}

#[test]
fn sizes_that_no_input_has_are_refused() {
    let mut g = Graph::new("g");
    let w = g.param("w", Role::Constant, Tensor::full(&[1, 2], 1.0)).unwrap();
    let y = g.add("wide", Expand { shape: numbers(&[2]) }, &[w]).unwrap();
    g.outputs.push(y);
    let why = "its shape needs the size batch, which no input has";
    assert_eq!(refusal(&g), format!("node `wide`: Expand cannot be written as ONNX: {why}"));
}

#[test]
fn more_than_a_message_can_hold_is_refused() {
    let g = Graph::new("giant");
    assert!(check_size(&g, MAX_BYTES).is_ok());
    let error = check_size(&g, MAX_BYTES + 1).unwrap_err().to_string();
    assert_eq!(
        error,
        "graph `giant` takes 2147483648 bytes as ONNX, which holds at most 2147483647"
    );
}

#[test]
fn windows_with_holes_in_a_mean_are_refused() {
    let window = Window { dilations: vec![2], ..Window::new(&[2]) };
    let text = refusal(&one(AveragePool::new(window), numbers(&[1, 4])));
    assert!(text.ends_with("opset 17 has no dilations [2] for it"), "{text}");
}

#[test]
fn the_same_network_gives_the_same_bytes() {
    let g = one(Clip { min: None, max: Some(6.0) }, numbers(&[2]));
    assert_eq!(
        export(&g, &Metadata::default()).unwrap(),
        export(&g, &Metadata::default()).unwrap()
    );
    assert_eq!(through_a_file(&g).nodes[0].op, g.nodes[0].op);
}

#[test]
fn an_output_may_be_a_value_that_nothing_computes() {
    let mut g = Graph::new("g");
    let x: ValueId = g.input("x", Type::i64(numbers(&[2])));
    g.outputs.push(x);
    assert_eq!(through_a_file(&g).nodes[0].op, Identity.into());
}

/// Puts the op's output, as f32, beside the other outputs.
fn put(g: &mut Graph, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
    let y = g.add(name, op, inputs).unwrap();
    g.outputs.push(y);
    y
}

#[test]
fn integers_and_truth_values_come_back() {
    let mut g = Graph::new("types");
    let x = g.input("x", Type::f32(numbers(&[3, 4])));
    let whole = put(&mut g, "whole", Cast { to: DType::I64 }, &[x]);
    let table = Constant { dtype: DType::I64, shape: vec![2, 2], data: vec![2, -1, 0, 1] };
    let table = put(&mut g, "table", table, &[]);
    let mask = Constant { dtype: DType::Bool, shape: vec![4], data: vec![1, 0, 0, 1] };
    let mask = put(&mut g, "mask", mask, &[]);
    let two = Constant { dtype: DType::I64, shape: vec![], data: vec![2] };
    let two = g.add("two", two, &[]).unwrap();
    put(&mut g, "half", IntegerDiv, &[whole, two]);
    put(&mut g, "rest", Mod { sign_of_a: false }, &[whole, two]);
    let zero = g.param("zero", Role::Constant, Tensor::full(&[], 0.0)).unwrap();
    let above = put(&mut g, "above", Greater, &[x, zero]);
    let both = put(&mut g, "both", And, &[above, mask]);
    put(&mut g, "chosen", Where, &[both, x, zero]);
    put(&mut g, "not", Not, &[both]);
    let pads = Pad { pads: vec![0, 1, 0, 0, 0, 1], mode: PadMode::Constant, value: 0.0 };
    put(&mut g, "padded", pads, &[whole]);
    put(&mut g, "rows", Gather { axis: 1 }, &[whole, table]);
    put(&mut g, "picked", Select { axis: 2, indices: vec![3, 1] }, &[x]);
    for (name, op) in [
        ("max", Op::from(ReduceMax { axes: vec![1], keepdims: false })),
        ("min", ReduceMin { axes: vec![], keepdims: true }.into()),
        ("prod", ReduceProd { axes: vec![-1], keepdims: true }.into()),
        ("first", ArgMax { axis: 1, keepdims: false, last: false }.into()),
        ("last", ArgMin { axis: -1, keepdims: true, last: true }.into()),
        ("floor", Floor.into()),
        ("sine", Sin.into()),
    ] {
        put(&mut g, name, op, &[x]);
    }
    put(&mut g, "larger", Max, &[x, zero]);
    let read = through_a_file(&g);
    let kinds =
        |g: &Graph| -> Vec<Type> { g.outputs.iter().map(|id| g.value(*id).kind.clone()).collect() };
    assert_eq!(kinds(&read), kinds(&g));
    assert_eq!(answers(&read), answers(&g));
}

#[test]
fn a_normalization_without_a_scale_is_written_with_ones() {
    let g = one(Standardize { axis: -2, epsilon: 1e-3 }, numbers(&[3, 4]));
    let ones = &proto(&g).graph.unwrap().initializer[0];
    assert_eq!(ones.dims, [3, 4]);
    let read = through_a_file(&g);
    let (a, b) = (&answers(&read)[0], &answers(&g)[0]);
    assert!(a.data.iter().zip(&b.data).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} {b:?}");
}
