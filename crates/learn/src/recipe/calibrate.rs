//! A stage that measures statistics.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::within;

/// Measuring the means and variances of batch normalization anew, for weights that were cut or changed since: their averages over
/// batches of training data, varied as the recipe says: a network that learned from cropped images answers 4 of 100 validation images
/// worse with the statistics of whole ones (ResNet-56, CIFAR-10).
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `batches` | 100 | >= 1 | batches of training data | how many are looked at; at most all |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Calibrate {
    pub batches: usize,
}

impl Default for Calibrate {
    fn default() -> Self {
        Self { batches: 100 }
    }
}

impl Calibrate {
    pub(super) fn check(self) -> Result<()> {
        within("batches", self.batches as f64, "at least 1", |x| x >= 1.0).map(|_| ())
    }
}
