//! Matrix product with optional transposes, scales and an added row: the linear layer.
//!
//! ```text
//! Y  = α · A' · B' + β · C          A' = Aᵀ if trans_a, B' = Bᵀ if trans_b
//! dA' = α · dY · B'ᵀ    dB' = α · A'ᵀ · dY    dC = β · Σ over broadcast axes of dY
//! ```

use super::{Rule, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::shape::{Dim, Shape};
use crate::tensor::{Array, broadcast_strides};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `Y = α · A' · B' + β · C` over `(A, B)` or `(A, B, C)`.
///
/// # Shapes
/// - `A`: `[m, k]`, or `[k, m]` if `trans_a`
/// - `B`: `[k, n]`, or `[n, k]` if `trans_b`
/// - `C`: broadcasts to `[m, n]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gemm {
    /// Scale of the product.
    pub alpha: f32,
    /// Scale of `C`.
    pub beta: f32,
    /// Whether `A` is stored transposed.
    pub trans_a: bool,
    /// Whether `B` is stored transposed.
    pub trans_b: bool,
}

impl Gemm {
    /// The linear layer: inputs `[batch, in]`, weights `[out, in]`, bias `[out]`.
    pub fn linear() -> Self {
        Self::transposed(false, true)
    }

    /// A plain product with these transposes.
    pub fn transposed(trans_a: bool, trans_b: bool) -> Self {
        Self { alpha: 1.0, beta: 1.0, trans_a, trans_b }
    }

    /// `(m, k)` of `A` and `(k, n)` of `B`, transposes undone.
    fn sides(&self, a: &Shape, b: &Shape) -> [[Dim; 2]; 2] {
        let side = |shape: &Shape, transposed: bool| {
            let (first, second) = (shape.0[0].clone(), shape.0[1].clone());
            if transposed { [second, first] } else { [first, second] }
        };
        [side(a, self.trans_a), side(b, self.trans_b)]
    }
}

impl Rule for Gemm {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Gemm", inputs, 2..=3, "2 or 3")?;
        for (kind, what) in inputs.iter().zip(["A", "B", "C"]) {
            expect_f32("Gemm", what, kind)?;
        }
        let (a, b) = (&inputs[0].shape, &inputs[1].shape);
        for (shape, what) in [(a, "A"), (b, "B")] {
            if shape.rank() != 2 {
                return Err(bad_shape("Gemm", what, shape, "2 dimensions"));
            }
        }
        let [[m, k], [k_b, n]] = self.sides(a, b);
        if k != k_b {
            let need = format!("{k} where it meets A {a}");
            return Err(bad_shape("Gemm", "B", b, need));
        }
        let y = Shape(vec![m, n]);
        if let Some(c) = inputs.get(2)
            && c.shape.broadcast(&y).as_ref() != Some(&y)
        {
            return Err(bad_shape("Gemm", "C", &c.shape, format!("one that broadcasts to {y}")));
        }
        Ok(vec![Type::f32(y)])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Product { trans_a: self.trans_a, trans_b: self.trans_b }
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (a, b, n) = (inputs[0], inputs[1], outputs[0][1]);
        let k = a.shape[usize::from(!self.trans_a)];
        let (a_row, a_col) = if self.trans_a { (1, a.shape[1]) } else { (k, 1) };
        let (b_row, b_col) = if self.trans_b { (1, k) } else { (n, 1) };
        let added = inputs.get(2).map(|c| (c, broadcast_strides(&c.shape, &outputs[0])));
        let element = |at: usize| {
            let (i, j) = (at / n, at % n);
            let term = |l: usize| a.data[i * a_row + l * a_col] * b.data[l * b_row + j * b_col];
            let product: f64 = (0..k).map(term).sum();
            let c = added.as_ref().map_or(0.0, |(c, s)| c.data[i * s[0] + j * s[1]]);
            f64::from(self.alpha) * product + f64::from(self.beta) * c
        };
        vec![Array::from_fn(&outputs[0], element)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let product = |trans_a, trans_b| Gemm { alpha: self.alpha, beta: 1.0, trans_a, trans_b };
        if back.needs(a) {
            let da = match self.trans_a {
                false => back.add(node, product(false, !self.trans_b), &[dy, b])?,
                true => back.add(node, product(self.trans_b, true), &[b, dy])?,
            };
            back.accumulate(a, da)?;
        }
        if back.needs(b) {
            let db = match self.trans_b {
                false => back.add(node, product(!self.trans_a, false), &[a, dy])?,
                true => back.add(node, product(true, self.trans_a), &[dy, a])?,
            };
            back.accumulate(b, db)?;
        }
        match node.inputs.get(2) {
            Some(&c) if back.needs(c) => {
                let dc = back.scaled(node, dy, self.beta)?;
                back.accumulate_broadcast(node, 2, dc)
            }
            _ => Ok(()),
        }
    }

    fn macs(&self, inputs: &[Type], outputs: &[Type]) -> Dim {
        let k = &inputs[0].shape.0[usize::from(!self.trans_a)];
        outputs[0].shape.elements().and_then(|y| y.times(k)).unwrap_or(Dim::from(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences_in_all_transposes() {
        for (trans_a, trans_b) in [(false, false), (false, true), (true, false), (true, true)] {
            let a = if trans_a { [5, 3] } else { [3, 5] };
            let b = if trans_b { [7, 5] } else { [5, 7] };
            for c in [&[7][..], &[3, 1], &[3, 7], &[]] {
                let op = Gemm { alpha: 0.5, beta: 1.5, trans_a, trans_b };
                check::op_gradient(op, &[Type::f32(a), Type::f32(b), Type::f32(c)], 4);
            }
        }
    }

    #[test]
    fn macs_count_one_per_weight_and_sample() {
        let types = [Type::f32([2, 784]), Type::f32([300, 784])];
        let y = Gemm::linear().infer(&types).unwrap();
        assert_eq!(Gemm::linear().macs(&types, &y), Dim::from(2 * 784 * 300));
    }
}
