//! Smooth and bent functions of one number, as a table: value and slope of each.
//!
//! ```text
//! y  = f(x)        dx = dy · f'(x)
//! ```
//! One [`CurveGradient`] serves them all; it reads the input. At a bend the slope is that of PyTorch.
//! Not here: functions whose gradient reads the output (`relu`, `sigmoid`, `tanh`, `clip`, `leaky_relu`).

use super::{Rule, expect_finite, infer_alike, infer_unary};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// `y = √x`; NaN below 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sqrt;

/// `y = eˣ`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exp;

/// `y = ln x`; NaN below 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Log;

/// `y = |x|`; its slope at 0 is taken as 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Abs;

/// `y = 1 / x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reciprocal;

/// `y = erf x`, the error function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Erf;

/// `y = x · Φ(x)`, with the normal distribution Φ or its approximation by a tanh.
///
/// # Source
/// Hendrycks & Gimpel (2016), <https://arxiv.org/abs/1606.08415>; the approximation is
/// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gelu {
    /// Which Φ.
    pub approximate: GeluForm,
}

/// How [`Gelu`] computes the normal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeluForm {
    /// By the error function.
    None,
    /// By a tanh.
    Tanh,
}

/// `y = min(1, max(0, alpha · x + beta))`; flat at the bends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HardSigmoid {
    /// Slope between the bends; finite.
    pub alpha: f32,
    /// Value at 0; finite.
    pub beta: f32,
}

/// `y = x · min(1, max(0, x/6 + ½))`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HardSwish;

/// `y = x if x > 0, else alpha · (eˣ − 1)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Elu {
    /// Minus the limit far below 0; finite.
    pub alpha: f32,
}

/// `y = gamma · (x if x > 0, else alpha · (eˣ − 1))`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selu {
    /// Minus the limit far below 0, before the scale; finite.
    pub alpha: f32,
    /// The scale; finite.
    pub gamma: f32,
}

/// `y = ln(1 + eˣ)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Softplus;

/// `y = sin x`, of an angle in radians.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sin;

/// `y = cos x`, of an angle in radians.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cos;

/// `dx = dy · f'(x)` over `(dy, x)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveGradient {
    /// The function.
    pub curve: Curve,
}

macro_rules! curves {
    ($($Name:ident),+) => {
        /// A function of this file, with its attributes.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "every function is documented at its own struct")]
        pub enum Curve { $($Name($Name)),+ }

        $(impl From<$Name> for Curve { fn from(curve: $Name) -> Self { Self::$Name(curve) } })+

        $(impl Rule for $Name {
            fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
                let op = stringify!($Name);
                Curve::$Name(self.clone()).check(op)?;
                infer_unary(op, inputs)
            }

            fn coupling(&self, _: &[Type]) -> Coupling {
                Coupling::Elementwise
            }

            fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
                let curve = Curve::$Name(self.clone());
                vec![inputs[0].map(|x| curve.value(x))]
            }

            fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
                let dy = back.output_gradient(node, 0)?;
                let op = CurveGradient { curve: Curve::$Name(self.clone()) };
                let dx = back.add(node, op, &[dy, node.inputs[0]])?;
                back.accumulate(node.inputs[0], dx)
            }
        })+
    };
}

curves! { Sqrt, Exp, Log, Abs, Reciprocal, Erf, Gelu, HardSigmoid, HardSwish, Elu, Selu, Softplus, Sin, Cos }

/// `√(2/π)` and the factor of `x³`, of GELU's approximation.
const GELU_TANH: [f64; 2] = [FRAC_2_SQRT_PI * FRAC_1_SQRT_2, 0.044_715];

/// `erf x = 2/√π · e^(−x²) · Σ_n 2ⁿ x^(2n+1) / (1·3·…·(2n+1))`: no term is negative, so no digit is lost.
fn erf(x: f64) -> f64 {
    // 1 − erf 6 is 2e-17.
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, 0.0, 0.0);
    while term.abs() > 1e-18 * f64::abs(sum) {
        sum += term;
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
    }
    if x.is_nan() { x } else { FRAC_2_SQRT_PI * (-x * x).exp() * sum }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Gelu {
    fn value(&self, x: f64) -> f64 {
        match self.approximate {
            GeluForm::None => 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2)),
            GeluForm::Tanh => 0.5 * x * (1.0 + inner(x).tanh()),
        }
    }

    fn slope(&self, x: f64) -> f64 {
        match self.approximate {
            GeluForm::None => {
                let density = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (-0.5 * x * x).exp();
                0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)) + x * density
            }
            GeluForm::Tanh => {
                let t = inner(x).tanh();
                let along = GELU_TANH[0] * (1.0 + 3.0 * GELU_TANH[1] * x * x);
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * along
            }
        }
    }
}

fn inner(x: f64) -> f64 {
    GELU_TANH[0] * (x + GELU_TANH[1] * x * x * x)
}

/// `x` above 0 and `alpha · (eˣ − 1)` below.
fn elu(x: f64, alpha: f32) -> f64 {
    if x > 0.0 { x } else { f64::from(alpha) * x.exp_m1() }
}

fn elu_slope(x: f64, alpha: f32) -> f64 {
    if x > 0.0 { 1.0 } else { f64::from(alpha) * x.exp() }
}

impl Curve {
    /// Refuses attributes that are no numbers.
    fn check(&self, op: &'static str) -> Result<(), Mismatch> {
        match self {
            Self::HardSigmoid(f) => {
                expect_finite(op, "alpha", f.alpha)?;
                expect_finite(op, "beta", f.beta)
            }
            Self::Elu(f) => expect_finite(op, "alpha", f.alpha),
            Self::Selu(f) => {
                expect_finite(op, "alpha", f.alpha)?;
                expect_finite(op, "gamma", f.gamma)
            }
            _ => Ok(()),
        }
    }

    /// The function.
    fn value(&self, x: f64) -> f64 {
        match self {
            Self::Sqrt(_) => x.sqrt(),
            Self::Exp(_) => x.exp(),
            Self::Log(_) => x.ln(),
            Self::Abs(_) => x.abs(),
            Self::Reciprocal(_) => 1.0 / x,
            Self::Erf(_) => erf(x),
            Self::Gelu(f) => f.value(x),
            Self::HardSigmoid(f) => (f64::from(f.alpha) * x + f64::from(f.beta)).clamp(0.0, 1.0),
            Self::HardSwish(_) => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Elu(f) => elu(x, f.alpha),
            Self::Selu(f) => f64::from(f.gamma) * elu(x, f.alpha),
            Self::Softplus(_) => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Sin(_) => x.sin(),
            Self::Cos(_) => x.cos(),
        }
    }

    /// Its derivative.
    fn slope(&self, x: f64) -> f64 {
        match self {
            Self::Sqrt(_) => 0.5 / x.sqrt(),
            Self::Exp(_) => x.exp(),
            Self::Log(_) => 1.0 / x,
            Self::Abs(_) if x == 0.0 => 0.0,
            Self::Abs(_) => x.signum(),
            Self::Reciprocal(_) => -1.0 / (x * x),
            Self::Erf(_) => FRAC_2_SQRT_PI * (-x * x).exp(),
            Self::Gelu(f) => f.slope(x),
            Self::HardSigmoid(f) => {
                let y = f64::from(f.alpha) * x + f64::from(f.beta);
                if y > 0.0 && y < 1.0 { f64::from(f.alpha) } else { 0.0 }
            }
            Self::HardSwish(_) if x <= -3.0 => 0.0,
            Self::HardSwish(_) if x >= 3.0 => 1.0,
            Self::HardSwish(_) => x / 3.0 + 0.5,
            Self::Elu(f) => elu_slope(x, f.alpha),
            Self::Selu(f) => f64::from(f.gamma) * elu_slope(x, f.alpha),
            Self::Softplus(_) => logistic(x),
            Self::Sin(_) => x.cos(),
            Self::Cos(_) => -x.sin(),
        }
    }
}

impl Rule for CurveGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        self.curve.check("CurveGradient")?;
        infer_alike("CurveGradient", inputs, 2)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, x) = (inputs[0], inputs[1]);
        vec![Array::from_fn(&dy.shape, |i| dy.data[i] * self.curve.slope(x.data[i]))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, Numbers};
    use crate::op::Op;

    #[test]
    fn gradients_match_central_differences() {
        let x = || [Type::f32([3, 5])];
        for approximate in [GeluForm::None, GeluForm::Tanh] {
            check::op_gradient(Gelu { approximate }, &x(), 8);
        }
        check::op_gradient(Exp, &x(), 8);
        check::op_gradient(Abs, &x(), 8);
        check::op_gradient(Erf, &x(), 8);
        check::op_gradient(Softplus, &x(), 8);
        check::op_gradient(Sin, &x(), 8);
        check::op_gradient(Cos, &x(), 8);
        check::op_gradient(HardSwish, &x(), 8);
        check::op_gradient(HardSigmoid { alpha: 0.3, beta: 0.45 }, &x(), 8);
        check::op_gradient(Elu { alpha: 0.7 }, &x(), 8);
        check::op_gradient(Selu { alpha: 1.6, gamma: 1.05 }, &x(), 8);
    }

    #[test]
    fn gradients_match_where_only_some_numbers_have_a_value() {
        for op in [Op::from(Sqrt), Log.into(), Reciprocal.into()] {
            for seed in 0..8 {
                let mut x = Numbers(seed).tensor(&[3, 5]);
                x.data_mut().iter_mut().for_each(|x| *x = x.abs() + 0.25);
                assert!(check::op_gradient_error_at(&op, &[x], seed).unwrap() < 1e-6, "{op:?}");
            }
        }
    }

    #[test]
    fn the_error_function_has_all_its_digits() {
        // Abramowitz & Stegun, tables 7.1 and 7.3.
        for (x, y) in [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (-1.0, -0.842_700_792_949_714_9)] {
            assert!((erf(x) - y).abs() < 2e-16, "{x}: {}", erf(x));
        }
        assert!((1.0 - erf(3.0) - 2.209_049_699_858_544e-5).abs() < 1e-15);
        assert_eq!([erf(7.0), erf(f64::NEG_INFINITY)], [1.0, -1.0]);
        assert!(erf(f64::NAN).is_nan());
    }

    #[test]
    fn far_ends_do_not_overflow() {
        assert_eq!(Curve::Softplus(Softplus).value(1e4), 1e4);
        assert_eq!(Curve::Softplus(Softplus).value(-1e4), 0.0);
        assert_eq!(Curve::Elu(Elu { alpha: 2.0 }).value(-1e4), -2.0);
        for approximate in [GeluForm::None, GeluForm::Tanh] {
            let gelu = Gelu { approximate };
            assert_eq!([gelu.value(1e4), gelu.value(-1e4)], [1e4, 0.0]);
            assert_eq!([gelu.slope(1e4), gelu.slope(-1e4)], [1.0, 0.0]);
        }
    }

    #[test]
    fn attributes_that_are_no_numbers_are_refused() {
        let error = Elu { alpha: f32::NAN }.infer(&[Type::f32([3])]).unwrap_err();
        assert_eq!(error.to_string(), "Elu: alpha = NaN, need a finite number");
        let bad = HardSigmoid { alpha: 0.2, beta: f32::INFINITY };
        assert!(bad.infer(&[Type::f32([3])]).is_err());
        let gradient = CurveGradient { curve: Curve::HardSigmoid(bad) };
        assert!(gradient.infer(&[Type::f32([3]), Type::f32([3])]).is_err());
    }
}
