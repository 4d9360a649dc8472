//! A step allocates nothing.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_training_step_allocates_nothing_after_the_first() {
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
    let pool = Arc::new(Pool::new(2));
    let mut program = Program::compile(&g, &Bindings::new(), &wanted, &pool).unwrap();
    for step in 0..3 {
        program.run(&mut g.params, step);
    }
    let region = Region::new(ALLOCATOR);
    for step in 3..10 {
        program.run(&mut g.params, step);
    }
    assert_eq!(region.change().allocations, 0);
}
