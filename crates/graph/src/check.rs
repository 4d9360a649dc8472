//! Proof that gradients are right: central differences in f64.
//!
//! ```text
//! df/dw_i ≈ (f(w + h e_i) − f(w − h e_i)) / 2h        h = 1e-6 · max(1, |w_i|)
//! ```
//! Truncation is about 1e-12 and rounding about 1e-10, so a right gradient passes below 1e-6.
//! Public, so that users can certify ops and objectives of their own.

use crate::graph::{Graph, Type, ValueId};
use crate::op::{Mul, Op, ReduceSum};
use crate::tensor::Array;
use crate::{DType, Result, Role, Tensor, evaluate_with, gradient};

/// Largest gap between `grad` and central differences of `f` at `w`: relative for slopes above 1, absolute
/// below. Keep `w` at least `1e-6 · max(1, |w_i|)` away from kinks.
///
/// # Panics
/// If there is not one gradient entry per weight.
///
/// # Example
/// ```
/// let f = |w: &[f64]| w[0] * w[0] * w[1];
/// let w = [3.0, 2.0];
/// assert!(hoyer_graph::check::gradient_error(f, &w, &[12.0, 9.0]) < 1e-6);
/// assert!(hoyer_graph::check::gradient_error(f, &w, &[6.0, 9.0]) > 1e-3);
/// ```
pub fn gradient_error(f: impl Fn(&[f64]) -> f64, w: &[f64], grad: &[f64]) -> f64 {
    assert_eq!(w.len(), grad.len(), "one gradient entry per weight");
    let (mut x, mut worst) = (w.to_vec(), 0.0_f64);
    for i in 0..w.len() {
        let h = 1e-6 * w[i].abs().max(1.0);
        x[i] = w[i] + h;
        let above = f(&x);
        x[i] = w[i] - h;
        let below = f(&x);
        x[i] = w[i];
        let numeric = (above - below) / (2.0 * h);
        let scale = numeric.abs().max(grad[i].abs()).max(1.0);
        let gap = (numeric - grad[i]).abs() / scale;
        worst = if gap.is_nan() { f64::INFINITY } else { worst.max(gap) };
    }
    worst
}

/// Largest [`gradient_error`] of `loss` by the parameters `wrt`, at the parameters' own values.
///
/// # Errors
/// If the loss has no gradient, or the inputs do not fit.
///
/// # Panics
/// If a value of `wrt` is not a parameter.
pub fn graph_gradient(
    graph: &Graph,
    loss: ValueId,
    wrt: &[ValueId],
    inputs: &[Array],
    step: u64,
) -> Result<f64> {
    let mut with_gradient = graph.clone();
    let gradients = gradient(&mut with_gradient, loss, wrt)?;
    let arrays =
        |g: &Graph| -> Vec<Array> { g.params.iter().map(|p| (&p.tensor).into()).collect() };
    let found = evaluate_with(&with_gradient, &arrays(&with_gradient), inputs, &gradients, step)?;
    let mut worst = 0.0_f64;
    for (value, grad) in wrt.iter().zip(found) {
        let param = graph.param_of(*value).expect("gradients are checked by parameters");
        let objective = |w: &[f64]| {
            let mut params = arrays(graph);
            params[param.0].data.copy_from_slice(w);
            let value = evaluate_with(graph, &params, inputs, &[loss], step);
            value.expect("it ran a moment ago")[0].data[0]
        };
        let at = Array::from(&graph.param_at(param).tensor).data;
        worst = worst.max(gradient_error(objective, &at, &grad.data));
    }
    Ok(worst)
}

/// Checks an op's gradient rule at `points` seeded points: every f32 input becomes a parameter, and the
/// loss is a random weighting of the first output's elements.
///
/// # Panics
/// If the op refuses the types, has no gradient, or the gradient is wrong.
pub fn op_gradient(op: impl Into<Op>, inputs: &[Type], points: u64) {
    let op = op.into();
    for seed in 0..points {
        let error = op_gradient_error(&op, inputs, seed).expect("the op takes these inputs");
        assert!(error < 1e-6, "{} is off by {error:e} at seed {seed}", op.name());
    }
}

/// The error that [`op_gradient`] judges, for one seed.
///
/// # Errors
/// If the op refuses the types or has no gradient.
///
/// # Panics
/// If a shape has a symbol.
pub fn op_gradient_error(op: &Op, inputs: &[Type], seed: u64) -> Result<f64> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d);
    let mut graph = Graph::new("check");
    let (mut arguments, mut wrt, mut given) = (Vec::new(), Vec::new(), Vec::new());
    for (i, kind) in inputs.iter().enumerate() {
        let shape = kind.shape.fixed().expect("a checked op has fixed shapes");
        let name = format!("input{i}");
        arguments.push(match kind.dtype {
            DType::F32 => {
                wrt.push(graph.param(&name, Role::Weight, numbers.tensor(&shape))?);
                *wrt.last().expect("just pushed")
            }
            DType::I64 => {
                given.push(Array::from_fn(&shape, |_| numbers.index(3) as f64));
                graph.input(&name, kind.clone())
            }
        });
    }
    let y = graph.add_all("op", op.clone(), &arguments)?[0];
    let shape = graph.value(y).kind.shape.fixed().expect("fixed inputs give fixed outputs");
    let weighting = graph.param("weighting", Role::Constant, numbers.tensor(&shape))?;
    let weighted = graph.add("weighted", Mul, &[y, weighting])?;
    let loss = graph.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[weighted])?;
    graph_gradient(&graph, loss, &wrt, &given, seed)
}

/// A seeded stream of test numbers (SplitMix64): enough for points, no more.
#[derive(Debug, Clone)]
pub struct Numbers(pub u64);

impl Numbers {
    /// 64 fresh bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn index(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// A number with magnitude from 0.05 to 2 and a random sign: far from the kinks at 0.
    pub fn number(&mut self) -> f64 {
        let bits = self.bits();
        let magnitude = 0.05 + 1.95 * ((bits >> 11) as f64 / (1u64 << 53) as f64);
        if bits & 1 == 0 { magnitude } else { -magnitude }
    }

    /// A tensor of such numbers; they are all different, so that no maximum is a tie.
    pub fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let mut tensor = Tensor::full(shape, 0.0);
        tensor.data_mut().iter_mut().for_each(|x| *x = self.number() as f32);
        tensor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::ReluGradient;

    #[test]
    fn a_wrong_gradient_is_caught() {
        // Relu's backward op is linear in dy; its own (missing) rule is an error, not a silent zero.
        let types = [Type::f32([3]), Type::f32([3])];
        assert!(op_gradient_error(&ReluGradient.into(), &types, 0).is_err());
        // The right gradient of x², halved.
        let f = |w: &[f64]| w.iter().map(|x| x * x).sum();
        let w = [1.0, -0.5, 2.0];
        assert!(gradient_error(f, &w, &w.map(|x| 2.0 * x)) < 1e-6);
        assert!(gradient_error(f, &w, &w) > 1e-3);
    }

    #[test]
    fn a_gradient_that_is_not_a_number_never_passes() {
        assert_eq!(gradient_error(|w| w[0], &[1.0], &[f64::NAN]), f64::INFINITY);
    }
}
