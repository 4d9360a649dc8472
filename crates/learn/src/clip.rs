//! Gradient clipping: a bad batch must not throw the weights away.
//!
//! ```text
//! norm   g <- g · min(1, limit / (‖all gradients‖₂ + 1e-6))
//! value  g <- clamp(g, -limit, limit)
//! ```
//!
//! Clipping by norm only reads: the factor goes into the update
//! ([`Pace::gradient_scale`](crate::optimizer::Pace)), which multiplies with it anyway.
//!
//! Invariants: the norm is a sum of chunk sums in fixed order, the same for any number of threads.
//! Not here: the gradient of penalties, which is not clipped (`optimizer`).

use hoyer_kernels::update::squares;
use serde::{Deserialize, Serialize};

use crate::error::within;
use crate::{Error, Result};

/// How to clip, as recipes write it: `clip = { norm = 1.0 }` or `clip = { value = 0.5 }`.
///
/// # Units
/// - both limits are in units of the gradient: loss per weight
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Config {
    /// Limit of the norm over all gradients together.
    Norm(f64),
    /// Limit of each entry's magnitude.
    Value(f64),
}

impl Config {
    /// The clipping, if the limit is within its range.
    ///
    /// # Errors
    /// - [`Error::Range`] if the limit is not above 0
    pub fn build(self) -> Result<Clip> {
        let (Self::Norm(limit) | Self::Value(limit)) = self;
        within("clip", limit, "(0, inf)", |x| x > 0.0)?;
        Ok(Clip(self))
    }
}

/// A way of clipping whose limit has been checked.
///
/// # Example
/// ```
/// use hoyer_learn::clip::Config;
///
/// let (mut a, mut b) = ([3.0_f32, 0.0], [4.0_f32]);
/// let scale = Config::Norm(1.0).build()?.apply([&mut a[..], &mut b[..]])?;
/// assert!((scale - 0.2).abs() < 1e-6);
/// assert_eq!((a, b), ([3.0, 0.0], [4.0]));
/// assert_eq!(Config::Value(3.5).build()?.apply([&mut a[..], &mut b[..]])?, 1.0);
/// assert_eq!((a, b), ([3.0, 0.0], [3.5]));
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
///
/// # Source
/// Pascanu, Mikolov & Bengio (2013), arXiv 1211.5063, Algorithm 1, with the 1e-6 of PyTorch's
/// `clip_grad_norm_`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip(Config);

impl Clip {
    /// Clips the gradients of a network, or says what they must still be multiplied with.
    ///
    /// # Errors
    /// - [`Error::NotFinite`] if a gradient's norm is not finite, naming the tensor; by value
    ///   nothing is checked
    pub fn apply<'g>(self, gradients: impl IntoIterator<Item = &'g mut [f32]>) -> Result<f64> {
        match self.0 {
            Config::Norm(limit) => {
                let norm = global_norm(gradients.into_iter().map(|gradient| &*gradient))?;
                Ok((limit / (norm + 1e-6)).min(1.0))
            }
            Config::Value(limit) => {
                let limit = limit as f32;
                for x in gradients.into_iter().flatten() {
                    *x = x.clamp(-limit, limit);
                }
                Ok(1.0)
            }
        }
    }
}

/// `‖·‖₂` of all gradients together.
///
/// # Errors
/// - [`Error::NotFinite`] if one of them holds NaN or infinity or its squares overflow
pub fn global_norm<'g>(gradients: impl IntoIterator<Item = &'g [f32]>) -> Result<f64> {
    norm_of_living(gradients.into_iter().map(|gradient| (gradient, None)))
}

/// As [`global_norm`], of what the masks leave: a weight that does not live takes no step, and what its gradient would be need not
/// be known.
pub(crate) fn norm_of_living<'g>(
    gradients: impl IntoIterator<Item = (&'g [f32], Option<&'g [bool]>)>,
) -> Result<f64> {
    let mut sum = 0.0;
    for (at, (gradient, mask)) in gradients.into_iter().enumerate() {
        let squares = mask.map_or_else(|| squares(gradient), |mask| living(gradient, mask));
        if !squares.is_finite() {
            let what = format!("the norm of gradient {at}");
            return Err(Error::NotFinite { what, value: squares.sqrt() });
        }
        sum += squares;
    }
    Ok(sum.sqrt())
}

/// The sum of squares of what lives, a fixed number of elements at a time.
fn living(gradient: &[f32], mask: &[bool]) -> f64 {
    let mut kept = [0.0; CHUNK];
    let chunks = gradient.chunks(CHUNK).zip(mask.chunks(CHUNK));
    let sum = |(gradient, mask): (&[f32], &[bool])| {
        let kept = &mut kept[..gradient.len()];
        for ((kept, g), live) in kept.iter_mut().zip(gradient).zip(mask) {
            *kept = if *live { *g } else { 0.0 };
        }
        squares(kept)
    };
    chunks.map(sum).sum()
}

/// Elements that are looked at together.
const CHUNK: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_and_factors_are_those_of_pytorch() {
        #[derive(Deserialize)]
        struct Golden {
            gradients: Vec<Vec<f32>>,
            clip: Vec<Case>,
        }
        #[derive(Deserialize)]
        struct Case {
            max_norm: f64,
            norm: f64,
            scale: f64,
        }
        let text = include_str!("../../../oracle/optimizers.json");
        let Golden { mut gradients, clip } = serde_json::from_str(text).unwrap();
        for Case { max_norm, norm, scale } in clip {
            let got = global_norm(gradients.iter().map(Vec::as_slice)).unwrap();
            assert!((got / norm - 1.0).abs() < 1e-6);
            let clip = Config::Norm(max_norm).build().unwrap();
            let got = clip.apply(gradients.iter_mut().map(Vec::as_mut_slice)).unwrap();
            assert!((got / scale - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_is_named() {
        let (a, b) = ([1.0_f32; 4], [1.0, f32::NAN]);
        let error = global_norm([&a[..], &b[..]]).unwrap_err().to_string();
        assert_eq!(error, "the norm of gradient 1 is NaN, need a finite number");
    }

    #[test]
    fn what_does_not_live_has_no_part_in_the_norm() {
        let gradient: Vec<f32> =
            (0..2000).map(|i| if i % 3 == 0 { 2.0 } else { f32::NAN }).collect();
        let mask: Vec<bool> = (0..2000).map(|i| i % 3 == 0).collect();
        let norm = norm_of_living([(&gradient[..], Some(&mask[..])), (&[3.0], None)]).unwrap();
        assert_eq!(norm, f64::from(667 * 4 + 9).sqrt());
    }

    #[test]
    fn limits_that_are_not_positive_are_refused() {
        let error = Config::Norm(0.0).build().unwrap_err().to_string();
        assert_eq!(error, "clip = 0, need (0, inf)");
        assert!(Config::Value(f64::NAN).build().is_err());
    }

    #[test]
    fn no_gradients_have_norm_zero_and_are_left_alone() {
        assert_eq!(global_norm([]).unwrap(), 0.0);
        assert_eq!(Config::Norm(1e-3).build().unwrap().apply([&mut [0.0_f32][..]]).unwrap(), 1.0);
    }
}
