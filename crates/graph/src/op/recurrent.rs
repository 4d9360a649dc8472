//! What recurrent layers have in common: directions, shapes, products.
//!
//! Not here: the cells (`lstm`, `gru`).

use super::window::sized;
use super::{bad_shape, expect_f32};
use crate::graph::Type;
use crate::shape::{Dim, Shape};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// Which way a recurrent layer walks through time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the first step to the last.
    Forward,
    /// From the last to the first.
    Reverse,
    /// Both, with weights of their own.
    Bidirectional,
}

impl Direction {
    /// How many directions there are.
    pub fn count(self) -> usize {
        if self == Self::Bidirectional { 2 } else { 1 }
    }

    /// Whether this one of them walks from the last step to the first.
    pub fn is_reversed(self, direction: usize) -> bool {
        self == Self::Reverse || direction == 1
    }
}

/// The attributes that shapes follow from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer {
    pub(crate) op: &'static str,
    pub(crate) hidden: usize,
    pub(crate) direction: Direction,
    /// Rows of a weight per hidden unit.
    pub(crate) gates: usize,
    /// Values that go from one step to the next.
    pub(crate) states: usize,
}

impl Layer {
    /// The outputs over `X, W, R, B` and perhaps initial states: all steps, then every state after the last step.
    pub(crate) fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        let Self { op, hidden, direction, gates, states } = *self;
        if inputs.len() != 4 && inputs.len() != 4 + states {
            let need = if states == 1 { "4 or 5" } else { "4 or 6" };
            return Err(Mismatch::InputCount { op, need, got: inputs.len() });
        }
        inputs.iter().try_for_each(|kind| expect_f32(op, "an input", kind))?;
        let x = &inputs[0].shape;
        let (3, Some(size)) = (x.rank(), x.0.get(2).and_then(Dim::fixed)) else {
            return Err(bad_shape(
                op,
                "X",
                x,
                "[steps, batch, features], the last without a symbol",
            ));
        };
        let (Some(rows), Some(biases)) = (hidden.checked_mul(gates), hidden.checked_mul(2 * gates))
        else {
            let (got, need) = (hidden.to_string(), "a smaller number".to_owned());
            return Err(Mismatch::Attribute { op, attribute: "hidden_size", got, need });
        };
        let count = Dim::from(direction.count());
        let with = |rest: &[Dim]| Shape([std::slice::from_ref(&count), rest].concat());
        let state = with(&[x.0[1].clone(), Dim::from(hidden)]);
        let mut needed = vec![
            ("W", with(&[Dim::from(rows), Dim::from(size)])),
            ("R", with(&[Dim::from(rows), Dim::from(hidden)])),
            ("B", with(&[Dim::from(biases)])),
        ];
        needed.resize(3 + states, ("an initial state", state.clone()));
        for (kind, (what, need)) in inputs[1..].iter().zip(needed) {
            if kind.shape != need {
                return Err(bad_shape(op, what, &kind.shape, need.to_string()));
            }
        }
        let all = Shape([&x.0[..1], &state.0].concat());
        let mut outputs = vec![sized(op, all)?];
        outputs.resize(1 + states, sized(op, state)?);
        Ok(outputs)
    }

    /// The sizes over arrays that [`Self::infer`] took.
    pub(super) fn sizes(&self, x: &Array) -> Sizes {
        let Self { hidden, gates, direction, .. } = *self;
        let [steps, batch, input] = [x.shape[0], x.shape[1], x.shape[2]];
        Sizes { steps, batch, input, hidden, rows: gates * hidden, directions: direction.count() }
    }

    /// The multiply-accumulates of all steps.
    pub(super) fn macs(&self, inputs: &[Type]) -> Dim {
        let elements = |kind: &Type| kind.shape.elements();
        let steps = Shape(inputs[0].shape.0[..2].to_vec()).elements();
        let weights = elements(&inputs[1]).zip(elements(&inputs[2])).and_then(|(w, r)| w.plus(&r));
        let all = steps.zip(weights).and_then(|(steps, weights)| steps.times(&weights));
        all.unwrap_or(Dim::from(usize::MAX))
    }
}

/// Numbers of steps and features.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) steps: usize,
    pub(super) batch: usize,
    pub(super) input: usize,
    pub(super) hidden: usize,
    pub(super) rows: usize,
    pub(super) directions: usize,
}

impl Sizes {
    /// Time of the `i`th step.
    pub(super) fn time(&self, i: usize, reversed: bool) -> usize {
        if reversed { self.steps - 1 - i } else { i }
    }

    /// Elements of a state of one direction.
    pub(super) fn state(&self) -> usize {
        self.batch * self.hidden
    }

    /// Where the features of a sample at a time are in `X`.
    pub(super) fn features(&self, time: usize, sample: usize) -> std::ops::Range<usize> {
        let start = (time * self.batch + sample) * self.input;
        start..start + self.input
    }

    /// Where the hidden units at a time are in `Y`.
    pub(super) fn units(&self, time: usize, direction: usize) -> std::ops::Range<usize> {
        let start = (time * self.directions + direction) * self.state();
        start..start + self.state()
    }
}

/// The part of an array that belongs to one direction.
pub(super) fn part(x: &Array, direction: usize) -> &[f64] {
    let len = x.data.len() / x.shape[0].max(1);
    &x.data[direction * len..][..len]
}

/// As [`part`], to be changed.
pub(super) fn part_mut(x: &mut Array, direction: usize) -> &mut [f64] {
    let len = x.data.len() / x.shape[0].max(1);
    &mut x.data[direction * len..][..len]
}

/// `y += m · x`
pub(super) fn add_product(y: &mut [f64], m: &[f64], x: &[f64]) {
    for (row, y) in y.iter_mut().enumerate() {
        let m = &m[row * x.len()..][..x.len()];
        *y += m.iter().zip(x).map(|(m, x)| m * x).sum::<f64>();
    }
}

/// `dx += mᵀ · dy`
pub(super) fn add_transposed(dx: &mut [f64], m: &[f64], dy: &[f64]) {
    for (row, dy) in dy.iter().enumerate() {
        let m = &m[row * dx.len()..][..dx.len()];
        dx.iter_mut().zip(m).for_each(|(dx, m)| *dx += m * dy);
    }
}

/// `dm += dy · xᵀ`
pub(super) fn add_outer(dm: &mut [f64], dy: &[f64], x: &[f64]) {
    for (row, dy) in dy.iter().enumerate() {
        let dm = &mut dm[row * x.len()..][..x.len()];
        dm.iter_mut().zip(x).for_each(|(dm, x)| *dm += dy * x);
    }
}

/// `y += x`
pub(super) fn add(y: &mut [f64], x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
}

/// `1 / (1 + e⁻ˣ)`
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
