//! Proof that a penalty is what it says: its gradient against central differences, its fused form
//! against its plain one.
//!
//! Public, so that users can certify penalties of their own.
//! Not here: the differences themselves ([`hoyer_graph::check::gradient_error`]).

use hoyer_graph::Role;
use hoyer_graph::check::gradient_error;

use crate::Result;
use crate::optimizer::{Config, Optimizer, Pace, Parameter, SgdConfig, Tensor, one_by_one};
use crate::penalty::{Penalty, View, Weights};

/// How far a penalty is from what it should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PenaltyError {
    /// Of the plain gradient, against central differences in `f64`: right below 1e-6.
    pub gradient: f64,
    /// Of the fused value, relative to the plain one: right below 1e-5.
    pub fused_value: f64,
    /// Of the fused gradient, relative to the largest entry of the plain one: right below 1e-5.
    pub fused_gradient: f64,
}

/// Checks a penalty at these weights; keep them away from kinks, such as 0.
///
/// # Errors
/// - [`Error::Length`](crate::Error::Length) if the weights do not fill the view
///
/// # Example
/// ```
/// use hoyer_learn::check;
/// use hoyer_learn::penalty::{HoyerSquare, View};
///
/// let error = check::penalty(&HoyerSquare, &[0.5, -0.25, 1.0, 0.125], View::of(&[2, 2]))?;
/// assert!(error.gradient < 1e-6 && error.fused_value < 1e-5 && error.fused_gradient < 1e-5);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
pub fn penalty(penalty: &'static dyn Penalty, weights: &[f64], view: View) -> Result<PenaltyError> {
    let plain = Weights::new(weights, view)?;
    let (value, gradient) = (penalty.value(plain), penalty.gradient(plain));
    let f = |w: &[f64]| Weights::new(w, view).map_or(f64::NAN, |w| penalty.value(w));
    let (fused_value, fused_gradient) = fused(penalty, weights, view)?;
    let largest = gradient.iter().fold(f64::MIN_POSITIVE, |most, g| most.max(g.abs()));
    let gap = |(a, b): (&f64, &f64)| (a - b).abs() / largest;
    Ok(PenaltyError {
        gradient: gradient_error(f, weights, &gradient),
        fused_value: (fused_value - value).abs() / value.abs().max(f64::MIN_POSITIVE),
        fused_gradient: worst(fused_gradient.iter().zip(&gradient).map(gap)),
    })
}

/// Value and gradient as the fused pass sees them: two steps of descent without a loss, the first
/// of length 0.
fn fused(penalty: &'static dyn Penalty, weights: &[f64], view: View) -> Result<(f64, Vec<f64>)> {
    let parameter = Parameter { view, role: Role::Weight, penalty: Some(penalty) };
    let descent = Config::Sgd(SgdConfig { momentum: 0.0, ..SgdConfig::default() });
    let mut optimizer = Optimizer::new(descent.build()?, &[parameter]);
    let start: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
    let (mut now, zeros) = (start.clone(), vec![0.0; start.len()]);
    let mut step = |lr| {
        let tensor = Tensor { weights: &mut now, gradient: &zeros, mask: None };
        let pace = Pace { lr, lambda: 1.0, gradient_scale: 1.0 };
        optimizer.step(pace, [tensor], one_by_one).map(|()| optimizer.penalty())
    };
    let value = step(0.0)?;
    step(1.0)?;
    let gradient = start.iter().zip(&now).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
    Ok((value, gradient))
}

/// The largest of some gaps; NaN counts as infinite.
fn worst(gaps: impl Iterator<Item = f64>) -> f64 {
    gaps.fold(0.0, |most, gap| if gap.is_nan() { f64::INFINITY } else { most.max(gap) })
}
