//! How single ops are written; a row for each is in `op_table`.

pub(super) mod convolution;
pub(super) mod elementwise;
pub(super) mod layout;
pub(super) mod normalization;
pub(super) mod product;
pub(super) mod recurrent;
pub(super) mod reduction;
pub(super) mod resize;
pub(super) mod types;
