//! Elements along an axis at given indices: embeddings, tables, reorderings.
//!
//! ```text
//! y[a…, i…, b…]  = x[a…, index[i…], b…]
//! dx[a…, k, b…]  = Σ dy[a…, i…, b…]  over all i with index[i…] = k
//! ```
//! A negative index counts from the end. One that is out of range gives NaN, and 0 where `x` holds integers.

use super::{Rule, axis_of, bad_shape, expect_dtype, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::shape::Shape;
use crate::tensor::{Array, DType};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The elements of `x` along `axis` at the indices, over `(x, index)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gather {
    /// The axis of `x`; a negative one counts from the end.
    pub axis: i64,
}

/// The gradient of [`Gather`] over `(dy, index)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatherGradient {
    /// The axis of `x`; a negative one counts from the end.
    pub axis: i64,
    /// The shape of `x`.
    pub shape: Shape,
}

/// An index that may count from the end, as a place from the front.
pub(crate) fn place(index: f64, size: usize) -> Option<usize> {
    let from_front = if index < 0.0 { index + size as f64 } else { index };
    (from_front >= 0.0 && from_front < size as f64).then_some(from_front as usize)
}

/// The shape of what is gathered.
fn gathered(
    op: &'static str,
    (x, index): (&Shape, &Type),
    axis: i64,
) -> Result<Shape, Mismatch> {
    expect_dtype(op, "the index", index, DType::I64)?;
    let axis = axis_of(op, axis, x.rank())?;
    Ok(Shape([&x.0[..axis], &index.shape.0, &x.0[axis + 1..]].concat()))
}

impl Rule for Gather {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Gather", inputs, 2..=2, "2")?;
        let shape = gathered("Gather", (&inputs[0].shape, &inputs[1]), self.axis)?;
        Ok(vec![Type { dtype: inputs[0].dtype, shape }])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (x, index) = (inputs[0], inputs[1]);
        let axis = axis_of("Gather", self.axis, x.shape.len()).expect("checked by infer");
        let (size, inner) = (x.shape[axis], x.shape[axis + 1..].iter().product::<usize>());
        let mut data = Vec::with_capacity(outputs[0].iter().product());
        for outer in 0..x.shape[..axis].iter().product() {
            for &index in &index.data {
                match place(index, size) {
                    Some(at) => data.extend_from_slice(&x.data[(outer * size + at) * inner..][..inner]),
                    None => data.extend(std::iter::repeat_n(f64::NAN, inner)),
                }
            }
        }
        vec![Array::new(&outputs[0], data)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        if !back.needs(x) {
            return Ok(());
        }
        let op = GatherGradient { axis: self.axis, shape: back.shape(x).clone() };
        let dx = back.add(node, op, &[dy, node.inputs[1]])?;
        back.accumulate(x, dx)
    }
}

impl Rule for GatherGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        let op = "GatherGradient";
        expect_inputs(op, inputs, 2..=2, "2")?;
        expect_f32(op, "the gradient", &inputs[0])?;
        let need = gathered(op, (&self.shape, &inputs[1]), self.axis)?;
        if inputs[0].shape != need {
            return Err(bad_shape(op, "the gradient", &inputs[0].shape, need.to_string()));
        }
        Ok(vec![Type::f32(self.shape.clone())])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, index, shape) = (inputs[0], inputs[1], &outputs[0]);
        let axis = axis_of("GatherGradient", self.axis, shape.len()).expect("checked by infer");
        let (size, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut dx = Array::zeros(shape);
        let mut rows = dy.data.chunks_exact(inner.max(1));
        for outer in 0..shape[..axis].iter().product() {
            for &index in &index.data {
                let (Some(row), Some(at)) = (rows.next(), place(index, size)) else { continue };
                let to = &mut dx.data[(outer * size + at) * inner..][..inner];
                to.iter_mut().zip(row).for_each(|(to, dy)| *to += dy);
            }
        }
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences_along_every_axis() {
        for axis in [0, 1, 2, -1] {
            for index in [vec![], vec![2], vec![2, 3]] {
                let kinds = [Type::f32([3, 4, 5]), Type::i64(index.as_slice())];
                check::op_gradient(Gather { axis }, &kinds, 2);
            }
        }
    }

    #[test]
    fn indices_count_from_the_end_and_out_of_range_there_is_nothing() {
        let x = Array::new(&[3], vec![1.0, 2.0, 3.0]);
        let index = Array::new(&[4], vec![-1.0, 0.0, 3.0, -4.0]);
        let y = &Gather { axis: 0 }.evaluate(&[&x, &index], &[vec![4]], 0)[0].data;
        assert_eq!(y[..2], [3.0, 1.0]);
        assert!(y[2].is_nan() && y[3].is_nan());
        let op = GatherGradient { axis: 0, shape: Shape::from([3]) };
        let dy = Array::new(&[4], vec![1.0, 2.0, 4.0, 8.0]);
        assert_eq!(op.evaluate(&[&dy, &index], &[vec![3]], 0)[0].data, [2.0, 0.0, 1.0]);
    }

    #[test]
    fn indices_are_integers() {
        let error = Gather { axis: 0 }.infer(&[Type::f32([3]), Type::f32([2])]).unwrap_err();
        assert_eq!(error.to_string(), "Gather: the index has type F32, need I64");
    }
}
