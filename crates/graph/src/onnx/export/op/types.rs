//! Element types and integers.

use crate::Result;
use crate::onnx::export::attribute::{flag, int, signed, tensor};
use crate::onnx::export::element;
use crate::onnx::export::writer::Draft;
use crate::onnx::messages::TensorProto;
use crate::op::{Cast, Constant, Mod};
use crate::tensor::DType;

pub(crate) fn cast(op: &Cast, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![int("to", i64::from(element(op.to)))])
}

pub(crate) fn constant(op: &Constant, to: &mut Draft<'_, '_>) -> Result<()> {
    let bytes = match op.dtype {
        DType::Bool => op.data.iter().map(|&x| u8::from(x != 0)).collect(),
        _ => op.data.iter().flat_map(|x| x.to_le_bytes()).collect(),
    };
    let value = TensorProto {
        dims: signed(&op.shape),
        data_type: Some(element(op.dtype)),
        raw_data: Some(bytes),
        ..TensorProto::default()
    };
    to.with(vec![tensor("value", value)])
}

/// ONNX's division of integers.
pub(crate) fn integer_div(to: &mut Draft<'_, '_>) -> Result<()> {
    let inputs = to.inputs();
    to.last("Div", inputs, Vec::new())
}

/// Of floats ONNX has the remainder with the sign of `a` alone.
pub(crate) fn modulo(op: &Mod, to: &mut Draft<'_, '_>) -> Result<()> {
    if to.dtype(0) == DType::F32 && !op.sign_of_a {
        return to.refuse("of floats, the remainder there has the sign of the dividend");
    }
    to.with(vec![flag("fmod", op.sign_of_a)])
}
