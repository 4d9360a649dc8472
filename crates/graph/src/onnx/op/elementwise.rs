//! Ops on single elements.

use crate::Result;
use crate::graph::{Role, Source, ValueId};
use crate::onnx::context::Context;
use crate::op::{
    Add, Clip, Div, Dropout, Identity, LeakyRelu, Mul, Neg, Op, Relu, Sigmoid, Sub, Tanh,
};

fn unary(cx: &mut Context<'_>, op: impl Into<Op>) -> Result<ValueId> {
    let x = cx.value(0)?;
    cx.add(op, &[x])
}

fn binary(cx: &mut Context<'_>, op: impl Into<Op>) -> Result<ValueId> {
    let inputs = [cx.value(0)?, cx.value(1)?];
    cx.add(op, &inputs)
}

/// What is added to a product or convolution is its bias.
pub(crate) fn add(cx: &mut Context<'_>) -> Result<ValueId> {
    let inputs = [cx.value(0)?, cx.value(1)?];
    for (this, other) in [(0, 1), (1, 0)] {
        if follows_a_layer(cx, inputs[other]) && cx.graph.param_of(inputs[this]).is_some() {
            cx.param(this, Role::Bias)?;
        }
    }
    cx.add(Add, &inputs)
}

/// Whether a value is what a layer with a weight makes.
fn follows_a_layer(cx: &Context<'_>, id: ValueId) -> bool {
    let Source::Node(made, _) = cx.graph.value(id).source else { return false };
    let node = cx.graph.node(made);
    let mut weighted = node.inputs.iter().filter_map(|input| cx.graph.param_of(*input));
    matches!(node.op, Op::MatMul(_) | Op::Gemm(_) | Op::Conv(_))
        && weighted.any(|id| cx.graph.param_at(id).role == Role::Weight)
}

pub(crate) fn sub(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, Sub)
}

pub(crate) fn mul(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, Mul)
}

pub(crate) fn div(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, Div)
}

pub(crate) fn neg(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Neg)
}

pub(crate) fn relu(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Relu)
}

pub(crate) fn sigmoid(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Sigmoid)
}

pub(crate) fn tanh(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Tanh)
}

pub(crate) fn identity(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Identity)
}

pub(crate) fn leaky_relu(cx: &mut Context<'_>) -> Result<ValueId> {
    let alpha = cx.float("alpha", 0.01)?;
    unary(cx, LeakyRelu { alpha })
}

/// Limits are attributes up to opset 10, inputs from 11 on.
pub(crate) fn clip(cx: &mut Context<'_>) -> Result<ValueId> {
    let limits = if cx.opset < 11 {
        [cx.float("min", f32::MIN)?, cx.float("max", f32::MAX)?].map(Some)
    } else {
        [cx.known_float(1)?, cx.known_float(2)?]
    };
    let [min, max] = limits.map(|limit| limit.filter(|limit| limit.abs() < f32::MAX));
    unary(cx, Clip { min, max })
}

/// At inference the identity; the share is kept for training.
pub(crate) fn dropout(cx: &mut Context<'_>) -> Result<ValueId> {
    let mut ratio =
        if cx.opset < 12 { cx.float("ratio", 0.5)? } else { cx.known_float(1)?.unwrap_or(0.5) };
    cx.pass(&["seed"]);
    if cx.input(2).is_some() && cx.known_ints(2)? != Some(vec![0]) {
        return cx.refuse("in training mode is not supported");
    }
    if !(0.0..1.0).contains(&ratio) {
        ratio = 0.0;
    }
    let seed = cx.graph.nodes.len() as u64;
    unary(cx, Dropout::new(ratio, seed))
}

/// The sum of any number of inputs.
pub(crate) fn sum(cx: &mut Context<'_>) -> Result<ValueId> {
    let mut sum = cx.value(0)?;
    for at in 1..cx.node.input.len() {
        let next = cx.value(at)?;
        sum = cx.add(Add, &[sum, next])?;
    }
    Ok(sum)
}

/// The mean of any number of inputs.
pub(crate) fn mean(cx: &mut Context<'_>) -> Result<ValueId> {
    let sum = sum(cx)?;
    let count = cx.number(cx.node.input.len() as f32)?;
    cx.add(Div, &[sum, count])
}
