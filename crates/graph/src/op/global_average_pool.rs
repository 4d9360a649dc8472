//! Mean over all spatial axes: the special case of `ReduceMean` that ends many image networks.

use super::{Rule, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::{ReduceMean, ReduceMeanGradient};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The mean of every channel of `[batch, channels, spatial…]`, as `[batch, channels, 1…]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GlobalAveragePool;

/// The mean that a global pool over this many dimensions is.
fn mean(rank: usize) -> ReduceMean {
    ReduceMean { axes: (2..rank as i64).collect(), keepdims: true }
}

impl Rule for GlobalAveragePool {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "GlobalAveragePool";
        expect_inputs(OP, inputs, 1..=1, "1")?;
        expect_f32(OP, "the input", &inputs[0])?;
        let shape = &inputs[0].shape;
        if shape.rank() < 3 {
            return Err(bad_shape(OP, "the input", shape, "[batch, channels, spatial…]"));
        }
        mean(shape.rank()).infer(inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::PerChannel
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], step: u64) -> Vec<Array> {
        mean(inputs[0].shape.len()).evaluate(inputs, outputs, step)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        let shape = back.shape(x).clone();
        let op = ReduceMeanGradient { mean: mean(shape.rank()), shape };
        let dx = back.add(node, op, &[dy])?;
        back.accumulate(x, dx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        for shape in [&[2, 3, 5, 3][..], &[1, 1, 1, 1], &[3, 2, 7]] {
            check::op_gradient(GlobalAveragePool, &[Type::f32(shape)], 8);
        }
    }

    #[test]
    fn every_channel_becomes_its_mean() {
        let x = Array::from_fn(&[1, 2, 2, 2], |i| i as f64);
        let y = GlobalAveragePool.evaluate(&[&x], &[vec![1, 2, 1, 1]], 0).remove(0);
        assert_eq!(y.data, [1.5, 5.5]);
        assert!(GlobalAveragePool.infer(&[Type::f32([3, 2])]).is_err());
    }
}
