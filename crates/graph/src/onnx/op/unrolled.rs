//! Recurrent layers that hoyer has no op for: every step becomes nodes of its own.
//!
//! ```text
//! RNN                       h' = f(W x + R h + B)                          f = tanh or relu
//! LSTM with peepholes       i, f = σ(W x + R h + B + P ⊙ c)                c' = f ⊙ c + i ⊙ tanh(…)
//!                           o = σ(W x + R h + B + P ⊙ c')                  h' = o ⊙ tanh(c')
//! ```
//! Invariants: the number of steps is known and the graph stays below [`MOST_NODES`], so that a small file cannot grow.
//! Not here: GRU and the usual LSTM (`recurrent`).

use super::recurrent::{Layer, layer};
use crate::graph::{Role, Type, ValueId};
use crate::onnx::context::Context;
use crate::op::recurrent::Layer as Sizes;
use crate::op::{Add, Concat, MatMul, Mul, Relu, Sigmoid, Slice, Split, Tanh, Transpose};
use crate::shape::Dim;
use crate::{Error, Result};

/// What all steps of a network may become.
const MOST_NODES: usize = 1 << 16;
/// An upper bound on the nodes of one step.
const NODES_A_STEP: usize = 20;

/// What a step makes of the sums `W x + R h + B` and of the states before it, for one direction.
type Cell<'f> = &'f dyn Fn(&mut Context<'_>, ValueId, &[ValueId], usize) -> Result<Vec<ValueId>>;

pub(crate) fn rnn(cx: &mut Context<'_>) -> Result<ValueId> {
    let named = cx.raw("activations").and_then(|found| found.strings.first());
    let is_relu = named.is_some_and(|name| name.eq_ignore_ascii_case(b"relu"));
    let layer = layer(cx, if is_relu { &["Relu"] } else { &["Tanh"] })?;
    let cell = |cx: &mut Context<'_>, sums, _: &[ValueId], _| {
        Ok(vec![if is_relu { cx.add(Relu, &[sums])? } else { cx.add(Tanh, &[sums])? }])
    };
    unroll(cx, &layer, (1, 1), &cell)
}

/// An LSTM whose gates see the cell's state.
pub(super) fn lstm(cx: &mut Context<'_>, layer: &Layer) -> Result<ValueId> {
    let peepholes = cx.param(7, Role::Bias)?;
    let (count, hidden) = (Dim::from(layer.direction.count()), layer.hidden);
    let shape = cx.shape(peepholes);
    if Some(&shape.0) != Dim::from(hidden).times(&Dim::from(3)).map(|all| vec![count, all]).as_ref()
    {
        return cx.refuse(format!("has peepholes of shape {shape}, need [directions, 3 · hidden]"));
    }
    let mut seen = Vec::new();
    for direction in 0..layer.direction.count() {
        let own = part(cx, peepholes, direction)?;
        seen.push(split(cx, own, hidden)?);
    }
    let cell = |cx: &mut Context<'_>, sums, states: &[ValueId], direction: usize| {
        let [see_i, see_o, see_f] = seen[direction];
        let [i, o, f, g] = split(cx, sums, hidden)?;
        let [i, f] = [gate(cx, i, (see_i, states[1]))?, gate(cx, f, (see_f, states[1]))?];
        let g = cx.add(Tanh, &[g])?;
        let (kept, new) = (cx.add(Mul, &[f, states[1]])?, cx.add(Mul, &[i, g])?);
        let c = cx.add(Add, &[kept, new])?;
        let (o, shown) = (gate(cx, o, (see_o, c))?, cx.add(Tanh, &[c])?);
        Ok(vec![cx.add(Mul, &[o, shown])?, c])
    };
    unroll(cx, layer, (4, 2), &cell)
}

/// `σ(sums + peephole ⊙ c)`
fn gate(cx: &mut Context<'_>, sums: ValueId, (peephole, c): (ValueId, ValueId)) -> Result<ValueId> {
    let seen = cx.add(Mul, &[peephole, c])?;
    let sums = cx.add(Add, &[sums, seen])?;
    cx.add(Sigmoid, &[sums])
}

/// `N` parts of the last axis, `hidden` wide each.
fn split<const N: usize>(cx: &mut Context<'_>, x: ValueId, hidden: usize) -> Result<[ValueId; N]> {
    let parts = cx.add_all(Split { axis: -1, sizes: vec![hidden; N] }, &[x])?;
    Ok(parts.try_into().expect("a value for each size"))
}

/// What lies at a place of the first axis, which is dropped.
fn part(cx: &mut Context<'_>, x: ValueId, at: usize) -> Result<ValueId> {
    let dims = cx.shape(x).0[1..].to_vec();
    let part = cx.add(Slice::along(0, at as i64..at as i64 + 1), &[x])?;
    cx.reshape(part, dims)
}

/// One weight of a direction, as the right side of a product: `[columns, rows]`.
fn weight(cx: &mut Context<'_>, w: ValueId, direction: usize) -> Result<ValueId> {
    let own = part(cx, w, direction)?;
    cx.add(Transpose { perm: vec![1, 0] }, &[own])
}

/// The layer's outputs; its cell has this many gates, and states that go from step to step.
fn unroll(
    cx: &mut Context<'_>,
    layer: &Layer,
    (gates, states): (usize, usize),
    cell: Cell<'_>,
) -> Result<ValueId> {
    let steps = cx.shape(layer.x).0[0].clone();
    let nodes = |steps: usize| steps.checked_mul(NODES_A_STEP * layer.direction.count());
    let all = steps.fixed().filter(|&steps| steps > 0).and_then(nodes);
    if all.and_then(|all| all.checked_add(cx.graph.nodes.len())).is_none_or(|all| all > MOST_NODES)
    {
        return cx.refuse(format!("over {steps} steps is not supported"));
    }
    let inputs = layer.inputs(cx, gates)?;
    let mut start = Vec::new();
    for at in 0..states {
        start.push(layer.state(cx, 5 + at)?);
    }
    let op = if states == 1 { "RNN" } else { "LSTM" };
    let (hidden, direction) = (layer.hidden, layer.direction);
    let sizes = Sizes { op, hidden, direction, gates, states };
    let kinds = inputs.iter().chain(&start).map(|id| cx.graph.value(*id).kind.clone());
    let fits = sizes.infer(&kinds.collect::<Vec<Type>>());
    fits.map_err(|source| Error::Node { node: cx.name.to_owned(), source })?;
    let mut ends = vec![Vec::new(); 1 + states];
    for direction in 0..layer.direction.count() {
        let walked = walk(cx, (layer, &inputs, &start), direction, cell)?;
        ends.iter_mut().zip(walked).for_each(|(ends, end)| ends.push(end));
    }
    let mut outputs = Vec::new();
    for (i, ends) in ends.iter().enumerate() {
        outputs.push(joined(cx, ends, i64::from(i == 0))?);
    }
    layer.finish(cx, outputs)
}

/// Goes through time in one direction: `[steps, 1, batch, hidden]`, and each state `[1, batch, hidden]`.
fn walk(
    cx: &mut Context<'_>,
    (layer, inputs, start): (&Layer, &[ValueId], &[ValueId]),
    direction: usize,
    cell: Cell<'_>,
) -> Result<Vec<ValueId>> {
    let (w, r) = (weight(cx, inputs[1], direction)?, weight(cx, inputs[2], direction)?);
    let b = part(cx, inputs[3], direction)?;
    let rows = cx.shape(w).0[1].fixed().unwrap_or(0);
    let [beside_w, beside_r] = split(cx, b, rows)?;
    let bias = cx.add(Add, &[beside_w, beside_r])?;
    let products = cx.add(MatMul, &[inputs[0], w])?;
    let sums = cx.add(Add, &[products, bias])?;
    let mut states = Vec::new();
    for state in start {
        states.push(part(cx, *state, direction)?);
    }
    let flat = cx.shape(states[0]).0;
    let steps = cx.shape(sums).0[0].fixed().unwrap_or(0);
    let mut all = vec![states[0]; steps];
    for i in 0..steps {
        let time = if layer.direction.is_reversed(direction) { steps - 1 - i } else { i };
        let (by_x, by_h) = (part(cx, sums, time)?, cx.add(MatMul, &[states[0], r])?);
        let sums = cx.add(Add, &[by_x, by_h])?;
        states = cell(cx, sums, &states, direction)?;
        all[time] = cx.reshape(states[0], [vec![Dim::from(1); 2], flat.clone()].concat())?;
    }
    let mut ends = vec![joined(cx, &all, 0)?];
    for state in states {
        ends.push(cx.reshape(state, [vec![Dim::from(1)], flat.clone()].concat())?);
    }
    Ok(ends)
}

fn joined(cx: &mut Context<'_>, parts: &[ValueId], axis: i64) -> Result<ValueId> {
    if let [one] = parts { Ok(*one) } else { cx.add(Concat { axis }, parts) }
}
