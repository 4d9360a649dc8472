//! Hoyer-Square: a smooth count of the weights that matter.
//!
//! ```text
//! R(w) = ‖w‖₁² / ‖w‖₂²
//! ∂R/∂w_j = 2 sign(w_j) (‖w‖₁ / ‖w‖₂⁴) (‖w‖₂² - |w_j| ‖w‖₁)
//! ```
//!
//! Descent shrinks weights below the threshold `τ = ‖w‖₂² / ‖w‖₁` and lets those above it grow; `τ`
//! rises as the tensor empties.
//!
//! Invariants: `R(c w) = R(w)`, hence `w · ∂R/∂w = 0`; `1 <= R <= n` unless all weights are 0;
//! `R` is the number of nonzero weights where these are of equal magnitude.

use super::{EMPTY_SQUARES, Factors, Form, Penalty, Sums, Weights, sign};

/// `‖w‖₁² / ‖w‖₂²`.
///
/// # Units
/// - weights: `R` counts how many there are, as if all were equal
///
/// # Source
/// Yang, Wen & Li (2020), "DeepHoyer", arXiv 1908.09979. The gradient of a tensor of zeros is not
/// defined; it is taken as 0, as in the authors' code.
///
/// # Example
/// ```
/// use hoyer_learn::penalty::{HoyerSquare, Penalty, View, Weights};
///
/// let w = Weights::new(&[0.5, -0.5, 0.0, 0.5], View::of(&[4]))?;
/// assert_eq!(HoyerSquare.value(w), 3.0);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct HoyerSquare;

impl Penalty for HoyerSquare {
    fn name(&self) -> &'static str {
        "hoyer-square"
    }

    fn value(&self, weights: Weights<'_>) -> f64 {
        let (magnitude, squares) = weights.magnitude_and_squares();
        if magnitude == 0.0 { 0.0 } else { magnitude * magnitude / squares }
    }

    fn gradient(&self, weights: Weights<'_>) -> Vec<f64> {
        let (magnitude, squares) = weights.magnitude_and_squares();
        if magnitude == 0.0 {
            return vec![0.0; weights.data().len()];
        }
        let common = 2.0 * magnitude / (squares * squares);
        let slope = |w: &f64| common * sign(*w) * (squares - w.abs() * magnitude);
        weights.data().iter().map(slope).collect()
    }

    fn form(&self) -> Form {
        Form::Sign
    }

    fn value_of(&self, sums: &Sums) -> f64 {
        if sums.squares < EMPTY_SQUARES { 0.0 } else { sums.magnitude.powi(2) / sums.squares }
    }

    fn factors(&self, sums: &Sums, lambda: f64, factors: &mut Factors) {
        (factors.sign, factors.scale) = (0.0, 0.0);
        if sums.squares < EMPTY_SQUARES {
            return;
        }
        let share = sums.magnitude / sums.squares;
        factors.sign = 2.0 * lambda * share;
        factors.scale = -2.0 * lambda * share * share;
    }
}
