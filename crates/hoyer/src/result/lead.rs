//! The size that a run was about: the one it made a promise of, else its weights.
//!
//! Not here: whether a promise was kept (`promise`).

use super::{Quantity, RunResult};

/// A size that is told first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// Convolution and linear weights that are not zero.
    Weights,
    /// Multiply-accumulates for one sample, those with a zero counted too, as a promise counts them.
    Macs,
    /// Bytes of the `.hoyer` file, against 4 bytes times the dense parameters.
    FileBytes,
}

impl Lead {
    /// What the first promise of a size is about; [`Lead::Weights`] if there is none.
    pub fn of(result: &RunResult) -> Self {
        let size = |quantity| match quantity {
            Quantity::Weights => Some(Self::Weights),
            Quantity::Macs | Quantity::MacsShare => Some(Self::Macs),
            Quantity::FileBytes => Some(Self::FileBytes),
            Quantity::Metric | Quantity::MetricDrop | Quantity::LatencyUs => None,
        };
        let promised = result.promises.iter().map(|promise| promise.quantity);
        promised.filter_map(size).next().unwrap_or(Self::Weights)
    }

    /// What is counted, in the plural.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Macs => "multiply-accumulates",
            Self::FileBytes => "bytes",
        }
    }

    /// What a ratio is of: `54.5x` and these words.
    pub fn gain(self) -> &'static str {
        match self {
            Self::Weights => "fewer weights",
            Self::Macs => "fewer multiply-accumulates",
            Self::FileBytes => "smaller file",
        }
    }

    /// The size before and after.
    pub fn sizes(self, result: &RunResult) -> [u64; 2] {
        let (dense, small) = (&result.dense, &result.compressed);
        match self {
            Self::Weights => [dense.weights, small.weights_nonzero],
            Self::Macs => [dense.macs, small.macs],
            Self::FileBytes => [dense.file_bytes, small.file_bytes],
        }
    }

    /// How many times smaller it became, if anything is left.
    pub fn ratio(self, result: &RunResult) -> Option<f64> {
        let [before, after] = self.sizes(result).map(|size| size as f64);
        Some(before / after).filter(|ratio| ratio.is_finite())
    }
}
