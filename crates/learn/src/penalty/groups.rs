//! Norms of the outputs and inputs of a layer, for penalties that empty whole groups.
//!
//! A weight `w[o, i, t]` belongs to two groups: output `o` (a row, a filter) and input `i` (a
//! column, the same channel of every filter).

use super::{EMPTY_SQUARES, Weights};

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

/// Sets `norms` to the roots of `squares` and returns their sum.
pub(super) fn roots(norms: &mut Vec<f64>, squares: &[f64]) -> f64 {
    norms.resize(squares.len(), 0.0);
    for (norm, squares) in norms.iter_mut().zip(squares) {
        *norm = squares.sqrt();
    }
    norms.iter().sum()
}

/// Turns norms into `share / norm - fall`, or 0 where a group is empty.
pub(super) fn to_factors(norms: &mut [f64], share: f64, fall: f64) {
    let empty = EMPTY_SQUARES.sqrt();
    for norm in norms {
        let factor = share / *norm - fall;
        *norm = if *norm < empty { 0.0 } else { factor };
    }
}
