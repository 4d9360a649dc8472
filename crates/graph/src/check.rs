//! Proof that gradients are right: central differences in f64.
//!
//! ```text
//! df/dw_i ≈ (f(w + h e_i) − f(w − h e_i)) / 2h        h = 1e-6 · max(1, |w_i|)
//! ```
//! Truncation is about 1e-12 and rounding about 1e-10, so a right gradient passes below 1e-6.
//! Public, so that users can certify ops and objectives of their own.

use crate::graph::{Graph, Source, Type, ValueId};
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
    let pairs: Vec<_> = wrt.iter().copied().zip(gradients).collect();
    given_gradient(&with_gradient, loss, &pairs, inputs, step)
}

/// Largest [`gradient_error`] of `loss` by parameters whose gradients are values of the graph already,
/// however they came there: pairs of a parameter and its claimed gradient.
///
/// # Errors
/// If the inputs do not fit.
///
/// # Panics
/// If the first value of a pair is not a parameter.
///
/// # Example
/// ```
/// use hoyer_graph::{Add, Graph, Mul, ReduceSum, Role, Tensor, check};
///
/// let mut g = Graph::new("square");
/// let w = g.param("w", Role::Weight, Tensor::full(&[3], 1.5))?;
/// let square = g.add("square", Mul, &[w, w])?;
/// let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[square])?;
/// let twice = g.add("twice", Add, &[w, w])?;
/// assert!(check::given_gradient(&g, loss, &[(w, twice)], &[], 0)? < 1e-6);
/// assert!(check::given_gradient(&g, loss, &[(w, w)], &[], 0)? > 1e-3);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn given_gradient(
    graph: &Graph,
    loss: ValueId,
    pairs: &[(ValueId, ValueId)],
    inputs: &[Array],
    step: u64,
) -> Result<f64> {
    let params: Vec<Array> = graph.params.iter().map(|p| (&p.tensor).into()).collect();
    let claimed: Vec<_> = pairs.iter().map(|pair| pair.1).collect();
    let claimed = evaluate_with(graph, &params, inputs, &claimed, step)?;
    let forward = up_to(graph, loss);
    let mut worst = 0.0_f64;
    for ((value, _), grad) in pairs.iter().zip(claimed) {
        let param = graph.param_of(*value).expect("gradients are checked by parameters");
        let objective = |w: &[f64]| {
            let mut params = params.clone();
            params[param.0].data.copy_from_slice(w);
            let value = evaluate_with(&forward, &params, inputs, &[loss], step);
            value.expect("it ran a moment ago")[0].data[0]
        };
        worst = worst.max(gradient_error(objective, &params[param.0].data, &grad.data));
    }
    Ok(worst)
}

/// The graph without the nodes after the one that gives `value`.
fn up_to(graph: &Graph, value: ValueId) -> Graph {
    let mut graph = graph.clone();
    if let Source::Node(node, _) = graph.value(value).source {
        graph.nodes.truncate(node.0 + 1);
    }
    graph
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
    let mut numbers = numbers(seed);
    let mut graph = Graph::new("check");
    let (mut arguments, mut given) = (Vec::new(), Vec::new());
    for (i, kind) in inputs.iter().enumerate() {
        let shape = kind.shape.fixed().expect("a checked op has fixed shapes");
        let name = format!("input{i}");
        arguments.push(match kind.dtype {
            DType::F32 => graph.param(&name, Role::Weight, numbers.tensor(&shape))?,
            DType::I64 | DType::Bool => {
                let end = if kind.dtype == DType::Bool { 2 } else { 3 };
                given.push(Array::from_fn(&shape, |_| numbers.index(end) as f64));
                graph.input(&name, kind.clone())
            }
        });
    }
    weighted_error(graph, op, &arguments, &given, seed)
}

/// As [`op_gradient_error`], at given points, for ops that are not defined everywhere; all inputs are f32.
///
/// # Errors
/// If the op refuses the types or has no gradient.
pub fn op_gradient_error_at(op: &Op, inputs: &[Tensor], seed: u64) -> Result<f64> {
    let mut graph = Graph::new("check");
    let mut arguments = Vec::new();
    for (i, tensor) in inputs.iter().enumerate() {
        arguments.push(graph.param(&format!("input{i}"), Role::Weight, tensor.clone())?);
    }
    weighted_error(graph, op, &arguments, &[], seed)
}

/// The error of the gradient of a random weighting of the op's first output.
fn weighted_error(
    mut graph: Graph,
    op: &Op,
    arguments: &[ValueId],
    given: &[Array],
    seed: u64,
) -> Result<f64> {
    let wrt: Vec<_> = arguments.iter().copied().filter(|&v| graph.param_of(v).is_some()).collect();
    let y = graph.add_all("op", op.clone(), arguments)?[0];
    let shape = graph.value(y).kind.shape.fixed().expect("fixed inputs give fixed outputs");
    let weights = numbers(!seed).tensor(&shape);
    let weighting = graph.param("weighting", Role::Constant, weights)?;
    let weighted = graph.add("weighted", Mul, &[y, weighting])?;
    let loss = graph.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[weighted])?;
    graph_gradient(&graph, loss, &wrt, given, seed)
}

/// The numbers that belong to a seed; seeds that are neighbors give unlike numbers.
fn numbers(seed: u64) -> Numbers {
    Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d)
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
    use crate::Node;
    use crate::op::{Identity, Relu, ReluGradient};

    /// `loss = Σ relu(w · v)`, its gradients by `w` and `v`, and the error of those gradients after
    /// `spoil` had its way with the backward nodes.
    fn error_after(spoil: impl Fn(&mut Node)) -> f64 {
        let mut g = Graph::new("g");
        let (mut numbers, mut wrt) = (Numbers(3), Vec::new());
        for name in ["w", "v"] {
            wrt.push(g.param(name, Role::Weight, numbers.tensor(&[31])).unwrap());
        }
        let product = g.add("product", Mul, &wrt).unwrap();
        let relu = g.add("relu", Relu, &[product]).unwrap();
        let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[relu]).unwrap();
        let forward = g.nodes.len();
        let gradients = gradient(&mut g, loss, &wrt).unwrap();
        g.nodes[forward..].iter_mut().for_each(spoil);
        let pairs: Vec<_> = wrt.into_iter().zip(gradients).collect();
        given_gradient(&g, loss, &pairs, &[], 0).unwrap()
    }

    #[test]
    fn a_wrong_rule_is_caught() {
        assert!(error_after(|_| ()) < 1e-6);
        // Relu's rule forgets where the slope is 0; Mul's rule takes the wrong factor.
        let relu_is_linear = |node: &mut Node| {
            if node.op == ReluGradient.into() {
                node.op = Identity.into();
                node.inputs.truncate(1);
            }
        };
        let mul_takes_dy_twice = |node: &mut Node| {
            if node.op == Mul.into() {
                node.inputs[1] = node.inputs[0];
            }
        };
        assert!(error_after(relu_is_linear) > 1e-2);
        assert!(error_after(mul_takes_dy_twice) > 1e-2);
    }

    #[test]
    fn a_missing_rule_is_an_error_and_not_a_silent_zero() {
        let types = [Type::f32([3]), Type::f32([3])];
        let error = op_gradient_error(&ReluGradient.into(), &types, 0).unwrap_err();
        assert_eq!(error.to_string(), "node `op`: ReluGradient has no gradient");
    }

    #[test]
    fn a_gradient_that_is_not_a_number_never_passes() {
        assert_eq!(gradient_error(|w| w[0], &[1.0], &[f64::NAN]), f64::INFINITY);
    }
}
