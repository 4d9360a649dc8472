//! The `.hoyer` file: a network and what belongs to it, in one checked container.
//!
//! ```text
//! magic  version  bytes that follow │ header (JSON, deflated) │ tensors │ CRC-32
//!   8       1          varint       │                         │         │   4      little-endian
//! ```
//! The header holds the graph, what each parameter is, and [`Metadata`]; a tensor is coded bit by bit, each as cheap as it is
//! likely. `docs/format.md` has every byte.
//!
//! Nothing in a [`Graph`] says that a tensor is quantized: one of few different numbers is, and is stored as such.
//!
//! Invariants: what can be written can be read, and is then equal (a dead `-0` becomes `0`); bytes that were read
//! are a sound graph ([`validate`]); no bytes panic, and none make the reader allocate more than a fixed multiple of
//! their number.
//! Not here: which numbers to keep (`hoyer_learn::quantize`); ONNX.

mod coder;
mod file;
mod frame;
pub(crate) mod header;
mod metadata;
mod parts;
mod tensors;
mod validate;
mod varint;

#[cfg(test)]
mod tests;

pub use coder::Storage;
pub use file::{load, save, write_atomic};
pub use metadata::Metadata;
pub use parts::{Parts, TensorPart, parts};
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
    let header = Header::new(graph, metadata).to_json()?;
    Ok(frame::seal(&header, &tensors::encode(&graph.params)))
}

/// The graph and metadata in the bytes of a `.hoyer` file.
///
/// # Errors
/// - [`Error::Container`](crate::Error::Container) if the bytes are not a whole, undamaged file of a version
///   that is known
/// - [`Error::Invalid`](crate::Error::Invalid) or [`Error::Node`](crate::Error::Node) if the graph in it is not sound
pub fn from_bytes(bytes: &[u8]) -> Result<(Graph, Metadata)> {
    let opened = frame::open(bytes)?;
    let header = Header::from_json(&opened.header)?;
    let params = tensors::decode(&header.params, opened.body)?;
    let (graph, metadata) = header.into_graph(params)?;
    validate(&graph)?;
    Ok((graph, metadata))
}

/// Says what is wrong with the bytes.
fn damaged(what: impl Into<String>) -> crate::Error {
    crate::Error::Container { what: what.into() }
}
