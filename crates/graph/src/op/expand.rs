//! Broadcasting to a larger shape.

use super::window::sized;
use super::{Op, Rule, bad_shape, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::{Coupling, Narrowing};
use crate::shape::Shape;
use crate::tensor::{Array, broadcast_strides, for_each_index, offset};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = x` repeated along axes of size 1 until it has the shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expand {
    /// The shape to broadcast with.
    pub shape: Shape,
}

impl Rule for Expand {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Expand", inputs, 1..=1, "1")?;
        let fitting = || {
            let need = format!("one that broadcasts with {}", self.shape);
            bad_shape("Expand", "the input", &inputs[0].shape, need)
        };
        let shape = inputs[0].shape.broadcast(&self.shape).ok_or_else(fitting)?;
        Ok(vec![Type { dtype: inputs[0].dtype, ..sized("Expand", shape)? }])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Moved { rigid: Vec::new() }
    }

    fn narrowed(&self, narrowing: Narrowing<'_>) -> Option<Op> {
        let made = narrowing.outputs[0].as_ref()?;
        Some(Op::Expand(Self { shape: made.narrow(&self.shape) }))
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (x, shape) = (inputs[0], &outputs[0]);
        let from = broadcast_strides(&x.shape, shape);
        let mut data = Vec::new();
        for_each_index(shape, |i| data.push(x.data[offset(i, &from)]));
        vec![Array::new(shape, data)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        back.accumulate_broadcast(node, 0, dy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn more_elements_than_can_be_counted_are_refused() {
        let op = Expand { shape: Shape::from([1 << 40, 1 << 40]) };
        assert!(op.infer(&[Type::f32([1])]).is_err());
    }

    #[test]
    fn gradient_matches_central_differences() {
        let op = Expand { shape: Shape::from([2, 3, 5]) };
        check::op_gradient(op.clone(), &[Type::f32([3, 1])], 8);
        check::op_gradient(op, &[Type::f32([1, 1, 5])], 8);
    }
}
