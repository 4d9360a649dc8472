//! A network in a file, whoever made it.
//!
//! Not here: the formats (`hoyer_graph::container`, `hoyer_graph::onnx`, `hoyer_graph::weights`).

use std::path::Path;

use hoyer_graph::container::{self, Metadata};
use hoyer_graph::onnx::{self, Batch};
use hoyer_graph::{Graph, weights};

use crate::error::{Error, Result};
use crate::samples_apart::{samples_apart, takes_one};

/// What a file holds; its name ends so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.hoyer`: network, masks, and all that is known of it.
    Hoyer,
    /// `.onnx`: the network, for other runtimes.
    Onnx,
    /// `.safetensors`: parameters alone, by name.
    Safetensors,
}

impl Format {
    /// The format that a name asks for, if it is one of these.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_string_lossy().to_lowercase();
        match ending.as_str() {
            "hoyer" => Some(Self::Hoyer),
            "onnx" => Some(Self::Onnx),
            "safetensors" => Some(Self::Safetensors),
            _ => None,
        }
    }

    /// The bytes of a file with this network.
    ///
    /// # Errors
    /// If the format cannot hold it: which node, and why.
    pub fn bytes(self, graph: &Graph, metadata: &Metadata) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Hoyer => container::to_bytes(graph, metadata)?,
            Self::Onnx => onnx::export(graph, metadata)?,
            Self::Safetensors => weights::to_safetensors(graph)?,
        })
    }
}

/// Whether a name is that of a file with a network: `.hoyer` or `.onnx`.
pub fn is_model_file(path: &Path) -> bool {
    matches!(Format::of(path), Some(Format::Hoyer | Format::Onnx))
}

/// Reads a network and what its file says of it. One from an ONNX file for one sample takes any number of them, where
/// samples stay apart in it.
///
/// # Errors
/// If the file cannot be read, or holds what hoyer cannot use: which node, and why.
pub fn load(path: &Path) -> Result<(Graph, Metadata)> {
    match Format::of(path) {
        Some(Format::Onnx) => from_onnx(path),
        Some(Format::Safetensors) => Err(Error::OnlyWeights { path: path.into() }),
        _ => Ok(container::load(path)?),
    }
}

fn from_onnx(path: &Path) -> Result<(Graph, Metadata)> {
    let (one, metadata) = onnx::load(path, Batch::AsStored)?;
    if takes_one(&one) {
        match onnx::load(path, Batch::Symbolic) {
            Ok((many, metadata)) if samples_apart(&one, &many) => return Ok((many, metadata)),
            _ => {}
        }
    }
    Ok((one, metadata))
}
