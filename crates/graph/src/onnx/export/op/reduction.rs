//! Ops along axes.

use crate::Result;
use crate::onnx::export::attribute::{flag, int, ints};
use crate::onnx::export::writer::Draft;
use crate::op::{ReduceMean, ReduceSum};
use crate::tensor::DType;

pub(crate) fn mean(op: &ReduceMean, to: &mut Draft<'_, '_>) -> Result<()> {
    fold((&op.axes, op.keepdims), to)
}

/// A reduction whose axes are an attribute. No axes at all means every axis, as here.
pub(crate) fn fold((axes, keepdims): (&[i64], bool), to: &mut Draft<'_, '_>) -> Result<()> {
    if to.dtype(0) == DType::Bool {
        return to.refuse("opset 17 has none of truth values");
    }
    let mut attributes = vec![flag("keepdims", keepdims)];
    if !axes.is_empty() {
        attributes.push(ints("axes", axes.to_vec()));
    }
    to.with(attributes)
}

/// Axis, whether it stays, and whether of several the last counts.
pub(crate) fn arg((axis, keepdims, last): (i64, bool, bool), to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![int("axis", axis), flag("keepdims", keepdims), flag("select_last_index", last)])
}

pub(crate) fn sum(op: &ReduceSum, to: &mut Draft<'_, '_>) -> Result<()> {
    let keepdims = vec![flag("keepdims", op.keepdims)];
    if op.axes.is_empty() {
        return to.with(keepdims);
    }
    let axes = to.ints("axes", &op.axes);
    to.extended(vec![axes], keepdims)
}
