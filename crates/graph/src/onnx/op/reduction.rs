//! Ops along axes: sums, means, softmax.

use crate::Result;
use crate::graph::ValueId;
use crate::onnx::context::Context;
use crate::op::{
    Abs, Add, ArgMax, ArgMin, Clip, Div, Exp, Log, LogSoftmax, Mul, Op, ReduceMax, ReduceMean,
    ReduceMin, ReduceProd, ReduceSum, Softmax, Sqrt, Sub,
};
use crate::shape::Shape;

/// Axes are an attribute up to opset `last`, an input afterwards; `None` if nothing is to be reduced.
fn axes(cx: &mut Context<'_>, last: i64) -> Result<Option<Vec<i64>>> {
    let axes = cx.moved_ints("axes", last, 1)?;
    let noop = cx.flag("noop_with_empty_axes")?;
    Ok(match axes.unwrap_or_default() {
        empty if empty.is_empty() && noop => None,
        axes => Some(axes),
    })
}

pub(crate) fn mean(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, keepdims) = (cx.value(0)?, cx.int("keepdims", 1)? != 0);
    match axes(cx, 17)? {
        Some(axes) => cx.add(ReduceMean { axes, keepdims }, &[x]),
        None => Ok(x),
    }
}

pub(crate) fn sum(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, keepdims) = (cx.value(0)?, cx.int("keepdims", 1)? != 0);
    match axes(cx, 12)? {
        Some(axes) => cx.add(ReduceSum { axes, keepdims }, &[x]),
        None => Ok(x),
    }
}

pub(crate) fn max(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, keepdims) = (cx.value(0)?, cx.int("keepdims", 1)? != 0);
    match axes(cx, 17)? {
        Some(axes) => cx.add(ReduceMax { axes, keepdims }, &[x]),
        None => Ok(x),
    }
}

pub(crate) fn min(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, keepdims) = (cx.value(0)?, cx.int("keepdims", 1)? != 0);
    match axes(cx, 17)? {
        Some(axes) => cx.add(ReduceMin { axes, keepdims }, &[x]),
        None => Ok(x),
    }
}

pub(crate) fn prod(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, keepdims) = (cx.value(0)?, cx.int("keepdims", 1)? != 0);
    match axes(cx, 17)? {
        Some(axes) => cx.add(ReduceProd { axes, keepdims }, &[x]),
        None => Ok(x),
    }
}

pub(crate) fn arg_max(cx: &mut Context<'_>) -> Result<ValueId> {
    let (axis, keepdims) = (cx.int("axis", 0)?, cx.int("keepdims", 1)? != 0);
    let (x, last) = (cx.value(0)?, cx.flag("select_last_index")?);
    cx.add(ArgMax { axis, keepdims, last }, &[x])
}

pub(crate) fn arg_min(cx: &mut Context<'_>) -> Result<ValueId> {
    let (axis, keepdims) = (cx.int("axis", 0)?, cx.int("keepdims", 1)? != 0);
    let (x, last) = (cx.value(0)?, cx.flag("select_last_index")?);
    cx.add(ArgMin { axis, keepdims, last }, &[x])
}

/// A sum over what `before` makes of the elements.
fn sum_of(
    cx: &mut Context<'_>,
    before: impl Fn(&mut Context<'_>, ValueId) -> Result<ValueId>,
) -> Result<ValueId> {
    let (x, keepdims) = (cx.value(0)?, cx.int("keepdims", 1)? != 0);
    match axes(cx, 17)? {
        Some(axes) => {
            let elements = before(cx, x)?;
            cx.add(ReduceSum { axes, keepdims }, &[elements])
        }
        None => cx.refuse("over no axes is not supported"),
    }
}

fn square(cx: &mut Context<'_>, x: ValueId) -> Result<ValueId> {
    cx.add(Mul, &[x, x])
}

pub(crate) fn l1(cx: &mut Context<'_>) -> Result<ValueId> {
    sum_of(cx, |cx, x| cx.add(Abs, &[x]))
}

pub(crate) fn l2(cx: &mut Context<'_>) -> Result<ValueId> {
    let squares = sum_of(cx, square)?;
    cx.add(Sqrt, &[squares])
}

pub(crate) fn log_sum(cx: &mut Context<'_>) -> Result<ValueId> {
    let sum = sum_of(cx, |_, x| Ok(x))?;
    cx.add(Log, &[sum])
}

/// `m + log Σ exp(x − m)` with the largest `x` as `m`, so that nothing overflows.
pub(crate) fn log_sum_exp(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, keepdims) = (cx.value(0)?, cx.int("keepdims", 1)? != 0);
    let Some(axes) = axes(cx, 17)? else { return Ok(x) };
    let most = cx.add(ReduceMax { axes: axes.clone(), keepdims: true }, &[x])?;
    // ∞ − ∞ would be no number.
    let most = cx.add(Clip { min: Some(f32::MIN), max: Some(f32::MAX) }, &[most])?;
    let apart = cx.add(Sub, &[x, most])?;
    let powers = cx.add(Exp, &[apart])?;
    let sum = cx.add(ReduceSum { axes: axes.clone(), keepdims }, &[powers])?;
    let log = cx.add(Log, &[sum])?;
    let dims = cx.shape(log).0;
    let most = cx.reshape(most, dims)?;
    cx.add(Add, &[log, most])
}

pub(crate) fn sum_square(cx: &mut Context<'_>) -> Result<ValueId> {
    sum_of(cx, square)
}

/// `x / ‖x‖` along one axis, by the sum of absolute values or the Euclidean length.
pub(crate) fn lp_normalization(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, axis, p) = (cx.value(0)?, cx.int("axis", -1)?, cx.int("p", 2)?);
    let sum = ReduceSum { axes: vec![axis], keepdims: true };
    let length = match p {
        1 => {
            let sizes = cx.add(Abs, &[x])?;
            cx.add(sum, &[sizes])?
        }
        2 => {
            let squares = square(cx, x)?;
            let total = cx.add(sum, &[squares])?;
            cx.add(Sqrt, &[total])?
        }
        _ => return cx.refuse(format!("with p = {p} is not supported")),
    };
    // What has no length stays 0.
    let length = cx.add(Clip { min: Some(f32::MIN_POSITIVE), max: None }, &[length])?;
    cx.add(Div, &[x, length])
}

pub(crate) fn softmax(cx: &mut Context<'_>) -> Result<ValueId> {
    along(cx, |axis| Softmax { axis }.into())
}

pub(crate) fn log_softmax(cx: &mut Context<'_>) -> Result<ValueId> {
    along(cx, |axis| LogSoftmax { axis }.into())
}

/// Before opset 13 the sum runs over all axes from `axis` on.
fn along(cx: &mut Context<'_>, op: impl Fn(i64) -> Op) -> Result<ValueId> {
    let x = cx.value(0)?;
    let (rank, old) = (cx.rank(x), cx.opset < 13);
    let axis = cx.int("axis", if old { 1 } else { -1 })?;
    if !old || rank <= 1 {
        return cx.add(op(axis), &[x]);
    }
    let at = cx.place(axis, rank)?;
    let shape = cx.shape(x);
    if at + 1 == rank {
        return cx.add(op(-1), &[x]);
    }
    let Some(columns) = Shape(shape.0[at..].to_vec()).elements() else {
        return cx.refuse("has too many elements");
    };
    let lines = [shape.0[..at].to_vec(), vec![columns]].concat();
    let flat = cx.reshape(x, lines)?;
    let y = cx.add(op(-1), &[flat])?;
    cx.reshape(y, shape.0)
}
