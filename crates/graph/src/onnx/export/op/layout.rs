//! Ops that move elements, and others that only name axes.

use crate::Result;
use crate::onnx::export::attribute::{int, ints, signed, text};
use crate::onnx::export::writer::Draft;
use crate::op::{Pad, PadMode, Reshape, Select, Slice, Split, Transpose};
use crate::shape::Dim;
use crate::tensor::DType;

/// An op whose only attribute is `axis`.
pub(crate) fn along(axis: i64, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![int("axis", axis)])
}

/// An op that reads its axes.
pub(crate) fn axes(axes: &[i64], to: &mut Draft<'_, '_>) -> Result<()> {
    let axes = to.ints("axes", axes);
    to.extended(vec![axes], Vec::new())
}

pub(crate) fn transpose(op: &Transpose, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![ints("perm", signed(&op.perm))])
}

pub(crate) fn split(op: &Split, to: &mut Draft<'_, '_>) -> Result<()> {
    let sizes = to.ints("split", &signed(&op.sizes));
    to.extended(vec![sizes], vec![int("axis", op.axis)])
}

pub(crate) fn slice(op: &Slice, to: &mut Draft<'_, '_>) -> Result<()> {
    let lists =
        [("starts", &op.starts), ("ends", &op.ends), ("axes", &op.axes), ("steps", &op.steps)];
    let lists = lists.map(|(what, list)| to.ints(what, list)).to_vec();
    to.extended(lists, Vec::new())
}

/// A Gather at indices that are stored.
pub(crate) fn select(op: &Select, to: &mut Draft<'_, '_>) -> Result<()> {
    let indices = to.ints("indices", &signed(&op.indices));
    let inputs = [to.inputs(), vec![indices]].concat();
    to.last("Gather", inputs, vec![int("axis", op.axis)])
}

pub(crate) fn pad(op: &Pad, to: &mut Draft<'_, '_>) -> Result<()> {
    let mut further = vec![to.ints("pads", &signed(&op.pads))];
    let mode = match op.mode {
        PadMode::Constant => {
            match to.dtype(0) {
                DType::F32 => further.push(to.number("value", op.value)),
                // What is left out is 0 of any type.
                _ if op.value == 0.0 => {}
                other => return to.refuse(format!("pads {other:?} with {}", op.value)),
            }
            "constant"
        }
        PadMode::Reflect => "reflect",
        PadMode::Edge => "edge",
    };
    to.extended(further, vec![text("mode", mode)])
}

pub(crate) fn reshape(op: &Reshape, to: &mut Draft<'_, '_>) -> Result<()> {
    let (shape, attributes) = to.target(&to.shape(0).0, &op.shape.0)?;
    to.extended(vec![shape], attributes)
}

/// Axes that are not stretched ask for size 1.
pub(crate) fn expand(to: &mut Draft<'_, '_>) -> Result<()> {
    let output = &to.graph().value(to.node.outputs[0]).kind.shape.0;
    let from = &to.shape(0).0;
    let lead = output.len() - from.len();
    let asked = |(axis, dim): (usize, &Dim)| match axis.checked_sub(lead) {
        Some(own) if from[own] == *dim => Dim::from(1),
        _ => dim.clone(),
    };
    let dims: Vec<Dim> = output.iter().enumerate().map(asked).collect();
    let shape = to.extents(&dims)?;
    to.extended(vec![shape], Vec::new())
}
