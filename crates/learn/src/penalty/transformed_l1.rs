//! Transformed L1: as L1 for small weights, but large ones are left in peace.
//!
//! ```text
//! R(w) = Σ (1 + a)|w_i| / (a + |w_i|)        with a = 1
//! ∂R/∂w_j = 2 sign(w_j) / (1 + |w_j|)²
//! ```

use super::{Factors, Form, Penalty, Sums, Weights, sign};

/// `Σ 2|w_i| / (1 + |w_i|)`, between 0 and twice the number of weights.
///
/// # Units
/// - none, but a weight of 1 is taken as large
///
/// # Source
/// Zhang & Xin (2018), arXiv 1411.5735; used for networks by Ma et al. (2019), arXiv 1901.01021,
/// with `a = 1`, the only value here.
///
/// # Example
/// ```
/// use hoyer_learn::penalty::{Penalty, TransformedL1, View, Weights};
///
/// let w = Weights::new(&[1.0, -1.0, 0.0], View::of(&[3]))?;
/// assert_eq!(TransformedL1.value(w), 2.0);
/// assert_eq!(TransformedL1.gradient(w), [0.5, -0.5, 0.0]);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TransformedL1;

impl Penalty for TransformedL1 {
    fn name(&self) -> &'static str {
        "transformed-l1"
    }

    fn value(&self, weights: Weights<'_>) -> f64 {
        weights.data().iter().map(|w| 2.0 * w.abs() / (1.0 + w.abs())).sum()
    }

    fn gradient(&self, weights: Weights<'_>) -> Vec<f64> {
        weights.data().iter().map(|w| 2.0 * sign(*w) / (1.0 + w.abs()).powi(2)).collect()
    }

    fn form(&self) -> Form {
        Form::Saturating
    }

    fn value_of(&self, sums: &Sums) -> f64 {
        2.0 * sums.magnitude
    }

    fn factors(&self, _: &Sums, lambda: f64, factors: &mut Factors) {
        factors.sign = 2.0 * lambda;
        factors.scale = 0.0;
    }
}
