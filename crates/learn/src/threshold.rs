//! Which weights to cut: thresholds on magnitudes, and the masks they leave.
//!
//! ```text
//! deviation        |w| < share · std(layer)        std with n - 1, as torch.std
//! absolute         |w| < threshold
//! layer-sparsity   the smallest, until that share of each layer is zero
//! global-sparsity  the smallest of all layers together
//! ```
//!
//! Invariants: a weight that is exactly 0 is never kept, so masks do not come back in a second
//! round; of equal magnitudes the one that comes first is cut first, so counts are exact and the
//! same everywhere; a sparsity target is reached, never missed by one.
//! Not here: the search for the best threshold ([`Ranking`] makes its steps cheap), setting
//! weights to 0 (the stage that prunes).

use serde::{Deserialize, Serialize};

use crate::error::within;
use crate::{Error, Result};

mod ranking;
#[cfg(test)]
mod tests;

pub use ranking::{Ranking, Scale};

/// What to cut, as recipes write it: for example `threshold = { deviation = 0.03 }`.
///
/// | field | range | unit | meaning |
/// | --- | --- | --- | --- |
/// | `deviation` | >= 0 | standard deviations of the layer | weights below are cut |
/// | `absolute` | >= 0 | weight | weights below are cut |
/// | `layer-sparsity` | [0, 1) | share of weights | how much of every layer is cut |
/// | `global-sparsity` | [0, 1) | share of weights | how much of all layers together is cut |
///
/// # Source
/// `deviation` and `absolute` as in the code of Yang, Wen & Li (2020), "DeepHoyer", arXiv
/// 1908.09979: the deviation is of the whole tensor, zeros included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table names every variant")]
pub enum Threshold {
    Deviation(f64),
    Absolute(f64),
    LayerSparsity(f64),
    GlobalSparsity(f64),
}

/// What is left of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// True where a weight is kept.
    pub keep: Vec<bool>,
    /// How many are.
    pub kept: usize,
}

impl Threshold {
    /// Checks the number.
    ///
    /// # Errors
    /// - [`Error::Range`] naming the rule
    pub fn check(self) -> Result<()> {
        let sparsity = |x: f64| (0.0..1.0).contains(&x);
        match self {
            Self::Deviation(x) => within("deviation", x, "[0, inf)", |x| x >= 0.0),
            Self::Absolute(x) => within("absolute", x, "[0, inf)", |x| x >= 0.0),
            Self::LayerSparsity(x) => within("layer-sparsity", x, "[0, 1)", sparsity),
            Self::GlobalSparsity(x) => within("global-sparsity", x, "[0, 1)", sparsity),
        }?;
        Ok(())
    }

    /// One mask for each layer.
    ///
    /// # Errors
    /// - [`Error::Range`] if the number is out of its range
    /// - [`Error::NotFinite`] naming a weight that is NaN or infinite
    ///
    /// # Example
    /// ```
    /// use hoyer_learn::threshold::Threshold;
    ///
    /// let layers: [&[f32]; 2] = [&[0.1, -0.9, 0.0, 0.4], &[0.3, -0.2]];
    /// let masks = Threshold::GlobalSparsity(0.5).masks(&layers)?;
    /// assert_eq!(masks[0].keep, [false, true, false, true]);
    /// assert_eq!((masks[0].kept, masks[1].kept), (2, 1));
    /// # Ok::<(), hoyer_learn::Error>(())
    /// ```
    pub fn masks(self, layers: &[&[f32]]) -> Result<Vec<Mask>> {
        self.check()?;
        check_finite(layers)?;
        match self {
            Self::Deviation(share) => {
                Ok(layers.iter().map(|layer| above(layer, share * deviation(layer))).collect())
            }
            Self::Absolute(threshold) => {
                Ok(layers.iter().map(|layer| above(layer, threshold)).collect())
            }
            Self::LayerSparsity(sparsity) => {
                layers.iter().map(|layer| Ok(smallest_cut(&[layer], sparsity)?.remove(0))).collect()
            }
            Self::GlobalSparsity(sparsity) => smallest_cut(layers, sparsity),
        }
    }
}

/// Standard deviation of a layer's weights with `n - 1` in the denominator; 0 for fewer than two.
///
/// # Example
/// ```
/// assert_eq!(hoyer_learn::threshold::deviation(&[1.0, 2.0, 3.0]), 1.0);
/// ```
#[must_use]
pub fn deviation(layer: &[f32]) -> f64 {
    if layer.len() < 2 {
        return 0.0;
    }
    let n = layer.len() as f64;
    let mean = layer.iter().map(|w| f64::from(*w)).sum::<f64>() / n;
    let squares: f64 = layer.iter().map(|w| (f64::from(*w) - mean).powi(2)).sum();
    (squares / (n - 1.0)).sqrt()
}

/// How many of `total` weights may be kept at this sparsity: at least its share is zero.
///
/// # Example
/// ```
/// // 0.07 · 100 is a little more than 7 in floating point; 7 zeros are meant.
/// assert_eq!(hoyer_learn::threshold::kept_at_sparsity(0.07, 100), 93);
/// assert_eq!(hoyer_learn::threshold::kept_at_sparsity(0.5, 3), 1);
/// ```
#[must_use]
pub fn kept_at_sparsity(sparsity: f64, total: usize) -> usize {
    let exact = sparsity * total as f64;
    let rounding = 4.0 * f64::EPSILON * exact;
    total - ((exact - rounding).ceil() as usize).min(total)
}

fn smallest_cut(layers: &[&[f32]], sparsity: f64) -> Result<Vec<Mask>> {
    let ranking = Ranking::new(layers, Scale::Magnitude)?;
    Ok(ranking.masks(kept_at_sparsity(sparsity, ranking.total())))
}

/// Keeps what is not below the threshold and not 0.
fn above(layer: &[f32], threshold: f64) -> Mask {
    let keep: Vec<bool> =
        layer.iter().map(|w| *w != 0.0 && f64::from(w.abs()) >= threshold).collect();
    let kept = keep.iter().filter(|keep| **keep).count();
    Mask { keep, kept }
}

fn check_finite(layers: &[&[f32]]) -> Result<()> {
    for (l, layer) in layers.iter().enumerate() {
        if let Some((i, w)) = layer.iter().enumerate().find(|(_, w)| !w.is_finite()) {
            let what = format!("weight {i} of layer {l}");
            return Err(Error::NotFinite { what, value: f64::from(*w) });
        }
    }
    Ok(())
}
