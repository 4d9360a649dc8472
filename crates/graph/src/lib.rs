//! The graph of hoyer: a network is a straight-line program of ONNX ops over values and parameters.
//!
//! - [`Graph`] holds nodes, values and parameters; shapes may have symbols ([`Dim`]) such as `batch`.
//! - Every op ([`Op`]) is one file with its shapes, its meaning in f64 and its gradient ([`Rule`]).
//! - [`training`] gives an inference graph its training form; [`loss`] has what to train for.
//! - [`gradient`] appends backward nodes to the same graph; [`check`] proves the rules right.
//! - [`groups`] finds the channels that must live or die together, and takes dead ones out.
//! - [`container`] keeps a graph and its metadata in a checked `.hoyer` file.
//! - [`onnx`] reads and writes ONNX files, [`weights`] parameters alone (`.safetensors`).
//! - [`evaluate`] says what a graph means, slowly and plainly; [`cost`] counts what it stores and multiplies.
//!
//! Not here: running fast (`hoyer-run`), learning (`hoyer-learn`), model families and data (`hoyer-zoo`).
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate self as hoyer_graph;

#[cfg(test)]
#[path = "../tests/nasty/answers.rs"]
mod answers;
mod append;
pub mod check;
pub mod container;
mod cost;
mod error;
mod evaluate;
mod fold;
mod gradient;
mod graph;
pub mod groups;
pub mod loss;
mod merge;
pub mod onnx;
mod op;
mod rewrite;
mod shape;
mod tensor;
mod training;
pub mod weights;

pub use append::append;
pub use cost::{Cost, LayerCost, cost};
pub use error::{Error, Mismatch, Result};
pub use evaluate::{bound, evaluate, evaluate_with};
pub use fold::fold_batch_normalization;
pub use gradient::{Backward, gradient, trained};
pub use graph::{Graph, Node, NodeId, Param, ParamId, Role, Source, Type, Update, Value, ValueId};
pub use merge::merge_products;
pub use op::*;
pub use rewrite::Rewrite;
pub use shape::{Bindings, Dim, Shape};
pub use tensor::{
    Array, DType, Tensor, broadcast_strides, elements, for_each_index, offset, strides,
};
pub use training::{adopt, seed_dropout, training};
