//! Where along an axis the largest or smallest element is.
//!
//! No gradient runs through them. A NaN is more extreme than any number.

use super::reduce_sum::reduced_shape;
use super::{Rule, axis_of, expect_inputs, expect_numbers};
use crate::graph::Type;
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The index of the largest element along `axis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgMax {
    /// The axis; a negative one counts from the end.
    pub axis: i64,
    /// Whether the axis stays, with size 1.
    pub keepdims: bool,
    /// Whether of several the last counts, not the first.
    pub last: bool,
}

/// The index of the smallest element along `axis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgMin {
    /// The axis; a negative one counts from the end.
    pub axis: i64,
    /// Whether the axis stays, with size 1.
    pub keepdims: bool,
    /// Whether of several the last counts, not the first.
    pub last: bool,
}

macro_rules! arguments {
    ($($Name:ident, $sign:expr;)+) => {$(
        impl Rule for $Name {
            fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
                infer(stringify!($Name), inputs, self.axis, self.keepdims)
            }

            fn coupling(&self, inputs: &[Type]) -> Coupling {
                match axis_of(stringify!($Name), self.axis, inputs[0].shape.rank()) {
                    Ok(axis) => Coupling::Mixed { axes: vec![axis], keepdims: self.keepdims },
                    Err(_) => Coupling::Opaque,
                }
            }

            fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
                vec![find((inputs[0], $sign), self.axis, self.last, &outputs[0])]
            }
        }
    )+};
}

arguments! {
    ArgMax, 1.0;
    ArgMin, -1.0;
}

fn infer(
    op: &'static str,
    inputs: &[Type],
    axis: i64,
    keepdims: bool,
) -> Result<Vec<Type>, Mismatch> {
    expect_inputs(op, inputs, 1..=1, "1")?;
    expect_numbers(op, "the input", &inputs[0])?;
    let shape = &inputs[0].shape;
    let axis = axis_of(op, axis, shape.rank())?;
    if shape.0[axis].fixed() == Some(0) {
        return Err(super::bad_shape(op, "the input", shape, format!("elements along axis {axis}")));
    }
    let gone: Vec<bool> = (0..shape.rank()).map(|i| i == axis).collect();
    Ok(vec![Type::i64(reduced_shape(shape, &gone, keepdims))])
}

/// Where the largest elements along the axis are, of `sign · x`.
fn find((x, sign): (&Array, f64), axis: i64, last: bool, shape: &[usize]) -> Array {
    let axis = axis_of("ArgMax", axis, x.shape.len()).expect("checked by infer");
    let (count, inner) = (x.shape[axis], x.shape[axis + 1..].iter().product::<usize>());
    Array::from_fn(shape, |i| {
        let start = i / inner * count * inner + i % inner;
        let at = |k: usize| sign * x.data[start + k * inner];
        let best = (1..count).fold(0, |best, k| {
            let (old, new) = (at(best), at(k));
            let better = new > old || (new.is_nan() && !old.is_nan());
            let as_good = new == old || (new.is_nan() && old.is_nan());
            if better || (last && as_good) { k } else { best }
        });
        best as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_or_the_last_of_several_is_found_along_every_axis() {
        let x = Array::new(&[2, 3], vec![3.0, 1.0, 3.0, 0.0, f64::NAN, 3.0]);
        let find = |op: &dyn Rule, len: usize| op.evaluate(&[&x], &[vec![len]], 0)[0].data.clone();
        let max = |axis, last| ArgMax { axis, keepdims: false, last };
        assert_eq!(find(&max(-1, false), 2), [0.0, 1.0]);
        assert_eq!(find(&max(-1, true), 2), [2.0, 1.0]);
        assert_eq!(find(&max(0, false), 3), [0.0, 1.0, 0.0]);
        let min = |axis| ArgMin { axis, keepdims: false, last: false };
        assert_eq!(find(&min(0), 3), [1.0, 1.0, 0.0]);
    }

    #[test]
    fn an_axis_without_elements_has_no_largest() {
        let op = ArgMax { axis: 1, keepdims: true, last: false };
        assert!(op.infer(&[Type::f32([2, 0])]).is_err());
        assert_eq!(op.infer(&[Type::f32([2, 3])]).unwrap(), [Type::i64([2, 1])]);
    }
}
