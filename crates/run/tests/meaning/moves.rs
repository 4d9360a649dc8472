//! Ops that move, choose or blend numbers, and layers over time.

use std::slice::from_ref;

use hoyer_graph::check::Numbers;
use hoyer_graph::*;

use crate::compare::*;

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
            for training in [false, true] {
                let lstm = LSTM { training, ..LSTM::new(h, direction) };
                layer_over_time(lstm.clone(), &shapes(4, 0));
                layer_over_time(lstm, &shapes(4, 2));
            }
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
