//! Batch normalization and whole training steps.

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;
use std::sync::Arc;

use crate::compare::*;

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
fn a_pool_behind_a_normalization_and_its_limits_computes_its_meaning() {
    let mut g = Graph::new("vgg");
    let mut numbers = Numbers(5);
    let mut p = |g: &mut Graph, name: &str, shape: &[usize], offset: f32| {
        let mut tensor = numbers.tensor(shape);
        tensor.data_mut().iter_mut().for_each(|x| *x = 0.2 * *x + offset);
        g.param(name, Role::Weight, tensor).unwrap()
    };
    let x = p(&mut g, "x", &[2, 3, 8, 8], 0.0);
    let w = p(&mut g, "w", &[5, 3, 3, 3], 0.0);
    let (scale, shift) = (p(&mut g, "scale", &[5], 1.0), p(&mut g, "shift", &[5], 0.0));
    let (mean, var) = (p(&mut g, "mean", &[5], 0.0), p(&mut g, "var", &[5], 1.0));
    let weighting = p(&mut g, "weighting", &[2, 5, 4, 4], 0.0);
    let y = g.add("conv", Conv::new(Window::square(3, 1, 1)), &[x, w]).unwrap();
    let norm = BatchNormalization { training: true, ..BatchNormalization::default() };
    let y = g.add_all("norm", norm, &[y, scale, shift, mean, var]).unwrap()[0];
    let y = g.add("relu", Relu, &[y]).unwrap();
    let y = g.add("pool", MaxPool::new(Window::square(2, 2, 0)), &[y]).unwrap();
    let y = g.add("weighted", Mul, &[y, weighting]).unwrap();
    let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[y]).unwrap();
    let mut wanted = gradient(&mut g, loss, &[x, w, scale, shift]).unwrap();
    wanted.push(loss);
    compare_threads(&g, &[], &wanted);
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
