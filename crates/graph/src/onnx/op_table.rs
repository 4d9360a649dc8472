//! Which function reads which op.

use super::context::Context;
use super::op::{
    convolution, curve, einsum, elementwise, layout, normalization, product, recurrent, reduction,
    resize,
};
use crate::Result;
use crate::graph::ValueId;

/// Adds a node's ops to the graph and gives its first output; further ones go to [`Context::more`].
pub(crate) type Reader = fn(&mut Context<'_>) -> Result<ValueId>;

/// The function that reads an op of ONNX's own set.
pub(crate) fn reader(op: &str) -> Option<Reader> {
    TABLE.iter().find(|(name, _)| *name == op).map(|(_, reader)| *reader)
}

const TABLE: &[(&str, Reader)] = &[
    ("Abs", curve::abs),
    ("Add", elementwise::add),
    ("AveragePool", convolution::average_pool),
    ("BatchNormalization", convolution::batch_normalization),
    ("Celu", curve::celu),
    ("Clip", elementwise::clip),
    ("Concat", layout::concat),
    ("Conv", convolution::conv),
    ("ConvTranspose", convolution::conv_transpose),
    ("DepthToSpace", layout::depth_to_space),
    ("Div", elementwise::div),
    ("Dropout", elementwise::dropout),
    ("Einsum", einsum::einsum),
    ("Elu", curve::elu),
    ("Erf", curve::erf),
    ("Exp", curve::exp),
    ("Expand", layout::expand),
    ("Flatten", layout::flatten),
    ("GRU", recurrent::gru),
    ("Gelu", curve::gelu),
    ("Gemm", product::gemm),
    ("GlobalAveragePool", convolution::global_average_pool),
    ("GlobalMaxPool", convolution::global_max_pool),
    ("GroupNormalization", normalization::group),
    ("HardSigmoid", curve::hard_sigmoid),
    ("HardSwish", curve::hard_swish),
    ("Identity", elementwise::identity),
    ("InstanceNormalization", normalization::instance),
    ("LRN", normalization::local_response),
    ("LSTM", recurrent::lstm),
    ("LayerNormalization", normalization::layer),
    ("LeakyRelu", elementwise::leaky_relu),
    ("Log", curve::log),
    ("LogSoftmax", reduction::log_softmax),
    ("LpNormalization", reduction::lp_normalization),
    ("MatMul", product::matmul),
    ("MaxPool", convolution::max_pool),
    ("Mean", elementwise::mean),
    ("MeanVarianceNormalization", normalization::mean_variance),
    ("Mish", curve::mish),
    ("Mul", elementwise::mul),
    ("Neg", elementwise::neg),
    ("PRelu", curve::prelu),
    ("Pad", layout::pad),
    ("Pow", curve::pow),
    ("Reciprocal", curve::reciprocal),
    ("ReduceL1", reduction::l1),
    ("ReduceL2", reduction::l2),
    ("ReduceLogSum", reduction::log_sum),
    ("ReduceMean", reduction::mean),
    ("ReduceSum", reduction::sum),
    ("ReduceSumSquare", reduction::sum_square),
    ("Relu", elementwise::relu),
    ("Reshape", layout::reshape),
    ("Resize", resize::resize),
    ("Selu", curve::selu),
    ("Sigmoid", elementwise::sigmoid),
    ("Slice", layout::slice),
    ("Softmax", reduction::softmax),
    ("Softplus", curve::softplus),
    ("Softsign", curve::softsign),
    ("SpaceToDepth", layout::space_to_depth),
    ("Split", layout::split),
    ("Sqrt", curve::sqrt),
    ("Squeeze", layout::squeeze),
    ("Sub", elementwise::sub),
    ("Sum", elementwise::sum),
    ("Tanh", elementwise::tanh),
    ("Transpose", layout::transpose),
    ("Unsqueeze", layout::unsqueeze),
    ("Upsample", resize::upsample),
];
