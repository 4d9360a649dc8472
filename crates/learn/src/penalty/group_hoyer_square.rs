//! Group Hoyer-Square: a smooth count of the outputs and inputs of a layer that matter.
//!
//! ```text
//! R(w) = (S_out² + S_in²) / Q
//! S_out = Σ_o n_o    n_o = ‖w[o,:,:]‖₂        S_in = Σ_i n_i    n_i = ‖w[:,i,:]‖₂
//! Q = Σ w²           one denominator for both sides
//! ∂R/∂w[o,i,t] = 2 w[o,i,t] (S_out / (Q n_o) - S_out² / Q² + S_in / (Q n_i) - S_in² / Q²)
//! ```
//!
//! Descent shrinks groups of norm below `Q / S` and lets those above it grow.
//!
//! Invariants: `R(c w) = R(w)`, hence `w · ∂R/∂w = 0`; `R` is the number of nonzero outputs plus
//! that of nonzero inputs where these are of equal norm.

use super::groups::{Norms, members, roots, to_factors};
use super::{EMPTY_SQUARES, Factors, Form, OverChannels, Penalty, Sums, Weights};

/// `((Σ_o ‖w[o,:,:]‖₂)² + (Σ_i ‖w[:,i,:]‖₂)²) / Σw²`.
///
/// # Units
/// - groups: `R` counts outputs and inputs, as if all were equal
///
/// # Source
/// Yang, Wen & Li (2020), "DeepHoyer", arXiv 1908.09979, with both sides of a layer over one
/// denominator as in the authors' code. The gradient of an empty group is not defined; it is
/// taken as 0.
///
/// # Example
/// ```
/// use hoyer_learn::penalty::{GroupHoyerSquare, Penalty, View, Weights};
///
/// // Two of three outputs and one of two inputs are in use.
/// let w = Weights::new(&[0.5, 0.0, 0.0, 0.0, -0.5, 0.0], View::of(&[3, 2]))?;
/// assert!((GroupHoyerSquare.value(w) - 3.0).abs() < 1e-12);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct GroupHoyerSquare;

impl Penalty for GroupHoyerSquare {
    fn name(&self) -> &'static str {
        "group-hoyer-square"
    }

    fn value(&self, weights: Weights<'_>) -> f64 {
        let (magnitude, squares) = weights.magnitude_and_squares();
        if magnitude == 0.0 {
            return 0.0;
        }
        let norms = Norms::of(weights);
        let square = |norms: &[f64]| norms.iter().sum::<f64>().powi(2);
        (square(&norms.outputs) + square(&norms.inputs)) / squares
    }

    fn gradient(&self, weights: Weights<'_>) -> Vec<f64> {
        let squares = weights.magnitude_and_squares().1;
        let norms = Norms::of(weights);
        let (s_out, s_in) = (norms.outputs.iter().sum::<f64>(), norms.inputs.iter().sum::<f64>());
        let side = |w: f64, norm: f64, sum: f64| {
            2.0 * (sum / squares.powi(2)) * (w / norm) * (squares - norm * sum)
        };
        let slope = |(o, i, w): (usize, usize, f64)| {
            if w == 0.0 {
                return 0.0;
            }
            side(w, norms.outputs[o], s_out) + side(w, norms.inputs[i], s_in)
        };
        members(weights).map(slope).collect()
    }

    fn form(&self) -> Form {
        Form::Groups
    }

    fn value_of(&self, sums: &Sums) -> f64 {
        if sums.squares < EMPTY_SQUARES {
            return 0.0;
        }
        let square = |squares: &[f64]| squares.iter().map(|x| x.sqrt()).sum::<f64>().powi(2);
        (square(&sums.outputs) + square(&sums.inputs)) / sums.squares
    }

    fn factors(&self, sums: &Sums, lambda: f64, factors: &mut Factors) {
        side(&mut factors.outputs, &sums.outputs, sums.squares, lambda);
        side(&mut factors.inputs, &sums.inputs, sums.squares, lambda);
    }

    fn over_channels(&self) -> Option<OverChannels> {
        Some(OverChannels { shares: true, value: of_channels })
    }
}

/// `S² / D` with `S = Σ n`, `D = Σ z`, `n = √z`, and its slope `S / (D n) - S² / D²`.
fn of_channels(squares: &[f64], slopes: &mut [f64]) -> f64 {
    let total: f64 = squares.iter().sum();
    let sum: f64 = squares.iter().map(|z| z.sqrt()).sum();
    if total < EMPTY_SQUARES {
        slopes.fill(0.0);
        return 0.0;
    }
    let share = sum / total;
    for (slope, z) in slopes.iter_mut().zip(squares) {
        *slope = if *z < EMPTY_SQUARES { 0.0 } else { share / z.sqrt() - share * share };
    }
    sum * share
}

/// Factors of one side: `2λ (S / (Q n) - S² / Q²)`, 0 for an empty group.
fn side(factors: &mut Vec<f64>, squares: &[f64], total: f64, lambda: f64) {
    let sum = roots(factors, squares);
    let share = 2.0 * lambda * sum / total;
    to_factors(factors, share, share * sum / total);
}
