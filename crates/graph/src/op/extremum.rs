//! The smaller or larger of two values, with broadcasting.
//!
//! ```text
//! da = dy · [a = y] / ([a = y] + [b = y])        and db likewise: where both are equal, each gets a half
//! ```
//! A NaN on either side is never hidden.

use super::Rule;
use super::arithmetic::{broadcast_map, infer_numbers};
use crate::gradient::Backward;
use crate::graph::{Node, Type, ValueId};
use crate::groups::Coupling;
use crate::op::{Add, Cast, Div, Equal, Mul};
use crate::tensor::{Array, DType};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = min(a, b)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Min;

/// `y = max(a, b)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Max;

/// The smaller number, or NaN.
pub(crate) fn smaller(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

/// The larger number, or NaN.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// 1 where `x` is `y`, else 0.
pub(crate) fn mask(back: &mut Backward<'_>, node: &Node, [x, y]: [ValueId; 2]) -> Result<ValueId> {
    let same = back.add(node, Equal, &[x, y])?;
    back.add(node, Cast { to: DType::F32 }, &[same])
}

/// Shares the gradient among those inputs that are the output.
fn share(back: &mut Backward<'_>, node: &Node) -> Result<()> {
    let (dy, y) = (back.output_gradient(node, 0)?, node.outputs[0]);
    let a = mask(back, node, [node.inputs[0], y])?;
    let b = mask(back, node, [node.inputs[1], y])?;
    let count = back.add(node, Add, &[a, b])?;
    let part = back.add(node, Div, &[dy, count])?;
    for (input, mask) in [a, b].into_iter().enumerate() {
        if back.needs(node.inputs[input]) {
            let gradient = back.add(node, Mul, &[part, mask])?;
            back.accumulate_broadcast(node, input, gradient)?;
        }
    }
    Ok(())
}

impl Rule for Min {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_numbers("Min", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        broadcast_map(inputs, &outputs[0], smaller)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        share(back, node)
    }
}

impl Rule for Max {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_numbers("Max", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        broadcast_map(inputs, &outputs[0], larger)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        share(back, node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences_for_every_broadcast() {
        for (a, b) in [([3, 5], vec![3, 5]), ([3, 5], vec![5]), ([3, 1], vec![2, 1, 5])] {
            let kinds = [Type::f32(a), Type::f32(b.as_slice())];
            check::op_gradient(Min, &kinds, 4);
            check::op_gradient(Max, &kinds, 4);
        }
    }

    #[test]
    fn a_nan_on_either_side_stays() {
        let (nan, one) = (Array::new(&[1], vec![f64::NAN]), Array::new(&[1], vec![1.0]));
        for op in [&Min as &dyn Rule, &Max] {
            assert!(op.evaluate(&[&nan, &one], &[vec![1]], 0)[0].data[0].is_nan());
            assert!(op.evaluate(&[&one, &nan], &[vec![1]], 0)[0].data[0].is_nan());
        }
    }
}
