//! Rectified linear unit.
//!
//! ```text
//! y  = max(x, 0)
//! dx = dy · [y > 0]
//! ```
//! The gradient reads the output, so that the input's memory can be reused. A NaN passes, so that it is
//! never hidden.

use super::{Rule, infer_alike, infer_unary};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = max(x, 0)`; its slope at 0 is taken as 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relu;

/// `dx = dy · [y > 0]` over `(dy, y)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReluGradient;

impl Rule for Relu {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_unary("Relu", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![inputs[0].map(|x| if x < 0.0 { 0.0 } else { x })]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, y) = (back.output_gradient(node, 0)?, node.outputs[0]);
        let dx = back.add(node, ReluGradient, &[dy, y])?;
        back.accumulate(node.inputs[0], dx)
    }
}

impl Rule for ReluGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_alike("ReluGradient", inputs, 2)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, y) = (inputs[0], inputs[1]);
        let through = |i: usize| if y.data[i] > 0.0 { dy.data[i] } else { 0.0 };
        vec![Array::from_fn(&dy.shape, through)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradient_matches_central_differences() {
        check::op_gradient(Relu, &[Type::f32([3, 5])], 8);
    }

    #[test]
    fn a_nan_is_not_hidden() {
        let x = Array::new(&[2], vec![f64::NAN, -1.0]);
        let y = Relu.evaluate(&[&x], &[vec![2]], 0).remove(0);
        assert!(y.data[0].is_nan() && y.data[1] == 0.0);
    }
}
