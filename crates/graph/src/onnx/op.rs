//! How each op of an ONNX file becomes ours, old forms included.
//!
//! Not here: which function belongs to which op (`op_table`).

pub(crate) mod convolution;
pub(crate) mod curve;
pub(crate) mod einsum;
pub(crate) mod elementwise;
pub(crate) mod indexing;
pub(crate) mod layout;
pub(crate) mod logic;
pub(crate) mod normalization;
pub(crate) mod product;
pub(crate) mod recurrent;
pub(crate) mod reduction;
pub(crate) mod resize;
pub(crate) mod unrolled;
