//! Which kernel runs an op: one file each, one row each in [`kernel`].
//!
//! An op without a row runs as its plain meaning in f64 (`reference`): right, but slow.

mod arithmetic;
mod conv;
mod gemm;
mod max_pool;
mod reduce_sum;
mod reference;
mod relu;
mod softmax;
mod softmax_cross_entropy;

use crate::kernel::{Kernel, Site};
use hoyer_graph::Op;

/// Makes a node ready to run.
pub(crate) fn kernel(site: &Site<'_>) -> Box<dyn Kernel> {
    let fast = match site.op() {
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) => arithmetic::kernel(site),
        Op::Conv(op) => conv::forward(op, site),
        Op::ConvInputGradient(op) => conv::input_gradient(&op.conv, site),
        Op::ConvWeightGradient(op) => conv::weight_gradient(&op.conv, site),
        Op::Gemm(op) => gemm::kernel(op, site),
        Op::MaxPool(op) => max_pool::forward(op, site),
        Op::MaxPoolGradient(op) => max_pool::gradient(&op.pool, site),
        Op::ReduceSum(op) => reduce_sum::kernel(op, site),
        Op::Relu(_) => relu::forward(),
        Op::ReluGradient(_) => relu::gradient(),
        Op::Softmax(op) => softmax::forward(op.axis, softmax::Scale::Linear, site),
        Op::LogSoftmax(op) => softmax::forward(op.axis, softmax::Scale::Logarithmic, site),
        Op::SoftmaxGradient(op) => softmax::gradient(op.axis, softmax::Scale::Linear, site),
        Op::LogSoftmaxGradient(op) => softmax::gradient(op.axis, softmax::Scale::Logarithmic, site),
        Op::SoftmaxCrossEntropyLoss(_) => softmax_cross_entropy::forward(site),
        Op::SoftmaxCrossEntropyLossGradient(_) => softmax_cross_entropy::gradient(site),
        _ => None,
    };
    fast.unwrap_or_else(|| reference::kernel(site))
}

/// The inputs whose memory an op's kernel can compute its first output in.
pub(crate) fn in_place(op: &Op) -> &'static [usize] {
    match op {
        Op::Relu(_) | Op::ReluGradient(_) => &[0],
        _ => &[],
    }
}
