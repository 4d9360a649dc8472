//! Sum over axes.

use super::{Rule, axis_of, expect_inputs, expect_numbers};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::{Expand, Reshape};
use crate::shape::{Dim, Shape};
use crate::tensor::{Array, for_each_index, offset, strides};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = Σ x` over `axes`; no axes means all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReduceSum {
    /// Which axes; negative ones count from the end, none at all means every axis.
    pub axes: Vec<i64>,
    /// Whether a summed axis stays, with size 1.
    pub keepdims: bool,
}

/// Which axes are reduced, one flag per axis of the input.
pub(crate) fn reduced(op: &'static str, axes: &[i64], rank: usize) -> Result<Vec<bool>, Mismatch> {
    let mut flags = vec![axes.is_empty(); rank];
    for &axis in axes {
        flags[axis_of(op, axis, rank)?] = true;
    }
    Ok(flags)
}

/// The shape after a reduction.
pub(crate) fn reduced_shape(shape: &Shape, flags: &[bool], keepdims: bool) -> Shape {
    let dims = shape.0.iter().zip(flags).filter_map(|(dim, &gone)| match (gone, keepdims) {
        (false, _) => Some(dim.clone()),
        (true, true) => Some(Dim::from(1)),
        (true, false) => None,
    });
    Shape(dims.collect())
}

/// What a reduction over these axes does to channels: those on a reduced axis stay.
pub(crate) fn mixed(axes: &[i64], rank: usize, keepdims: bool) -> Coupling {
    match reduced("a reduction", axes, rank) {
        Ok(flags) => Coupling::Mixed { axes: (0..rank).filter(|&i| flags[i]).collect(), keepdims },
        Err(_) => Coupling::Opaque,
    }
}

/// Sums `x` over the flagged axes; the data does not depend on whether those axes are kept.
pub(crate) fn sum_over(x: &Array, flags: &[bool], shape: &[usize]) -> Array {
    let kept: Vec<usize> =
        x.shape.iter().zip(flags).map(|(&dim, &gone)| if gone { 1 } else { dim }).collect();
    let to: Vec<usize> =
        strides(&kept).iter().zip(flags).map(|(&s, &gone)| if gone { 0 } else { s }).collect();
    let mut y = Array::zeros(shape);
    let mut from = x.data.iter();
    for_each_index(&x.shape, |i| y.data[offset(i, &to)] += from.next().expect("one per index"));
    y
}

/// Broadcasts the gradient of a reduction back over the reduced axes of the input.
pub(crate) fn spread(
    back: &mut Backward<'_>,
    node: &Node,
    axes: &[i64],
) -> Result<crate::ValueId> {
    let dy = back.output_gradient(node, 0)?;
    let shape = back.shape(node.inputs[0]).clone();
    let flags = reduced(node.op.name(), axes, shape.rank())
        .map_err(|source| crate::Error::Node { node: node.name.clone(), source })?;
    let kept = Reshape { shape: reduced_shape(&shape, &flags, true) };
    let kept = back.add(node, kept, &[dy])?;
    back.add(node, Expand { shape }, &[kept])
}

impl Rule for ReduceSum {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("ReduceSum", inputs, 1..=1, "1")?;
        expect_numbers("ReduceSum", "the input", &inputs[0])?;
        let (dtype, shape) = (inputs[0].dtype, &inputs[0].shape);
        let flags = reduced("ReduceSum", &self.axes, shape.rank())?;
        Ok(vec![Type { dtype, shape: reduced_shape(shape, &flags, self.keepdims) }])
    }

    fn coupling(&self, inputs: &[Type]) -> Coupling {
        mixed(&self.axes, inputs[0].shape.rank(), self.keepdims)
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let flags = reduced("ReduceSum", &self.axes, inputs[0].shape.len());
        vec![sum_over(inputs[0], &flags.expect("checked by infer"), &outputs[0])]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dx = spread(back, node, &self.axes)?;
        back.accumulate(node.inputs[0], dx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        for axes in [vec![], vec![0], vec![-1], vec![0, 2], vec![1]] {
            for keepdims in [true, false] {
                let op = ReduceSum { axes: axes.clone(), keepdims };
                check::op_gradient(op, &[Type::f32([3, 2, 5])], 2);
            }
        }
    }
}
