//! The smallest or largest element along axes.
//!
//! ```text
//! dx = dy · [x = y] / Σ [x = y]        elements that are equally extreme share the gradient
//! ```
//! Over no elements at all the smallest is ∞ and the largest −∞. A NaN is never hidden.

use super::extremum::{larger, mask, smaller};
use super::reduce_sum::{mixed, reduced, reduced_shape};
use super::{Rule, bad_shape, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::{Div, Mul, ReduceSum, Reshape};
use crate::tensor::{Array, DType, for_each_index, offset, strides};
use crate::{Error, Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = min x` over `axes`; no axes means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceMin {
    /// Which axes; negative ones count from the end, none at all means every axis.
    pub axes: Vec<i64>,
    /// Whether a reduced axis stays, with size 1.
    pub keepdims: bool,
}

/// `y = max x` over `axes`; no axes means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceMax {
    /// Which axes; negative ones count from the end, none at all means every axis.
    pub axes: Vec<i64>,
    /// Whether a reduced axis stays, with size 1.
    pub keepdims: bool,
}

/// The type after a reduction of any type.
pub(crate) fn infer(
    op: &'static str,
    inputs: &[Type],
    axes: &[i64],
    keepdims: bool,
) -> Result<Vec<Type>, Mismatch> {
    expect_inputs(op, inputs, 1..=1, "1")?;
    let (dtype, shape) = (inputs[0].dtype, &inputs[0].shape);
    let flags = reduced(op, axes, shape.rank())?;
    Ok(vec![Type { dtype, shape: reduced_shape(shape, &flags, keepdims) }])
}

/// Refuses what has no largest element: nothing at all, of a type without infinity.
fn expect_elements(op: &'static str, inputs: &[Type], axes: &[i64]) -> Result<(), Mismatch> {
    let Some(Type { dtype, shape }) = inputs.first() else { return Ok(()) };
    let flags = reduced(op, axes, shape.rank())?;
    let empty = shape.0.iter().zip(&flags).any(|(dim, gone)| *gone && dim.fixed() == Some(0));
    if empty && *dtype != DType::F32 {
        return Err(bad_shape(op, "the input", shape, "elements to choose from"));
    }
    Ok(())
}

/// Folds `x` over the reduced axes, beginning with `start`.
pub(crate) fn fold(
    x: &Array,
    axes: &[i64],
    shape: &[usize],
    (start, f): (f64, impl Fn(f64, f64) -> f64),
) -> Vec<Array> {
    let flags = reduced("a reduction", axes, x.shape.len()).expect("checked by infer");
    let kept: Vec<usize> =
        x.shape.iter().zip(&flags).map(|(&dim, &gone)| if gone { 1 } else { dim }).collect();
    let to: Vec<usize> =
        strides(&kept).iter().zip(&flags).map(|(&s, &gone)| if gone { 0 } else { s }).collect();
    let mut y = Array::from_fn(shape, |_| start);
    let mut from = x.data.iter();
    for_each_index(&x.shape, |i| {
        let y = &mut y.data[offset(i, &to)];
        *y = f(*y, *from.next().expect("one per index"));
    });
    vec![y]
}

/// Shares the gradient among the elements that are the output.
fn share(back: &mut Backward<'_>, node: &Node, axes: &[i64]) -> Result<()> {
    let (dy, y, x) = (back.output_gradient(node, 0)?, node.outputs[0], node.inputs[0]);
    let shape = back.shape(x).clone();
    let flags = reduced(node.op.name(), axes, shape.rank())
        .map_err(|source| Error::Node { node: node.name.clone(), source })?;
    let kept = Reshape { shape: reduced_shape(&shape, &flags, true) };
    let (dy, y) = (back.add(node, kept.clone(), &[dy])?, back.add(node, kept, &[y])?);
    let mask = mask(back, node, [x, y])?;
    let count = back.add(node, ReduceSum { axes: axes.to_vec(), keepdims: true }, &[mask])?;
    let part = back.add(node, Div, &[dy, count])?;
    let dx = back.add(node, Mul, &[mask, part])?;
    back.accumulate(x, dx)
}

macro_rules! extremes {
    ($($Name:ident, $start:expr, $f:expr;)+) => {$(
        impl Rule for $Name {
            fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
                expect_elements(stringify!($Name), inputs, &self.axes)?;
                infer(stringify!($Name), inputs, &self.axes, self.keepdims)
            }

            fn coupling(&self, inputs: &[Type]) -> Coupling {
                mixed(&self.axes, inputs[0].shape.rank(), self.keepdims)
            }

            fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
                fold(inputs[0], &self.axes, &outputs[0], ($start, $f))
            }

            fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
                share(back, node, &self.axes)
            }
        }
    )+};
}

extremes! {
    ReduceMin, f64::INFINITY, smaller;
    ReduceMax, f64::NEG_INFINITY, larger;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        for axes in [vec![], vec![0], vec![-1], vec![0, 2], vec![1]] {
            for keepdims in [true, false] {
                let kinds = [Type::f32([3, 2, 5])];
                check::op_gradient(ReduceMin { axes: axes.clone(), keepdims }, &kinds, 2);
                check::op_gradient(ReduceMax { axes: axes.clone(), keepdims }, &kinds, 2);
            }
        }
    }

    #[test]
    fn a_nan_wins_and_nothing_has_no_largest() {
        let of = |dtype| ReduceMax { axes: vec![1], keepdims: true }
            .infer(&[Type { dtype, shape: Shape::from([2, 0]) }]);
        assert!(of(DType::F32).is_ok() && of(DType::Bool).is_err() && of(DType::I64).is_err());
        let op = ReduceMax { axes: vec![1], keepdims: false };
        let x = Array::new(&[2, 2], vec![f64::NAN, 1.0, 1.0, 3.0]);
        let y = &op.evaluate(&[&x], &[vec![2]], 0)[0].data;
        assert!(y[0].is_nan() && y[1] == 3.0);
        let none = op.evaluate(&[&Array::zeros(&[1, 0])], &[vec![1]], 0);
        assert_eq!(none[0].data, [f64::NEG_INFINITY]);
    }
}
