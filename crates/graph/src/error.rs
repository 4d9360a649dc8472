//! Everything that can go wrong in this crate.

use crate::shape::Shape;
use std::path::PathBuf;

/// The result of every fallible function here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong while a graph is built, rewritten, evaluated, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "every field is named in its message")]
pub enum Error {
    /// The inputs of a node do not fit its op.
    #[error("node `{node}`")]
    Node { node: String, source: Mismatch },
    /// A tensor's data does not fill its shape.
    #[error("tensor `{name}` has {got} values, its shape {shape:?} needs {need}")]
    TensorLength { name: String, shape: Vec<usize>, got: usize, need: usize },
    /// A symbol was not given a size.
    #[error("dimension `{symbol}` of `{value}` has no size; bind it, for example `{symbol}=64`")]
    Unbound { symbol: String, value: String },
    /// Two things of a graph carry one name.
    #[error("there are two parameters named `{name}`")]
    DuplicateName { name: String },
    /// A name that the graph does not have.
    #[error("graph `{graph}` has no {kind} named `{name}`")]
    Unknown { graph: String, kind: &'static str, name: String },
    /// An input of an evaluation is missing or has the wrong shape.
    #[error("input `{name}`: got shape {got:?}, need {need}")]
    Input { name: String, got: Vec<usize>, need: Shape },
    /// A node whose op has no gradient stands between the loss and a parameter.
    #[error("node `{node}`: {op} has no gradient{why}")]
    NoGradient { node: String, op: &'static str, why: &'static str },
    /// A gradient was asked of something that is not one number.
    #[error("the loss `{value}` has shape {shape}, need one number")]
    LossShape { value: String, shape: Shape },
    /// A statistic that a training step should change cannot be changed.
    #[error("node `{node}` updates `{value}`, {why}")]
    Update { node: String, value: String, why: &'static str },
    /// The bytes of a `.hoyer` file are not what they should be.
    #[error("not a usable .hoyer file: {what}")]
    Container { what: String },
    /// The bytes of an ONNX file are not what they should be.
    #[error("not a usable ONNX file: {what}")]
    Onnx { what: String },
    /// A node of an ONNX file that cannot be run as it is meant.
    #[error("node `{node}`: {op} of opset {opset} {why}")]
    OnnxNode { node: String, op: String, opset: i64, why: String },
    /// The bytes of a `.safetensors` file are not what they should be.
    #[error("not a usable .safetensors file: {what}")]
    Safetensors { what: String },
    /// Parameters in a file that are not those of the network.
    #[error("{what}")]
    Weights { what: String },
    /// A node that cannot be written to an ONNX file.
    #[error("node `{node}`: {op} cannot be written as ONNX: {why}")]
    NotOnnx { node: String, op: &'static str, why: String },
    /// A graph with more bytes than a format can hold.
    #[error("graph `{graph}` takes {bytes} bytes as ONNX, which holds at most {most}")]
    TooLarge { graph: String, bytes: usize, most: usize },
    /// A graph breaks an invariant; see `container::validate`.
    #[error("graph `{graph}` is malformed: {what}")]
    Invalid { graph: String, what: String },
    /// A file was read, but what is in it cannot be used.
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: Box<Error> },
    /// The operating system refused to read; its own words follow in the chain.
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The operating system refused to write, for example because the disk is full.
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

/// Why an op refuses its inputs; the graph adds the node's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "every field is named in its message")]
pub enum Mismatch {
    /// Too few or too many inputs.
    #[error("{op} takes {need} inputs, got {got}")]
    InputCount { op: &'static str, need: &'static str, got: usize },
    /// A shape that the op cannot take.
    #[error("{op}: {what} has shape {got}, need {need}")]
    Shape { op: &'static str, what: &'static str, got: Shape, need: String },
    /// An element type that the op cannot take.
    #[error("{op}: {what} has type {got:?}, need {need:?}")]
    Type { op: &'static str, what: &'static str, got: crate::DType, need: crate::DType },
    /// An element type that is none of several that the op can take.
    #[error("{op}: {what} has type {got:?}, need {need}")]
    TypeOf { op: &'static str, what: &'static str, got: crate::DType, need: &'static str },
    /// An attribute out of its range.
    #[error("{op}: {attribute} = {got}, need {need}")]
    Attribute { op: &'static str, attribute: &'static str, got: String, need: String },
}
