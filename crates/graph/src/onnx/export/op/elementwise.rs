//! Ops on single elements.

use crate::Result;
use crate::onnx::export::attribute::float;
use crate::onnx::export::writer::Draft;
use crate::op::{Clip, Dropout, Elu, Gelu, GeluForm, HardSigmoid, LeakyRelu, Selu};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// A limit that is not there is an input without a name.
pub(crate) fn clip(op: &Clip, to: &mut Draft<'_, '_>) -> Result<()> {
    let mut limit = |what: &str, limit: Option<f32>| match limit {
        Some(limit) => to.number(what, limit),
        None => String::new(),
    };
    let mut limits = vec![limit("min", op.min), limit("max", op.max)];
    while limits.last().is_some_and(String::is_empty) {
        limits.pop();
    }
    to.extended(limits, Vec::new())
}

pub(crate) fn dropout(op: &Dropout, to: &mut Draft<'_, '_>) -> Result<()> {
    if op.training {
        return to.refuse("it zeroes elements at random, export the network without training");
    }
    let share = to.number("ratio", op.ratio);
    to.extended(vec![share], Vec::new())
}

pub(crate) fn elu(op: &Elu, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![float("alpha", op.alpha)])
}

pub(crate) fn leaky_relu(op: &LeakyRelu, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![float("alpha", op.alpha)])
}

pub(crate) fn hard_sigmoid(op: &HardSigmoid, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![float("alpha", op.alpha), float("beta", op.beta)])
}

pub(crate) fn selu(op: &Selu, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![float("alpha", op.alpha), float("gamma", op.gamma)])
}

/// `½ x (1 + erf(x / √2))`, or `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`; an op of its own from opset 20 on only.
pub(crate) fn gelu(op: &Gelu, to: &mut Draft<'_, '_>) -> Result<()> {
    let x = to.inputs().remove(0);
    let bent = match op.approximate {
        GeluForm::None => {
            let scale = to.number("scale", FRAC_1_SQRT_2 as f32);
            let scaled = to.step("Mul", vec![x.clone(), scale], Vec::new());
            to.step("Erf", vec![scaled], Vec::new())
        }
        GeluForm::Tanh => {
            let square = to.step("Mul", vec![x.clone(), x.clone()], Vec::new());
            let cubic = to.number("cubic", 0.044_715);
            let share = to.step("Mul", vec![square, cubic], Vec::new());
            let one = to.number("one", 1.0);
            let slope = to.step("Add", vec![share, one], Vec::new());
            let scale = to.number("scale", (FRAC_2_SQRT_PI * FRAC_1_SQRT_2) as f32);
            let scaled = to.step("Mul", vec![x.clone(), scale], Vec::new());
            let inner = to.step("Mul", vec![scaled, slope], Vec::new());
            to.step("Tanh", vec![inner], Vec::new())
        }
    };
    let one = to.number("one", 1.0);
    let share = to.step("Add", vec![bent, one], Vec::new());
    let half = to.number("half", 0.5);
    let half = to.step("Mul", vec![x, half], Vec::new());
    to.last("Mul", vec![half, share], Vec::new())
}
