//! Smooth and bent functions of one number and their gradients, as a table in f32.

use super::elementwise::{gradient, unary};
use crate::kernel::Kernel;
use hoyer_graph::{Curve, GeluForm, HardSigmoid, Op};
use hoyer_kernels::erf::erf;
use hoyer_kernels::exponential::{exp, sigmoid, tanh};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// `√(2/π)` and the factor of `x³`, of GELU's approximation.
const GELU_TANH: [f32; 2] = [FRAC_2_SQRT_PI * FRAC_1_SQRT_2, 0.044_715];

/// The function that an op is, if it is one of the table.
pub(crate) fn of(op: &Op) -> Option<Curve> {
    Some(match op.clone() {
        Op::Sqrt(f) => f.into(),
        Op::Exp(f) => f.into(),
        Op::Log(f) => f.into(),
        Op::Abs(f) => f.into(),
        Op::Reciprocal(f) => f.into(),
        Op::Erf(f) => f.into(),
        Op::Gelu(f) => f.into(),
        Op::HardSigmoid(f) => f.into(),
        Op::HardSwish(f) => f.into(),
        Op::Elu(f) => f.into(),
        Op::Selu(f) => f.into(),
        Op::Softplus(f) => f.into(),
        Op::Sin(f) => f.into(),
        Op::Cos(f) => f.into(),
        _ => return None,
    })
}

/// The kernel of a function or of its gradient.
pub(crate) fn kernel(op: &Op) -> Option<Box<dyn Kernel>> {
    match op {
        Op::CurveGradient(op) => backward(&op.curve),
        op => forward(&of(op)?),
    }
}

/// `y = f(x)`.
fn forward(curve: &Curve) -> Option<Box<dyn Kernel>> {
    match curve {
        Curve::Sqrt(_) => unary(f32::sqrt),
        Curve::Exp(_) => unary(exp),
        Curve::Log(_) => unary(f32::ln),
        Curve::Abs(_) => unary(f32::abs),
        Curve::Reciprocal(_) => unary(|x| 1.0 / x),
        Curve::Erf(_) => unary(erf),
        Curve::Gelu(f) => match f.approximate {
            GeluForm::None => unary(|x| 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))),
            GeluForm::Tanh => unary(|x| 0.5 * x * (1.0 + tanh(inner(x)))),
        },
        Curve::HardSigmoid(f) => {
            let (alpha, beta) = (f.alpha, f.beta);
            unary(move |x| within(alpha * x + beta))
        }
        Curve::HardSwish(_) => unary(|x| x * within(x * (1.0 / 6.0) + 0.5)),
        Curve::Elu(f) => elu([1.0, f.alpha]),
        Curve::Selu(f) => elu([f.gamma, f.gamma * f.alpha]),
        Curve::Softplus(_) => unary(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        Curve::Sin(_) => unary(f32::sin),
        Curve::Cos(_) => unary(f32::cos),
    }
}

/// `dx = dy · f'(x)`.
fn backward(curve: &Curve) -> Option<Box<dyn Kernel>> {
    match curve {
        Curve::Sqrt(_) => gradient(|dy, x| 0.5 * dy / x.sqrt()),
        Curve::Exp(_) => gradient(|dy, x| dy * exp(x)),
        Curve::Log(_) => gradient(|dy, x| dy / x),
        Curve::Abs(_) => gradient(|dy, x| if x == 0.0 { 0.0 } else { dy.copysign(dy * x) }),
        Curve::Reciprocal(_) => gradient(|dy, x| -dy / (x * x)),
        Curve::Erf(_) => gradient(|dy, x| dy * FRAC_2_SQRT_PI * exp(-x * x)),
        Curve::Gelu(f) => match f.approximate {
            GeluForm::None => gradient(|dy, x| {
                let density = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * exp(-0.5 * x * x);
                dy * (0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)) + x * density)
            }),
            GeluForm::Tanh => gradient(|dy, x| {
                let t = tanh(inner(x));
                let along = GELU_TANH[0] * (1.0 + 3.0 * GELU_TANH[1] * x * x);
                dy * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * along)
            }),
        },
        Curve::HardSigmoid(f) => hard_sigmoid_gradient(f),
        Curve::HardSwish(_) => gradient(|dy, x| {
            let slope = x * (1.0 / 3.0) + 0.5;
            let slope = if x <= -3.0 { 0.0 } else { slope };
            dy * if x >= 3.0 { 1.0 } else { slope }
        }),
        Curve::Elu(f) => elu_gradient([1.0, f.alpha]),
        Curve::Selu(f) => elu_gradient([f.gamma, f.gamma * f.alpha]),
        Curve::Softplus(_) => gradient(|dy, x| dy * sigmoid(x)),
        Curve::Sin(_) => gradient(|dy, x| dy * x.cos()),
        Curve::Cos(_) => gradient(|dy, x| -dy * x.sin()),
    }
}

#[inline(always)]
fn inner(x: f32) -> f32 {
    GELU_TANH[0] * (x + GELU_TANH[1] * x * x * x)
}

/// Between 0 and 1; two tests and no `clamp`: a NaN passes, and the loop vectorizes.
#[inline(always)]
fn within(x: f32) -> f32 {
    let x = if x < 0.0 { 0.0 } else { x };
    if x > 1.0 { 1.0 } else { x }
}

/// Scales above and below 0. Below, `eˣ − 1 = −2t / (1 + t)` with `t = −tanh(x/2)`, which keeps its digits.
fn elu([above, below]: [f32; 2]) -> Option<Box<dyn Kernel>> {
    unary(move |x| {
        let t = tanh(-0.5 * x);
        if x > 0.0 { above * x } else { below * (-2.0 * t / (1.0 + t)) }
    })
}

fn elu_gradient([above, below]: [f32; 2]) -> Option<Box<dyn Kernel>> {
    gradient(move |dy, x| dy * if x > 0.0 { above } else { below * exp(x) })
}

fn hard_sigmoid_gradient(f: &HardSigmoid) -> Option<Box<dyn Kernel>> {
    let (alpha, beta) = (f.alpha, f.beta);
    gradient(move |dy, x| {
        let y = alpha * x + beta;
        if (y > 0.0) & (y < 1.0) { alpha * dy } else { 0.0 }
    })
}
