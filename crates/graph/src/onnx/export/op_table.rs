//! Which function writes which op.

use super::op::{
    convolution, elementwise, layout, normalization, product, recurrent, reduction, resize, types,
};
use super::writer::Draft;
use crate::Result;
use crate::op::Op;

/// Adds an op's ONNX nodes to the file.
///
/// # Errors
/// [`crate::Error::NotOnnx`] if it has no ONNX form.
#[expect(clippy::too_many_lines, reason = "a flat table")]
pub(crate) fn write(op: &Op, to: &mut Draft<'_, '_>) -> Result<()> {
    match op {
        Op::Abs(_)
        | Op::Add(_)
        | Op::And(_)
        | Op::Ceil(_)
        | Op::Cos(_)
        | Op::Div(_)
        | Op::Equal(_)
        | Op::Erf(_)
        | Op::Exp(_)
        | Op::Floor(_)
        | Op::GlobalAveragePool(_)
        | Op::Greater(_)
        | Op::GreaterOrEqual(_)
        | Op::HardSwish(_)
        | Op::Identity(_)
        | Op::Less(_)
        | Op::LessOrEqual(_)
        | Op::Log(_)
        | Op::MatMul(_)
        | Op::Max(_)
        | Op::Min(_)
        | Op::Mul(_)
        | Op::Neg(_)
        | Op::Not(_)
        | Op::Or(_)
        | Op::PRelu(_)
        | Op::Pow(_)
        | Op::Reciprocal(_)
        | Op::Relu(_)
        | Op::Round(_)
        | Op::Sigmoid(_)
        | Op::Sign(_)
        | Op::Sin(_)
        | Op::Softplus(_)
        | Op::Sqrt(_)
        | Op::Sub(_)
        | Op::Tanh(_)
        | Op::Where(_)
        | Op::Xor(_) => to.plain(),
        Op::ArgMax(op) => reduction::arg((op.axis, op.keepdims, op.last), to),
        Op::ArgMin(op) => reduction::arg((op.axis, op.keepdims, op.last), to),
        Op::AveragePool(op) => convolution::average_pool(op, to),
        Op::BatchNormalization(op) => normalization::batch(op, to),
        Op::Cast(op) => types::cast(op, to),
        Op::Clip(op) => elementwise::clip(op, to),
        Op::Concat(op) => layout::along(op.axis, to),
        Op::Constant(op) => types::constant(op, to),
        Op::Conv(op) => convolution::conv(op, to),
        Op::ConvTranspose(op) => convolution::conv_transpose(op, to),
        Op::Dropout(op) => elementwise::dropout(op, to),
        Op::Elu(op) => elementwise::elu(op, to),
        Op::Expand(_) => layout::expand(to),
        Op::Flatten(op) => layout::along(op.axis, to),
        Op::GRU(op) => recurrent::gru(op, to),
        Op::Gather(op) => layout::along(op.axis, to),
        Op::GatherElements(op) => layout::along(op.axis, to),
        Op::Gelu(op) => elementwise::gelu(op, to),
        Op::Gemm(op) => product::gemm(op, to),
        Op::GroupNormalization(op) => normalization::group(op, to),
        Op::HardSigmoid(op) => elementwise::hard_sigmoid(op, to),
        Op::InstanceNormalization(op) => normalization::instance(op, to),
        Op::LSTM(op) => recurrent::lstm(op, to),
        Op::IntegerDiv(_) => types::integer_div(to),
        Op::LayerNormalization(op) => normalization::layer(op, to),
        Op::LeakyRelu(op) => elementwise::leaky_relu(op, to),
        Op::LogSoftmax(op) => layout::along(op.axis, to),
        Op::MaxPool(op) => convolution::max_pool(op, to),
        Op::Mod(op) => types::modulo(op, to),
        Op::Pad(op) => layout::pad(op, to),
        Op::ReduceMax(op) => reduction::fold((&op.axes, op.keepdims), to),
        Op::ReduceMean(op) => reduction::mean(op, to),
        Op::ReduceMin(op) => reduction::fold((&op.axes, op.keepdims), to),
        Op::ReduceProd(op) => reduction::fold((&op.axes, op.keepdims), to),
        Op::ReduceSum(op) => reduction::sum(op, to),
        Op::Reshape(op) => layout::reshape(op, to),
        Op::Resize(op) => resize::resize(op, to),
        Op::Select(op) => layout::select(op, to),
        Op::Selu(op) => elementwise::selu(op, to),
        Op::Slice(op) => layout::slice(op, to),
        Op::Softmax(op) => layout::along(op.axis, to),
        Op::Split(op) => layout::split(op, to),
        Op::Squeeze(op) => layout::axes(&op.axes, to),
        Op::Standardize(op) => normalization::standardize(op, to),
        Op::Transpose(op) => layout::transpose(op, to),
        Op::Unsqueeze(op) => layout::axes(&op.axes, to),
        _ => to.refuse("it belongs to training, export the network without it"),
    }
}
