//! The op that does nothing.

use super::{Rule, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity;

impl Rule for Identity {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Identity", inputs, 1..=1, "1")?;
        Ok(vec![inputs[0].clone()])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![inputs[0].clone()]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        back.accumulate(node.inputs[0], dy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradient_matches_central_differences() {
        check::op_gradient(Identity, &[Type::f32([3, 5])], 8);
    }
}
