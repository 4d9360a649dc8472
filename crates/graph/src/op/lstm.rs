//! Long short-term memory.
//!
//! ```text
//! i, o, f = σ(W x + R h + B)        g = tanh(W x + R h + B)        c' = f · c + i · g        h' = o · tanh c'
//! ```
//! Rows of `W`, `R` and both halves of `B` are those of i, o, f, g, as in ONNX.
//! The training form gives its gates and cells, too, and the gradient goes back over them through all steps.
//! Not here: ONNX's peepholes, clips, other activations and lengths of sequences; its layout with the batch first, which
//! is resolved when a file is read.

use super::recurrent::{
    Direction, Layer, Sizes, add, add_outer, add_product, add_transposed, part, part_mut, sigmoid,
};
use super::Rule;
use super::window::sized;
use super::Op;
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::shape::{Dim, Shape};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// An LSTM over `(X, W, R, B)` or `(X, W, R, B, h, c)`.
///
/// # Shapes
/// - `X`: `[steps, batch, features]`
/// - `W`: `[directions, 4 · hidden, features]`, `R`: `[directions, 4 · hidden, hidden]`
/// - `B`: `[directions, 8 · hidden]`, the bias beside `W` and then the one beside `R`
/// - `h`, `c`: `[directions, batch, hidden]`, zeros if they are not given
/// - outputs: `[steps, directions, batch, hidden]`, and `h` and `c` after the last step
/// - training gives, for the gradient, also the gates i, o, f, g after their activations, `[directions, steps, batch, 4 · hidden]`,
///   and the cells after every step, `[directions, steps, batch, hidden]`
///
/// # Source
/// Hochreiter & Schmidhuber (1997), <https://doi.org/10.1162/neco.1997.9.8.1735>, with the forget gate of Gers et al. (2000).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LSTM {
    /// Hidden units of a direction.
    pub hidden_size: usize,
    /// Which way through time.
    pub direction: Direction,
    /// Whether gates and cells are outputs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub training: bool,
}

/// The gradient of [`LSTM`] over its inputs, its first output, gates and cells, and the gradients by those outputs that have one;
/// by every input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LSTMGradient {
    /// The layer.
    #[serde(flatten)]
    pub lstm: LSTM,
    /// By which outputs a gradient is given.
    pub given: [bool; 3],
}

/// What one direction computed, in order of time.
struct Trace {
    /// `[steps, batch, hidden]`, after each step.
    hidden: Vec<f64>,
    cells: Vec<f64>,
    /// `[steps, batch, 4 · hidden]`, after their activations.
    gates: Vec<f64>,
    /// Hidden units and cells after the last step.
    last: [Vec<f64>; 2],
}

impl LSTM {
    /// The inference form.
    pub fn new(hidden_size: usize, direction: Direction) -> Self {
        Self { hidden_size, direction, training: false }
    }

    fn layer(&self, op: &'static str) -> Layer {
        Layer { op, hidden: self.hidden_size, direction: self.direction, gates: 4, states: 2 }
    }

    fn sizes(&self, x: &Array) -> Sizes {
        self.layer("LSTM").sizes(x)
    }

    fn trace(&self, inputs: &[&Array], direction: usize) -> Trace {
        let sizes = self.sizes(inputs[0]);
        let reversed = self.direction.is_reversed(direction);
        let [w, r, b] = [1, 2, 3].map(|i| part(inputs[i], direction));
        let (mut h, mut c) = (initial(inputs, 4, sizes, direction), initial(inputs, 5, sizes, direction));
        let count = sizes.hidden;
        let state = || vec![0.0; sizes.steps * sizes.state()];
        let gates = vec![0.0; sizes.steps * sizes.batch * sizes.rows];
        let mut trace = Trace { hidden: state(), cells: state(), gates, last: [vec![], vec![]] };
        for i in 0..sizes.steps {
            let time = sizes.time(i, reversed);
            let before = h.clone();
            for sample in 0..sizes.batch {
                let gates = &mut trace.gates[(time * sizes.batch + sample) * sizes.rows..][..sizes.rows];
                let units = sample * count..(sample + 1) * count;
                gates.copy_from_slice(&b[..sizes.rows]);
                add(gates, &b[sizes.rows..]);
                add_product(gates, w, &inputs[0].data[sizes.features(time, sample)]);
                add_product(gates, r, &before[units.clone()]);
                gates[..3 * count].iter_mut().for_each(|z| *z = sigmoid(*z));
                gates[3 * count..].iter_mut().for_each(|z| *z = z.tanh());
                for (k, at) in units.enumerate() {
                    let [i, o, f, g] = [0, 1, 2, 3].map(|gate| gates[gate * count + k]);
                    c[at] = f * c[at] + i * g;
                    h[at] = o * c[at].tanh();
                }
            }
            trace.hidden[time * sizes.state()..][..sizes.state()].copy_from_slice(&h);
            trace.cells[time * sizes.state()..][..sizes.state()].copy_from_slice(&c);
        }
        trace.last = [h, c];
        trace
    }
}

/// The state that a direction starts with: input `i`, or zeros.
fn initial(inputs: &[&Array], i: usize, sizes: Sizes, direction: usize) -> Vec<f64> {
    inputs.get(i).map_or_else(|| vec![0.0; sizes.state()], |state| part(state, direction).to_vec())
}

impl Rule for LSTM {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        let mut outputs = self.layer("LSTM").infer(inputs)?;
        if self.training {
            let [steps, directions, batch, hidden] = [0, 1, 2, 3].map(|i| outputs[0].shape.0[i].clone());
            for size in [Dim::from(4 * self.hidden_size), hidden] {
                let shape = Shape(vec![directions.clone(), steps.clone(), batch.clone(), size]);
                outputs.push(sized("LSTM", shape)?);
            }
        }
        Ok(outputs)
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let sizes = self.sizes(inputs[0]);
        let mut results: Vec<Array> = outputs.iter().map(|shape| Array::zeros(shape)).collect();
        for direction in 0..sizes.directions {
            let trace = self.trace(inputs, direction);
            for time in 0..sizes.steps {
                let hidden = &trace.hidden[time * sizes.state()..][..sizes.state()];
                results[0].data[sizes.units(time, direction)].copy_from_slice(hidden);
            }
            let [h, c] = &trace.last;
            for (result, all) in results[1..].iter_mut().zip([h, c, &trace.gates, &trace.cells]) {
                part_mut(result, direction).copy_from_slice(all);
            }
        }
        results
    }

    /// The training form's; of the inference form, by running that, too.
    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let found = [0, 1, 2].map(|i| back.output_gradient(node, i).ok());
        let outputs = match self.training() {
            None => node.outputs.clone(),
            Some(training) => back.add_all(node, training, &node.inputs)?,
        };
        let mut inputs = node.inputs.clone();
        inputs.extend([outputs[0], outputs[3], outputs[4]]);
        inputs.extend(found.iter().flatten());
        let lstm = Self { training: false, ..self.clone() };
        let op = LSTMGradient { lstm, given: found.map(|found| found.is_some()) };
        let gradients = back.add_all(node, op, &inputs)?;
        let pairs = node.inputs.iter().zip(gradients);
        pairs.into_iter().try_for_each(|(input, gradient)| back.accumulate(*input, gradient))
    }

    fn training(&self) -> Option<Op> {
        (!self.training).then(|| Self { training: true, ..self.clone() }.into())
    }

    fn macs(&self, inputs: &[Type], _: &[Type]) -> Dim {
        self.layer("LSTM").macs(inputs)
    }
}

impl LSTMGradient {
    /// How many inputs the layer itself has.
    fn own(&self, inputs: usize) -> Option<usize> {
        inputs.checked_sub(3 + self.given.iter().filter(|given| **given).count())
    }

    /// Gradients by outputs, as far as there are any, among all inputs.
    fn by_outputs<'a>(&self, given: &[&'a Array]) -> [Option<&'a Array>; 3] {
        let mut rest = given.iter().copied();
        self.given.map(|is_given| if is_given { rest.next() } else { None })
    }

    /// Goes back through one direction; `kept` are the layer's outputs at all steps, its gates and its cells.
    fn back(
        &self,
        (inputs, kept): (&[&Array], &[&Array]),
        by: &[Option<&Array>; 3],
        direction: usize,
        d: &mut [Array],
    ) {
        let sizes = self.lstm.sizes(inputs[0]);
        let (y, [gates, cells]) = (kept[0], [1, 2].map(|i| part(kept[i], direction)));
        let (first_h, first_c) = (initial(inputs, 4, sizes, direction), initial(inputs, 5, sizes, direction));
        let [w, r] = [1, 2].map(|i| part(inputs[i], direction));
        let last = |by: Option<&Array>| match by {
            Some(by) => part(by, direction).to_vec(),
            None => vec![0.0; sizes.state()],
        };
        let (mut dh, mut dc) = (last(by[1]), last(by[2]));
        for i in (0..sizes.steps).rev() {
            let time = |i| sizes.time(i, self.lstm.direction.is_reversed(direction));
            let at = |i: usize| &cells[time(i) * sizes.state()..][..sizes.state()];
            let (h, c) = match i {
                0 => (&*first_h, &*first_c),
                _ => (&y.data[sizes.units(time(i - 1), direction)], at(i - 1)),
            };
            let (time, after) = (time(i), at(i));
            if let Some(dy) = by[0] {
                add(&mut dh, &dy.data[sizes.units(time, direction)]);
            }
            for sample in 0..sizes.batch {
                let units = sample * sizes.hidden..(sample + 1) * sizes.hidden;
                let gates = &gates[(time * sizes.batch + sample) * sizes.rows..][..sizes.rows];
                let cells = (&c[units.clone()], &after[units.clone()]);
                let dh = &mut dh[units.clone()];
                let dz = through_cell(gates, cells, dh, &mut dc[units.clone()]);
                dh.fill(0.0);
                add_transposed(dh, r, &dz);
                let features = sizes.features(time, sample);
                add_transposed(&mut d[0].data[features.clone()], w, &dz);
                add_outer(part_mut(&mut d[1], direction), &dz, &inputs[0].data[features]);
                add_outer(part_mut(&mut d[2], direction), &dz, &h[units]);
                let (beside_w, beside_r) = part_mut(&mut d[3], direction).split_at_mut(sizes.rows);
                add(beside_w, &dz);
                add(beside_r, &dz);
            }
        }
        if d.len() > 4 {
            part_mut(&mut d[4], direction).copy_from_slice(&dh);
            part_mut(&mut d[5], direction).copy_from_slice(&dc);
        }
    }
}

/// The gradient by the gates before their activations; `dc` becomes that by the cells of the step before.
fn through_cell(
    gates: &[f64],
    (before, after): (&[f64], &[f64]),
    dh: &[f64],
    dc: &mut [f64],
) -> Vec<f64> {
    let count = before.len();
    let mut dz = vec![0.0; gates.len()];
    for k in 0..count {
        let [i, o, f, g] = [0, 1, 2, 3].map(|gate| gates[gate * count + k]);
        let bent = after[k].tanh();
        let cell = dc[k] + dh[k] * o * (1.0 - bent * bent);
        dz[k] = cell * g * i * (1.0 - i);
        dz[count + k] = dh[k] * bent * o * (1.0 - o);
        dz[2 * count + k] = cell * before[k] * f * (1.0 - f);
        dz[3 * count + k] = cell * i * (1.0 - g * g);
        dc[k] = cell * f;
    }
    dz
}

impl Rule for LSTMGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "LSTMGradient";
        let own = self.own(inputs.len()).unwrap_or(0).min(inputs.len());
        let (layer, given) = inputs.split_at(own);
        self.lstm.layer(OP).infer(layer)?;
        let outputs = LSTM { training: true, ..self.lstm.clone() }.infer(layer)?;
        let by = outputs.iter().zip(self.given).filter(|(_, given)| *given).map(|(kind, _)| kind);
        if ![&outputs[0], &outputs[3], &outputs[4]].into_iter().chain(by).eq(given) {
            let need = "the layer's, its outputs, gates and cells, and gradients by its outputs";
            return Err(Mismatch::InputCount { op: OP, need, got: inputs.len() });
        }
        Ok(layer.to_vec())
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (layer, given) = inputs.split_at(outputs.len());
        let (kept, by) = given.split_at(3);
        let by = self.by_outputs(by);
        let mut d: Vec<Array> = outputs.iter().map(|shape| Array::zeros(shape)).collect();
        for direction in 0..self.lstm.direction.count() {
            self.back((layer, kept), &by, direction, &mut d);
        }
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, Numbers};
    use crate::graph::{Graph, Role};
    use crate::op::{Add, Mul, ReduceSum};

    pub(super) const DIRECTIONS: [Direction; 3] =
        [Direction::Forward, Direction::Reverse, Direction::Bidirectional];

    fn kinds(op: &LSTM, [steps, batch, input]: [usize; 3], initial: bool) -> Vec<Type> {
        let (d, h) = (op.direction.count(), op.hidden_size);
        let mut shapes = vec![
            vec![steps, batch, input],
            vec![d, 4 * h, input],
            vec![d, 4 * h, h],
            vec![d, 8 * h],
        ];
        if initial {
            shapes.resize(6, vec![d, batch, h]);
        }
        shapes.iter().map(|shape| Type::f32(shape.as_slice())).collect()
    }

    #[test]
    fn gradients_match_central_differences() {
        for direction in DIRECTIONS {
            for (initial, training) in [(false, false), (true, false), (true, true)] {
                let op = LSTM { training, ..LSTM::new(3, direction) };
                check::op_gradient(op.clone(), &kinds(&op, [4, 2, 2], initial), 2);
            }
        }
    }

    /// The loss reads these outputs.
    fn error_through(outputs: &[usize]) -> f64 {
        let op = LSTM::new(2, Direction::Bidirectional);
        let (mut g, mut numbers) = (Graph::new("g"), Numbers(9));
        let mut inputs = Vec::new();
        for (i, kind) in kinds(&op, [3, 2, 2], true).iter().enumerate() {
            let tensor = numbers.tensor(&kind.shape.fixed().unwrap());
            inputs.push(g.param(&format!("x{i}"), Role::Weight, tensor).unwrap());
        }
        let all = g.add_all("lstm", op, &inputs).unwrap();
        let mut losses = Vec::new();
        for &i in outputs {
            let weights = numbers.tensor(&g.value(all[i]).kind.shape.fixed().unwrap());
            let weights = g.param(&format!("w{i}"), Role::Constant, weights).unwrap();
            let y = g.add("weighted", Mul, &[all[i], weights]).unwrap();
            let sum = ReduceSum { axes: vec![], keepdims: false };
            losses.push(g.add("sum", sum, &[y]).unwrap());
        }
        let loss = losses.into_iter().reduce(|a, b| g.add("loss", Add, &[a, b]).unwrap());
        check::graph_gradient(&g, loss.unwrap(), &inputs, &[], 0).unwrap()
    }

    #[test]
    fn gradients_come_through_any_of_the_outputs() {
        for outputs in [&[0][..], &[1], &[2], &[1, 2], &[0, 1, 2]] {
            let error = error_through(outputs);
            assert!(error < 1e-6, "{outputs:?}: {error:e}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let op = LSTM::new(3, Direction::Forward);
        let good = kinds(&op, [4, 2, 2], true);
        assert!(op.infer(&good).is_ok());
        assert!(op.infer(&good[..5]).is_err());
        for i in 0..6 {
            let mut bad = good.clone();
            bad[i].shape.0[1] = Dim::from(7);
            assert!(op.infer(&bad).is_err(), "{i}");
        }
        let huge = LSTM::new(usize::MAX / 2, Direction::Forward);
        assert!(huge.infer(&good).is_err());
        let gradient = LSTMGradient { lstm: op, given: [true, false, false] };
        assert!(gradient.infer(&good).is_err());
        assert!(gradient.infer(&good[..1]).is_err());
    }
}
