//! The ops: one file each, one row each in the table below.
//!
//! An op's file holds its ONNX attributes and its [`Rule`]: shapes, meaning in f64, gradient, cost. Ops that
//! exist only inside training graphs (`ReluGradient`, …) live beside the op they belong to.
//! Not here: fast kernels (crate `hoyer-run`, one file of the same name each).

use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::{Coupling, Narrowing};
use crate::shape::{Dim, Shape};
use crate::tensor::{Array, DType};
use crate::{Error, Mismatch, Result};
use serde::{Deserialize, Serialize};

/// What every op says about itself.
pub trait Rule {
    /// The types of the outputs over inputs of these types.
    ///
    /// # Errors
    /// Why the op refuses the inputs.
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch>;

    /// What the op means: outputs of the given shapes, computed plainly in f64. `step` counts runs and
    /// is what random ops draw from.
    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], step: u64) -> Vec<Array>;

    /// Appends the nodes that carry the gradient from the outputs of `node` to its inputs.
    ///
    /// # Errors
    /// [`Error::NoGradient`] if the op has none.
    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let _ = back;
        let (node, op) = (node.name.clone(), node.op.name());
        Err(Error::NoGradient { node, op, why: "" })
    }

    /// Multiply-accumulates over inputs and outputs of these types; zero but for convolutions and products.
    fn macs(&self, inputs: &[Type], outputs: &[Type]) -> Dim {
        let _ = (inputs, outputs);
        Dim::from(0)
    }

    /// How the op ties the channels of its inputs, of these types, and outputs.
    fn coupling(&self, inputs: &[Type]) -> Coupling {
        let _ = inputs;
        Coupling::Opaque
    }

    /// The op after some channels went, if an attribute speaks of them.
    fn narrowed(&self, narrowing: Narrowing<'_>) -> Option<Op> {
        let _ = narrowing;
        None
    }

    /// What the op becomes in a training graph, if that differs.
    fn training(&self) -> Option<Op> {
        None
    }

    /// Inputs that are parameters and take an output's value after every training step.
    fn updates(&self) -> &'static [UpdateRule] {
        &[]
    }
}

/// After a step, the parameter at input `input` becomes output `output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateRule {
    /// Which input is the parameter.
    pub input: usize,
    /// Which output is its next value.
    pub output: usize,
}

macro_rules! ops {
    ($($file:ident { $($Name:ident),+ })+) => {
        $(mod $file; pub use $file::{$($Name),+};)+

        /// An operation, with its attributes.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "every op is documented at its own struct")]
        pub enum Op { $($($Name($Name)),+),+ }

        impl Op {
            /// The name: ONNX's, where ONNX has the op.
            pub fn name(&self) -> &'static str {
                match self { $($(Op::$Name(_) => stringify!($Name)),+),+ }
            }

            /// What the op says about itself.
            pub fn rule(&self) -> &dyn Rule {
                match self { $($(Op::$Name(op) => op),+),+ }
            }
        }

        $($(impl From<$Name> for Op { fn from(op: $Name) -> Op { Op::$Name(op) } })+)+
    };
}

pub(crate) mod recurrent;
mod window;
pub use recurrent::Direction;
pub use window::Window;

ops! {
    arithmetic { Add, Sub, Mul, Div, IntegerDiv, Neg }
    argument { ArgMax, ArgMin }
    average_pool { AveragePool, AveragePoolGradient }
    batch_normalization {
        BatchNormalization, BatchNormalizationGradient, BatchNormalizationInferenceGradient
    }
    cast { Cast }
    choice { Where }
    clip { Clip, ClipGradient }
    comparison { Equal, Greater, GreaterOrEqual, Less, LessOrEqual }
    concat { Concat }
    constant { Constant }
    conv { Conv, ConvInputGradient, ConvWeightGradient }
    conv_transpose { ConvTranspose }
    curve {
        Sqrt, Exp, Log, Abs, Reciprocal, Erf, Gelu, HardSigmoid, HardSwish, Elu, Selu, Softplus, Sin,
        Cos, CurveGradient
    }
    dropout { Dropout }
    expand { Expand }
    extremum { Min, Max }
    gather { Gather, GatherGradient }
    gather_elements { GatherElements, GatherElementsGradient }
    gemm { Gemm }
    global_average_pool { GlobalAveragePool }
    gru { GRU, GRUGradient }
    identity { Identity }
    leaky_relu { LeakyRelu, LeakyReluGradient }
    lstm { LSTM, LSTMGradient }
    logic { Not, And, Or, Xor }
    matmul { MatMul }
    max_pool { MaxPool, MaxPoolGradient }
    modulo { Mod }
    normalization {
        LayerNormalization, InstanceNormalization, GroupNormalization, Standardize,
        StandardizeGradient
    }
    pad { Pad, PadGradient }
    power { Pow, PowBaseSlope, PowExponentSlope, PRelu }
    reduce_extremum { ReduceMin, ReduceMax }
    reduce_mean { ReduceMean, ReduceMeanGradient }
    reduce_prod { ReduceProd, ReduceProdGradient }
    reduce_sum { ReduceSum }
    relu { Relu, ReluGradient }
    reshape { Flatten, Reshape }
    resize { Resize, ResizeGradient }
    rounding { Sign, Floor, Ceil, Round }
    select { Select, SelectGradient }
    sigmoid { Sigmoid, SigmoidGradient }
    slice { Slice, SliceGradient }
    softmax { Softmax, SoftmaxGradient, LogSoftmax, LogSoftmaxGradient }
    softmax_cross_entropy { SoftmaxCrossEntropyLoss, SoftmaxCrossEntropyLossGradient }
    split { Split }
    squeeze { Squeeze, Unsqueeze }
    tanh { Tanh, TanhGradient }
    transpose { Transpose }
}

pub use curve::{Curve, GeluForm};
pub use dropout::DropoutMask;
pub use pad::PadMode;
pub use resize::{ResizeAxis, ResizeCoordinates, ResizeMode, ResizeRounding, Taps};

/// Refuses a wrong number of inputs.
pub(crate) fn expect_inputs(
    op: &'static str,
    inputs: &[Type],
    need: std::ops::RangeInclusive<usize>,
    words: &'static str,
) -> Result<(), Mismatch> {
    if need.contains(&inputs.len()) {
        return Ok(());
    }
    Err(Mismatch::InputCount { op, need: words, got: inputs.len() })
}

/// Refuses an input that is not f32.
pub(crate) fn expect_f32(
    op: &'static str,
    what: &'static str,
    kind: &Type,
) -> Result<(), Mismatch> {
    if kind.dtype == DType::F32 {
        return Ok(());
    }
    Err(Mismatch::Type { op, what, got: kind.dtype, need: DType::F32 })
}

/// Refuses an input that holds no numbers.
pub(crate) fn expect_numbers(
    op: &'static str,
    what: &'static str,
    kind: &Type,
) -> Result<(), Mismatch> {
    if kind.dtype != DType::Bool {
        return Ok(());
    }
    Err(Mismatch::TypeOf { op, what, got: kind.dtype, need: "F32 or I64" })
}

/// Refuses an input of another type than the one before it.
pub(crate) fn expect_dtype(
    op: &'static str,
    what: &'static str,
    kind: &Type,
    need: DType,
) -> Result<(), Mismatch> {
    if kind.dtype == need {
        return Ok(());
    }
    Err(Mismatch::Type { op, what, got: kind.dtype, need })
}

/// Says that `what` has an unusable shape.
pub(crate) fn bad_shape(
    op: &'static str,
    what: &'static str,
    got: &Shape,
    need: impl Into<String>,
) -> Mismatch {
    Mismatch::Shape { op, what, got: got.clone(), need: need.into() }
}

/// Refuses an attribute that is not a finite number.
pub(crate) fn expect_finite(
    op: &'static str,
    attribute: &'static str,
    value: f32,
) -> Result<(), Mismatch> {
    if value.is_finite() {
        return Ok(());
    }
    let (got, need) = (value.to_string(), "a finite number".to_owned());
    Err(Mismatch::Attribute { op, attribute, got, need })
}

/// The rule of an element-wise op over one f32 input: the output is shaped like the input.
pub(crate) fn infer_unary(op: &'static str, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
    expect_inputs(op, inputs, 1..=1, "1")?;
    expect_f32(op, "the input", &inputs[0])?;
    Ok(vec![inputs[0].clone()])
}

/// The rule of an op over f32 inputs of one common shape, which the output has too.
pub(crate) fn infer_alike(
    op: &'static str,
    inputs: &[Type],
    count: usize,
) -> Result<Vec<Type>, Mismatch> {
    expect_inputs(op, inputs, count..=count, "as many as its documentation says")?;
    for kind in inputs {
        expect_f32(op, "an input", kind)?;
        if kind.shape != inputs[0].shape {
            return Err(bad_shape(op, "an input", &kind.shape, inputs[0].shape.to_string()));
        }
    }
    Ok(vec![inputs[0].clone()])
}

/// An axis that may count from the end, as a place from the front.
pub(crate) fn axis_of(op: &'static str, axis: i64, rank: usize) -> Result<usize, Mismatch> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_front).ok().filter(|&axis| axis < rank).ok_or_else(|| {
        let need = format!("an axis of {rank} dimensions");
        Mismatch::Attribute { op, attribute: "axis", got: axis.to_string(), need }
    })
}
