//! Product of stacks of matrices.
//!
//! ```text
//! Y  = A · B            the axes before the last two broadcast
//! dA = dY · Bᵀ          dB = Aᵀ · dY            summed over the axes that were broadcast
//! ```
//! Where both are single matrices the gradients are `Gemm`s, which transpose without moving anything; where
//! only `B` is one (a linear layer over many rows), `dB` is one `Gemm` over all rows.
//! Not here: ONNX's vectors (inputs with one axis), which a `Reshape` turns into matrices.

use super::window::sized;
use super::{Rule, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type, ValueId};
use crate::groups::Coupling;
use crate::op::{Gemm, Reshape, Transpose};
use crate::shape::{Dim, Shape};
use crate::tensor::{Array, broadcast_strides, for_each_index, offset};
use crate::{Error, Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `Y = A · B` over `(A, B)`.
///
/// # Shapes
/// - `A`: `[…, m, k]`
/// - `B`: `[…, k, n]`
/// - output: `[…, m, n]`, where `…` broadcasts
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatMul;

/// The axes before a shape's last two, and those.
fn split(shape: &Shape) -> (Shape, [&Dim; 2]) {
    let (batch, matrix) = shape.0.split_at(shape.rank() - 2);
    (Shape(batch.to_vec()), [&matrix[0], &matrix[1]])
}

impl Rule for MatMul {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("MatMul", inputs, 2..=2, "2")?;
        for (kind, what) in inputs.iter().zip(["A", "B"]) {
            expect_f32("MatMul", what, kind)?;
            if kind.shape.rank() < 2 {
                return Err(bad_shape("MatMul", what, &kind.shape, "at least 2 dimensions"));
            }
        }
        let (a, b) = (&inputs[0].shape, &inputs[1].shape);
        let ((a_batch, [m, k]), (b_batch, [k_b, n])) = (split(a), split(b));
        let unfit = || bad_shape("MatMul", "B", b, format!("one that fits A {a}"));
        if k != k_b {
            return Err(unfit());
        }
        let mut shape = a_batch.broadcast(&b_batch).ok_or_else(unfit)?;
        shape.0.extend([m.clone(), n.clone()]);
        Ok(vec![sized("MatMul", shape)?])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Product { trans_a: false, trans_b: false }
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (a, b, shape) = (inputs[0], inputs[1], &outputs[0]);
        let (batch, [m, n]) = (&shape[..shape.len() - 2], [shape[shape.len() - 2], shape[shape.len() - 1]]);
        let k = a.shape[a.shape.len() - 1];
        let matrices = |x: &Array| broadcast_strides(&x.shape[..x.shape.len() - 2], batch);
        let (a_steps, b_steps) = (matrices(a), matrices(b));
        let mut data = Vec::new();
        for_each_index(batch, |at| {
            let a = &a.data[offset(at, &a_steps) * m * k..][..m * k];
            let b = &b.data[offset(at, &b_steps) * k * n..][..k * n];
            for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                data.push((0..k).map(|l| a[i * k + l] * b[l * n + j]).sum());
            }
        });
        vec![Array::new(shape, data)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let (a_rank, b_rank) = (back.shape(a).rank(), back.shape(b).rank());
        if back.needs(a) {
            let da = if a_rank == 2 && b_rank == 2 {
                back.add(node, Gemm::transposed(false, true), &[dy, b])?
            } else {
                let b = back.add(node, Transpose::matrices(b_rank), &[b])?;
                back.add(node, MatMul, &[dy, b])?
            };
            back.accumulate_broadcast(node, 0, da)?;
        }
        if back.needs(b) {
            let db = if b_rank == 2 {
                let (a, dy) = (rows(back, node, a)?, rows(back, node, dy)?);
                back.add(node, Gemm::transposed(true, false), &[a, dy])?
            } else {
                let a = back.add(node, Transpose::matrices(a_rank), &[a])?;
                back.add(node, MatMul, &[a, dy])?
            };
            back.accumulate_broadcast(node, 1, db)?;
        }
        Ok(())
    }

    fn macs(&self, inputs: &[Type], outputs: &[Type]) -> Dim {
        let k = inputs[0].shape.0.last();
        let all = outputs[0].shape.elements().zip(k).and_then(|(y, k)| y.times(k));
        all.unwrap_or(Dim::from(usize::MAX))
    }
}

/// A stack of matrices as one matrix with all their rows.
fn rows(back: &mut Backward<'_>, node: &Node, value: ValueId) -> Result<ValueId> {
    let shape = back.shape(value).clone();
    if shape.rank() == 2 {
        return Ok(value);
    }
    let (lead, [_, columns]) = (Shape(shape.0[..shape.rank() - 1].to_vec()), split(&shape).1);
    let too_large = || {
        let source = bad_shape("MatMul", "A", &shape, "fewer elements");
        Error::Node { node: node.name.clone(), source }
    };
    let matrix = Shape(vec![lead.elements().ok_or_else(too_large)?, columns.clone()]);
    back.add(node, Reshape { shape: matrix }, &[value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    /// One matrix each, stacks, and every way of broadcasting.
    const CASES: [[&[usize]; 2]; 7] = [
        [&[3, 5], &[5, 2]],
        [&[1, 1], &[1, 7]],
        [&[2, 3, 5], &[5, 2]],
        [&[3, 2, 3, 1], &[1, 2]],
        [&[3, 5], &[2, 5, 2]],
        [&[3, 1, 3, 5], &[2, 5, 2]],
        [&[2, 3, 5], &[2, 5, 3]],
    ];

    #[test]
    fn gradients_match_central_differences() {
        for shapes in CASES {
            check::op_gradient(MatMul, &shapes.map(Type::f32), 4);
        }
    }

    #[test]
    fn a_stack_is_multiplied_matrix_by_matrix() {
        let a = Array::from_fn(&[2, 2, 2], |i| i as f64);
        let b = Array::new(&[2, 1], vec![10.0, 1.0]);
        let y = MatMul.evaluate(&[&a, &b], &[vec![2, 2, 1]], 0).remove(0);
        assert_eq!(y.data, [1.0, 23.0, 45.0, 67.0]);
    }

    #[test]
    fn macs_count_every_matrix_of_the_stack() {
        let types = [Type::f32([3, 1, 3, 5]), Type::f32([2, 5, 7])];
        let y = MatMul.infer(&types).unwrap();
        assert_eq!(MatMul.macs(&types, &y), Dim::from(3 * 2 * 3 * 5 * 7));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let huge = 1 << 40;
        for shapes in [
            [&[3, 5][..], &[4, 2]],
            [&[5], &[5, 2]],
            [&[3, 5], &[5]],
            [&[2, 3, 5], &[3, 5, 2]],
            [&[huge, 1], &[1, huge]],
        ] {
            assert!(MatMul.infer(&shapes.map(Type::f32)).is_err(), "{shapes:?}");
        }
    }
}
