//! The `.hoyer` file: a network and what belongs to it, in one checked container.
//!
//! ```text
//! magic  version  header length  file length │ header (JSON) │ tensors │ CRC-32
//!   8       4           4             8      │               │         │   4      bytes, little-endian
//! ```
//! The header holds the graph, what each parameter is and where its bytes lie, and [`Metadata`]; `docs/format.md`
//! has every field. A tensor is stored whole, or as a bitmap and the values that live, so that a pruned network is
//! already small.
//!
//! Invariants: what can be written can be read, and is then equal (a dead `-0` becomes `0`); bytes that were read
//! are a sound graph ([`validate`]); no bytes panic, and none make the reader allocate more than a fixed multiple of
//! their number.
//! Not here: quantized and entropy-coded storage; ONNX.

mod file;
mod frame;
mod header;
mod metadata;
mod tensors;
mod validate;

#[cfg(test)]
mod tests;

pub use file::{load, save, write_atomic};
pub use metadata::Metadata;
pub use validate::validate;

use crate::{Graph, Result};
use header::Header;

/// The bytes of a `.hoyer` file: the same graph and metadata give the same bytes.
///
/// # Errors
/// - [`Error::Invalid`](crate::Error::Invalid) or [`Error::Node`](crate::Error::Node) if the graph is not sound, or
///   holds what a file cannot (an infinite attribute, say)
///
/// # Example
/// ```
/// use hoyer_graph::container::{Metadata, from_bytes, to_bytes};
/// use hoyer_graph::{Graph, Role, Tensor};
///
/// let mut g = Graph::new("net");
/// let w = g.param("fc.weight", Role::Weight, Tensor::full(&[3, 2], 0.5))?;
/// g.outputs.push(w);
/// let mut metadata = Metadata::default();
/// metadata.set("classes", &["no", "yes"])?;
/// let bytes = to_bytes(&g, &metadata)?;
/// assert_eq!(from_bytes(&bytes)?, (g, metadata));
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn to_bytes(graph: &Graph, metadata: &Metadata) -> Result<Vec<u8>> {
    validate(graph)?;
    let (params, body) = tensors::encode(&graph.params);
    let header = Header::new(graph, params, metadata).to_json()?;
    frame::seal(header, &body)
}

/// The graph and metadata in the bytes of a `.hoyer` file.
///
/// # Errors
/// - [`Error::Container`](crate::Error::Container) if the bytes are not a whole, undamaged file of a version
///   that is known
/// - [`Error::Invalid`](crate::Error::Invalid) or [`Error::Node`](crate::Error::Node) if the graph in it is not sound
pub fn from_bytes(bytes: &[u8]) -> Result<(Graph, Metadata)> {
    let (header, body) = frame::open(bytes)?;
    let header = Header::from_json(header)?;
    let params = tensors::decode(&header.params, body)?;
    let (graph, metadata) = header.into_graph(params);
    validate(&graph)?;
    Ok((graph, metadata))
}

/// Says what is wrong with the bytes.
fn damaged(what: impl Into<String>) -> crate::Error {
    crate::Error::Container { what: what.into() }
}
