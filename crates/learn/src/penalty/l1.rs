//! L1: every weight is pushed to zero with the same force.
//!
//! ```text
//! R(w) = Σ|w_i|        ∂R/∂w_j = sign(w_j)
//! ```

use super::{Factors, Form, Penalty, Sums, Weights, sign};

/// `Σ|w_i|`.
///
/// # Units
/// - that of the weights, so `λ` is loss per unit of weight
///
/// # Source
/// Tibshirani (1996), "Regression shrinkage and selection via the lasso", J. R. Stat. Soc. B 58.
///
/// # Example
/// ```
/// use hoyer_learn::penalty::{L1, Penalty, View, Weights};
///
/// let w = Weights::new(&[3.0, -4.0, 0.0], View::of(&[3]))?;
/// assert_eq!(L1.value(w), 7.0);
/// assert_eq!(L1.gradient(w), [1.0, -1.0, 0.0]);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct L1;

impl Penalty for L1 {
    fn name(&self) -> &'static str {
        "l1"
    }

    fn value(&self, weights: Weights<'_>) -> f64 {
        weights.magnitude_and_squares().0
    }

    fn gradient(&self, weights: Weights<'_>) -> Vec<f64> {
        weights.data().iter().map(|w| sign(*w)).collect()
    }

    fn form(&self) -> Form {
        Form::Sign
    }

    fn value_of(&self, sums: &Sums) -> f64 {
        sums.magnitude
    }

    fn factors(&self, _: &Sums, lambda: f64, factors: &mut Factors) {
        factors.sign = lambda;
        factors.scale = 0.0;
    }
}
