//! A profile tells every pass of every layer, its way, what was expected and what was measured.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Pass, Profile, Program, Wanted};
use std::cell::Cell;
use std::sync::Arc;

const BATCH: usize = 2;

/// Two convolutions of 8 channels and a linear layer; of the second, one weight in fifty lives.
fn profile(choice: Choice) -> Profile {
    let (mut g, mut numbers) = (Graph::new("net"), Numbers(5));
    let mut trained = Vec::new();
    let mut param = |g: &mut Graph, name: &str, shape: &[usize]| {
        let id = g.param(name, Role::Weight, numbers.tensor(shape)).unwrap();
        trained.push(id);
        id
    };
    let x = g.input("x", Type::f32([BATCH, 8, 16, 16]));
    let conv = |name: &str, g: &mut Graph, x, w| {
        let window = Window { pads: vec![1; 4], ..Window::new(&[3, 3]) };
        g.add(name, Conv { window, group: 1 }, &[x, w]).unwrap()
    };
    let w = param(&mut g, "first.weight", &[8, 8, 3, 3]);
    let y = conv("first", &mut g, x, w);
    let y = g.add("relu", Relu, &[y]).unwrap();
    let w = param(&mut g, "second.weight", &[8, 8, 3, 3]);
    let y = conv("second", &mut g, y, w);
    let y = g.add("flat", Flatten { axis: 1 }, &[y]).unwrap();
    let w = param(&mut g, "fc.weight", &[3, 8 * 256]);
    let y = g.add("fc", Gemm::linear(), &[y, w]).unwrap();
    let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[y]).unwrap();
    let second = &mut g.params[1];
    let mask: Vec<bool> = (0..second.tensor.data().len()).map(|i| i % 50 == 0).collect();
    second.tensor.data_mut().iter_mut().zip(&mask).for_each(|(w, live)| *w *= f32::from(*live));
    second.mask = Some(mask);
    let gradients = gradient(&mut g, loss, &trained).unwrap();
    let pairs: Vec<_> =
        trained.iter().map(|id| g.param_of(*id).unwrap()).zip(gradients.iter().copied()).collect();
    let outputs: Vec<_> = [loss].into_iter().chain(gradients).collect();
    let wanted = Wanted { outputs: &outputs, gradients: &pairs };
    let pool = Arc::new(Pool::new(1));
    let (mut program, _) = Program::masked(&g, &Bindings::new(), wanted, &pool, choice).unwrap();
    // A clock that is a millisecond later whenever it is read.
    let ticks = Cell::new(0);
    let clock = || {
        ticks.set(ticks.get() + 1);
        f64::from(ticks.get()) * 1e-3
    };
    let before = g.params.clone();
    let profile = program.profile(&g, &before, 3, clock);
    assert_eq!(g.params, before);
    profile
}

fn passes(profile: &Profile) -> Vec<(&str, Option<Pass>, Option<&str>, usize)> {
    let products = profile.steps.iter().filter(|step| step.way.is_some());
    products.map(|step| (step.layer.as_str(), step.pass, step.way, step.macs)).collect()
}

#[test]
fn every_pass_of_a_layer_has_its_way_and_its_products() {
    let (conv, fc) = (BATCH * 256 * 8 * 72, BATCH * 3 * 8 * 256);
    let found = profile(Choice::Dense);
    let mut passes = passes(&found);
    passes.sort_by_key(|(layer, pass, ..)| (*layer, pass.map(|pass| pass.name())));
    let [forward, dx, dw] = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient].map(Some);
    assert_eq!(
        passes,
        [
            ("fc", dw, Some("gemm"), fc),
            ("fc", dx, Some("gemm"), fc),
            ("fc", forward, Some("gemm"), fc),
            ("first", dw, Some("winograd"), conv),
            ("first", forward, Some("winograd"), conv),
            ("second", dw, Some("winograd"), conv),
            ("second", dx, Some("winograd"), conv),
            ("second", forward, Some("winograd"), conv),
        ]
    );
    assert!(found.steps.iter().all(|step| (step.measured_us - 1000.0).abs() < 1e-6));
    assert!(found.peak_gflops > 0.0);
}

#[test]
fn sparse_layers_count_what_lives_and_both_gradients_at_once() {
    let live = (8 * 72_usize).div_ceil(50);
    let found = profile(Choice::Sparse);
    let second: Vec<_> =
        passes(&found).into_iter().filter(|(layer, ..)| *layer == "second").collect();
    let macs = BATCH * 256 * live;
    assert_eq!(
        second,
        [
            ("second", Some(Pass::Forward), Some("sparse"), macs),
            ("second", Some(Pass::BothGradients), Some("sparse"), 2 * macs),
        ]
    );
}

#[test]
fn a_table_has_every_product_and_80_columns() {
    let profile = profile(Choice::Dense);
    let table = profile.to_string();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let rows = table.lines().filter(|line| line.ends_with('%')).count();
    assert_eq!(rows, passes(&profile).len());
    assert!(table.contains("second                     forward winograd"), "{table}");
}

/// Values of a step that gives those asked for, of loss, logits' gradient and loss plus one; and how many nodes of the loss are steps.
fn loss_step(asked: &[usize]) -> (Vec<Vec<f32>>, usize) {
    let (mut g, mut numbers) = (Graph::new("loss"), Numbers(7));
    let logits = g.param("logits", Role::Weight, numbers.tensor(&[5, 4])).unwrap();
    let labels = g.input("labels", Type::i64([5]));
    let loss = loss::cross_entropy(&mut g, logits, labels).unwrap();
    let one = g.param("one", Role::Constant, Tensor::full(&[], 1.0)).unwrap();
    let after = g.add("after", Add, &[loss, one]).unwrap();
    let gradient = gradient(&mut g, loss, &[logits]).unwrap()[0];
    let all = [loss, gradient, after];
    let outputs: Vec<ValueId> = asked.iter().map(|i| all[*i]).collect();
    let pool = Arc::new(Pool::new(1));
    let mut program = Program::compile(&g, &Bindings::new(), &outputs, &pool).unwrap();
    program.labels_mut(labels).copy_from_slice(&[0, 3, 1, 2, 2]);
    program.run(&mut g.params, 0);
    let values = outputs.iter().map(|id| program.value(*id).to_vec()).collect();
    let params = g.params.clone();
    let steps = program.profile(&g, &params, 1, || 0.0).steps;
    (values, steps.iter().filter(|step| step.op.starts_with("SoftmaxCrossEntropy")).count())
}

#[test]
fn cross_entropy_and_its_gradient_are_one_step_unless_something_reads_the_loss_before() {
    let (alone, _) = loss_step(&[0]);
    let (slope, _) = loss_step(&[1]);
    let (both, steps) = loss_step(&[0, 1]);
    assert_eq!((both, steps), (vec![alone[0].clone(), slope[0].clone()], 1));
    let (all, steps) = loss_step(&[1, 2]);
    assert_eq!((&all[0], steps), (&slope[0], 2));
    assert_eq!(all[1][0], alone[0][0] + 1.0);
}
