//! Recurrent layers that are one op of ours.
//!
//! Not here: those that are made of other ops (`unrolled`).

use super::unrolled;
use crate::Result;
use crate::graph::{Role, ValueId};
use crate::onnx::context::Context;
use crate::onnx::names::Thing;
use crate::op::{Direction, Expand, GRU, LSTM, Transpose};
use crate::shape::{Dim, Shape};

/// What both layers have in common, read and checked.
pub(super) struct Layer {
    pub hidden: usize,
    pub direction: Direction,
    /// Whether samples come before steps.
    batch_first: bool,
    /// `[steps, batch, features]`
    pub x: ValueId,
}

pub(super) fn layer(cx: &mut Context<'_>, activations: &[&str]) -> Result<Layer> {
    let direction = match cx.text("direction", "forward")?.as_str() {
        "forward" => Direction::Forward,
        "reverse" => Direction::Reverse,
        "bidirectional" => Direction::Bidirectional,
        other => return cx.refuse(format!("with direction {other} is not supported")),
    };
    let given = cx.raw("activations").map(|found| found.strings.clone()).unwrap_or_default();
    let usual = activations.iter().cycle().take(activations.len() * direction.count());
    let is_usual = |(given, usual): (&Vec<u8>, &&str)| given.eq_ignore_ascii_case(usual.as_bytes());
    let all_usual = given.len() == usual.clone().count() && given.iter().zip(usual).all(is_usual);
    if !given.is_empty() && !all_usual {
        return cx.refuse("with other activations than the usual is not supported");
    }
    let batch_first = cx.flag("layout")?;
    let mut x = cx.value(0)?;
    if cx.rank(x) != 3 {
        return cx.refuse(format!("over {} is not supported", cx.shape(x)));
    }
    if batch_first {
        x = cx.add(Transpose { perm: vec![1, 0, 2] }, &[x])?;
    }
    if let Some(lengths) = cx.known_ints(4)? {
        let steps = cx.shape(x).0[0].fixed().and_then(|steps| i64::try_from(steps).ok());
        if lengths.iter().any(|&length| Some(length) != steps) {
            return cx.refuse("with sequences of other lengths is not supported");
        }
    }
    // The recurrence weight is [directions, rows, hidden].
    let hidden = cx.param(2, Role::Weight)?;
    let hidden = cx.shape(hidden).0.get(2).and_then(Dim::fixed).unwrap_or(0);
    let told = cx.int("hidden_size", hidden as i64)?;
    if usize::try_from(told) != Ok(hidden) {
        return cx.refuse(format!("has hidden_size {told} and weights for {hidden}"));
    }
    Ok(Layer { hidden, direction, batch_first, x })
}

impl Layer {
    /// Features, weights and biases; a bias that is not given is zero.
    pub(super) fn inputs(&self, cx: &mut Context<'_>, gates: usize) -> Result<Vec<ValueId>> {
        let mut inputs = vec![self.x, cx.param(1, Role::Weight)?, cx.param(2, Role::Weight)?];
        if cx.input(3).is_some() {
            inputs.push(cx.param(3, Role::Bias)?);
            return Ok(inputs);
        }
        let Some(biases) = self.hidden.checked_mul(2 * gates) else {
            return cx.refuse(format!("has {} hidden units", self.hidden));
        };
        // Nothing that would have to be stored: the network has no bias to train.
        let shape = Shape(vec![self.direction.count().into(), biases.into()]);
        let zero = cx.number(0.0)?;
        let bias = cx.add(Expand { shape }, &[zero])?;
        inputs.push(bias);
        Ok(inputs)
    }

    /// An initial state, zeros if it is not given.
    pub(super) fn state(&self, cx: &mut Context<'_>, at: usize) -> Result<ValueId> {
        if cx.input(at).is_none() {
            let batch = cx.shape(self.x).0[1].clone();
            let dims = vec![self.direction.count().into(), batch, self.hidden.into()];
            let zero = cx.number(0.0)?;
            return cx.add(Expand { shape: Shape(dims) }, &[zero]);
        }
        let state = cx.value(at)?;
        if self.batch_first {
            return cx.add(Transpose { perm: vec![1, 0, 2] }, &[state]);
        }
        Ok(state)
    }

    /// Turns all steps and the last states as the file wants them.
    pub(super) fn finish(
        &self,
        cx: &mut Context<'_>,
        mut outputs: Vec<ValueId>,
    ) -> Result<ValueId> {
        for (i, output) in outputs.iter_mut().enumerate() {
            if self.batch_first && cx.wants(i) {
                let perm = if i == 0 { vec![2, 0, 1, 3] } else { vec![1, 0, 2] };
                *output = cx.add(Transpose { perm }, &[*output])?;
            }
        }
        cx.more.extend(outputs.iter().enumerate().skip(1).map(|(i, id)| (i, Thing::Value(*id))));
        Ok(outputs[0])
    }
}

pub(crate) fn lstm(cx: &mut Context<'_>) -> Result<ValueId> {
    let layer = layer(cx, &["Sigmoid", "Tanh", "Tanh"])?;
    if cx.flag("input_forget")? {
        return cx.refuse("with coupled gates is not supported");
    }
    if cx.input(7).is_some() {
        return unrolled::lstm(cx, &layer);
    }
    let mut inputs = layer.inputs(cx, 4)?;
    if cx.input(5).is_some() || cx.input(6).is_some() {
        inputs.extend([layer.state(cx, 5)?, layer.state(cx, 6)?]);
    }
    let op = LSTM::new(layer.hidden, layer.direction);
    let outputs = cx.add_all(op, &inputs)?;
    layer.finish(cx, outputs)
}

pub(crate) fn gru(cx: &mut Context<'_>) -> Result<ValueId> {
    let layer = layer(cx, &["Sigmoid", "Tanh"])?;
    let linear_before_reset = cx.flag("linear_before_reset")?;
    let mut inputs = layer.inputs(cx, 3)?;
    if cx.input(5).is_some() {
        inputs.push(layer.state(cx, 5)?);
    }
    let (hidden_size, direction) = (layer.hidden, layer.direction);
    let op = GRU { hidden_size, direction, linear_before_reset };
    let outputs = cx.add_all(op, &inputs)?;
    layer.finish(cx, outputs)
}
