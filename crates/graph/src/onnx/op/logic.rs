//! Element types, comparisons, truth values.

use crate::Result;
use crate::graph::ValueId;
use crate::onnx::context::Context;
use crate::op::{
    And, Cast, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Not, Op, Or, Where, Xor,
};
use crate::tensor::DType;

fn binary(cx: &mut Context<'_>, op: impl Into<Op>) -> Result<ValueId> {
    let inputs = [cx.value(0)?, cx.value(1)?];
    cx.add(op, &inputs)
}

pub(crate) fn equal(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, Equal)
}

pub(crate) fn greater(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, Greater)
}

pub(crate) fn greater_or_equal(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, GreaterOrEqual)
}

pub(crate) fn less(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, Less)
}

pub(crate) fn less_or_equal(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, LessOrEqual)
}

pub(crate) fn and(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, And)
}

pub(crate) fn or(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, Or)
}

pub(crate) fn xor(cx: &mut Context<'_>) -> Result<ValueId> {
    binary(cx, Xor)
}

pub(crate) fn not(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    cx.add(Not, &[x])
}

pub(crate) fn choose(cx: &mut Context<'_>) -> Result<ValueId> {
    let inputs = [cx.value(0)?, cx.value(1)?, cx.value(2)?];
    cx.add(Where, &inputs)
}

pub(crate) fn cast(cx: &mut Context<'_>) -> Result<ValueId> {
    // These say how numbers become 8-bit floats.
    cx.pass(&["saturate", "round_mode"]);
    let to = cx.element_type("to")?;
    cast_to(cx, to)
}

pub(crate) fn cast_like(cx: &mut Context<'_>) -> Result<ValueId> {
    cx.pass(&["saturate", "round_mode"]);
    let like = cx.value(1)?;
    let to = cx.dtype(like);
    cast_to(cx, to)
}

fn cast_to(cx: &mut Context<'_>, to: DType) -> Result<ValueId> {
    let x = cx.value(0)?;
    if cx.dtype(x) == to { Ok(x) } else { cx.add(Cast { to }, &[x]) }
}
