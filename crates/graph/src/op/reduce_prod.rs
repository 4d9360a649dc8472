//! Product along axes.
//!
//! ```text
//! dxᵢ = dy · Π_{j ≠ i} xⱼ        right where an element is 0, too
//! ```

use super::reduce_extremum::{fold, infer};
use super::reduce_sum::{mixed, reduced, reduced_shape};
use super::{Rule, bad_shape, expect_f32, expect_inputs, expect_numbers};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::Reshape;
use crate::tensor::{Array, broadcast_strides, for_each_index, offset};
use crate::{Error, Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = Π x` over `axes`; no axes means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceProd {
    /// Which axes; negative ones count from the end, none at all means every axis.
    pub axes: Vec<i64>,
    /// Whether a reduced axis stays, with size 1.
    pub keepdims: bool,
}

/// The gradient of [`ReduceProd`] over `(dy, x)`, where `dy` still has the reduced axes, with size 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceProdGradient {
    /// Which axes; negative ones count from the end, none at all means every axis.
    pub axes: Vec<i64>,
}

impl Rule for ReduceProd {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        let output = infer("ReduceProd", inputs, &self.axes, self.keepdims)?;
        expect_numbers("ReduceProd", "the input", &inputs[0])?;
        Ok(output)
    }

    fn coupling(&self, inputs: &[Type]) -> Coupling {
        mixed(&self.axes, inputs[0].shape.rank(), self.keepdims)
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        fold(inputs[0], &self.axes, &outputs[0], (1.0, |a, b| a * b))
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        let shape = back.shape(x).clone();
        let flags = reduced(node.op.name(), &self.axes, shape.rank())
            .map_err(|source| Error::Node { node: node.name.clone(), source })?;
        let kept = Reshape { shape: reduced_shape(&shape, &flags, true) };
        let dy = back.add(node, kept, &[dy])?;
        let dx = back.add(node, ReduceProdGradient { axes: self.axes.clone() }, &[dy, x])?;
        back.accumulate(x, dx)
    }
}

impl Rule for ReduceProdGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        let op = "ReduceProdGradient";
        expect_inputs(op, inputs, 2..=2, "2")?;
        expect_f32(op, "the gradient", &inputs[0])?;
        expect_f32(op, "the input", &inputs[1])?;
        let x = &inputs[1].shape;
        let kept = reduced_shape(x, &reduced(op, &self.axes, x.rank())?, true);
        if inputs[0].shape != kept {
            return Err(bad_shape(op, "the gradient", &inputs[0].shape, kept.to_string()));
        }
        Ok(vec![inputs[1].clone()])
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, x) = (inputs[0], inputs[1]);
        // The product of what is not 0, and how many zeros there are.
        let others = &fold(&x.map(|x| if x == 0.0 { 1.0 } else { x }), &self.axes, &dy.shape, {
            (1.0, |a, b| a * b)
        })[0];
        let zero = |x: f64| f64::from(x == 0.0);
        let zeros = &fold(&x.map(zero), &self.axes, &dy.shape, (0.0, |a, b| a + b))[0];
        let from = broadcast_strides(&dy.shape, &x.shape);
        let (mut at, mut data) = (0, Vec::with_capacity(x.data.len()));
        for_each_index(&x.shape, |i| {
            let (x, group) = (x.data[at], offset(i, &from));
            let product = match zeros.data[group] - zero(x) {
                0.0 if x == 0.0 => others.data[group],
                0.0 => others.data[group] / x,
                _ => 0.0,
            };
            data.push(dy.data[group] * product);
            at += 1;
        });
        vec![Array::new(&x.shape, data)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tensor, check};

    #[test]
    fn gradients_match_central_differences() {
        for axes in [vec![], vec![0], vec![-1], vec![0, 2]] {
            for keepdims in [true, false] {
                let op = ReduceProd { axes: axes.clone(), keepdims };
                check::op_gradient(op, &[Type::f32([3, 2, 2])], 2);
            }
        }
    }

    #[test]
    fn gradients_are_right_around_zeros() {
        let data = vec![0.0, 1.5, -2.0, 0.0, 3.0, 0.0, 1.0, 2.0, 3.0];
        let x = Tensor::new(&[3, 3], data).unwrap();
        let op = ReduceProd { axes: vec![1], keepdims: false };
        assert!(check::op_gradient_error_at(&op.into(), &[x], 3).unwrap() < 1e-6);
    }
}
