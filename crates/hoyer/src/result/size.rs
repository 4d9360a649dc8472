//! How large a network is, before and after, by each way of counting.
//!
//! ```text
//! weights     conv + linear weights                   dense.weights / compressed.weights_nonzero
//! … with biases   the same and their biases           likewise
//! parameters  everything the model file stores        dense.params / compressed.params_nonzero
//! file bytes  the whole `.hoyer` file                 4 · dense.params / compressed.file_bytes
//! ```
//!
//! Invariants: a ratio is above 1 when the network became smaller, and `None` when there is
//! nothing to divide by.
//! Not here: counting (`hoyer_graph`), measuring latency (`hoyer_run`).

use serde::{Deserialize, Serialize};

use super::{agree, at_most, finite};
use crate::error::Result;

/// The network before compression.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    /// Test metric, the epoch having been chosen on validation data.
    pub metric: f64,
    /// Metric on the validation data.
    pub validation_metric: Option<f64>,
    /// Convolution and linear weights.
    pub weights: u64,
    /// The same and the biases of these layers.
    pub weights_with_biases: u64,
    /// Everything stored: weights, biases, normalization.
    pub params: u64,
    /// Multiply-accumulates of convolution and linear layers, batch 1.
    pub macs: u64,
    /// 4 bytes times `params`.
    pub file_bytes: u64,
    /// Time for one sample in microseconds, if it was measured.
    pub latency_us: Option<f64>,
}

/// The network after compression. Counts without `nonzero` are of its shape, zeros included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compressed {
    /// Test metric, every choice having been made on validation data.
    pub metric: f64,
    /// Metric on the validation data.
    pub validation_metric: Option<f64>,
    /// Convolution and linear weights.
    pub weights: u64,
    /// The same and the biases of these layers.
    pub weights_with_biases: u64,
    /// Everything stored.
    pub params: u64,
    /// Multiply-accumulates of convolution and linear layers, batch 1.
    pub macs: u64,
    /// Size of the `.hoyer` file in bytes.
    pub file_bytes: u64,
    /// Time for one sample in microseconds, if it was measured.
    pub latency_us: Option<f64>,
    /// Convolution and linear weights that are not zero.
    pub weights_nonzero: u64,
    /// The same and the biases that are not zero: what the DeepHoyer paper's code counts.
    pub weights_with_biases_nonzero: u64,
    /// Stored values that are not zero.
    pub params_nonzero: u64,
    /// Multiply-accumulates with a weight that is not zero, batch 1.
    pub macs_nonzero: u64,
    /// Mean bits of the file for a weight that is not zero, its place among the zeros included.
    pub bits: f64,
}

impl Compressed {
    /// Checks the counts against each other and against the dense network.
    pub(super) fn check(&self, dense: &Dense) -> Result<()> {
        at_most("compressed.weights_nonzero", self.weights_nonzero, self.weights)?;
        let biased = self.weights_with_biases_nonzero;
        at_most("compressed.weights_with_biases_nonzero", biased, self.weights_with_biases)?;
        at_most("compressed.params_nonzero", self.params_nonzero, self.params)?;
        at_most("compressed.macs_nonzero", self.macs_nonzero, self.macs)?;
        at_most("compressed.weights", self.weights, dense.weights)?;
        agree("dense.file_bytes", dense.file_bytes, 4 * dense.params)?;
        finite("compressed.bits", self.bits)
    }
}

/// How many times smaller the network became.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// By convolution and linear weights, as papers count.
    pub weights: Option<f64>,
    /// By the same and their biases.
    pub weights_with_biases: Option<f64>,
    /// By everything stored.
    pub params: Option<f64>,
    /// By multiply-accumulates that are not with a zero.
    pub macs: Option<f64>,
    /// By bytes on disk, against 4 bytes times the dense parameters.
    pub file_bytes: Option<f64>,
    /// By time for one sample.
    pub latency: Option<f64>,
}

impl Ratios {
    /// The ratios of a network before and after.
    pub fn of(dense: &Dense, compressed: &Compressed) -> Self {
        let counts = |before: u64, after: u64| quotient(before as f64, after as f64);
        let biased = compressed.weights_with_biases_nonzero;
        Self {
            weights: counts(dense.weights, compressed.weights_nonzero),
            weights_with_biases: counts(dense.weights_with_biases, biased),
            params: counts(dense.params, compressed.params_nonzero),
            macs: counts(dense.macs, compressed.macs_nonzero),
            file_bytes: counts(4 * dense.params, compressed.file_bytes),
            latency: dense
                .latency_us
                .zip(compressed.latency_us)
                .and_then(|(before, after)| quotient(before, after)),
        }
    }
}

fn quotient(before: f64, after: f64) -> Option<f64> {
    Some(before / after).filter(|ratio| ratio.is_finite())
}
