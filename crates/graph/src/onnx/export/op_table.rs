//! Which function writes which op.

use super::op::{
    convolution, elementwise, layout, normalization, product, recurrent, reduction, resize,
};
use super::writer::Draft;
use crate::Result;
use crate::op::Op;

/// Adds an op's ONNX nodes to the file.
///
/// # Errors
/// [`crate::Error::NotOnnx`] if it has no ONNX form.
pub(crate) fn write(op: &Op, to: &mut Draft<'_, '_>) -> Result<()> {
    match op {
        Op::Abs(_)
        | Op::Add(_)
        | Op::Div(_)
        | Op::Erf(_)
        | Op::Exp(_)
        | Op::GlobalAveragePool(_)
        | Op::HardSwish(_)
        | Op::Identity(_)
        | Op::Log(_)
        | Op::MatMul(_)
        | Op::Mul(_)
        | Op::Neg(_)
        | Op::PRelu(_)
        | Op::Pow(_)
        | Op::Reciprocal(_)
        | Op::Relu(_)
        | Op::Sigmoid(_)
        | Op::Softplus(_)
        | Op::Sqrt(_)
        | Op::Sub(_)
        | Op::Tanh(_) => to.plain(),
        Op::AveragePool(op) => convolution::average_pool(op, to),
        Op::BatchNormalization(op) => normalization::batch(op, to),
        Op::Clip(op) => elementwise::clip(op, to),
        Op::Concat(op) => layout::along(op.axis, to),
        Op::Conv(op) => convolution::conv(op, to),
        Op::ConvTranspose(op) => convolution::conv_transpose(op, to),
        Op::Dropout(op) => elementwise::dropout(op, to),
        Op::Elu(op) => elementwise::elu(op, to),
        Op::Expand(_) => layout::expand(to),
        Op::Flatten(op) => layout::along(op.axis, to),
        Op::GRU(op) => recurrent::gru(op, to),
        Op::Gelu(op) => elementwise::gelu(op, to),
        Op::Gemm(op) => product::gemm(op, to),
        Op::GroupNormalization(op) => normalization::group(op, to),
        Op::HardSigmoid(op) => elementwise::hard_sigmoid(op, to),
        Op::InstanceNormalization(op) => normalization::instance(op, to),
        Op::LSTM(op) => recurrent::lstm(op, to),
        Op::LayerNormalization(op) => normalization::layer(op, to),
        Op::LeakyRelu(op) => elementwise::leaky_relu(op, to),
        Op::LogSoftmax(op) => layout::along(op.axis, to),
        Op::MaxPool(op) => convolution::max_pool(op, to),
        Op::Pad(op) => layout::pad(op, to),
        Op::ReduceMean(op) => reduction::mean(op, to),
        Op::ReduceSum(op) => reduction::sum(op, to),
        Op::Reshape(op) => layout::reshape(op, to),
        Op::Resize(op) => resize::resize(op, to),
        Op::Selu(op) => elementwise::selu(op, to),
        Op::Slice(op) => layout::slice(op, to),
        Op::Softmax(op) => layout::along(op.axis, to),
        Op::Split(op) => layout::split(op, to),
        Op::Squeeze(op) => layout::axes(&op.axes, to),
        Op::Transpose(op) => layout::transpose(op, to),
        Op::Unsqueeze(op) => layout::axes(&op.axes, to),
        _ => to.refuse("it belongs to training, export the network without it"),
    }
}
