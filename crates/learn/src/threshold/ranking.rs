//! All weights of a network in the order in which they would be cut.
//!
//! Sorted once, it answers for every candidate of a search how many weights a threshold keeps,
//! which threshold keeps a given number, and what the masks are, without sorting again.
//!
//! Invariants: one 64-bit key a weight, score above index, so that ties go by index.

use super::{Mask, check_finite, deviation};
use crate::{Error, Result};

/// What weights of different layers are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// `|w|`.
    Magnitude,
    /// `|w| / std(layer)`: a threshold is then a share of each layer's standard deviation.
    Deviation,
}

/// Weights of several layers, sorted by score.
///
/// # Example
/// ```
/// use hoyer_learn::threshold::{Ranking, Scale};
///
/// let layers: [&[f32]; 2] = [&[0.1, -0.9, 0.0, 0.4], &[0.3, -0.2]];
/// let ranking = Ranking::new(&layers, Scale::Magnitude)?;
/// assert_eq!((ranking.total(), ranking.living()), (6, 5));
/// assert_eq!(ranking.kept_at(0.3), 3);
/// assert_eq!(ranking.threshold_keeping(3), 0.3);
/// assert_eq!(ranking.kept_in_layers(3), [2, 1]);
/// assert_eq!(ranking.masks(3)[1].keep, [true, false]);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Bits of the score, then index among all weights; ascending.
    keys: Vec<u64>,
    /// Weights of each layer.
    lengths: Vec<usize>,
    /// Weights that are exactly 0: the first keys.
    zeros: usize,
}

impl Ranking {
    /// Scores and sorts the weights of these layers.
    ///
    /// # Errors
    /// - [`Error::NotFinite`] naming a weight that is NaN or infinite
    /// - [`Error::Range`] if there are more than `u32::MAX` weights
    pub fn new(layers: &[&[f32]], scale: Scale) -> Result<Self> {
        check_finite(layers)?;
        let lengths: Vec<usize> = layers.iter().map(|layer| layer.len()).collect();
        let total: usize = lengths.iter().sum();
        if u32::try_from(total).is_err() {
            let range = "[0, 4294967295]";
            return Err(Error::Range { name: "weights to rank", value: total as f64, range });
        }
        let mut keys = Vec::with_capacity(total);
        for layer in layers {
            let divisor = match scale {
                Scale::Magnitude => 1.0,
                Scale::Deviation => deviation(layer),
            };
            for w in *layer {
                keys.push(u64::from(score(*w, divisor).to_bits()) << 32 | keys.len() as u64);
            }
        }
        keys.sort_unstable();
        let zeros = keys.partition_point(|key| score_of(*key) == 0.0);
        Ok(Self { keys, lengths, zeros })
    }

    /// How many weights there are, zeros included.
    #[must_use]
    pub fn total(&self) -> usize {
        self.keys.len()
    }

    /// How many are not 0: the most that can be kept.
    #[must_use]
    pub fn living(&self) -> usize {
        self.keys.len() - self.zeros
    }

    /// How many weights a threshold keeps: those that are not below it and not 0.
    ///
    /// # Units
    /// - `threshold`: as the scale says
    #[must_use]
    pub fn kept_at(&self, threshold: f32) -> usize {
        let below = self.keys.partition_point(|key| score_of(*key) < threshold);
        self.keys.len() - below.max(self.zeros)
    }

    /// The largest threshold that keeps `kept` weights; ties may make it keep more. Infinite for
    /// none.
    #[must_use]
    pub fn threshold_keeping(&self, kept: usize) -> f32 {
        let kept = kept.min(self.living());
        self.keys.get(self.keys.len() - kept).map_or(f32::INFINITY, |key| score_of(*key))
    }

    /// How many weights of each layer are among the `kept` largest.
    #[must_use]
    pub fn kept_in_layers(&self, kept: usize) -> Vec<usize> {
        self.masks(kept).iter().map(|mask| mask.kept).collect()
    }

    /// The masks that keep the `kept` largest weights, or all that are not 0 if those are fewer.
    #[must_use]
    pub fn masks(&self, kept: usize) -> Vec<Mask> {
        let mut masks: Vec<Mask> =
            self.lengths.iter().map(|len| Mask { keep: vec![false; *len], kept: 0 }).collect();
        let ends = self.ends();
        let first = self.keys.len() - kept.min(self.living());
        for key in &self.keys[first..] {
            let index = (*key & u64::from(u32::MAX)) as usize;
            let layer = ends.partition_point(|end| *end <= index);
            let start = ends[layer] - self.lengths[layer];
            let mask = &mut masks[layer];
            mask.keep[index - start] = true;
            mask.kept += 1;
        }
        masks
    }

    /// Where each layer ends among all weights.
    fn ends(&self) -> Vec<usize> {
        let mut end = 0;
        let ends = self.lengths.iter().map(|len| {
            end += len;
            end
        });
        ends.collect()
    }
}

/// `|w| / divisor` in the precision of keys; 0 for 0, and above 0 for anything else.
fn score(w: f32, divisor: f64) -> f32 {
    if w == 0.0 {
        return 0.0;
    }
    let least = f32::from_bits(1);
    ((f64::from(w.abs()) / divisor) as f32).max(least)
}

fn score_of(key: u64) -> f32 {
    f32::from_bits((key >> 32) as u32)
}
