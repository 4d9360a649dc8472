//! Mean over axes.
//!
//! ```text
//! y  = Σ x / count        dx = dy / count at every element that went into the mean
//! ```
//! The count may be symbolic (a mean over the batch), so the gradient is an op of its own and not a scale.

use super::reduce_sum::{mixed, reduced, reduced_shape, sum_over};
use super::{Rule, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::shape::Shape;
use crate::tensor::{Array, broadcast_strides, for_each_index, offset};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = mean of x` over `axes`; no axes means all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReduceMean {
    /// Which axes; negative ones count from the end, none at all means every axis.
    pub axes: Vec<i64>,
    /// Whether a reduced axis stays, with size 1.
    pub keepdims: bool,
}

/// The gradient of [`ReduceMean`] over `dy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReduceMeanGradient {
    /// The mean.
    #[serde(flatten)]
    pub mean: ReduceMean,
    /// The shape of the mean's input.
    pub shape: Shape,
}

impl ReduceMean {
    fn output(&self, op: &'static str, shape: &Shape) -> Result<Shape, Mismatch> {
        let flags = reduced(op, &self.axes, shape.rank())?;
        Ok(reduced_shape(shape, &flags, self.keepdims))
    }

    /// Which axes of a concrete input are reduced.
    fn flags(&self, rank: usize) -> Vec<bool> {
        reduced("ReduceMean", &self.axes, rank).expect("checked by infer")
    }
}

impl Rule for ReduceMean {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("ReduceMean", inputs, 1..=1, "1")?;
        expect_f32("ReduceMean", "the input", &inputs[0])?;
        Ok(vec![Type::f32(self.output("ReduceMean", &inputs[0].shape)?)])
    }

    fn coupling(&self, inputs: &[Type]) -> Coupling {
        mixed(&self.axes, inputs[0].shape.rank(), self.keepdims)
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let x = inputs[0];
        let sum = sum_over(x, &self.flags(x.shape.len()), &outputs[0]);
        let count = x.data.len() as f64 / sum.data.len() as f64;
        vec![sum.map(|sum| sum / count)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        let op = ReduceMeanGradient { mean: self.clone(), shape: back.shape(x).clone() };
        let dx = back.add(node, op, &[dy])?;
        back.accumulate(x, dx)
    }
}

impl Rule for ReduceMeanGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "ReduceMeanGradient";
        expect_inputs(OP, inputs, 1..=1, "1")?;
        expect_f32(OP, "dy", &inputs[0])?;
        let need = self.mean.output(OP, &self.shape)?;
        if inputs[0].shape != need {
            return Err(bad_shape(OP, "dy", &inputs[0].shape, need.to_string()));
        }
        Ok(vec![super::window::sized(OP, self.shape.clone())?])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, shape) = (inputs[0], &outputs[0]);
        let flags = self.mean.flags(shape.len());
        let kept: Vec<usize> =
            shape.iter().zip(flags).map(|(&dim, gone)| if gone { 1 } else { dim }).collect();
        let from = broadcast_strides(&kept, shape);
        let count = shape.iter().product::<usize>() as f64 / dy.data.len() as f64;
        let mut data = Vec::new();
        for_each_index(shape, |i| data.push(dy.data[offset(i, &from)] / count));
        vec![Array::new(shape, data)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dim, Graph, check, evaluate, gradient};

    #[test]
    fn gradients_match_central_differences() {
        for axes in [vec![], vec![0], vec![-1], vec![0, 2], vec![1]] {
            for keepdims in [true, false] {
                let op = ReduceMean { axes: axes.clone(), keepdims };
                check::op_gradient(op, &[Type::f32([3, 2, 5])], 2);
            }
        }
    }

    #[test]
    fn a_mean_over_a_symbolic_batch_has_a_gradient() {
        let mut g = Graph::new("g");
        let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch")])));
        let loss = g.add("mean", ReduceMean { axes: vec![], keepdims: false }, &[x]).unwrap();
        let dx = gradient(&mut g, loss, &[x]).unwrap();
        let found = evaluate(&g, &[Array::zeros(&[4])], &dx, 0).unwrap();
        assert_eq!(found[0].data, [0.25; 4]);
    }

    #[test]
    fn axes_that_are_not_there_are_refused() {
        let op = |axis| ReduceMean { axes: vec![axis], keepdims: false };
        for axis in [2, -3, i64::MIN, i64::MAX] {
            assert!(op(axis).infer(&[Type::f32([3, 2])]).is_err(), "{axis}");
        }
        let gradient = ReduceMeanGradient { mean: op(0), shape: Shape::from([3, 2]) };
        assert!(gradient.infer(&[Type::f32([2])]).is_ok());
        assert!(gradient.infer(&[Type::f32([3])]).is_err());
    }
}
