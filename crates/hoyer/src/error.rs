//! Everything that can go wrong in the façade.
//!
//! Not here: errors of the crates below, which come through unchanged.

use crate::result::RESULT_VERSION;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "every field is named in its message")]
pub enum Error {
    /// Text that should be a `result.json` is not one.
    #[error("not a result of hoyer: {what}")]
    ResultText { what: String },
    /// A `result.json` of another schema.
    #[error("result has schema {got}, this build reads {RESULT_VERSION}")]
    ResultSchema { got: u64 },
    /// Numbers that should agree do not, so nothing may be made of them.
    #[error("{what}: got {got}, need {need}")]
    Evidence { what: String, got: String, need: String },
    /// A graph that cannot be counted, read or written.
    #[error(transparent)]
    Graph(#[from] hoyer_graph::Error),
    /// A graph that cannot be run.
    #[error(transparent)]
    Run(#[from] hoyer_run::Error),
    /// What the trainer refuses.
    #[error(transparent)]
    Learn(#[from] hoyer_learn::Error),
    /// Data that cannot be used.
    #[error(transparent)]
    Data(#[from] hoyer_zoo::Error),
    /// A network without its dead channels does not say what it said with them.
    #[error("`{model}` without its dead channels answers {far} apart, need at most {most}")]
    NotEqual { model: String, far: f32, most: f32 },
    /// A network in a file that cannot be used for this.
    #[error("{file}")]
    File { file: String, source: Box<Error> },
    /// A file with parameters, where a network is needed.
    #[error("{} holds parameters but no network; give the network, and this with --weights", path.display())]
    OnlyWeights { path: std::path::PathBuf },
    /// A network that does not answer sample by sample.
    #[error(
        "model `{model}` does not answer samples one by one: {why}, need one input of floats and as many answers of floats"
    )]
    NoAnswers { model: String, why: String },
    /// A network for a fixed number of samples.
    #[error(
        "model `{model}` takes {shape}, need a first dimension for any number of samples: export it with one"
    )]
    FixedBatch { model: String, shape: String },
    /// A network and samples that do not belong together.
    #[error("model `{model}` takes {takes}, data set `{data}` has {has}")]
    DoesNotFit { model: String, takes: String, data: String, has: String },
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
