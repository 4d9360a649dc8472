//! One element along an axis for every index: what sorts and losses read.
//!
//! ```text
//! y[…, i, …]  = x[…, index[…, i, …], …]        the index counts along the axis, all other places are its own
//! dx          = the sum of all dy that were read from there
//! ```
//! A negative index counts from the end. One that is out of range gives NaN, and 0 where `x` holds integers.

use super::gather::place;
use super::{Rule, axis_of, bad_shape, expect_dtype, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::shape::{Dim, Shape};
use crate::tensor::{Array, DType, for_each_index, offset, strides};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The elements of `x` at the indices along `axis`, over `(x, index)` of one rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatherElements {
    /// The axis; a negative one counts from the end.
    pub axis: i64,
}

/// The gradient of [`GatherElements`] over `(dy, index)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatherElementsGradient {
    /// The axis; a negative one counts from the end.
    pub axis: i64,
    /// The shape of `x`.
    pub shape: Shape,
}

/// Refuses indices that do not lie within `x`.
fn check(op: &'static str, (x, index): (&Shape, &Type), axis: i64) -> Result<(), Mismatch> {
    expect_dtype(op, "the index", index, DType::I64)?;
    let axis = axis_of(op, axis, x.rank())?;
    let within = |(i, (x, index)): (usize, (&Dim, &Dim))| {
        let smaller = x.fixed().zip(index.fixed()).is_some_and(|(x, index)| index <= x);
        i == axis || x == index || smaller
    };
    let fits = index.shape.rank() == x.rank()
        && x.0.iter().zip(&index.shape.0).enumerate().all(within);
    if fits {
        return Ok(());
    }
    let need = format!("one that lies within {x} but along axis {axis}");
    Err(bad_shape(op, "the index", &index.shape, need))
}

/// Calls `f` with the place in `index` and the place in an array of shape `x` that it means, if there is one.
fn for_each_place(
    (x, index): (&[usize], &Array),
    axis: i64,
    mut f: impl FnMut(usize, Option<usize>),
) {
    let axis = axis_of("GatherElements", axis, x.len()).expect("checked by infer");
    let (own, mut i) = (strides(x), 0);
    for_each_index(&index.shape, |at| {
        let along = place(index.data[i], x[axis]);
        let rest = offset(at, &own) - at[axis] * own[axis];
        f(i, along.map(|along| rest + along * own[axis]));
        i += 1;
    });
}

impl Rule for GatherElements {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("GatherElements", inputs, 2..=2, "2")?;
        check("GatherElements", (&inputs[0].shape, &inputs[1]), self.axis)?;
        Ok(vec![Type { dtype: inputs[0].dtype, shape: inputs[1].shape.clone() }])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let mut y = Array::zeros(&outputs[0]);
        let places = (inputs[0].shape.as_slice(), inputs[1]);
        for_each_place(places, self.axis, |i, from| {
            y.data[i] = from.map_or(f64::NAN, |from| inputs[0].data[from]);
        });
        vec![y]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        if !back.needs(x) {
            return Ok(());
        }
        let op = GatherElementsGradient { axis: self.axis, shape: back.shape(x).clone() };
        let dx = back.add(node, op, &[dy, node.inputs[1]])?;
        back.accumulate(x, dx)
    }
}

impl Rule for GatherElementsGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        let op = "GatherElementsGradient";
        expect_inputs(op, inputs, 2..=2, "2")?;
        expect_f32(op, "the gradient", &inputs[0])?;
        check(op, (&self.shape, &inputs[1]), self.axis)?;
        if inputs[0].shape != inputs[1].shape {
            let need = inputs[1].shape.to_string();
            return Err(bad_shape(op, "the gradient", &inputs[0].shape, need));
        }
        Ok(vec![Type::f32(self.shape.clone())])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let mut dx = Array::zeros(&outputs[0]);
        for_each_place((&outputs[0], inputs[1]), self.axis, |i, to| {
            if let Some(to) = to {
                dx.data[to] += inputs[0].data[i];
            }
        });
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences_along_every_axis() {
        for (axis, index) in [(0, [7, 4, 5]), (1, [3, 2, 5]), (-1, [2, 4, 6])] {
            let kinds = [Type::f32([3, 4, 5]), Type::i64(index)];
            check::op_gradient(GatherElements { axis }, &kinds, 2);
        }
    }

    #[test]
    fn indices_that_reach_beyond_other_axes_are_refused() {
        let infer = |index| GatherElements { axis: 1 }.infer(&[Type::f32([3, 4]), index]);
        assert_eq!(infer(Type::i64([2, 9])).unwrap(), [Type::f32([2, 9])]);
        assert!(infer(Type::i64([4, 2])).is_err());
        assert!(infer(Type::i64([3])).is_err());
        assert!(infer(Type::f32([3, 4])).is_err());
    }
}
