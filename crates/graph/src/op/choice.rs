//! One of two values, element by element.
//!
//! ```text
//! y  = a where c, else b
//! da = dy where c, else 0        db = 0 where c, else dy
//! ```

use super::{Rule, bad_shape, expect_dtype, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::{Array, DType, Tensor, broadcast_strides, for_each_index, offset};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `a` where `c` is true, else `b`, over `(c, a, b)`, which broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Where;

impl Rule for Where {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        let op = "Where";
        expect_inputs(op, inputs, 3..=3, "3")?;
        expect_dtype(op, "the condition", &inputs[0], DType::Bool)?;
        let dtype = inputs[1].dtype;
        expect_dtype(op, "the third input", &inputs[2], dtype)?;
        let [c, a, b] = [0, 1, 2].map(|i| &inputs[i].shape);
        let shape = a.broadcast(b).and_then(|both| both.broadcast(c));
        let need = || bad_shape(op, "the condition", c, format!("what goes with {a} and {b}"));
        Ok(vec![Type { dtype, shape: shape.ok_or_else(need)? }])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let shape = &outputs[0];
        let from = [0, 1, 2].map(|i| broadcast_strides(&inputs[i].shape, shape));
        let mut data = Vec::new();
        for_each_index(shape, |at| {
            let read = |i: usize| inputs[i].data[offset(at, &from[i])];
            data.push(if read(0) == 0.0 { read(2) } else { read(1) });
        });
        vec![Array::new(shape, data)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let name = format!("{}.zero{}", node.name, node.outputs[0].0);
        let zero = back.constant(&name, Tensor::full(&[], 0.0))?;
        let c = node.inputs[0];
        for (branch, parts) in [(1, [c, dy, zero]), (2, [c, zero, dy])] {
            if back.needs(node.inputs[branch]) {
                let gradient = back.add(node, Where, &parts)?;
                back.accumulate_broadcast(node, branch, gradient)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences_for_every_broadcast() {
        for [c, a, b] in [
            [vec![3, 5], vec![3, 5], vec![3, 5]],
            [vec![5], vec![3, 1], vec![]],
            [vec![2, 3, 1], vec![1, 5], vec![3, 5]],
            [vec![1], vec![4], vec![1, 4]],
        ] {
            let f32 = |shape: &[usize]| Type::f32(shape);
            check::op_gradient(Where, &[Type::bool(c.as_slice()), f32(&a), f32(&b)], 4);
        }
    }

    #[test]
    fn branches_need_one_type_and_the_condition_truth_values() {
        let kinds = [Type::f32([2]), Type::f32([2]), Type::f32([2])];
        let error = Where.infer(&kinds).unwrap_err().to_string();
        assert_eq!(error, "Where: the condition has type F32, need Bool");
        assert!(Where.infer(&[Type::bool([2]), Type::i64([2]), Type::f32([2])]).is_err());
        assert!(Where.infer(&[Type::bool([3]), Type::i64([2]), Type::i64([2])]).is_err());
    }
}
