//! Ops along axes.

use crate::Result;
use crate::onnx::export::attribute::{flag, ints};
use crate::onnx::export::writer::Draft;
use crate::op::{ReduceMean, ReduceSum};

/// No axes at all means every axis, as here.
pub(crate) fn mean(op: &ReduceMean, to: &mut Draft<'_, '_>) -> Result<()> {
    let mut attributes = vec![flag("keepdims", op.keepdims)];
    if !op.axes.is_empty() {
        attributes.push(ints("axes", op.axes.clone()));
    }
    to.with(attributes)
}

pub(crate) fn sum(op: &ReduceSum, to: &mut Draft<'_, '_>) -> Result<()> {
    let keepdims = vec![flag("keepdims", op.keepdims)];
    if op.axes.is_empty() {
        return to.with(keepdims);
    }
    let axes = to.ints("axes", &op.axes);
    to.extended(vec![axes], keepdims)
}
