//! Which function reads which op.

use super::context::Context;
use super::op::{convolution, elementwise, layout, product, reduction};
use crate::Result;
use crate::graph::ValueId;

/// Adds a node's ops to the graph and gives what it makes.
pub(crate) type Reader = fn(&mut Context<'_>) -> Result<ValueId>;

/// The function that reads an op of ONNX's own set.
pub(crate) fn reader(op: &str) -> Option<Reader> {
    TABLE.iter().find(|(name, _)| *name == op).map(|(_, reader)| *reader)
}

const TABLE: &[(&str, Reader)] = &[
    ("Add", elementwise::add),
    ("AveragePool", convolution::average_pool),
    ("BatchNormalization", convolution::batch_normalization),
    ("Clip", elementwise::clip),
    ("Concat", layout::concat),
    ("Conv", convolution::conv),
    ("Div", elementwise::div),
    ("Dropout", elementwise::dropout),
    ("Expand", layout::expand),
    ("Flatten", layout::flatten),
    ("Gemm", product::gemm),
    ("GlobalAveragePool", convolution::global_average_pool),
    ("Identity", elementwise::identity),
    ("LeakyRelu", elementwise::leaky_relu),
    ("LogSoftmax", reduction::log_softmax),
    ("MatMul", product::matmul),
    ("MaxPool", convolution::max_pool),
    ("Mul", elementwise::mul),
    ("Neg", elementwise::neg),
    ("Pad", layout::pad),
    ("ReduceMean", reduction::mean),
    ("ReduceSum", reduction::sum),
    ("Relu", elementwise::relu),
    ("Reshape", layout::reshape),
    ("Sigmoid", elementwise::sigmoid),
    ("Slice", layout::slice),
    ("Softmax", reduction::softmax),
    ("Squeeze", layout::squeeze),
    ("Sub", elementwise::sub),
    ("Tanh", elementwise::tanh),
    ("Transpose", layout::transpose),
    ("Unsqueeze", layout::unsqueeze),
];
