//! Which kernel runs an op: one file each, one row each in [`kernel`].
//!
//! An op without a row runs as its plain meaning in f64 (`reference`): right, but slow. What reads or writes integers
//! or truth values has its rows in `integer`.

mod argument;
mod arithmetic;
mod batch_normalization;
mod clip;
mod concat;
pub(crate) mod conv;
mod curve;
mod dropout;
mod elementwise;
mod gather;
mod gemm;
mod integer;
mod matmul;
pub(crate) mod max_pool;
mod normalization;
mod places;
mod recurrent;
mod reduce;
mod reference;
mod resize;
mod select;
mod softmax;
mod softmax_cross_entropy;
mod split;
mod window;

use crate::kernel::{Kernel, Site};
use hoyer_graph::Op;
use hoyer_kernels::exponential::{sigmoid, tanh};

/// Makes a node ready to run.
pub(crate) fn kernel(site: &Site<'_>) -> Box<dyn Kernel> {
    if !site.is_f32() {
        return integer::kernel(site).unwrap_or_else(|| reference::kernel(site));
    }
    let fast = product(site)
        .or_else(|| per_element(site))
        .or_else(|| per_channel(site))
        .or_else(|| curve::kernel(site.op()))
        .or_else(|| normalization::kernel(site))
        .or_else(|| over_time(site));
    fast.unwrap_or_else(|| reference::kernel(site))
}

/// Convolutions and matrix products.
fn product(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    match site.op() {
        Op::Conv(op) => conv::forward(op, site),
        Op::ConvTranspose(op) => conv::transposed(op, site),
        Op::ConvInputGradient(op) => conv::input_gradient(&op.conv, site),
        Op::ConvWeightGradient(op) => conv::weight_gradient(&op.conv, site),
        Op::Gemm(op) => gemm::kernel(op, site),
        Op::MatMul(_) => matmul::kernel(site),
        _ => None,
    }
}

/// Ops whose elements do not depend on one another, and those that move them.
fn per_element(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    match site.op() {
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) => arithmetic::kernel(site),
        Op::Pow(_) | Op::PowBaseSlope(_) | Op::PowExponentSlope(_) => arithmetic::kernel(site),
        Op::PRelu(_) | Op::Max(_) | Op::Min(_) | Op::Mod(_) => arithmetic::kernel(site),
        Op::Sign(_) => elementwise::unary(|x| if x == 0.0 || x.is_nan() { x } else { x.signum() }),
        Op::Floor(_) => elementwise::unary(f32::floor),
        Op::Ceil(_) => elementwise::unary(f32::ceil),
        Op::Round(_) => elementwise::unary(f32::round_ties_even),
        Op::Cast(_) => elementwise::unary(|x| x),
        Op::Neg(_) => elementwise::unary(|x| -x),
        Op::Relu(_) => elementwise::unary(|x| if x < 0.0 { 0.0 } else { x }),
        Op::ReluGradient(_) => elementwise::gradient(|dy, y| if y > 0.0 { dy } else { 0.0 }),
        Op::LeakyRelu(op) => {
            let alpha = op.alpha;
            elementwise::unary(move |x| if x > 0.0 { x } else { alpha * x })
        }
        Op::LeakyReluGradient(op) => {
            let alpha = op.alpha;
            elementwise::gradient(move |dy, s| if s > 0.0 { dy } else { alpha * dy })
        }
        Op::Clip(op) => clip::forward(op),
        Op::ClipGradient(op) => clip::gradient(&op.clip),
        Op::Sigmoid(_) => elementwise::unary(sigmoid),
        Op::SigmoidGradient(_) => elementwise::gradient(|dy, y| dy * y * (1.0 - y)),
        Op::Tanh(_) => elementwise::unary(tanh),
        Op::TanhGradient(_) => elementwise::gradient(|dy, y| dy * (1.0 - y * y)),
        Op::Dropout(op) => dropout::kernel(op),
        Op::Concat(op) => concat::kernel(op, site),
        Op::Expand(_) => places::expand(site),
        Op::Pad(op) => places::pad(op, site),
        Op::Select(op) => select::forward(op, site),
        Op::SelectGradient(op) => select::gradient(&op.select, site),
        Op::Slice(op) => places::slice(op, site),
        Op::SliceGradient(op) => places::slice_gradient(&op.slice, site),
        Op::Split(op) => split::kernel(op, site),
        Op::Transpose(op) => places::transpose(op, site),
        _ => None,
    }
}

/// Layers over steps of time.
fn over_time(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    match site.op() {
        Op::GRU(op) => recurrent::gru(op, site),
        Op::GRUGradient(op) => recurrent::gru_gradient(op, site),
        Op::LSTM(op) => recurrent::lstm(op, site),
        Op::LSTMGradient(op) => recurrent::lstm_gradient(op, site),
        _ => None,
    }
}

/// Ops over windows, channels or whole axes.
fn per_channel(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    match site.op() {
        Op::AveragePool(op) => window::average(op, site),
        Op::AveragePoolGradient(op) => window::average_gradient(&op.pool, site),
        Op::BatchNormalization(op) => batch_normalization::forward(op, site),
        Op::BatchNormalizationGradient(_) => batch_normalization::gradient(site),
        Op::BatchNormalizationInferenceGradient(op) => {
            batch_normalization::inference_gradient(op, site)
        }
        Op::GlobalAveragePool(_) => reduce::spatial_mean(site),
        Op::MaxPool(op) => window::max(op, site),
        Op::MaxPoolGradient(op) => window::max_gradient(&op.pool, site),
        Op::ReduceMean(op) => reduce::mean(&op.axes, site),
        Op::ReduceMeanGradient(op) => reduce::mean_gradient(&op.mean, site),
        Op::ReduceMax(op) => reduce::largest(op, site),
        Op::ReduceMin(op) => reduce::smallest(op, site),
        Op::ReduceProd(op) => reduce::product(op, site),
        Op::ReduceSum(op) => reduce::sum(op, site),
        Op::Resize(op) => resize::forward(op, site),
        Op::ResizeGradient(op) => resize::gradient(&op.resize, site),
        Op::Softmax(op) => softmax::forward(op.axis, softmax::Scale::Linear, site),
        Op::LogSoftmax(op) => softmax::forward(op.axis, softmax::Scale::Logarithmic, site),
        Op::SoftmaxGradient(op) => softmax::gradient(op.axis, softmax::Scale::Linear, site),
        Op::LogSoftmaxGradient(op) => softmax::gradient(op.axis, softmax::Scale::Logarithmic, site),
        _ => None,
    }
}

/// The inputs whose memory an op's kernel can compute its first output in.
pub(crate) fn in_place(op: &Op) -> &'static [usize] {
    match op {
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) => &[0, 1],
        Op::Pow(_) | Op::PowBaseSlope(_) | Op::PowExponentSlope(_) | Op::PRelu(_) => &[0, 1],
        Op::Max(_) | Op::Min(_) | Op::Mod(_) => &[0, 1],
        Op::Sign(_) | Op::Floor(_) | Op::Ceil(_) | Op::Round(_) | Op::Cast(_) => &[0],
        Op::Neg(_) | Op::Relu(_) | Op::LeakyRelu(_) | Op::Clip(_) => &[0],
        Op::ReluGradient(_) | Op::LeakyReluGradient(_) | Op::ClipGradient(_) => &[0],
        Op::Sigmoid(_) | Op::SigmoidGradient(_) | Op::Tanh(_) | Op::TanhGradient(_) => &[0],
        Op::Dropout(_) | Op::CurveGradient(_) => &[0],
        op if curve::of(op).is_some() => &[0],
        Op::BatchNormalization(op) if !op.training => &[0],
        Op::BatchNormalizationGradient(_) | Op::BatchNormalizationInferenceGradient(_) => &[0],
        _ => &[],
    }
}
