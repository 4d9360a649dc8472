//! Dropout: in training, elements are zeroed at random and the rest is scaled up.
//!
//! ```text
//! training   y = keep(seed, step, index) · x / (1 − ratio)     P(keep) = 1 − ratio     dx likewise from dy
//! inference  y = x
//! ```
//! Whether an element is kept is a pure function of seed, step and index ([`DropoutMask`]), so it is the same
//! in the forward and the backward pass, in the reference and in fast kernels, on any number of threads.
//! The gradient is therefore the same op over `dy`, and no mask is stored.
//! Source: Srivastava et al. (2014), <https://jmlr.org/papers/v15/srivastava14a.html>, with the scale moved
//! from inference to training ("inverted dropout", section 10), as ONNX defines it.

use super::{Op, Rule, infer_unary};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = x` with a share `ratio` of the elements zeroed in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dropout {
    /// Share of elements that are zeroed, in [0, 1).
    pub ratio: f32,
    /// What the choice draws from; nodes with the same seed and shape zero the same places.
    pub seed: u64,
    /// Whether elements are zeroed at all (ONNX's `training_mode`).
    pub training: bool,
}

impl Dropout {
    /// Dropout of a share `ratio`, as it stands in an inference graph.
    pub fn new(ratio: f32, seed: u64) -> Self {
        Self { ratio, seed, training: false }
    }
}

/// Which elements a dropout keeps in one step.
///
/// # Example
/// ```
/// let mask = hoyer_graph::DropoutMask::new(7, 3, 0.25);
/// let kept = (0..10_000).filter(|&i| mask.keeps(i)).count();
/// assert!((7_300..7_700).contains(&kept));
/// assert!((0..100).all(|i| hoyer_graph::DropoutMask::new(7, 3, 0.0).keeps(i)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutMask {
    key: [u32; 2],
    /// Hashes below this are dropped.
    threshold: u32,
}

impl DropoutMask {
    /// The mask of a seed and step, for a ratio in [0, 1).
    pub fn new(seed: u64, step: u64, ratio: f32) -> Self {
        // One SplitMix64 step over seed and step spreads both over both halves of the key.
        let mut z = mix64(seed).wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = mix64(z);
        let threshold = (f64::from(ratio) * 2f64.powi(32)) as u32;
        Self { key: [z as u32, (z >> 32) as u32], threshold }
    }

    /// Whether the element at this place (row-major) is kept.
    #[inline]
    pub fn keeps(&self, index: u64) -> bool {
        let first = mix32(index as u32 ^ self.key[0]);
        let high = ((index >> 32) as u32).wrapping_mul(0x9e37_79b9);
        mix32(first ^ self.key[1] ^ high) >= self.threshold
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014, <https://doi.org/10.1145/2660193.2660195>).
fn mix64(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A bijection of 32 bits with low bias (the "lowbias32" of
/// <https://nullprogram.com/blog/2018/07/31/>); 32 bits, so that compilers can vectorize it.
#[inline]
fn mix32(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

impl Rule for Dropout {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        if !(0.0..1.0).contains(&self.ratio) {
            let (got, need) = (self.ratio.to_string(), "[0, 1)".to_owned());
            return Err(Mismatch::Attribute { op: "Dropout", attribute: "ratio", got, need });
        }
        infer_unary("Dropout", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], step: u64) -> Vec<Array> {
        let x = inputs[0];
        if !self.training {
            return vec![x.clone()];
        }
        let mask = DropoutMask::new(self.seed, step, self.ratio);
        let scale = 1.0 / (1.0 - f64::from(self.ratio));
        let kept = |i: usize| if mask.keeps(i as u64) { x.data[i] * scale } else { 0.0 };
        vec![Array::from_fn(&x.shape, kept)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let dx = if self.training { back.add(node, self.clone(), &[dy])? } else { dy };
        back.accumulate(node.inputs[0], dx)
    }

    fn training(&self) -> Option<Op> {
        (!self.training).then(|| Self { training: true, ..self.clone() }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        for (ratio, training) in [(0.0, true), (0.5, true), (0.9, true), (0.5, false)] {
            check::op_gradient(Dropout { ratio, seed: 1, training }, &[Type::f32([7, 5])], 8);
        }
    }

    const N: u64 = 1 << 16;

    fn bits(seed: u64, step: u64) -> Vec<bool> {
        let mask = DropoutMask::new(seed, step, 0.5);
        (0..N).map(|i| mask.keeps(i)).collect()
    }

    /// Whether the share of places where two fair masks agree is within five standard deviations of ½.
    fn look_unrelated(a: &[bool], b: &[bool]) -> bool {
        let agree = a.iter().zip(b).filter(|(a, b)| a == b).count() as f64;
        let n = a.len().min(b.len()) as f64;
        (agree - n / 2.0).abs() < 5.0 * (n / 4.0).sqrt()
    }

    #[test]
    fn the_share_that_is_kept_is_one_minus_the_ratio() {
        for ratio in [0.1, 0.5, 0.9, 0.999] {
            let p = 1.0 - f64::from(ratio);
            for step in 0..8 {
                let mask = DropoutMask::new(3, step, ratio);
                let kept = (0..N).filter(|&i| mask.keeps(i)).count() as f64;
                let deviation = (N as f64 * p * (1.0 - p)).sqrt();
                assert!((kept - N as f64 * p).abs() < 5.0 * deviation, "{kept} at {ratio}");
            }
        }
    }

    #[test]
    fn masks_of_other_steps_seeds_and_places_look_unrelated() {
        let base = bits(5, 9);
        for (seed, step) in [(5, 10), (5, 11), (6, 9), (4, 10), (9, 5), (5, 9 + (1 << 40))] {
            assert!(look_unrelated(&base, &bits(seed, step)), "seed {seed}, step {step}");
        }
        for shift in [1, 2, 3, 4, 8, 10, 64, 100, 784, 1024] {
            assert!(look_unrelated(&base, &base[shift..]), "shift {shift}");
        }
        let mask = DropoutMask::new(5, 9, 0.5);
        let high: Vec<bool> = (0..N).map(|i| mask.keeps(i + (1 << 32))).collect();
        assert!(look_unrelated(&base, &high));
    }

    #[test]
    fn a_mask_never_changes() {
        // Resumed runs and repeated seeds rely on these very choices.
        let mask = DropoutMask::new(42, 7, 0.5);
        let first: u64 = (0..64).map(|i| u64::from(mask.keeps(i)) << i).sum();
        assert_eq!(first, 0xdab4_b552_1fa1_d6e1);
    }

    #[test]
    fn ratios_outside_their_range_are_refused() {
        for ratio in [1.0, -0.1, f32::NAN, f32::INFINITY] {
            assert!(Dropout::new(ratio, 0).infer(&[Type::f32([3])]).is_err(), "{ratio}");
        }
    }
}
