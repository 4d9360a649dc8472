//! A network in a file, whoever made it.
//!
//! Not here: the formats (`hoyer_graph::container`, `hoyer_graph::onnx`).

use std::path::Path;

use hoyer_graph::Graph;
use hoyer_graph::container::{self, Metadata};
use hoyer_graph::onnx::{self, Batch};

use crate::error::Result;

/// Whether a name is that of a file with a network: `.hoyer` or `.onnx`.
pub fn is_model_file(path: &Path) -> bool {
    is_onnx(path) || path.extension().is_some_and(|ending| ending == "hoyer")
}

fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
}

/// Reads a network and what its file says of it; an ONNX file says nothing, and takes any number of samples.
///
/// # Errors
/// If the file cannot be read, or holds what hoyer cannot use: which node, and why.
pub fn load(path: &Path) -> Result<(Graph, Metadata)> {
    if is_onnx(path) {
        return Ok((onnx::load(path, Batch::Symbolic)?, Metadata::default()));
    }
    Ok(container::load(path)?)
}
