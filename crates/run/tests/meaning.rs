//! Programs compute what the graph means: every op against its f64 definition, and whole training graphs.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "meaning/compare.rs"]
mod compare;
#[path = "meaning/moves.rs"]
mod moves;
#[path = "meaning/training.rs"]
mod training;

use compare::*;
use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;
use std::slice::from_ref;
use std::sync::Arc;

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
fn a_limit_does_not_hide_a_nan() {
    for op in [Op::from(Relu), Clip { min: Some(0.0), max: Some(6.0) }.into()] {
        let mut g = Graph::new("nan");
        let x = g.input("x", Type::f32([2]));
        let sum = g.add("sum", Add, &[x, x]).unwrap();
        let y = g.add("limit", op, &[sum]).unwrap();
        let pool = Arc::new(Pool::new(1));
        let mut program = Program::compile(&g, &Bindings::new(), &[y], &pool).unwrap();
        program.input_mut(x).copy_from_slice(&[f32::NAN, -1.0]);
        program.run(&mut [], 0);
        assert!(program.value(y)[0].is_nan() && program.value(y)[1] == 0.0, "{:?}", g.nodes[1].op);
    }
}

#[test]
fn values_without_memory_for_them_are_refused() {
    let mut g = Graph::new("wide");
    let x = g.input("x", Type::f32([1, 1]));
    let shape = Shape(vec![Dim::from(1), Dim::from(1 << 50)]);
    let y = g.add("wide", Expand { shape }, &[x]).unwrap();
    let pool = Arc::new(Pool::new(1));
    let error = Program::compile(&g, &Bindings::new(), &[y], &pool).unwrap_err().to_string();
    assert!(error.contains("`wide`"), "{error}");
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
