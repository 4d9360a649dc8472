//! Where the bytes of a `.hoyer` file go.

use super::coder::Storage;
use super::{frame, header::Header, tensors};
use crate::Result;

/// How many bytes each part of a file takes; they add up to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Magic, version, length and checksum.
    pub frame: usize,
    /// Graph and metadata, with their lengths.
    pub header: usize,
    /// The same before it was deflated.
    pub header_inflated: usize,
    /// Each parameter, in order.
    pub tensors: Vec<TensorPart>,
}

impl Parts {
    /// All bytes.
    pub fn bytes(&self) -> usize {
        self.frame + self.header + self.tensors.iter().map(|tensor| tensor.bytes).sum::<usize>()
    }

    /// Bytes of a parameter; 0 if there is none of this name.
    pub fn of(&self, name: &str) -> usize {
        self.tensors.iter().find(|tensor| tensor.name == name).map_or(0, |tensor| tensor.bytes)
    }
}

/// A parameter's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorPart {
    /// The parameter.
    pub name: String,
    /// How it is stored.
    pub storage: Storage,
    /// Elements, zeros included.
    pub elements: usize,
    /// Bytes, their length included.
    pub bytes: usize,
}

/// Where the bytes of a file go.
///
/// # Errors
/// [`Error::Container`](crate::Error::Container) as [`from_bytes`](super::from_bytes) has it.
///
/// # Example
/// ```
/// use hoyer_graph::container::{Metadata, parts, to_bytes};
/// use hoyer_graph::{Graph, Role, Tensor};
///
/// let mut g = Graph::new("net");
/// g.param("w", Role::Weight, Tensor::full(&[100, 100], 0.5))?;
/// let bytes = to_bytes(&g, &Metadata::default())?;
/// let parts = parts(&bytes)?;
/// assert_eq!((parts.bytes(), parts.of("w")), (bytes.len(), parts.tensors[0].bytes));
/// assert_eq!(parts.tensors[0].storage.name(), "steps");
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn parts(bytes: &[u8]) -> Result<Parts> {
    let opened = frame::open(bytes)?;
    let header = Header::from_json(&opened.header)?;
    let records = tensors::split(&header.params, opened.body)?;
    let tensors = header.params.iter().zip(records).map(|(param, record)| TensorPart {
        name: param.name.clone(),
        storage: Storage::of(record),
        elements: param.shape.iter().fold(1, |all, &dim| all.saturating_mul(dim)),
        bytes: record.len() + 1 + (record.len().max(1).ilog2() / 7) as usize,
    });
    Ok(Parts {
        frame: bytes.len() - opened.header_bytes - opened.body.len(),
        header: opened.header_bytes,
        header_inflated: opened.header.len(),
        tensors: tensors.collect(),
    })
}
