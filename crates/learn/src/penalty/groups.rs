//! Norms of the outputs and inputs of a layer, for penalties that empty whole groups.
//!
//! A weight `w[o, i, t]` belongs to two groups: output `o` (a row, a filter) and input `i` (a
//! column, the same channel of every filter).

use super::Weights;

/// `‖w‖₂` of every output and of every input.
pub(super) struct Norms {
    pub(super) outputs: Vec<f64>,
    pub(super) inputs: Vec<f64>,
}

impl Norms {
    pub(super) fn of(weights: Weights<'_>) -> Self {
        let view = weights.view();
        let mut norms = Self { outputs: vec![0.0; view.out], inputs: vec![0.0; view.inp] };
        for (o, i, w) in members(weights) {
            norms.outputs[o] += w * w;
            norms.inputs[i] += w * w;
        }
        norms.outputs.iter_mut().chain(&mut norms.inputs).for_each(|x| *x = x.sqrt());
        norms
    }
}

/// Every weight with its output and its input, in memory order.
pub(super) fn members(weights: Weights<'_>) -> impl Iterator<Item = (usize, usize, f64)> {
    let view = weights.view();
    let place = move |(at, w): (usize, &f64)| (at / view.width(), at / view.taps % view.inp, *w);
    weights.data().iter().enumerate().map(place)
}

/// Sets `factors` to `factor(√squares)` group by group.
pub(super) fn fill(factors: &mut Vec<f64>, squares: &[f64], factor: impl Fn(f64) -> f64) {
    factors.resize(squares.len(), 0.0);
    for (out, square) in factors.iter_mut().zip(squares) {
        *out = factor(square.sqrt());
    }
}
