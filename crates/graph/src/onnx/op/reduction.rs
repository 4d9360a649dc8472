//! Ops along axes: sums, means, softmax.

use crate::Result;
use crate::graph::ValueId;
use crate::onnx::context::Context;
use crate::op::{LogSoftmax, Op, ReduceMean, ReduceSum, Softmax};
use crate::shape::Shape;

/// Axes are an attribute up to opset `last`, an input afterwards; `None` if nothing is to be reduced.
fn axes(cx: &mut Context<'_>, last: i64) -> Result<Option<Vec<i64>>> {
    let listed = cx.ints("axes");
    let axes = if cx.opset <= last { listed } else { cx.known_ints(1)? };
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
