//! Reordering of axes.
//!
//! ```text
//! y axis i = x axis perm[i]        dx = dy under the inverse permutation
//! ```

use super::{Rule, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::shape::Shape;
use crate::tensor::{Array, for_each_index, offset, strides};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = x` with its axes in another order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transpose {
    /// Which axis of the input each axis of the output is; every axis once.
    pub perm: Vec<usize>,
}

impl Transpose {
    /// The transpose of matrices: the last two of `rank >= 2` axes are exchanged.
    ///
    /// # Example
    /// ```
    /// assert_eq!(hoyer_graph::Transpose::matrices(4).perm, [0, 1, 3, 2]);
    /// ```
    pub fn matrices(rank: usize) -> Self {
        let mut perm: Vec<usize> = (0..rank).collect();
        if let [.., row, column] = perm.as_mut_slice() {
            std::mem::swap(row, column);
        }
        Self { perm }
    }

    /// The transpose that undoes this one.
    fn inverse(&self) -> Self {
        let mut perm = vec![0; self.perm.len()];
        for (to, &from) in self.perm.iter().enumerate() {
            perm[from] = to;
        }
        Self { perm }
    }
}

impl Rule for Transpose {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Transpose", inputs, 1..=1, "1")?;
        let shape = &inputs[0].shape;
        let mut sorted = self.perm.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..shape.rank()) {
            let (got, need) = (format!("{:?}", self.perm), format!("each axis of {shape} once"));
            return Err(Mismatch::Attribute { op: "Transpose", attribute: "perm", got, need });
        }
        let dims = self.perm.iter().map(|&axis| shape.0[axis].clone()).collect();
        Ok(vec![Type { dtype: inputs[0].dtype, shape: Shape(dims) }])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Moved { rigid: Vec::new() }
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let x = inputs[0];
        let own = strides(&x.shape);
        let from: Vec<usize> = self.perm.iter().map(|&axis| own[axis]).collect();
        let mut data = Vec::with_capacity(x.data.len());
        for_each_index(&outputs[0], |i| data.push(x.data[offset(i, &from)]));
        vec![Array::new(&outputs[0], data)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let dx = back.add(node, self.inverse(), &[dy])?;
        back.accumulate(node.inputs[0], dx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        for perm in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 2, 1]] {
            check::op_gradient(Transpose { perm: perm.to_vec() }, &[Type::f32([3, 2, 5])], 4);
        }
        check::op_gradient(Transpose { perm: vec![] }, &[Type::f32([0; 0])], 1);
    }

    #[test]
    fn a_matrix_is_transposed() {
        let x = Array::from_fn(&[2, 3], |i| i as f64);
        let y = Transpose::matrices(2).evaluate(&[&x], &[vec![3, 2]], 0).remove(0);
        assert_eq!(y.data, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn what_is_no_permutation_is_refused() {
        for perm in [vec![0], vec![0, 0], vec![0, 2], vec![0, 1, 2], vec![0, usize::MAX]] {
            assert!(Transpose { perm }.infer(&[Type::f32([3, 2])]).is_err());
        }
    }
}
