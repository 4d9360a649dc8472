//! `hoyer eval`: how well a model answers.
//!
//! Not here: what it consists of (`inspect`).

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use hoyer::samples::normalization;
use hoyer::score::score;
use hoyer_kernels::pool::Pool;
use hoyer_zoo::data;
use serde_json::json;

use super::input_flags::InputFlags;
use super::roots::roots;
use super::run_options::RunOptions;
use super::table::percent;

/// Measure the accuracy of a model on test (or training) data
#[derive(clap::Args)]
pub(crate) struct Eval {
    /// Model file, .hoyer or .onnx
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Data set: a name of `hoyer data list` or a path; default: the one the model was made with
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    /// Parameters to use instead of its own, by name: a .safetensors file
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Which samples
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    #[command(flatten)]
    input: InputFlags,
    #[command(flatten)]
    options: RunOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Split {
    Test,
    Train,
}

impl Eval {
    /// # Errors
    /// If model or data cannot be read or do not belong together, or `out` cannot be written.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        let (mut graph, metadata) = hoyer::model_file::load(&self.model)?;
        if let Some(file) = &self.weights {
            hoyer_graph::weights::load(&mut graph, file)?;
        }
        let named = metadata.get::<String>("data")?;
        let name = self.data.or(named).context("the model does not say its data; give --data")?;
        let dataset = data::load(&name, &roots(self.options.data_dir.clone()))?;
        let (indices, split) = match self.split {
            Split::Test => (&dataset.test, "test"),
            Split::Train => (&dataset.train, "train"),
        };
        let pool = Arc::new(Pool::new(self.options.threads()));
        let input = normalization(&self.input.or_of(&metadata)?);
        let score = score(&graph, (&dataset, indices), &input, &pool)?;
        if self.options.json {
            let answer = json!({
                "model": self.model.display().to_string(), "data": dataset.name, "split": split,
                "accuracy": score.accuracy, "loss": score.loss, "samples": score.samples,
            });
            writeln!(out, "{answer:#}")?;
            return Ok(());
        }
        let (accuracy, loss, samples) = (percent(score.accuracy), score.loss, score.samples);
        writeln!(out, "accuracy {accuracy}, loss {loss:.4}, {samples} {split} samples of {name}")?;
        Ok(())
    }
}
