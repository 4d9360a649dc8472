//! Everything that can go wrong in this crate.

/// The result of every fallible function here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a graph cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "every field is named in its message")]
pub enum Error {
    /// A size is missing, or another fault of the graph.
    #[error(transparent)]
    Graph(#[from] hoyer_graph::Error),
    /// A value too large for memory.
    #[error("value `{value}` of shape {shape:?} is too large")]
    TooLarge { value: String, shape: Vec<usize> },
}
