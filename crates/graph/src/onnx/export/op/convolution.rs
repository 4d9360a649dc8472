//! Convolutions and pools.

use crate::Result;
use crate::onnx::export::attribute::{flag, int, ints, signed};
use crate::onnx::export::writer::Draft;
use crate::onnx::messages::AttributeProto;
use crate::op::{AveragePool, Conv, ConvTranspose, MaxPool, Window};

fn window(window: &Window) -> Vec<AttributeProto> {
    vec![
        ints("kernel_shape", signed(&window.kernel_shape)),
        ints("strides", signed(&window.strides)),
        ints("pads", signed(&window.pads)),
        ints("dilations", signed(&window.dilations)),
    ]
}

fn group(group: usize) -> AttributeProto {
    int("group", i64::try_from(group).unwrap_or(i64::MAX))
}

pub(crate) fn conv(op: &Conv, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with([window(&op.window), vec![group(op.group)]].concat())
}

pub(crate) fn conv_transpose(op: &ConvTranspose, to: &mut Draft<'_, '_>) -> Result<()> {
    let padding = ints("output_padding", signed(&op.output_padding));
    to.with([window(&op.window), vec![group(op.group), padding]].concat())
}

pub(crate) fn max_pool(op: &MaxPool, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with([window(&op.window), vec![flag("ceil_mode", op.ceil_mode)]].concat())
}

/// Windows with holes exist from opset 19 on only.
pub(crate) fn average_pool(op: &AveragePool, to: &mut Draft<'_, '_>) -> Result<()> {
    let mut attributes = window(&op.window);
    if op.window.dilations.iter().any(|&step| step != 1) {
        return to.refuse(format!("opset 17 has no dilations {:?} for it", op.window.dilations));
    }
    attributes.pop();
    let include = flag("count_include_pad", op.count_include_pad);
    to.with([attributes, vec![flag("ceil_mode", op.ceil_mode), include]].concat())
}
