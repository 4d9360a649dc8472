//! VGG-16 for small images: thirteen 3×3 convolutions in five stages, each normalized, and two layers.
//!
//! Images of 32×32 reach the layers as 512 numbers. The first layer is normalized too and has no bias.
//!
//! # Source
//! Simonyan and Zisserman (2015), <https://arxiv.org/abs/1409.1556>, configuration D, with batch normalization
//! and with layers of 512 and `classes` instead of 4096, 4096 and `classes`. This is the form that pruning papers
//! count at 14.99 M parameters and 313.5 M multiply-accumulates on CIFAR-10.

use super::Plan;
use super::normalized::{Brick, channels, normalize};
use crate::init;
use hoyer_graph::{Flatten, Gemm, Graph, MaxPool, Relu, Result, Role, ValueId, Window};

/// Convolutions per stage, and their channels.
const STAGES: [(usize, usize); 5] = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)];
/// Outputs of the hidden layer.
const HIDDEN: usize = 512;

pub(super) fn sixteen(plan: &Plan<'_>) -> Result<Graph> {
    let (mut g, mut y) = plan.start();
    for (stage, (convolutions, outputs)) in (1..).zip(STAGES) {
        for number in 1..=convolutions {
            let name = format!("stage{stage}.conv{number}");
            y = plan.normalized_relu(&mut g, &name, y, Brick::new(outputs, 3))?;
        }
        let pool = MaxPool::new(Window::square(2, 2, 0));
        y = g.add(&format!("stage{stage}.pool"), pool, &[y])?;
    }
    y = g.add("flatten", Flatten { axis: 1 }, &[y])?;
    y = hidden(plan, &mut g, y)?;
    y = plan.linear(&mut g, "fc2", y, [HIDDEN, plan.classes])?;
    g.outputs.push(y);
    Ok(g)
}

fn hidden(plan: &Plan<'_>, g: &mut Graph, x: ValueId) -> Result<ValueId> {
    let (name, features) = ("fc1.weight", channels(g, x));
    let weights = init::uniform(plan.seed, name, &[HIDDEN, features], features)?;
    let w = g.param(name, Role::Weight, weights)?;
    let y = g.add("fc1", Gemm::linear(), &[x, w])?;
    let y = normalize(g, "fc1", y)?;
    g.add("fc1.relu", Relu, &[y])
}
