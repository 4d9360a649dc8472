//! What a run reached: the content of `result.json`, as plain data.
//!
//! Invariants (held by [`RunResult::check`], which reading a file runs): the numbers agree with
//! each other; accuracies are shares in `[0, 1]`; `schema` is [`RESULT_VERSION`]. The file is
//! described field by field in `docs/result.md`.
//! Not here: the page for people (`report`), what a stage leaves behind (`hoyer_learn::record`),
//! measuring anything at all.

mod lead;
mod promise;
mod seeds;
mod size;

pub use lead::Lead;
pub use promise::{Promise, Quantity, Split};
pub use seeds::{SeedRun, SeedSummary, Spread};
pub use size::{Compressed, Dense, Ratios};

use hoyer_learn::record::StageRecord;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Version of the `result.json` schema; it grows when a field changes its meaning or goes away.
pub const RESULT_VERSION: u64 = 1;

/// Everything a finished run has to say, in the order of `result.json`.
///
/// # Units
/// - `seconds`: wall-clock time of the whole run, all stages and evaluation
/// - `epochs`: sum over the stages
/// - metrics: shares in `[0, 1]` where the metric is an accuracy
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Schema of this data, [`RESULT_VERSION`].
    pub schema: u64,
    /// Version of hoyer that made it.
    pub hoyer: String,
    /// Name or file of the model.
    pub model: String,
    /// Name or folder of the data.
    pub data: String,
    /// The method in words, for example `hoyer-square`.
    pub method: String,
    /// Name of the metric, for example `accuracy`.
    pub metric: String,
    /// Seed of this run.
    pub seed: u64,
    /// Wall-clock time in seconds.
    pub seconds: f64,
    /// Epochs trained, all stages together.
    pub epochs: u64,
    /// Threads it ran on.
    pub threads: u32,
    /// The machine it ran on.
    pub machine: Machine,
    /// The command line that makes it again.
    pub command: String,
    /// What was promised, and what came of it; empty if nothing was asked for.
    pub promises: Vec<Promise>,
    /// One record a stage, in the order they ran.
    pub stages: Vec<StageRecord>,
    /// The network before compression.
    pub dense: Dense,
    /// The network after compression.
    pub compressed: Compressed,
    /// How many times smaller it became, by each count.
    pub ratios: Ratios,
    /// One entry a convolution or linear layer, in the order of the graph.
    pub layers: Vec<Layer>,
    /// Test metric of the compressed network, every choice having been made on validation data.
    pub test_metric: f64,
    /// Best test metric of any epoch of the last stage, as papers often report it: a choice made
    /// on the test data, given for comparison only.
    pub test_best_epoch: Option<f64>,
    /// One entry a seed if the run was repeated; empty otherwise.
    pub seeds: Vec<SeedRun>,
    /// Mean and spread over `seeds`.
    pub seed_summary: Option<SeedSummary>,
}

/// The machine a run was measured on, as handed in by the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's own name.
    pub cpu: String,
    /// Cores the system offers.
    pub cores: u32,
}

/// One convolution or linear layer after compression. Biases are not counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of the weight in the graph.
    pub name: String,
    /// ONNX operator, `Conv` or `Gemm`.
    pub kind: String,
    /// Shape of the weight, `[out, in]` or `[out, in / groups, height, width]`; empty if the layer went with its branch.
    pub shape: Vec<u64>,
    /// Weights that are not zero.
    pub nonzero: u64,
    /// All weights.
    pub total: u64,
    /// Mean bits of the file for a weight that is not zero, its place among the zeros included.
    pub bits: f64,
    /// Multiply-accumulates of the dense shape, batch 1.
    pub macs: u64,
    /// Multiply-accumulates with a weight that is not zero.
    pub macs_nonzero: u64,
}

impl RunResult {
    /// Reads the text of a `result.json`.
    ///
    /// # Errors
    /// - [`Error::ResultText`] if the text is not JSON or lacks a field
    /// - [`Error::ResultSchema`] if it was written for another schema
    /// - [`Error::Evidence`] if its numbers contradict each other
    pub fn from_json(text: &str) -> Result<Self> {
        let not_a_result = |e: serde_json::Error| Error::ResultText { what: e.to_string() };
        let value: serde_json::Value = serde_json::from_str(text).map_err(not_a_result)?;
        let schema = value.get("schema").and_then(serde_json::Value::as_u64);
        match schema {
            Some(RESULT_VERSION) => {}
            Some(got) => return Err(Error::ResultSchema { got }),
            None => return Err(Error::ResultText { what: "no number `schema`".into() }),
        }
        let result: Self = serde_json::from_value(value).map_err(not_a_result)?;
        result.check()?;
        Ok(result)
    }

    /// The text of `result.json`: indented, one trailing newline.
    ///
    /// # Errors
    /// [`Error::Evidence`] if the numbers contradict each other: such a file is never written.
    pub fn to_json(&self) -> Result<String> {
        self.check()?;
        let not_writable = |e: serde_json::Error| Error::ResultText { what: e.to_string() };
        Ok(serde_json::to_string_pretty(self).map_err(not_writable)? + "\n")
    }

    /// Whether everything promised was kept; `None` if nothing was promised.
    pub fn promise_kept(&self) -> Option<bool> {
        (!self.promises.is_empty()).then(|| self.promises.iter().all(|promise| promise.kept))
    }

    /// Checks that the numbers agree with each other.
    ///
    /// # Errors
    /// [`Error::Evidence`] names the first number that does not, and what it should be.
    pub fn check(&self) -> Result<()> {
        agree("schema", self.schema, RESULT_VERSION)?;
        agree("test_metric", self.test_metric, self.compressed.metric)?;
        finite("test_metric", self.test_metric)?;
        finite("dense.metric", self.dense.metric)?;
        let epochs = self.stages.iter().map(|stage| stage.epochs.len() as u64).sum();
        agree("epochs", self.epochs, epochs)?;
        self.compressed.check(&self.dense)?;
        agree("ratios", self.ratios, Ratios::of(&self.dense, &self.compressed))?;
        for promise in &self.promises {
            agree("kept", promise.kept, promise.is_within())?;
        }
        agree("seed_summary", self.seed_summary, SeedSummary::of(&self.seeds))?;
        self.check_layers()
    }

    fn check_layers(&self) -> Result<()> {
        for layer in &self.layers {
            at_most(&format!("nonzero of layer `{}`", layer.name), layer.nonzero, layer.total)?;
        }
        let sum = |count: fn(&Layer) -> u64| self.layers.iter().map(count).sum::<u64>();
        agree("dense.weights", self.dense.weights, sum(|layer| layer.total))?;
        agree("compressed.weights_nonzero", self.compressed.weights_nonzero, sum(|l| l.nonzero))
    }
}

/// `got` must equal `need`; both appear in the error.
fn agree<T: PartialEq + std::fmt::Debug>(what: &str, got: T, need: T) -> Result<()> {
    let contradiction = || Error::Evidence {
        what: what.into(),
        got: format!("{got:?}"),
        need: format!("{need:?} as the rest of the result says"),
    };
    if got == need { Ok(()) } else { Err(contradiction()) }
}

/// `got` must not exceed `limit`.
fn at_most(what: &str, got: u64, limit: u64) -> Result<()> {
    if got <= limit {
        return Ok(());
    }
    Err(Error::Evidence {
        what: what.into(),
        got: got.to_string(),
        need: format!("at most {limit}"),
    })
}

/// `got` must be a number.
fn finite(what: &str, got: f64) -> Result<()> {
    if got.is_finite() {
        return Ok(());
    }
    Err(Error::Evidence { what: what.into(), got: got.to_string(), need: "a finite number".into() })
}

#[cfg(test)]
mod tests;
