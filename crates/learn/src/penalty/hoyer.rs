//! Hoyer: the ratio of the two norms, blind to the scale of the weights.
//!
//! ```text
//! R(w) = ‖w‖₁ / ‖w‖₂
//! ∂R/∂w_j = sign(w_j) / ‖w‖₂ - ‖w‖₁ w_j / ‖w‖₂³
//! ```
//!
//! Invariants: `R(c w) = R(w)`, hence `w · ∂R/∂w = 0`; `1 <= R <= √n` unless all weights are 0.

use super::{EMPTY_SQUARES, Factors, Form, Penalty, Sums, Weights, sign};

/// `‖w‖₁ / ‖w‖₂`.
///
/// # Units
/// - none; 1 for a single weight, `√n` for `n` weights of equal magnitude
///
/// # Source
/// Yang, Wen & Li (2020), "DeepHoyer", arXiv 1908.09979, after Hoyer (2004). The gradient of a
/// tensor of zeros is not defined; it is taken as 0, as in the authors' code.
///
/// # Example
/// ```
/// use hoyer_learn::penalty::{Hoyer, Penalty, View, Weights};
///
/// let w = Weights::new(&[3.0, -4.0, 0.0], View::of(&[3]))?;
/// assert_eq!(Hoyer.value(w), 1.4);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Hoyer;

impl Penalty for Hoyer {
    fn name(&self) -> &'static str {
        "hoyer"
    }

    fn value(&self, weights: Weights<'_>) -> f64 {
        let (magnitude, squares) = weights.magnitude_and_squares();
        if magnitude == 0.0 { 0.0 } else { magnitude / squares.sqrt() }
    }

    fn gradient(&self, weights: Weights<'_>) -> Vec<f64> {
        let (magnitude, squares) = weights.magnitude_and_squares();
        if magnitude == 0.0 {
            return vec![0.0; weights.data().len()];
        }
        let norm = squares.sqrt();
        let slope = |w: &f64| sign(*w) / norm - magnitude * w / norm.powi(3);
        weights.data().iter().map(slope).collect()
    }

    fn form(&self) -> Form {
        Form::Sign
    }

    fn value_of(&self, sums: &Sums) -> f64 {
        if sums.squares < EMPTY_SQUARES { 0.0 } else { sums.magnitude / sums.squares.sqrt() }
    }

    fn factors(&self, sums: &Sums, lambda: f64, factors: &mut Factors) {
        (factors.sign, factors.scale) = (0.0, 0.0);
        if sums.squares < EMPTY_SQUARES {
            return;
        }
        factors.sign = lambda / sums.squares.sqrt();
        factors.scale = -factors.sign * sums.magnitude / sums.squares;
    }
}
