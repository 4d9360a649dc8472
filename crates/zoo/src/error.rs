//! What can go wrong with data sets and model builders.
//!
//! Every message names the culprit (file and place, or parameter), what came, what was needed
//! and, for files, what to do about it.

use std::path::PathBuf;

/// The result of everything in this crate that can go wrong.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "every field is named in its message")]
pub enum Error {
    /// A data file does not hold what its format says it must.
    #[error("{file}: {at}: {came}, need {need}; {hint}")]
    Data { file: String, at: String, came: String, need: String, hint: &'static str },
    /// Arrays, buffers or labels that do not fit together.
    #[error("{what}: got {got}, need {need}")]
    Shape { what: &'static str, got: String, need: String },
    /// A setting lies outside its documented range.
    #[error("{name} = {value}, need {need}")]
    Range { name: &'static str, value: String, need: String },
    /// A name that is no data set.
    #[error(
        "no data set is called `{name}`; known are {known}, or give the path of an .npz file or a \
         folder of IDX, CIFAR-10 or .npz files"
    )]
    UnknownDataset { name: String, known: String },
    /// A name that is no model.
    #[error("no model is called `{name}`; did you mean `{near}`? known are {known}")]
    UnknownModel { name: String, near: &'static str, known: String },
    /// A known data set that is not, or not wholly, in any of the data folders.
    #[error("data set `{name}` is not in {looked}{found}; get it with `hoyer data fetch {name}`")]
    NotFound { name: String, looked: String, found: String },
    /// No mirror gave a data set; nothing of it was kept but files that are whole.
    #[error(
        "cannot download `{name}`: {tried}; check the network, or put the files {files} into {} \
         yourself", folder.display()
    )]
    Download { name: String, tried: String, files: String, folder: PathBuf },
    /// The operating system refused to write, for example because the disk is full.
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// The operating system refused to read; its own words follow in the chain.
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
}
