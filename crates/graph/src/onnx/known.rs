//! What is known before a network runs: stored numbers, and integers that come from shapes.
//!
//! Not here: computing with them (`fold`), reading them from a file (`stored`).

use super::stored::MAX_RANK;
use crate::op::Constant;
use crate::shape::Dim;
use crate::tensor::{DType, Tensor};
use std::fmt;

/// An integer: a number, or a dimension with a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extent {
    Number(i64),
    Symbolic(Dim),
}

impl Extent {
    /// The number, if no symbol is in it.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Symbolic(_) => None,
        }
    }

    /// The dimension, if it is not negative.
    pub(crate) fn dim(&self) -> Option<Dim> {
        match self {
            Self::Number(number) => usize::try_from(*number).ok().map(Dim::from),
            Self::Symbolic(dim) => Some(dim.clone()),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Symbolic(dim) => dim.fmt(f),
        }
    }
}

/// Integers as a message shows them, `[2, 3 · batch]`.
pub(crate) fn listed(extents: &[Extent]) -> String {
    let words: Vec<String> = extents.iter().take(MAX_RANK).map(Extent::to_string).collect();
    format!("[{}]", words.join(", "))
}

impl From<&Dim> for Extent {
    fn from(dim: &Dim) -> Self {
        match dim.fixed().map(i64::try_from) {
            Some(Ok(number)) => Self::Number(number),
            _ => Self::Symbolic(dim.clone()),
        }
    }
}

/// Integers or truth values (0 and 1) with a shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ints {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub data: Vec<Extent>,
}

impl Ints {
    /// Integers of this shape.
    pub(crate) fn new(shape: Vec<usize>, data: Vec<Extent>) -> Self {
        Self { dtype: DType::I64, shape, data }
    }

    /// Integers one after the other.
    pub(crate) fn line(data: Vec<Extent>) -> Self {
        Self::new(vec![data.len()], data)
    }

    /// Whether a symbol is in it.
    pub(crate) fn has_symbol(&self) -> bool {
        self.data.iter().any(|extent| matches!(extent, Extent::Symbolic(_)))
    }

    /// As a constant of the graph, if no symbol is in it.
    pub(crate) fn constant(&self) -> Option<Constant> {
        let data = self.data.iter().map(Extent::number).collect::<Option<_>>()?;
        Some(Constant { dtype: self.dtype, shape: self.shape.clone(), data })
    }
}

/// A value that is known before the network runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Known {
    Floats(Tensor),
    Ints(Ints),
}
