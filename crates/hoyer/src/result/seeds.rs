//! The same run with several seeds: one line each, and their mean and spread.
//!
//! ```text
//! mean = Σ x / n        sd = √( Σ (x − mean)² / (n − 1) )
//! ```
//!
//! Invariant: the spread of a single run is unknown, not 0.
//! Not here: running the seeds (the command).

use serde::{Deserialize, Serialize};

use super::RunResult;

/// One of several runs that differ in their seed only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedRun {
    /// Seed of this run.
    pub seed: u64,
    /// Test metric of its dense network.
    pub dense_metric: f64,
    /// Metric on validation data after compression.
    pub validation_metric: Option<f64>,
    /// Test metric after compression.
    pub test_metric: f64,
    /// Convolution and linear weights that are not zero.
    pub weights_nonzero: u64,
    /// Stored values that are not zero.
    pub params_nonzero: u64,
    /// Size of the `.hoyer` file in bytes.
    pub file_bytes: u64,
    /// Wall-clock time in seconds.
    pub seconds: f64,
    /// Whether everything promised was kept; `None` if nothing was promised.
    pub promise_kept: Option<bool>,
}

/// Mean and sample standard deviation of one number over the seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation, with `n - 1`; `None` for fewer than two runs.
    pub sd: Option<f64>,
}

/// Mean and spread of what matters over all seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeedSummary {
    /// Number of runs.
    pub runs: u64,
    /// Test metric of the dense networks.
    pub dense_metric: Spread,
    /// Test metric after compression.
    pub test_metric: Spread,
    /// Convolution and linear weights that are not zero.
    pub weights_nonzero: Spread,
    /// Stored values that are not zero.
    pub params_nonzero: Spread,
    /// Size of the `.hoyer` file in bytes.
    pub file_bytes: Spread,
    /// Wall-clock time in seconds.
    pub seconds: Spread,
}

impl From<&RunResult> for SeedRun {
    fn from(run: &RunResult) -> Self {
        Self {
            seed: run.seed,
            dense_metric: run.dense.metric,
            validation_metric: run.compressed.validation_metric,
            test_metric: run.test_metric,
            weights_nonzero: run.compressed.weights_nonzero,
            params_nonzero: run.compressed.params_nonzero,
            file_bytes: run.compressed.file_bytes,
            seconds: run.seconds,
            promise_kept: run.promise_kept(),
        }
    }
}

impl Spread {
    /// Mean and spread of these values; `None` if there are none.
    ///
    /// # Example
    /// ```
    /// let spread = hoyer::result::Spread::of(&[1.0, 3.0]).expect("two values");
    /// assert_eq!((spread.mean, spread.sd), (2.0, Some(2f64.sqrt())));
    /// ```
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        Some(Self { mean, sd })
    }
}

impl SeedSummary {
    /// Mean and spread over these runs; `None` if there are none.
    pub fn of(runs: &[SeedRun]) -> Option<Self> {
        let spread =
            |value: fn(&SeedRun) -> f64| Spread::of(&runs.iter().map(value).collect::<Vec<_>>());
        Some(Self {
            runs: runs.len() as u64,
            dense_metric: spread(|run| run.dense_metric)?,
            test_metric: spread(|run| run.test_metric)?,
            weights_nonzero: spread(|run| run.weights_nonzero as f64)?,
            params_nonzero: spread(|run| run.params_nonzero as f64)?,
            file_bytes: spread(|run| run.file_bytes as f64)?,
            seconds: spread(|run| run.seconds)?,
        })
    }
}
