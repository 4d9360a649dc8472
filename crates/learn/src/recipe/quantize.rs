//! A stage that quantizes.

use serde::{Deserialize, Serialize};

use super::Promise;
use crate::error::within;
use crate::quantize::Levels;
use crate::{Error, Result};

/// Few levels for the weights and biases of every layer, into which batch normalizations go before.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `bits` | none | 1 to 8 | bits | each layer has at most 2 to this power levels beside zero; without it the file gets as small as the accuracy allows |
/// | `accuracy` | the promised one | [0, 1] | share of validation samples | what has to be kept where `bits` is not given |
/// | `levels` | `either` | `uniform`, `k-means`, `either` | – | multiples of a step, any numbers, or what costs less |
/// | `batches` | 200 | >= 1 | batches of training data | over which squared gradients are gathered |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Quantize {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    pub levels: Levels,
    pub batches: usize,
}

impl Default for Quantize {
    fn default() -> Self {
        Self { bits: None, accuracy: None, levels: Levels::Either, batches: 200 }
    }
}

/// How many levels there may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Precision {
    /// At most 2 to this power beside zero.
    Bits(u8),
    /// As few bits as keep this accuracy.
    Accuracy(f64),
}

impl Quantize {
    pub(crate) fn precision(&self, promise: Promise) -> Result<Precision> {
        let nothing = || {
            Error::Recipe("quantize needs bits, an accuracy of its own, or a promised one".into())
        };
        match self.bits {
            Some(bits) => Ok(Precision::Bits(bits)),
            None => self.accuracy.or(promise.accuracy).map(Precision::Accuracy).ok_or_else(nothing),
        }
    }

    pub(super) fn check(&self, promise: Promise) -> Result<()> {
        match self.precision(promise)? {
            Precision::Bits(bits) => {
                within("bits", f64::from(bits), "1 to 8", |x| (1.0..=8.0).contains(&x))?
            }
            Precision::Accuracy(x) => {
                within("accuracy", x, "[0, 1]", |x| (0.0..=1.0).contains(&x))?
            }
        };
        within("batches", self.batches as f64, "at least 1", |x| x >= 1.0).map(|_| ())
    }
}
