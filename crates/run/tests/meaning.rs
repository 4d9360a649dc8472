//! Programs compute what the graph means: every op against its f64 definition, and whole training graphs.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;
use std::slice::from_ref;
use std::sync::Arc;

/// Compares `wanted` of the program with the graph's own evaluation, after two runs (buffers are reused), and
/// gives the bits.
fn compare(graph: &Graph, inputs: &[Array], wanted: &[ValueId], threads: usize) -> Vec<Vec<u32>> {
    let mut graph = graph.clone();
    let want = evaluate(&graph, inputs, wanted, 3).unwrap();
    let mut program =
        Program::compile(&graph, &sizes(&graph, inputs), wanted, &Arc::new(Pool::new(threads)))
            .unwrap();
    for _ in 0..2 {
        let mut params = graph.params.clone();
        for (id, array) in graph.inputs.iter().zip(inputs) {
            match graph.value(*id).kind.dtype {
                DType::F32 => {
                    let to = program.input_mut(*id).iter_mut();
                    to.zip(&array.data).for_each(|(to, x)| *to = *x as f32);
                }
                DType::I64 | DType::Bool => {
                    let to = program.labels_mut(*id).iter_mut();
                    to.zip(&array.data).for_each(|(to, x)| *to = *x as i64);
                }
            }
        }
        program.run(&mut params, 3);
        for (id, want) in wanted.iter().zip(&want) {
            let got = program.value(*id);
            assert_eq!(got.len(), want.data.len());
            for (i, (got, want)) in got.iter().zip(&want.data).enumerate() {
                let gap = (f64::from(*got) - want).abs() / want.abs().max(1.0);
                assert!(gap < 2e-4, "`{}` at {i}: {got}, need {want}", graph.value(*id).name);
            }
        }
    }
    graph.params.clear();
    wanted.iter().map(|id| program.value(*id).iter().map(|x| x.to_bits()).collect()).collect()
}

/// As [`compare`], on one and on two threads, which must agree to the bit.
fn compare_threads(graph: &Graph, inputs: &[Array], wanted: &[ValueId]) {
    let [one, two] = [1, 2].map(|threads| compare(graph, inputs, wanted, threads));
    assert!(one == two, "two threads change a bit");
}

fn sizes(graph: &Graph, inputs: &[Array]) -> Bindings {
    let mut sizes = Bindings::new();
    for (id, array) in graph.inputs.iter().zip(inputs) {
        for (dim, &size) in graph.value(*id).kind.shape.0.iter().zip(&array.shape) {
            if dim.fixed().is_none() {
                sizes.insert(dim.to_string(), size);
            }
        }
    }
    sizes
}

/// Runs one op over inputs of these types, with every output and every gradient.
fn op(op: impl Into<Op>, kinds: &[Type]) {
    let op = op.into();
    let mut numbers = Numbers(5);
    let mut g = Graph::new("op");
    let (mut arguments, mut given, mut wrt) = (Vec::new(), Vec::new(), Vec::new());
    for (i, kind) in kinds.iter().enumerate() {
        let shape = kind.shape.fixed().unwrap();
        let name = format!("x{i}");
        let tensor = numbers.tensor(&shape);
        if kind.dtype == DType::I64 {
            given.push(Array::from_fn(&shape, |_| numbers.index(3) as f64));
            arguments.push(g.input(&name, kind.clone()));
        } else if i == 0 {
            // Goes through a node, so that it may be computed in place.
            let x = g.param(&name, Role::Weight, tensor).unwrap();
            wrt.push(x);
            arguments.push(g.add("neg", Neg, &[x]).unwrap());
        } else {
            wrt.push(g.param(&name, Role::Weight, tensor).unwrap());
            arguments.push(wrt[wrt.len() - 1]);
        }
    }
    let outputs = g.add_all("op", op, &arguments).unwrap();
    let y = g.add("relu", Relu, &[outputs[0]]).unwrap();
    let shape = g.value(y).kind.shape.fixed().unwrap();
    let weighting = g.param("weighting", Role::Constant, numbers.tensor(&shape)).unwrap();
    let weighted = g.add("weighted", Mul, &[y, weighting]).unwrap();
    let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[weighted]).unwrap();
    let gradients = gradient(&mut g, loss, &wrt).unwrap();
    let wanted: Vec<ValueId> = gradients.into_iter().chain([y, loss]).collect();
    compare_threads(&g, &given, &wanted);
}

fn t<const N: usize>(shape: [usize; N]) -> Type {
    Type::f32(shape)
}

#[test]
fn arithmetic_computes_its_meaning() {
    for (a, b) in [(t([3, 5]), t([3, 5])), (t([3, 5]), t([5])), (t([3, 5]), t([3, 1]))] {
        op(Add, &[a.clone(), b.clone()]);
        op(Sub, &[a.clone(), b.clone()]);
        op(Mul, &[a.clone(), b.clone()]);
        op(Div, &[a, b]);
    }
    op(Mul, &[t([70, 300]), t([70, 300])]);
    op(Mul, &[t([7, 3]), Type::f32(Shape::scalar())]);
}

#[test]
fn broadcasts_compute_their_meaning() {
    for (a, b) in [
        (t([4, 3, 5, 7]), t([1, 3, 1, 1])),
        (t([1, 3, 1, 1]), t([4, 3, 5, 7])),
        (t([4, 1, 5, 1]), t([3, 1, 7])),
        (t([3, 70, 90]), t([3, 70, 1])),
        (t([1]), t([1, 1])),
    ] {
        op(Add, &[a.clone(), b.clone()]);
        op(Sub, &[a.clone(), b.clone()]);
        op(Mul, &[a.clone(), b.clone()]);
        op(Div, &[a, b]);
    }
    op(Expand { shape: Shape::from([4, 3, 5, 7]) }, &[t([3, 1, 7])]);
    op(Expand { shape: Shape::from([3, 1, 5]) }, &[t([2, 3, 7, 5])]);
}

#[test]
fn activations_compute_their_meaning() {
    let shapes = [t([3]), t([1]), t([3, 7, 11]), t([5, 4001])];
    for shape in shapes {
        op(Neg, from_ref(&shape));
        op(Relu, from_ref(&shape));
        op(Sigmoid, from_ref(&shape));
        op(Tanh, from_ref(&shape));
        op(LeakyRelu { alpha: 0.1 }, from_ref(&shape));
        op(LeakyRelu { alpha: -0.5 }, from_ref(&shape));
        op(Clip { min: Some(-0.25), max: Some(0.5) }, from_ref(&shape));
        op(Clip { min: None, max: Some(0.125) }, from_ref(&shape));
        op(Dropout { ratio: 0.3, seed: 9, training: true }, &[shape]);
    }
}

#[test]
fn curves_compute_their_meaning() {
    for shape in [t([3]), t([1]), t([3, 7, 11]), t([5, 4001])] {
        let on = from_ref(&shape);
        op(Exp, on);
        op(Abs, on);
        op(Reciprocal, on);
        op(Erf, on);
        op(Gelu { approximate: GeluForm::None }, on);
        op(Gelu { approximate: GeluForm::Tanh }, on);
        op(HardSigmoid { alpha: 0.3, beta: 0.45 }, on);
        op(HardSwish, on);
        op(Elu { alpha: 0.7 }, on);
        op(Selu { alpha: 1.67, gamma: 1.05 }, on);
        op(Softplus, on);
    }
    for shape in [t([3, 5]), t([5]), t([3, 1])] {
        op(PRelu, &[t([3, 5]), shape]);
    }
}

/// Runs an op with its gradients where all inputs are positive.
fn op_of_positive(op: impl Into<Op>, shapes: &[&[usize]]) {
    let mut numbers = Numbers(7);
    let mut g = Graph::new("op");
    let mut wrt = Vec::new();
    for (i, shape) in shapes.iter().enumerate() {
        let mut tensor = numbers.tensor(shape);
        tensor.data_mut().iter_mut().for_each(|x| *x = x.abs() + 0.25);
        wrt.push(g.param(&format!("x{i}"), Role::Weight, tensor).unwrap());
    }
    let y = g.add("op", op, &wrt).unwrap();
    let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[y]).unwrap();
    let gradients = gradient(&mut g, loss, &wrt).unwrap();
    let wanted: Vec<ValueId> = gradients.into_iter().chain([y]).collect();
    compare_threads(&g, &[], &wanted);
}

#[test]
fn roots_logarithms_and_powers_compute_their_meaning() {
    op_of_positive(Sqrt, &[&[70, 300]]);
    op_of_positive(Log, &[&[70, 300]]);
    op_of_positive(Pow, &[&[7, 3], &[7, 3]]);
    op_of_positive(Pow, &[&[7, 1], &[2, 1, 3]]);
    for exponent in [2.0, 0.5, 3.0] {
        let mut g = Graph::new("power");
        let x = g.param("x", Role::Weight, Numbers(3).tensor(&[7, 3])).unwrap();
        let square = g.add("square", Mul, &[x, x]).unwrap();
        let exponent = g.param("b", Role::Constant, Tensor::full(&[], exponent)).unwrap();
        let y = g.add("power", Pow, &[square, exponent]).unwrap();
        let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[y]).unwrap();
        let dx = gradient(&mut g, loss, &[x]).unwrap()[0];
        compare_threads(&g, &[], &[dx, y]);
    }
}

#[test]
fn moves_compute_their_meaning() {
    let slice = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        let [starts, ends, axes, steps] = [starts, ends, axes, steps].map(<[i64]>::to_vec);
        Slice { starts, ends, axes, steps }
    };
    let image = t([2, 3, 9, 8]);
    op(slice(&[0, 0], &[i64::MAX, i64::MAX], &[2, 3], &[2, 2]), from_ref(&image));
    op(slice(&[1], &[3], &[1], &[1]), from_ref(&image));
    op(slice(&[-1, 6], &[i64::MIN, 0], &[-1, 2], &[-1, -3]), from_ref(&image));
    op(slice(&[5, 1], &[6, 8], &[2, 3], &[i64::MAX, 3]), from_ref(&image));
    op(slice(&[2], &[90_000], &[0], &[7]), &[t([40_001])]);
    op(Pad::zeros(&[0, 1, 2, 3, 1, 0, 4, 2]), from_ref(&image));
    op(Pad::zeros(&[0, 5, 0, 0, 0, 6, 0, 0]), from_ref(&image));
    for mode in [PadMode::Reflect, PadMode::Edge] {
        op(Pad { pads: vec![0, 1, 2, 3, 1, 0, 4, 2], mode, value: 0.0 }, &[t([2, 3, 9, 8])]);
    }
    for perm in [[0, 2, 3, 1], [3, 2, 1, 0], [1, 0, 2, 3], [0, 1, 3, 2]] {
        op(Transpose { perm: perm.to_vec() }, from_ref(&image));
    }
    op(Transpose { perm: vec![1, 0] }, &[t([130, 257])]);
    op(Concat { axis: 1 }, &[image.clone(), t([2, 1, 9, 8]), t([2, 4, 9, 8])]);
    op(Concat { axis: -1 }, &[t([300, 40]), t([300, 33])]);
    op(Concat { axis: 0 }, &[image]);
}

#[test]
fn choices_compute_their_meaning() {
    for (axis, indices) in [(1, vec![2, 0, 2]), (-1, vec![70]), (0, vec![1, 0, 1, 1])] {
        let mut g = Graph::new("select");
        let x = g.param("x", Role::Weight, Numbers(3).tensor(&[2, 5, 71])).unwrap();
        let y = g.add("select", Select { axis, indices }, &[x]).unwrap();
        let square = g.add("square", Mul, &[y, y]).unwrap();
        let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[square]).unwrap();
        let dx = gradient(&mut g, loss, &[x]).unwrap()[0];
        compare_threads(&g, &[], &[y, dx]);
    }
}

#[test]
fn resizes_compute_their_meaning() {
    let axis = |axis, scale, size| ResizeAxis { axis, scale, size };
    let axes = [
        vec![axis(2, 1.75, None), axis(3, 0.6, None)],
        vec![axis(3, 2.0, Some(16))],
        vec![axis(1, 2.0, None), axis(2, 0.5, Some(4)), axis(3, 1.5, Some(12)), axis(0, 2.0, None)],
    ];
    for axes in axes {
        for mode in [ResizeMode::Nearest, ResizeMode::Linear, ResizeMode::Cubic] {
            for coordinates in [ResizeCoordinates::HalfPixel, ResizeCoordinates::AlignCorners] {
                let plain = Resize::repeated(&[], 1);
                op(Resize { axes: axes.clone(), mode, coordinates, ..plain }, &[t([2, 3, 9, 8])]);
            }
        }
    }
    op(Resize::repeated(&[2, 3], 2), &[t([2, 3, 65, 140])]);
    op(Resize::repeated(&[0], 2), &[t([2, 20_000])]);
    op(Resize::repeated(&[], 2), &[t([2, 3])]);
}

/// A recurrent layer with all it gives, and every gradient through all of that.
fn layer_over_time(op: impl Into<Op>, shapes: &[Vec<usize>]) {
    let (mut g, mut numbers) = (Graph::new("layer"), Numbers(5));
    let mut inputs = Vec::new();
    for (i, shape) in shapes.iter().enumerate() {
        let mut tensor = numbers.tensor(shape);
        tensor.data_mut().iter_mut().for_each(|x| *x *= 0.5);
        inputs.push(g.param(&format!("x{i}"), Role::Weight, tensor).unwrap());
    }
    let outputs = g.add_all("layer", op, &inputs).unwrap();
    let mut loss = g.param("zero", Role::Constant, Tensor::full(&[], 0.0)).unwrap();
    for (i, output) in outputs.iter().enumerate() {
        let weighting = numbers.tensor(&g.value(*output).kind.shape.fixed().unwrap());
        let weighting = g.param(&format!("w{i}"), Role::Constant, weighting).unwrap();
        let y = g.add("weighted", Mul, &[*output, weighting]).unwrap();
        let sum = g.add("sum", ReduceSum { axes: vec![], keepdims: false }, &[y]).unwrap();
        loss = g.add("loss", Add, &[loss, sum]).unwrap();
    }
    let gradients = gradient(&mut g, loss, &inputs).unwrap();
    let wanted: Vec<ValueId> = gradients.into_iter().chain(outputs).collect();
    compare_threads(&g, &[], &wanted);
}

#[test]
fn layers_over_time_compute_their_meaning() {
    for direction in [Direction::Forward, Direction::Reverse, Direction::Bidirectional] {
        for [steps, batch, input, h] in [[5, 3, 4, 7], [1, 1, 1, 1], [6, 17, 33, 20]] {
            let d = direction.count();
            let shapes = |gates: usize, states: usize| {
                let rows = gates * h;
                let layer = [
                    vec![steps, batch, input],
                    vec![d, rows, input],
                    vec![d, rows, h],
                    vec![d, 2 * rows],
                ];
                [layer.to_vec(), vec![vec![d, batch, h]; states]].concat()
            };
            let lstm = LSTM { hidden_size: h, direction };
            layer_over_time(lstm.clone(), &shapes(4, 0));
            layer_over_time(lstm, &shapes(4, 2));
            for linear_before_reset in [false, true] {
                let gru = GRU { hidden_size: h, direction, linear_before_reset };
                layer_over_time(gru.clone(), &shapes(3, 0));
                layer_over_time(gru, &shapes(3, 1));
            }
        }
    }
}

#[test]
fn splits_compute_their_meaning() {
    for (axis, sizes) in [(1, vec![2, 0, 3]), (-1, vec![70, 1]), (0, vec![2])] {
        let mut g = Graph::new("split");
        let x = g.param("x", Role::Weight, Numbers(3).tensor(&[2, 5, 71])).unwrap();
        let parts = g.add_all("split", Split { axis, sizes }, &[x]).unwrap();
        let square = g.add("square", Mul, &[parts[0], parts[0]]).unwrap();
        let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[square]).unwrap();
        let dx = gradient(&mut g, loss, &[x]).unwrap()[0];
        let wanted: Vec<ValueId> = parts.into_iter().chain([dx]).collect();
        compare_threads(&g, &[], &wanted);
    }
}

#[test]
fn products_compute_their_meaning() {
    op(Gemm::linear(), &[t([9, 33]), t([7, 33]), t([7])]);
    op(Gemm::transposed(true, false), &[t([33, 9]), t([33, 7])]);
    op(Gemm { alpha: 0.5, ..Gemm::linear() }, &[t([9, 33]), t([7, 33]), t([7])]);
    op(MatMul, &[t([2, 3, 4]), t([4, 5])]);
}

#[test]
fn convolutions_compute_their_meaning() {
    let conv = |window: Window, group: usize| Conv { window, group };
    op(conv(Window::new(&[5, 5]), 1), &[t([3, 2, 13, 14]), t([7, 2, 5, 5]), t([7])]);
    op(conv(Window::square(3, 2, 1), 1), &[t([2, 3, 9, 8]), t([4, 3, 3, 3])]);
    op(conv(Window::square(3, 1, 1), 4), &[t([2, 4, 9, 8]), t([4, 1, 3, 3]), t([4])]);
    op(conv(Window::new(&[3]), 1), &[t([2, 3, 11]), t([4, 3, 3]), t([4])]);
}

#[test]
fn transposed_convolutions_compute_their_meaning() {
    let transposed = |window: Window, group: usize, output_padding: &[usize]| ConvTranspose {
        window,
        group,
        output_padding: output_padding.to_vec(),
    };
    let (x, b) = (t([2, 4, 9, 8]), t([6]));
    let w = t([4, 6, 3, 3]);
    op(transposed(Window::square(3, 2, 1), 1, &[1, 0]), &[x.clone(), w.clone(), b.clone()]);
    op(transposed(Window::square(3, 1, 1), 1, &[0, 0]), &[x.clone(), w]);
    op(transposed(Window::square(2, 2, 0), 1, &[0, 0]), &[x.clone(), t([4, 6, 2, 2]), b.clone()]);
    op(transposed(Window::square(3, 2, 1), 2, &[0, 0]), &[x, t([4, 3, 3, 3]), b]);
    op(transposed(Window::new(&[3]), 1, &[0]), &[t([2, 3, 11]), t([3, 4, 3]), t([4])]);
}

#[test]
fn normalizations_of_a_sample_compute_their_meaning() {
    let epsilon = 0.01;
    for axis in [1, 2, -1] {
        let place = if axis < 0 { 2 } else { axis as usize };
        let scale = || Type::f32(&[7, 37][place - 1..]);
        let layer = LayerNormalization { axis, epsilon };
        op(layer.clone(), &[t([3, 7, 37]), scale(), scale()]);
        op(layer, &[t([3, 7, 37]), scale()]);
        op(Standardize { axis, epsilon }, &[t([3, 7, 37])]);
    }
    op(LayerNormalization { axis: -1, epsilon }, &[t([400, 96]), t([96]), t([96])]);
    for (shape, num_groups) in [(t([2, 6, 9, 8]), 3), (t([3, 6, 5]), 1), (t([2, 6, 70, 50]), 2)] {
        op(InstanceNormalization { epsilon }, &[shape.clone(), t([6]), t([6])]);
        op(GroupNormalization { num_groups, epsilon }, &[shape, t([6]), t([6])]);
    }
}

#[test]
fn pools_compute_their_meaning() {
    op(MaxPool::new(Window { strides: vec![2, 2], ..Window::new(&[2, 2]) }), &[t([2, 3, 8, 10])]);
    op(MaxPool::new(Window { strides: vec![2, 2], ..Window::new(&[2, 2]) }), &[t([2, 3, 7, 5])]);
    op(MaxPool::new(Window::square(3, 2, 1)), &[t([2, 3, 7, 5])]);
    op(MaxPool::new(Window { strides: vec![2, 1], ..Window::new(&[3, 2]) }), &[t([2, 3, 7, 5])]);
    op(GlobalAveragePool, &[t([2, 3, 7, 5])]);
}

#[test]
fn a_pool_does_not_hide_a_nan() {
    for window in [Window { strides: vec![2, 2], ..Window::new(&[2, 2]) }, Window::square(3, 1, 1)]
    {
        for at in 0..4 {
            let mut g = Graph::new("nan");
            let x = g.input("x", Type::f32([1, 1, 2, 2]));
            let y = g.add("pool", MaxPool::new(window.clone()), &[x]).unwrap();
            let pool = Arc::new(Pool::new(1));
            let mut program = Program::compile(&g, &Bindings::new(), &[y], &pool).unwrap();
            program.input_mut(x).copy_from_slice(&[3.0, 1.0, 4.0, 1.0]);
            program.input_mut(x)[at] = f32::NAN;
            program.run(&mut g.params, 0);
            assert!(program.value(y).iter().all(|y| y.is_nan()), "{window:?}, NaN at {at}");
        }
    }
}

#[test]
fn pools_of_any_window_compute_their_meaning() {
    let window = |kernel: [usize; 2], stride: usize, pads: [usize; 4], dilation: usize| Window {
        strides: vec![stride; 2],
        pads: pads.to_vec(),
        dilations: vec![dilation; 2],
        ..Window::new(&kernel)
    };
    let windows = [
        window([3, 3], 2, [1; 4], 1),
        window([3, 2], 1, [1, 0, 2, 1], 1),
        window([2, 2], 2, [0; 4], 1),
        window([3, 3], 3, [1, 2, 0, 1], 2),
        window([5, 1], 2, [3, 0, 4, 0], 1),
    ];
    for ceil_mode in [false, true] {
        for window in &windows {
            let window = || window.clone();
            for shape in [t([2, 3, 9, 8]), t([1, 70, 11, 13])] {
                op(MaxPool { window: window(), ceil_mode }, from_ref(&shape));
                for count_include_pad in [false, true] {
                    let pool = AveragePool { window: window(), ceil_mode, count_include_pad };
                    op(pool, from_ref(&shape));
                }
            }
        }
        let line = Window { strides: vec![2], pads: vec![1, 0], ..Window::new(&[3]) };
        op(MaxPool { window: line.clone(), ceil_mode }, &[t([2, 3, 11])]);
        op(AveragePool { ceil_mode, ..AveragePool::new(line) }, &[t([2, 3, 12])]);
    }
    op(AveragePool::new(Window::new(&[2, 2, 2])), &[t([1, 2, 3, 4, 3])]);
}

#[test]
fn stacks_of_products_compute_their_meaning() {
    for (a, b) in [
        (t([9, 33]), t([33, 7])),
        (t([3, 9, 33]), t([33, 7])),
        (t([3, 9, 17]), t([3, 17, 5])),
        (t([5, 4, 9, 17]), t([5, 4, 17, 33])),
        (t([5, 1, 9, 17]), t([4, 17, 3])),
        (t([1, 2, 3]), t([1, 3, 1])),
    ] {
        op(MatMul, &[a, b]);
    }
}

#[test]
fn softmaxes_and_losses_compute_their_meaning() {
    op(Softmax { axis: -1 }, &[t([4, 10])]);
    op(LogSoftmax { axis: 1 }, &[t([4, 10])]);
    for shape in [t([4, 10]), t([2, 130]), t([3, 1])] {
        op(Softmax { axis: 0 }, from_ref(&shape));
        op(LogSoftmax { axis: -2 }, &[shape]);
    }
    op(Softmax { axis: 1 }, &[t([3, 5, 7, 11])]);
    op(LogSoftmax { axis: 1 }, &[t([3, 5, 7, 11])]);
    op(SoftmaxCrossEntropyLoss, &[t([4, 10]), Type::i64([4])]);
}

#[test]
fn sums_and_shapes_compute_their_meaning() {
    for axes in [vec![], vec![0], vec![1], vec![0, 2], vec![1, 2], vec![0, 2, 3], vec![2]] {
        let rank = if axes.contains(&3) { 4 } else { 3 };
        let kind = if rank == 4 { t([3, 4, 5, 2]) } else { t([3, 4, 5]) };
        op(ReduceSum { axes: axes.clone(), keepdims: false }, from_ref(&kind));
        op(ReduceMean { axes, keepdims: true }, &[kind]);
    }
    op(ReduceMean { axes: vec![1, 3], keepdims: false }, &[t([3, 4, 5, 2])]);
    op(ReduceMean { axes: vec![0], keepdims: false }, &[t([257, 131])]);
    op(ReduceMean { axes: vec![], keepdims: false }, &[t([257, 131])]);
    op(GlobalAveragePool, &[t([9, 70, 8, 8])]);
    op(Flatten { axis: 1 }, &[t([3, 4, 5])]);
    op(Squeeze { axes: vec![1] }, &[t([3, 1, 5])]);
    op(Unsqueeze { axes: vec![0, -1] }, &[t([3, 5])]);
    op(Transpose { perm: vec![1, 0, 2] }, &[t([3, 4, 5])]);
    op(Dropout { ratio: 0.3, seed: 9, training: true }, &[t([3, 40])]);
}

/// Batch normalization of an input of this shape, with all it gives and every gradient.
fn normalization(shape: &[usize], training: bool) {
    let mut numbers = Numbers(shape.len() as u64);
    let mut g = Graph::new("normalization");
    let mut p = |g: &mut Graph, name: &str, shape: &[usize], offset: f32| {
        let mut tensor = numbers.tensor(shape);
        tensor.data_mut().iter_mut().for_each(|x| *x += offset);
        g.param(name, Role::Weight, tensor).unwrap()
    };
    let channels = &shape[1..2];
    let x = p(&mut g, "x", shape, 3.0);
    let (scale, shift) = (p(&mut g, "scale", channels, 0.5), p(&mut g, "shift", channels, 0.0));
    let (mean, var) = (p(&mut g, "mean", channels, 3.0), p(&mut g, "var", channels, 3.0));
    let weighting = p(&mut g, "weighting", shape, 0.0);
    let within = g.add("neg", Neg, &[x]).unwrap();
    let within = g.add("neg again", Neg, &[within]).unwrap();
    let op = BatchNormalization { training, momentum: 0.75, ..BatchNormalization::default() };
    let outputs = g.add_all("norm", op, &[within, scale, shift, mean, var]).unwrap();
    let weighted = g.add("weighted", Mul, &[outputs[0], weighting]).unwrap();
    let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[weighted]).unwrap();
    let wrt = if training { vec![x, scale, shift] } else { vec![x, scale, shift, mean, var] };
    let mut wanted = gradient(&mut g, loss, &wrt).unwrap();
    // Without the output itself: then it may be written into the input's memory.
    wanted.extend(outputs[1..].iter().copied().chain([loss]));
    compare_threads(&g, &[], &wanted);
}

#[test]
fn batch_normalization_computes_its_meaning() {
    for training in [true, false] {
        for shape in
            [&[4, 3, 5, 7][..], &[2, 9, 1, 1], &[6, 1, 33, 40], &[3, 70, 4, 4], &[5, 4, 13]]
        {
            normalization(shape, training);
        }
        for shape in [[7, 5], [64, 33], [2, 1]] {
            normalization(&shape, training);
        }
    }
}

#[test]
fn batch_normalization_keeps_its_digits_far_from_zero() {
    let mut g = Graph::new("far");
    let x = Tensor::new(&[4, 1, 2], (0..8).map(|i| 10_000.0 + 0.25 * (i % 4) as f32).collect());
    let x = g.param("x", Role::Weight, x.unwrap()).unwrap();
    let p = |g: &mut Graph, name: &str, value| {
        g.param(name, Role::Weight, Tensor::full(&[1], value)).unwrap()
    };
    let (scale, shift) = (p(&mut g, "scale", 1.0), p(&mut g, "shift", 0.0));
    let (mean, var) = (p(&mut g, "mean", 0.0), p(&mut g, "var", 1.0));
    let op = BatchNormalization { training: true, ..BatchNormalization::default() };
    let outputs = g.add_all("norm", op, &[x, scale, shift, mean, var]).unwrap();
    compare(&g, &[], &[outputs[0], outputs[4]], 2);
}

/// A small LeNet with its loss and all gradients.
fn lenet(g: &mut Graph) -> Vec<ValueId> {
    let mut numbers = Numbers(3);
    let mut p = |g: &mut Graph, name: &str, shape: &[usize]| {
        let mut tensor = numbers.tensor(shape);
        tensor.data_mut().iter_mut().for_each(|x| *x *= 0.2);
        g.param(name, Role::Weight, tensor).unwrap()
    };
    let batch = || Dim::symbol("batch");
    let x = g.input("x", Type::f32(Shape(vec![batch(), 1.into(), 16.into(), 16.into()])));
    let labels = g.input("labels", Type::i64(Shape(vec![batch()])));
    let (w1, b1) = (p(g, "w1", &[6, 1, 5, 5]), p(g, "b1", &[6]));
    let (w2, b2) = (p(g, "w2", &[9, 6, 3, 3]), p(g, "b2", &[9]));
    let (w3, b3) = (p(g, "w3", &[5, 36]), p(g, "b3", &[5]));
    let pool = || MaxPool::new(Window { strides: vec![2, 2], ..Window::new(&[2, 2]) });
    let y = g.add("conv1", Conv::new(Window::new(&[5, 5])), &[x, w1, b1]).unwrap();
    let y = g.add("relu1", Relu, &[y]).unwrap();
    let y = g.add("pool1", pool(), &[y]).unwrap();
    let y = g.add("conv2", Conv::new(Window::new(&[3, 3])), &[y, w2, b2]).unwrap();
    let y = g.add("relu2", Relu, &[y]).unwrap();
    let y = g.add("pool2", pool(), &[y]).unwrap();
    let y = g.add("flatten", Flatten { axis: 1 }, &[y]).unwrap();
    let y = g.add("fc", Gemm::linear(), &[y, w3, b3]).unwrap();
    let loss = g.add("loss", SoftmaxCrossEntropyLoss, &[y, labels]).unwrap();
    let mut wanted = gradient(g, loss, &[w1, b1, w2, b2, w3, b3]).unwrap();
    wanted.extend([loss, y]);
    wanted
}

fn lenet_inputs(batch: usize) -> [Array; 2] {
    let mut numbers = Numbers(11);
    let x = Array::from_fn(&[batch, 1, 16, 16], |_| numbers.number());
    [x, Array::from_fn(&[batch], |i| (i % 5) as f64)]
}

#[test]
fn a_whole_training_step_computes_its_meaning() {
    let mut g = Graph::new("lenet");
    let wanted = lenet(&mut g);
    for batch in [1, 7, 20] {
        compare(&g, &lenet_inputs(batch), &wanted, 2);
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let mut g = Graph::new("lenet");
    let wanted = lenet(&mut g);
    let inputs = lenet_inputs(33);
    let run = |threads: usize| -> Vec<Vec<u32>> {
        let pool = Arc::new(Pool::new(threads));
        let mut program = Program::compile(&g, &sizes(&g, &inputs), &wanted, &pool).unwrap();
        let x: Vec<f32> = inputs[0].data.iter().map(|&x| x as f32).collect();
        program.input_mut(g.inputs[0]).copy_from_slice(&x);
        let labels: Vec<i64> = inputs[1].data.iter().map(|&x| x as i64).collect();
        program.labels_mut(g.inputs[1]).copy_from_slice(&labels);
        program.run(&mut g.params.clone(), 0);
        wanted.iter().map(|id| program.value(*id).iter().map(|x| x.to_bits()).collect()).collect()
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(3));
}
