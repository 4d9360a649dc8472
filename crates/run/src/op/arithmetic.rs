//! Element-wise arithmetic with broadcasting, in place where an input dies.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::Op;
use hoyer_kernels::broadcast::Broadcast;

struct Arithmetic {
    op: Op,
    operands: Broadcast,
}

#[expect(clippy::unnecessary_wraps, reason = "every op's maker may decline")]
pub(crate) fn kernel(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let operands = Broadcast::new([&site.inputs[0], &site.inputs[1]], &site.outputs[0]);
    Some(Box::new(Arithmetic { op: site.op().clone(), operands }))
}

impl Kernel for Arithmetic {
    fn run(&self, call: &mut Call<'_, '_>) {
        match self.op {
            Op::Add(_) => self.map(call, |a, b| a + b),
            Op::Sub(_) => self.map(call, |a, b| a - b),
            Op::Mul(_) => self.map(call, |a, b| a * b),
            Op::Div(_) => self.map(call, |a, b| a / b),
            // A NaN on either side stays.
            Op::Max(_) => self.map(call, |a, b| if a > b || a.is_nan() { a } else { b }),
            Op::Min(_) => self.map(call, |a, b| if a < b || a.is_nan() { a } else { b }),
            Op::Mod(ref op) if op.sign_of_a => self.map(call, |a, b| a % b),
            Op::Mod(_) => self.map(call, modulo),
            Op::PRelu(_) => self.map(call, |x, slope| if x > 0.0 { x } else { slope * x }),
            Op::PowBaseSlope(_) => self.map(call, base_slope),
            Op::PowExponentSlope(_) => self.map(call, exponent_slope),
            _ => self.map(call, power),
        }
    }
}

impl Arithmetic {
    fn map(&self, call: &mut Call<'_, '_>, f: impl Fn(f32, f32) -> f32 + Sync) {
        self.operands.run(call.pool, (call.input(0), call.input(1)), call.outputs[0], f);
    }
}

/// `aᵇ`; the squares and roots that networks are full of take a short way.
fn power(a: f32, b: f32) -> f32 {
    if b == 2.0 {
        a * a
    } else if b == 0.5 && a >= 0.0 {
        a.sqrt()
    } else {
        a.powf(b)
    }
}

/// The remainder with the sign of `b`.
fn modulo(a: f32, b: f32) -> f32 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}

fn base_slope(a: f32, b: f32) -> f32 {
    if b == 0.0 { 0.0 } else { b * power(a, b - 1.0) }
}

fn exponent_slope(a: f32, b: f32) -> f32 {
    if a == 0.0 && b >= 0.0 { 0.0 } else { power(a, b) * a.ln() }
}
