//! The logistic function.
//!
//! ```text
//! y  = 1 / (1 + e⁻ˣ)
//! dx = dy · y · (1 − y)
//! ```
//! The gradient reads the output, so that the input's memory can be reused.

use super::{Rule, infer_alike, infer_unary};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = 1 / (1 + e⁻ˣ)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sigmoid;

/// `dx = dy · y · (1 − y)` over `(dy, y)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SigmoidGradient;

impl Rule for Sigmoid {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_unary("Sigmoid", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![inputs[0].map(|x| 1.0 / (1.0 + (-x).exp()))]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, y) = (back.output_gradient(node, 0)?, node.outputs[0]);
        let dx = back.add(node, SigmoidGradient, &[dy, y])?;
        back.accumulate(node.inputs[0], dx)
    }
}

impl Rule for SigmoidGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_alike("SigmoidGradient", inputs, 2)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, y) = (inputs[0], inputs[1]);
        vec![Array::from_fn(&dy.shape, |i| dy.data[i] * y.data[i] * (1.0 - y.data[i]))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradient_matches_central_differences() {
        check::op_gradient(Sigmoid, &[Type::f32([3, 5])], 8);
    }

    #[test]
    fn far_ends_saturate_without_overflow() {
        let x = Array::new(&[3], vec![-1e4, 0.0, 1e4]);
        assert_eq!(Sigmoid.evaluate(&[&x], &[vec![3]], 0)[0].data, [0.0, 0.5, 1.0]);
    }
}
