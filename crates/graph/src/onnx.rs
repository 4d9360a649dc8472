//! ONNX files: networks that others made, and networks for others.
//!
//! [`load`] and [`import`] read opsets 7 to 28. Weights become parameters whose [`Role`](crate::Role) follows from
//! what reads them; integers that come from shapes are computed while reading; old forms of ops become today's.
//!
//! What cannot be read without changing what a network computes is an error that names node, op and opset.
//! [`export`] writes opset 17. Adding an op: a function in `onnx/op/` and a row in `onnx/op_table.rs` to read it, and the
//! same two under `onnx/export/` to write it.
//!
//! Invariants: no bytes panic; what is read is a sound graph ([`validate`](crate::container::validate)).
//! Not here: what the ops mean (`op`).

mod budget;
mod context;
mod export;
mod external;
mod facts;
mod fold;
mod import;
mod known;
pub mod messages;
mod names;
mod op;
mod op_table;
mod sort;
pub(crate) mod stored;
mod text;

#[cfg(test)]
mod tests;

pub use export::export;
pub use import::{Batch, import, load};

use crate::{Error, Result};
use external::External;

/// Says what is wrong with a file.
pub(crate) fn unusable<T>(what: String) -> Result<T> {
    Err(Error::Onnx { what: text::plain(what) })
}
