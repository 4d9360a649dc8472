//! Functions of one number.

use crate::Result;
use crate::graph::{Role, ValueId};
use crate::onnx::context::Context;
use crate::onnx::known::Known;
use crate::op::{
    Abs, Add, Ceil, Cos, Div, Elu, Erf, Exp, Floor, Gelu, GeluForm, Greater, HardSigmoid,
    HardSwish, Log, Max, Mul, Neg, Op, PRelu, Pow, Reciprocal, Round, Selu, Sigmoid, Sign, Sin,
    Softplus, Sqrt, Tanh, Where,
};
use crate::tensor::{DType, Tensor};

fn unary(cx: &mut Context<'_>, op: impl Into<Op>) -> Result<ValueId> {
    let x = cx.value(0)?;
    cx.add(op, &[x])
}

/// Of integers, the larger of the number and its opposite.
pub(crate) fn abs(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    if cx.dtype(x) == DType::I64 {
        let opposite = cx.add(Neg, &[x])?;
        return cx.add(Max, &[x, opposite]);
    }
    cx.add(Abs, &[x])
}

pub(crate) fn ceil(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Ceil)
}

pub(crate) fn cos(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Cos)
}

pub(crate) fn floor(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Floor)
}

pub(crate) fn round(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Round)
}

pub(crate) fn sign(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Sign)
}

pub(crate) fn sin(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Sin)
}

pub(crate) fn erf(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Erf)
}

pub(crate) fn exp(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Exp)
}

pub(crate) fn log(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Log)
}

pub(crate) fn reciprocal(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Reciprocal)
}

pub(crate) fn sqrt(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Sqrt)
}

pub(crate) fn softplus(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, Softplus)
}

pub(crate) fn hard_swish(cx: &mut Context<'_>) -> Result<ValueId> {
    unary(cx, HardSwish)
}

pub(crate) fn hard_sigmoid(cx: &mut Context<'_>) -> Result<ValueId> {
    let (alpha, beta) = (cx.float("alpha", 0.2)?, cx.float("beta", 0.5)?);
    unary(cx, HardSigmoid { alpha, beta })
}

pub(crate) fn elu(cx: &mut Context<'_>) -> Result<ValueId> {
    let alpha = cx.float("alpha", 1.0)?;
    unary(cx, Elu { alpha })
}

pub(crate) fn selu(cx: &mut Context<'_>) -> Result<ValueId> {
    let alpha = cx.float("alpha", 1.673_263_2)?;
    let gamma = cx.float("gamma", 1.050_701)?;
    unary(cx, Selu { alpha, gamma })
}

pub(crate) fn gelu(cx: &mut Context<'_>) -> Result<ValueId> {
    let approximate = match cx.text("approximate", "none")?.as_str() {
        "none" => GeluForm::None,
        "tanh" => GeluForm::Tanh,
        other => return cx.refuse(format!("with approximate {other} is not supported")),
    };
    unary(cx, Gelu { approximate })
}

/// `alpha · Elu(x / alpha)`.
pub(crate) fn celu(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, alpha) = (cx.value(0)?, cx.float("alpha", 1.0)?);
    if alpha == 1.0 {
        return cx.add(Elu { alpha }, &[x]);
    }
    if alpha <= 0.0 || alpha.is_nan() {
        return cx.refuse(format!("with alpha {alpha} is not supported"));
    }
    let scale = cx.number(alpha)?;
    let within = cx.add(Div, &[x, scale])?;
    let bent = cx.add(Elu { alpha: 1.0 }, &[within])?;
    cx.add(Mul, &[bent, scale])
}

/// `x · tanh(softplus x)`.
pub(crate) fn mish(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let soft = cx.add(Softplus, &[x])?;
    let gate = cx.add(Tanh, &[soft])?;
    cx.add(Mul, &[x, gate])
}

/// `x · σ(alpha · x)`.
pub(crate) fn swish(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, alpha) = (cx.value(0)?, cx.float("alpha", 1.0)?);
    let scaled = if alpha == 1.0 {
        x
    } else {
        let alpha = cx.number(alpha)?;
        cx.add(Mul, &[x, alpha])?
    };
    let gate = cx.add(Sigmoid, &[scaled])?;
    cx.add(Mul, &[x, gate])
}

/// `x` where it is above `alpha`, else 0.
pub(crate) fn thresholded_relu(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, alpha) = (cx.value(0)?, cx.float("alpha", 1.0)?);
    let (alpha, zero) = (cx.number(alpha)?, cx.number(0.0)?);
    let above = cx.add(Greater, &[x, alpha])?;
    cx.add(Where, &[above, x, zero])
}

/// `x / (1 + |x|)`.
pub(crate) fn softsign(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let (size, one) = (cx.add(Abs, &[x])?, cx.number(1.0)?);
    let divisor = cx.add(Add, &[size, one])?;
    cx.add(Div, &[x, divisor])
}

/// The slope is trained, and neither penalized nor pruned.
pub(crate) fn prelu(cx: &mut Context<'_>) -> Result<ValueId> {
    let inputs = [cx.value(0)?, cx.param(1, Role::Bias)?];
    cx.add(PRelu, &inputs)
}

/// The exponent may be stored as integers.
pub(crate) fn pow(cx: &mut Context<'_>) -> Result<ValueId> {
    let exponent = match (cx.known(1), cx.known_ints(1)) {
        (Some(Known::Ints(ints)), Ok(Some(data))) => {
            let shape = ints.shape.clone();
            cx.constant(Tensor::new(&shape, data.iter().map(|&n| n as f32).collect())?)
        }
        _ => cx.value(1)?,
    };
    let x = cx.value(0)?;
    cx.add(Pow, &[x, exponent])
}
