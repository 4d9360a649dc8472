//! A limit someone asked for, and whether the result keeps it.
//!
//! Invariant: `kept` is what [`Promise::judge`] makes of `limit` and `reached`; a value that is
//! not a number keeps nothing.
//! Not here: parsing `--budget` (the command), steering a run towards a budget (`hoyer_learn`).

use serde::{Deserialize, Serialize};

/// What a promise is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// The metric, at least the limit.
    Metric,
    /// What the metric may lose against the dense network, at most the limit; 0.003 is 0.3 points.
    MetricDrop,
    /// Convolution and linear weights that are not zero, at most the limit.
    Weights,
    /// Size of the `.hoyer` file in bytes, at most the limit.
    FileBytes,
    /// Multiply-accumulates for one sample, zeros in what is left counted too, at most the limit.
    Macs,
    /// Share of the dense multiply-accumulates that is left, at most the limit.
    MacsShare,
    /// Time for one sample in microseconds, at most the limit.
    LatencyUs,
}

/// The data a metric was measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Taken from the training set; every choice is made here.
    Validation,
    /// Read once, at the end.
    Test,
}

/// One limit and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// What the limit is of.
    pub quantity: Quantity,
    /// The data it was measured on, where that matters.
    pub split: Option<Split>,
    /// The limit, in the unit of `quantity`.
    pub limit: f64,
    /// What was reached, in the same unit.
    pub reached: f64,
    /// Whether `reached` lies within the limit.
    pub kept: bool,
}

impl Promise {
    /// Compares what was reached with the limit.
    ///
    /// # Example
    /// ```
    /// use hoyer::result::{Promise, Quantity, Split};
    ///
    /// assert!(Promise::judge(Quantity::Metric, 0.984, 0.9851).on(Split::Validation).kept);
    /// assert!(!Promise::judge(Quantity::FileBytes, 20_480.0, 20_481.0).kept);
    /// ```
    pub fn judge(quantity: Quantity, limit: f64, reached: f64) -> Self {
        let unjudged = Self { quantity, split: None, limit, reached, kept: false };
        Self { kept: unjudged.is_within(), ..unjudged }
    }

    /// Whether `reached` lies within `limit`, whatever `kept` says.
    pub(super) fn is_within(&self) -> bool {
        match self.quantity {
            Quantity::Metric => self.reached >= self.limit,
            _ => self.reached <= self.limit,
        }
    }

    /// The same promise, measured on this part of the data.
    pub fn on(self, split: Split) -> Self {
        Self { split: Some(split), ..self }
    }
}
