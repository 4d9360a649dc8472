//! Gated recurrent units.
//!
//! ```text
//! z, r = σ(W x + R h + B)        h' = z · h + (1 − z) · g
//! g = tanh(Wg x + Bg + Rg (r · h) + Cg)          as published
//! g = tanh(Wg x + Bg + r · (Rg h + Cg))          linear_before_reset
//! ```
//! Rows of `W`, `R` and both halves of `B` (the second is `C` above) are those of z, r, g, as in ONNX.
//! The gradient goes back through all steps; it takes the outputs of the forward pass instead of keeping gates.
//! Not here: what is not in `lstm` either.

use super::recurrent::{
    Direction, Layer, Sizes, add, add_outer, add_product, add_transposed, part, part_mut, sigmoid,
};
use super::Rule;
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::shape::Dim;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// A GRU over `(X, W, R, B)` or `(X, W, R, B, h)`.
///
/// # Shapes
/// - `X`: `[steps, batch, features]`
/// - `W`: `[directions, 3 · hidden, features]`, `R`: `[directions, 3 · hidden, hidden]`
/// - `B`: `[directions, 6 · hidden]`, the bias beside `W` and then the one beside `R`
/// - `h`: `[directions, batch, hidden]`, zeros if it is not given
/// - outputs: `[steps, directions, batch, hidden]`, and `h` after the last step
///
/// # Source
/// Cho et al. (2014), <https://arxiv.org/abs/1406.1078>.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GRU {
    /// Hidden units of a direction.
    pub hidden_size: usize,
    /// Which way through time.
    pub direction: Direction,
    /// Whether the reset gate comes after the product, as in PyTorch.
    pub linear_before_reset: bool,
}

/// The gradient of [`GRU`] over its inputs, its first output, and the gradients by those outputs that have one; by
/// every input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GRUGradient {
    /// The layer.
    #[serde(flatten)]
    pub gru: GRU,
    /// By which outputs a gradient is given.
    pub given: [bool; 2],
}

/// What one direction computed, for every step.
struct Trace {
    /// `[batch, 3 · hidden]`, after their activations.
    gates: Vec<Vec<f64>>,
    /// What the reset gate is multiplied by: `Rg h + Cg` if linear before, else `h`.
    reset: Vec<Vec<f64>>,
    /// `[batch, hidden]`; before the first step, and after each.
    hidden: Vec<Vec<f64>>,
}

impl GRU {
    fn layer(&self, op: &'static str) -> Layer {
        Layer { op, hidden: self.hidden_size, direction: self.direction, gates: 3, states: 1 }
    }

    fn sizes(&self, x: &Array) -> Sizes {
        self.layer("GRU").sizes(x)
    }

    fn trace(&self, inputs: &[&Array], direction: usize) -> Trace {
        let sizes = self.sizes(inputs[0]);
        let reversed = self.direction.is_reversed(direction);
        let [w, r, b] = [1, 2, 3].map(|i| part(inputs[i], direction));
        let start = match inputs.get(4) {
            Some(state) => part(state, direction).to_vec(),
            None => vec![0.0; sizes.state()],
        };
        let mut trace = Trace { gates: Vec::new(), reset: Vec::new(), hidden: vec![start] };
        let (count, both) = (sizes.hidden, 2 * sizes.hidden);
        let (r_gates, r_new) = r.split_at(both * count);
        for i in 0..sizes.steps {
            let time = sizes.time(i, reversed);
            let mut gates = vec![0.0; sizes.batch * sizes.rows];
            let (mut reset, mut h) = (trace.hidden[i].clone(), trace.hidden[i].clone());
            for sample in 0..sizes.batch {
                let units = sample * count..(sample + 1) * count;
                let z = &mut gates[sample * sizes.rows..][..sizes.rows];
                z.copy_from_slice(&b[..sizes.rows]);
                add_product(z, w, &inputs[0].data[sizes.features(time, sample)]);
                let (z, g) = z.split_at_mut(both);
                add(z, &b[sizes.rows..][..both]);
                add_product(z, r_gates, &h[units.clone()]);
                z.iter_mut().for_each(|z| *z = sigmoid(*z));
                let reset = &mut reset[units.clone()];
                if self.linear_before_reset {
                    reset.copy_from_slice(&b[sizes.rows + both..]);
                    add_product(reset, r_new, &h[units.clone()]);
                    (0..count).for_each(|k| g[k] += z[count + k] * reset[k]);
                } else {
                    add(g, &b[sizes.rows + both..]);
                    let kept: Vec<f64> = (0..count).map(|k| z[count + k] * reset[k]).collect();
                    add_product(g, r_new, &kept);
                }
                g.iter_mut().for_each(|g| *g = g.tanh());
                for (k, h) in h[units].iter_mut().enumerate() {
                    *h = z[k] * *h + (1.0 - z[k]) * g[k];
                }
            }
            trace.gates.push(gates);
            trace.reset.push(reset);
            trace.hidden.push(h);
        }
        trace
    }
}

impl Rule for GRU {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        self.layer("GRU").infer(inputs)
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let sizes = self.sizes(inputs[0]);
        let mut results: Vec<Array> = outputs.iter().map(|shape| Array::zeros(shape)).collect();
        for direction in 0..sizes.directions {
            let trace = self.trace(inputs, direction);
            for i in 0..sizes.steps {
                let time = sizes.time(i, self.direction.is_reversed(direction));
                let units = sizes.units(time, direction);
                results[0].data[units].copy_from_slice(&trace.hidden[i + 1]);
            }
            part_mut(&mut results[1], direction).copy_from_slice(&trace.hidden[sizes.steps]);
        }
        results
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let found = [0, 1].map(|i| back.output_gradient(node, i).ok());
        let mut inputs = node.inputs.clone();
        inputs.push(node.outputs[0]);
        inputs.extend(found.iter().flatten());
        let op = GRUGradient { gru: self.clone(), given: found.map(|found| found.is_some()) };
        let gradients = back.add_all(node, op, &inputs)?;
        let pairs = node.inputs.iter().zip(gradients);
        pairs.into_iter().try_for_each(|(input, gradient)| back.accumulate(*input, gradient))
    }

    fn macs(&self, inputs: &[Type], _: &[Type]) -> Dim {
        self.layer("GRU").macs(inputs)
    }
}

/// Gradients by what the gates of one sample were made of.
struct Step {
    /// By the sums beside `W`.
    by_x: Vec<f64>,
    /// By the sums beside `R`.
    by_h: Vec<f64>,
    /// By the hidden units of the step before, but for what goes through `R`.
    direct: Vec<f64>,
}

impl GRUGradient {
    /// How many inputs the layer itself has.
    fn own(&self, inputs: usize) -> Option<usize> {
        inputs.checked_sub(1 + self.given.iter().filter(|given| **given).count())
    }

    /// Gradients by outputs, as far as there are any.
    fn by_outputs<'a>(&self, given: &[&'a Array]) -> [Option<&'a Array>; 2] {
        let mut rest = given.iter().copied();
        self.given.map(|is_given| if is_given { rest.next() } else { None })
    }

    /// Back through one sample's cell; `r_new` are the rows of `R` that make g.
    fn through_cell(
        &self,
        (gates, reset, before): (&[f64], &[f64], &[f64]),
        dh: &[f64],
        r_new: &[f64],
    ) -> Step {
        let count = before.len();
        let [z, r, g] = [0, 1, 2].map(|gate| &gates[gate * count..][..count]);
        let by_new: Vec<f64> =
            (0..count).map(|k| dh[k] * (1.0 - z[k]) * (1.0 - g[k] * g[k])).collect();
        // By r times what it is multiplied by.
        let mut by_kept = vec![0.0; count];
        match self.gru.linear_before_reset {
            true => by_kept.copy_from_slice(&by_new),
            false => add_transposed(&mut by_kept, r_new, &by_new),
        }
        let mut step = Step { by_x: vec![0.0; 3 * count], by_h: vec![], direct: vec![0.0; count] };
        for k in 0..count {
            step.by_x[k] = dh[k] * (before[k] - g[k]) * z[k] * (1.0 - z[k]);
            step.by_x[count + k] = by_kept[k] * reset[k] * r[k] * (1.0 - r[k]);
            step.by_x[2 * count + k] = by_new[k];
            step.direct[k] = dh[k] * z[k];
        }
        step.by_h = step.by_x.clone();
        for k in 0..count {
            match self.gru.linear_before_reset {
                true => step.by_h[2 * count + k] *= r[k],
                false => step.direct[k] += by_kept[k] * r[k],
            }
        }
        step
    }

    /// Goes back through one direction.
    fn back(
        &self,
        (inputs, by): (&[&Array], &[Option<&Array>; 2]),
        direction: usize,
        d: &mut [Array],
    ) {
        let (sizes, trace) = (self.gru.sizes(inputs[0]), self.gru.trace(inputs, direction));
        let [w, r] = [1, 2].map(|i| part(inputs[i], direction));
        let (count, both) = (sizes.hidden, 2 * sizes.hidden);
        let mut dh = match by[1] {
            Some(by) => part(by, direction).to_vec(),
            None => vec![0.0; sizes.state()],
        };
        for i in (0..sizes.steps).rev() {
            let time = sizes.time(i, self.gru.direction.is_reversed(direction));
            if let Some(dy) = by[0] {
                add(&mut dh, &dy.data[sizes.units(time, direction)]);
            }
            for sample in 0..sizes.batch {
                let units = sample * count..(sample + 1) * count;
                let gates = &trace.gates[i][sample * sizes.rows..][..sizes.rows];
                let before = &trace.hidden[i][units.clone()];
                let reset = &trace.reset[i][units.clone()];
                let dh = &mut dh[units];
                let cell = (gates, reset, before);
                let step = self.through_cell(cell, dh, &r[both * count..]);
                dh.copy_from_slice(&step.direct);
                let kept: Vec<f64> = (0..count).map(|k| gates[count + k] * reset[k]).collect();
                let (dr_gates, dr_new) =
                    part_mut(&mut d[2], direction).split_at_mut(both * count);
                add_outer(dr_gates, &step.by_h[..both], before);
                if self.gru.linear_before_reset {
                    add_transposed(dh, r, &step.by_h);
                    add_outer(dr_new, &step.by_h[both..], before);
                } else {
                    add_transposed(dh, &r[..both * count], &step.by_h[..both]);
                    add_outer(dr_new, &step.by_h[both..], &kept);
                }
                let features = sizes.features(time, sample);
                add_transposed(&mut d[0].data[features.clone()], w, &step.by_x);
                add_outer(part_mut(&mut d[1], direction), &step.by_x, &inputs[0].data[features]);
                let (beside_w, beside_r) = part_mut(&mut d[3], direction).split_at_mut(sizes.rows);
                add(beside_w, &step.by_x);
                add(beside_r, &step.by_h);
            }
        }
        if d.len() > 4 {
            part_mut(&mut d[4], direction).copy_from_slice(&dh);
        }
    }
}

impl Rule for GRUGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "GRUGradient";
        let own = self.own(inputs.len()).unwrap_or(0).min(inputs.len());
        let (layer, given) = inputs.split_at(own);
        let outputs = self.gru.layer(OP).infer(layer)?;
        let by = outputs.iter().zip(self.given).filter(|(_, given)| *given).map(|(kind, _)| kind);
        if !std::iter::once(&outputs[0]).chain(by).eq(given) {
            let need = "the layer's, its first output, and gradients by its outputs";
            return Err(Mismatch::InputCount { op: OP, need, got: inputs.len() });
        }
        Ok(layer.to_vec())
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (layer, given) = inputs.split_at(outputs.len());
        let by = self.by_outputs(&given[1..]);
        let mut d: Vec<Array> = outputs.iter().map(|shape| Array::zeros(shape)).collect();
        for direction in 0..self.gru.direction.count() {
            self.back((layer, &by), direction, &mut d);
        }
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        for direction in [Direction::Forward, Direction::Reverse, Direction::Bidirectional] {
            for linear_before_reset in [false, true] {
                let (d, h, input) = (direction.count(), 3, 2);
                let op = GRU { hidden_size: h, direction, linear_before_reset };
                let shapes = [
                    &[4, 2, input][..],
                    &[d, 3 * h, input],
                    &[d, 3 * h, h],
                    &[d, 6 * h],
                    &[d, 2, h],
                ];
                let kinds = shapes.map(Type::f32);
                check::op_gradient(op.clone(), &kinds[..4], 2);
                check::op_gradient(op, &kinds, 2);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let direction = Direction::Bidirectional;
        let op = GRU { hidden_size: 3, direction, linear_before_reset: false };
        let kinds = [&[4, 2, 2][..], &[2, 9, 2], &[2, 9, 3], &[2, 18], &[2, 2, 3]].map(Type::f32);
        assert_eq!(op.infer(&kinds).unwrap()[0], Type::f32([4, 2, 2, 3]));
        for i in 0..5 {
            let mut bad = kinds.clone();
            bad[i].shape.0[1] = Dim::from(7);
            assert!(op.infer(&bad).is_err(), "{i}");
        }
    }
}
