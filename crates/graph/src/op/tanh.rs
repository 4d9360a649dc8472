//! Hyperbolic tangent.
//!
//! ```text
//! y  = tanh x
//! dx = dy · (1 − y²)
//! ```
//! The gradient reads the output, so that the input's memory can be reused.

use super::{Rule, infer_alike, infer_unary};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = tanh x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tanh;

/// `dx = dy · (1 − y²)` over `(dy, y)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TanhGradient;

impl Rule for Tanh {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_unary("Tanh", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![inputs[0].map(f64::tanh)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, y) = (back.output_gradient(node, 0)?, node.outputs[0]);
        let dx = back.add(node, TanhGradient, &[dy, y])?;
        back.accumulate(node.inputs[0], dx)
    }
}

impl Rule for TanhGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_alike("TanhGradient", inputs, 2)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, y) = (inputs[0], inputs[1]);
        vec![Array::from_fn(&dy.shape, |i| dy.data[i] * (1.0 - y.data[i] * y.data[i]))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradient_matches_central_differences() {
        check::op_gradient(Tanh, &[Type::f32([3, 5])], 8);
    }
}
