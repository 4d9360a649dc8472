//! Everything that can go wrong in this crate.

use std::path::PathBuf;

/// The result of every fallible function here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong while a network learns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "every field is named in its message")]
pub enum Error {
    /// A hyper-parameter lies outside its documented range.
    #[error("{name} = {value}, need {range}")]
    Range { name: &'static str, value: f64, range: &'static str },
    /// Two hyper-parameters do not go together.
    #[error("{what} needs {need}")]
    Needs { what: &'static str, need: &'static str },
    /// A list that must have one entry for each of something.
    #[error("{what}: got {got} entries, need {need}")]
    Length { what: String, got: usize, need: usize },
    /// A name that no penalty has.
    #[error("there is no penalty `{name}`; known are {known}")]
    UnknownPenalty { name: String, known: String },
    /// A number that is NaN or infinite where that means nothing.
    #[error("{what} is {value}, need a finite number")]
    NotFinite { what: String, value: f64 },
    /// A recipe that cannot be read or makes no sense.
    #[error("{0}")]
    Recipe(String),
    /// The data do not fit the network or the recipe.
    #[error("{what}: got {got}, need {need}")]
    Data { what: &'static str, got: usize, need: String },
    /// Training ran away.
    #[error("loss or gradient is not finite in step {step}; it began with {at}")]
    Diverged { step: u64, at: String },
    /// The caller asked to stop.
    #[error("interrupted in step {step}")]
    Interrupted { step: u64 },
    /// A checkpoint that belongs to another run.
    #[error("{} is a checkpoint of another recipe or network", path.display())]
    OtherRun { path: PathBuf },
    /// A checkpoint that was damaged.
    #[error("{} is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: &'static str },
    /// The operating system refused a file; its own words follow in the chain.
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The operating system refused a file; its own words follow in the chain.
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// A fault of the graph.
    #[error(transparent)]
    Graph(#[from] hoyer_graph::Error),
    /// The graph cannot be run.
    #[error(transparent)]
    Run(#[from] hoyer_run::Error),
}

/// `value` if it lies within `allowed`, which `range` describes.
pub(crate) fn within(
    name: &'static str,
    value: f64,
    range: &'static str,
    allowed: impl FnOnce(f64) -> bool,
) -> Result<f64> {
    if value.is_finite() && allowed(value) {
        Ok(value)
    } else {
        Err(Error::Range { name, value, range })
    }
}
