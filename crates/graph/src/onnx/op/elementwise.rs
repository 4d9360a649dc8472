//! Ops on single elements.

use crate::Result;
use crate::graph::{Role, Source, ValueId};
use crate::onnx::context::Context;
use crate::op::{
    Add, Clip, Div, Dropout, Identity, IntegerDiv, LeakyRelu, Max, Min, Mod, Mul, Neg, Op, Relu,
    Sigmoid, Sub, Tanh,
};
use crate::tensor::DType;

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

/// Of integers, the quotient rounded towards 0.
pub(crate) fn div(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    match cx.dtype(x) {
        DType::I64 => binary(cx, IntegerDiv),
        _ => binary(cx, Div),
    }
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

/// Limits are attributes up to opset 10, inputs from 11 on; those that come with the sample are limits all the same.
pub(crate) fn clip(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let is_known = |cx: &Context<'_>, at| cx.input(at).is_none() || cx.known_float(at).is_ok();
    let limits = if cx.opset < 11 {
        cx.takes(1)?;
        [cx.float("min", f32::MIN)?, cx.float("max", f32::MAX)?].map(Some)
    } else if cx.dtype(x) == DType::F32 && is_known(cx, 1) && is_known(cx, 2) {
        [cx.known_float(1)?, cx.known_float(2)?]
    } else {
        return limited(cx, x);
    };
    let [min, max] = limits.map(|limit| limit.filter(|limit| limit.abs() < f32::MAX));
    match (min, max) {
        // The upper limit counts.
        (Some(low), Some(high)) if low > high => {
            cx.add(Clip { min: Some(high), max: Some(high) }, &[x])
        }
        _ => cx.add(Clip { min, max }, &[x]),
    }
}

fn limited(cx: &mut Context<'_>, x: ValueId) -> Result<ValueId> {
    let mut y = x;
    if cx.input(1).is_some() {
        let low = cx.value(1)?;
        y = cx.add(Max, &[y, low])?;
    }
    if cx.input(2).is_some() {
        let high = cx.value(2)?;
        y = cx.add(Min, &[y, high])?;
    }
    Ok(y)
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

/// What an op over two makes of any number of inputs.
fn chain(cx: &mut Context<'_>, op: impl Into<Op>) -> Result<ValueId> {
    let op = op.into();
    let mut y = cx.value(0)?;
    for at in 1..cx.node.input.len() {
        let next = cx.value(at)?;
        y = cx.add(op.clone(), &[y, next])?;
    }
    Ok(y)
}

/// The sum of any number of inputs.
pub(crate) fn sum(cx: &mut Context<'_>) -> Result<ValueId> {
    chain(cx, Add)
}

/// The largest of any number of inputs.
pub(crate) fn max(cx: &mut Context<'_>) -> Result<ValueId> {
    chain(cx, Max)
}

/// The smallest of any number of inputs.
pub(crate) fn min(cx: &mut Context<'_>) -> Result<ValueId> {
    chain(cx, Min)
}

pub(crate) fn modulo(cx: &mut Context<'_>) -> Result<ValueId> {
    let sign_of_a = cx.flag("fmod")?;
    binary(cx, Mod { sign_of_a })
}

/// The mean of any number of inputs.
pub(crate) fn mean(cx: &mut Context<'_>) -> Result<ValueId> {
    let sum = sum(cx)?;
    let count = cx.number(cx.node.input.len() as f32)?;
    cx.add(Div, &[sum, count])
}
