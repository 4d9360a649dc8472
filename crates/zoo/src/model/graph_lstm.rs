//! Graph convolutions into an LSTM, for numbers at the nodes of a graph over some steps of time.
//!
//! ```text
//! z_t = [(W¹ ⊙ R¹) x_t, …, (Wᴷ ⊙ Rᴷ) x_t]        Rᵏ: 1 where a node hears of another within k hops, else 0
//! y   = h_T of an LSTM over z_1 … z_T, with as many hidden units as nodes
//! ```
//! The last axis of a sample are its nodes, all axes before it are time. Where other outputs than one for each node are wanted, a
//! linear layer follows. The `Wᵏ` lie one below the other in `hops.weight`, and the `Rᵏ` are the mask of that parameter: none until the
//! graph of the data is put there, then a zero stays a zero.
//!
//! # Source
//! Cui, Henrickson, Ke, Wang (2018), <https://arxiv.org/abs/1802.07007>, with three hops, and without the paper's gate
//! between the cells of neighbors.

use super::Plan;
use crate::init;
use hoyer_graph::{
    Dim, Direction, Flatten, Gemm, Graph, LSTM, Reshape, Result, Role, Shape, Transpose,
};

/// How far a graph convolution reaches.
const HOPS: usize = 3;

pub(super) fn network(plan: &Plan<'_>) -> Result<Graph> {
    let (mut g, x) = plan.start();
    let nodes = plan.sample[plan.sample.len() - 1];
    let (batch, steps) = (Dim::symbol("batch"), plan.features() / nodes);
    let shape = Shape(vec![batch.clone(), steps.into(), nodes.into()]);
    let x = g.add("series", Reshape { shape }, &[x])?;
    let x = g.add("steps", Transpose { perm: vec![1, 0, 2] }, &[x])?;
    let x = g.add("samples", Flatten { axis: 2 }, &[x])?;
    let weights = init::uniform(plan.seed, "hops.weight", &[HOPS * nodes, nodes], nodes)?;
    let weights = g.param("hops.weight", Role::Weight, weights)?;
    let z = g.add("hops", Gemm::linear(), &[x, weights])?;
    let shape = Shape(vec![steps.into(), batch.clone(), (HOPS * nodes).into()]);
    let z = g.add("features", Reshape { shape }, &[z])?;
    let mut inputs = vec![z];
    for (name, role, shape) in [
        ("lstm.input", Role::Weight, vec![1, 4 * nodes, HOPS * nodes]),
        ("lstm.hidden", Role::Weight, vec![1, 4 * nodes, nodes]),
        ("lstm.bias", Role::Bias, vec![1, 8 * nodes]),
    ] {
        let values = init::uniform(plan.seed, name, &shape, nodes)?;
        inputs.push(g.param(name, role, values)?);
    }
    let lstm = LSTM::new(nodes, Direction::Forward);
    let last = g.add_all("lstm", lstm, &inputs)?[1];
    let mut y = g.add("last", Reshape { shape: Shape(vec![batch, nodes.into()]) }, &[last])?;
    if plan.classes != nodes {
        y = plan.linear(&mut g, "readout", y, [nodes, plan.classes])?;
    }
    g.outputs.push(y);
    Ok(g)
}
