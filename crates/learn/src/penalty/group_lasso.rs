//! Group lasso: whole outputs and inputs of a layer are pushed to zero.
//!
//! ```text
//! R(w) = Σ_o ‖w[o,:,:]‖₂ + Σ_i ‖w[:,i,:]‖₂
//! ∂R/∂w[o,i,t] = w[o,i,t] / ‖w[o,:,:]‖₂ + w[o,i,t] / ‖w[:,i,:]‖₂
//! ```

use super::groups::{Norms, members, roots, to_factors};
use super::{EMPTY_SQUARES, Factors, Form, OverChannels, Penalty, Sums, Weights};

/// `Σ_o ‖w[o,:,:]‖₂ + Σ_i ‖w[:,i,:]‖₂`.
///
/// # Units
/// - that of the weights, so `λ` is loss per unit of weight
///
/// # Source
/// Yuan & Lin (2006), <https://doi.org/10.1111/j.1467-9868.2005.00532.x>, over both sides of a
/// layer and without the factor for a group's size, as Wen et al. (2016), arXiv 1608.03665.
///
/// # Example
/// ```
/// use hoyer_learn::penalty::{GroupLasso, Penalty, View, Weights};
///
/// // One row of norm 5, one empty; columns of norms 3 and 4.
/// let w = Weights::new(&[3.0, 4.0, 0.0, 0.0], View::of(&[2, 2]))?;
/// assert_eq!(GroupLasso.value(w), 5.0 + 3.0 + 4.0);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct GroupLasso;

impl Penalty for GroupLasso {
    fn name(&self) -> &'static str {
        "group-lasso"
    }

    fn value(&self, weights: Weights<'_>) -> f64 {
        let norms = Norms::of(weights);
        norms.outputs.iter().chain(&norms.inputs).sum()
    }

    fn gradient(&self, weights: Weights<'_>) -> Vec<f64> {
        let norms = Norms::of(weights);
        let slope = |(o, i, w): (usize, usize, f64)| {
            if w == 0.0 { 0.0 } else { w / norms.outputs[o] + w / norms.inputs[i] }
        };
        members(weights).map(slope).collect()
    }

    fn form(&self) -> Form {
        Form::Groups
    }

    fn value_of(&self, sums: &Sums) -> f64 {
        sums.outputs.iter().chain(&sums.inputs).map(|squares| squares.sqrt()).sum()
    }

    fn factors(&self, sums: &Sums, lambda: f64, factors: &mut Factors) {
        roots(&mut factors.outputs, &sums.outputs);
        roots(&mut factors.inputs, &sums.inputs);
        to_factors(&mut factors.outputs, lambda, 0.0);
        to_factors(&mut factors.inputs, lambda, 0.0);
    }

    fn over_channels(&self) -> Option<OverChannels> {
        Some(OverChannels { shares: false, value: of_channels })
    }
}

/// `Σ √z`, and its slope `1 / (2 √z)`.
fn of_channels(squares: &[f64], slopes: &mut [f64]) -> f64 {
    for (slope, z) in slopes.iter_mut().zip(squares) {
        *slope = if *z < EMPTY_SQUARES { 0.0 } else { 0.5 / z.sqrt() };
    }
    squares.iter().map(|z| z.sqrt()).sum()
}
