//! From one element type to another.
//!
//! ```text
//! to I64    rounded towards 0; NaN becomes 0
//! to Bool   whether it is not 0
//! dx = dy where both types are f32, else there is none
//! ```

use super::{Rule, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::{Array, DType};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = x` as another element type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    /// The element type of the output.
    pub to: DType,
}

impl Rule for Cast {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Cast", inputs, 1..=1, "1")?;
        Ok(vec![Type { dtype: self.to, shape: inputs[0].shape.clone() }])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![inputs[0].map(|x| match self.to {
            DType::F32 => x,
            DType::I64 if x.is_nan() => 0.0,
            DType::I64 => x.trunc(),
            DType::Bool => f64::from(x != 0.0),
        })]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let x = node.inputs[0];
        if self.to == DType::F32 && back.dtype(x) == DType::F32 {
            let dy = back.output_gradient(node, 0)?;
            back.accumulate(x, dy)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn a_cast_from_f32_to_f32_lets_the_gradient_through() {
        check::op_gradient(Cast { to: DType::F32 }, &[Type::f32([3, 5])], 2);
        check::op_gradient(Cast { to: DType::F32 }, &[Type::bool([3])], 1);
    }

    #[test]
    fn integers_round_towards_zero_and_truth_is_not_zero() {
        let x = Array::new(&[5], vec![-1.5, 0.0, 0.5, 2.9, f64::NAN]);
        let cast = |to| Cast { to }.evaluate(&[&x], &[vec![5]], 0)[0].data.clone();
        assert_eq!(cast(DType::I64), [-1.0, 0.0, 0.0, 2.0, 0.0]);
        assert_eq!(cast(DType::Bool), [1.0, 0.0, 1.0, 1.0, 1.0]);
    }
}
