//! A step allocates nothing.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Inference, Program, Wanted};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Runs ten times, and counts what the last seven runs allocate.
fn allocations(mut program: Program, g: &Graph) -> usize {
    let mut params = g.params.clone();
    for step in 0..3 {
        program.run(&mut params, step);
    }
    let region = Region::new(ALLOCATOR);
    for step in 3..10 {
        program.run(&mut params, step);
    }
    region.change().allocations
}

fn compiled(g: &Graph, wanted: &[ValueId]) -> Program {
    Program::compile(g, &Bindings::new(), wanted, &Arc::new(Pool::new(2))).unwrap()
}

/// Masks every other weight, and makes all layers sparse.
fn masked(g: &mut Graph, wanted: &[ValueId]) -> Program {
    for param in g.params.iter_mut().filter(|param| param.name.starts_with('w')) {
        let w = param.tensor.data_mut();
        w.iter_mut().step_by(2).for_each(|w| *w = 0.0);
        param.mask = Some((0..w.len()).map(|i| i % 2 == 1).collect());
    }
    let learned = g.params.iter().enumerate().filter(|(_, param)| param.mask.is_some());
    let of = |name: &str| {
        let reads = |node: &&Node| node.inputs.iter().any(|id| g.value(*id).name == name);
        let layer = g.nodes.iter().find(reads).unwrap();
        let own = |id: &&ValueId| g.value(**id).name.starts_with(&layer.name);
        let shape = |id: &ValueId| g.value(*id).kind.shape.clone();
        let w = layer.inputs[1];
        *wanted.iter().filter(own).find(|id| shape(id) == shape(&w)).unwrap()
    };
    let gradients: Vec<_> = learned.map(|(i, param)| (ParamId(i), of(&param.name))).collect();
    let (outputs, pool) = (wanted, Arc::new(Pool::new(2)));
    let wanted = Wanted { outputs, gradients: &gradients };
    let (program, plan) =
        Program::masked(g, &Bindings::new(), wanted, &pool, Choice::Sparse).unwrap();
    assert!(plan.steps.len() == gradients.len() && plan.steps.len() >= 2, "{plan}");
    program
}

/// One test, as the allocator counts for all threads together.
#[test]
fn training_steps_allocate_nothing_after_the_first() {
    for (name, (mut g, wanted)) in [("perceptron", perceptron()), ("residual", residual())] {
        assert_eq!(allocations(compiled(&g, &wanted), &g), 0, "{name}");
        assert_eq!(allocations(masked(&mut g, &wanted), &g), 0, "{name} under masks");
    }
    for choice in [Choice::Dense, Choice::Sparse] {
        assert_eq!(allocations_of_answers(choice), 0, "{choice:?}");
    }
}

/// Counts what the runs of a network that only answers allocate.
fn allocations_of_answers(choice: Choice) -> usize {
    let (mut g, _) = residual();
    g.updates.clear();
    let logits = g.nodes.iter().find(|node| node.name == "fc").unwrap().outputs[0];
    let (answering, at) = (answering(&g, logits), Arc::new(Pool::new(2)));
    let mut net = Inference::compile(&answering, &Bindings::new(), &at, choice).unwrap();
    net.run();
    let region = Region::new(ALLOCATOR);
    (0..5).for_each(|_| net.run());
    region.change().allocations
}

/// The nodes up to a value, with stored statistics.
fn answering(g: &Graph, output: ValueId) -> Graph {
    let mut g = g.clone();
    let end = g.nodes.iter().position(|node| node.outputs.contains(&output)).unwrap();
    g.nodes.truncate(end + 1);
    for node in &mut g.nodes {
        match &mut node.op {
            Op::BatchNormalization(norm) => norm.training = false,
            Op::Dropout(dropout) => dropout.training = false,
            _ => continue,
        }
        node.outputs.truncate(1);
    }
    g.outputs = vec![output];
    g
}

fn perceptron() -> (Graph, Vec<ValueId>) {
    let mut numbers = Numbers(3);
    let mut g = Graph::new("mlp");
    let x = g.input("x", Type::f32([64, 784]));
    let labels = g.input("labels", Type::i64([64]));
    let w1 = g.param("w1", Role::Weight, numbers.tensor(&[300, 784])).unwrap();
    let w2 = g.param("w2", Role::Weight, numbers.tensor(&[10, 300])).unwrap();
    let y = g.add("fc1", Gemm::linear(), &[x, w1]).unwrap();
    let y = g.add("relu", Relu, &[y]).unwrap();
    let y = g.add("fc2", Gemm::linear(), &[y, w2]).unwrap();
    let loss = g.add("loss", SoftmaxCrossEntropyLoss, &[y, labels]).unwrap();
    let wanted = gradient(&mut g, loss, &[w1, w2]).unwrap();
    (g, wanted)
}

/// Normalizes and takes the parameters that learn into `learned`.
fn normalized(g: &mut Graph, name: &str, x: ValueId, learned: &mut Vec<ValueId>) -> ValueId {
    let channels = g.value(x).kind.shape.fixed().unwrap()[1];
    let mut p = |part: &str, role: Role, value: f32| {
        let tensor = Tensor::full(&[channels], value);
        g.param(&format!("{name}.{part}"), role, tensor).unwrap()
    };
    let (scale, shift) = (p("scale", Role::NormScale, 1.0), p("shift", Role::NormShift, 0.0));
    let (mean, var) = (p("mean", Role::Statistic, 0.0), p("var", Role::Statistic, 1.0));
    learned.extend([scale, shift]);
    g.add(name, BatchNormalization::default(), &[x, scale, shift, mean, var]).unwrap()
}

/// A residual block that halves the image and doubles the channels, between pools and a dropout.
fn residual() -> (Graph, Vec<ValueId>) {
    let mut numbers = Numbers(4);
    let mut g = Graph::new("residual");
    let mut learned = Vec::new();
    let x = g.input("x", Type::f32([8, 3, 16, 16]));
    let labels = g.input("labels", Type::i64([8]));
    let mut w = |g: &mut Graph, name: &str, shape: &[usize]| {
        g.param(name, Role::Weight, numbers.tensor(shape)).unwrap()
    };
    let (w1, w2, w3) = (
        w(&mut g, "w1", &[6, 3, 3, 3]),
        w(&mut g, "w2", &[12, 6, 3, 3]),
        w(&mut g, "w3", &[10, 24]),
    );
    learned.extend([w1, w2, w3]);
    let y = g.add("conv1", Conv::new(Window::square(3, 1, 1)), &[x, w1]).unwrap();
    let y = normalized(&mut g, "norm1", y, &mut learned);
    let y = g.add("relu1", Relu, &[y]).unwrap();
    let y = g.add("pool1", MaxPool::new(Window::square(3, 1, 1)), &[y]).unwrap();
    let halved = |axes: Vec<i64>| Slice {
        starts: vec![0; 2],
        ends: vec![i64::MAX; 2],
        axes,
        steps: vec![2; 2],
    };
    let short = g.add("halve", halved(vec![2, 3]), &[y]).unwrap();
    let short = g.add("widen", Pad::zeros(&[0, 3, 0, 0, 0, 3, 0, 0]), &[short]).unwrap();
    let y = g.add("conv2", Conv::new(Window::square(3, 2, 1)), &[y, w2]).unwrap();
    let y = normalized(&mut g, "norm2", y, &mut learned);
    let y = g.add("residual", Add, &[y, short]).unwrap();
    let y = g.add("relu2", Relu, &[y]).unwrap();
    let y = g.add("pool2", AveragePool::new(Window::square(3, 2, 1)), &[y]).unwrap();
    let smooth = g.add("tanh", Tanh, &[y]).unwrap();
    let y = g.add("both", Concat { axis: 1 }, &[y, smooth]).unwrap();
    let y = g.add("dropout", Dropout::new(0.5, 1), &[y]).unwrap();
    let y = g.add("global", GlobalAveragePool, &[y]).unwrap();
    let y = g.add("flatten", Flatten { axis: 1 }, &[y]).unwrap();
    let y = g.add("fc", Gemm::linear(), &[y, w3]).unwrap();
    let mut g = training(&g).unwrap();
    let loss = g.add("loss", SoftmaxCrossEntropyLoss, &[y, labels]).unwrap();
    let wanted = gradient(&mut g, loss, &learned).unwrap();
    (g, wanted)
}
