//! Which kernel runs a node that reads or writes integers or truth values.
//!
//! One without a row runs as its plain meaning in f64: these values are few, as a rule. Integers wrap around where
//! they overflow.

use super::{argument, gather, softmax_cross_entropy};
use crate::kernel::{Call, Input, Kernel, Site};
use hoyer_graph::{DType, Op};
use hoyer_kernels::broadcast::Broadcast;

/// Makes a node ready to run, if there is a kernel for its types.
pub(crate) fn kernel(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    match site.op() {
        Op::SoftmaxCrossEntropyLoss(_) => softmax_cross_entropy::forward(site),
        Op::SoftmaxCrossEntropyLossGradient(_) => softmax_cross_entropy::gradient(site),
        Op::Cast(_) => Some(Box::new(Convert { to: site.output_types[0] })),
        Op::Where(_) => Some(Box::new(Choose(over(site, [0, 1, 2])))),
        Op::ArgMax(op) => argument::kernel((op.axis, op.last), 1.0, site),
        Op::ArgMin(op) => argument::kernel((op.axis, op.last), -1.0, site),
        Op::Gather(op) => gather::forward(op.axis, site),
        Op::GatherGradient(op) => gather::gradient(op.axis, site),
        op => compare(op, site).or_else(|| calculate(op, site)),
    }
}

/// Comparisons, in f32 and in integers.
fn compare(op: &Op, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    match op {
        Op::Equal(_) => comparison(site, |a, b| a == b, |a, b| a == b),
        Op::Greater(_) => comparison(site, |a, b| a > b, |a, b| a > b),
        Op::GreaterOrEqual(_) => comparison(site, |a, b| a >= b, |a, b| a >= b),
        Op::Less(_) => comparison(site, |a, b| a < b, |a, b| a < b),
        Op::LessOrEqual(_) => comparison(site, |a, b| a <= b, |a, b| a <= b),
        _ => None,
    }
}

/// Integers and truth values from their like.
fn calculate(op: &Op, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    match op {
        Op::Add(_) => integers(site, i64::wrapping_add),
        Op::Sub(_) => integers(site, i64::wrapping_sub),
        Op::Mul(_) => integers(site, i64::wrapping_mul),
        Op::IntegerDiv(_) => integers(site, |a, b| if b == 0 { 0 } else { a.wrapping_div(b) }),
        Op::Max(_) => integers(site, i64::max),
        Op::Min(_) => integers(site, i64::min),
        Op::Mod(op) if op.sign_of_a => integers(site, remainder),
        Op::Mod(_) => integers(site, modulo),
        Op::And(_) => integers(site, |a, b| a & b),
        Op::Or(_) => integers(site, |a, b| a | b),
        Op::Xor(_) => integers(site, |a, b| a ^ b),
        // One operand, read twice.
        Op::Not(_) => Some(Box::new(Pair { operands: over(site, [0, 0]), f: |a, _| 1 - a })),
        Op::Expand(_) => Some(Box::new(Pair { operands: over(site, [0, 0]), f: |a, _| a })),
        _ => None,
    }
}

/// The remainder with the sign of `a`; 0 where `b` is 0.
fn remainder(a: i64, b: i64) -> i64 {
    if b == 0 { 0 } else { a.wrapping_rem(b) }
}

/// The remainder with the sign of `b`; 0 where `b` is 0.
fn modulo(a: i64, b: i64) -> i64 {
    let rest = remainder(a, b);
    if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
}

/// How these inputs lie over the output.
fn over<const N: usize>(site: &Site<'_>, inputs: [usize; N]) -> Broadcast<N> {
    Broadcast::new(inputs.map(|i| site.inputs[i].as_slice()), &site.outputs[0])
}

#[expect(clippy::unnecessary_wraps, reason = "every op's maker may decline")]
fn comparison(
    site: &Site<'_>,
    floats: fn(f32, f32) -> bool,
    integers: fn(i64, i64) -> bool,
) -> Option<Box<dyn Kernel>> {
    Some(Box::new(Comparison { operands: over(site, [0, 1]), floats, integers }))
}

#[expect(clippy::unnecessary_wraps, reason = "every op's maker may decline")]
fn integers(
    site: &Site<'_>,
    f: impl Fn(i64, i64) -> i64 + Send + Sync + 'static,
) -> Option<Box<dyn Kernel>> {
    Some(Box::new(Pair { operands: over(site, [0, 1]), f }))
}

/// A truth value from two numbers.
struct Comparison {
    operands: Broadcast,
    floats: fn(f32, f32) -> bool,
    integers: fn(i64, i64) -> bool,
}

impl Kernel for Comparison {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (y, pool) = (&mut *call.integers[0], call.pool);
        match call.inputs[0] {
            Input::F32(a) => {
                let (b, f) = (call.inputs[1].f32(), self.floats);
                self.operands.run_into(pool, (a, b), y, |a, b| i64::from(f(a, b)));
            }
            Input::I64(a) => {
                let (b, f) = (call.inputs[1].i64(), self.integers);
                self.operands.run_into(pool, (a, b), y, |a, b| i64::from(f(a, b)));
            }
        }
    }
}

/// An integer from two integers, or one from the first alone.
struct Pair<F> {
    operands: Broadcast,
    f: F,
}

impl<F: Fn(i64, i64) -> i64 + Send + Sync> Kernel for Pair<F> {
    fn run(&self, call: &mut Call<'_, '_>) {
        let a = call.integers_of(0);
        let b = if call.inputs.len() > 1 { call.integers_of(1) } else { a };
        self.operands.run_into(call.pool, (a, b), call.integers[0], &self.f);
    }
}

/// The first or the second of two values.
struct Choose(Broadcast<3>);

impl Kernel for Choose {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (c, pool) = (call.integers_of(0), call.pool);
        match call.inputs[1] {
            Input::F32(a) => self.0.choose(pool, c, (a, call.inputs[2].f32()), call.outputs[0]),
            Input::I64(a) => self.0.choose(pool, c, (a, call.inputs[2].i64()), call.integers[0]),
        }
    }
}

/// From one element type to another.
struct Convert {
    to: DType,
}

impl Kernel for Convert {
    fn run(&self, call: &mut Call<'_, '_>) {
        match (call.inputs[0], self.to) {
            // An f32 to an f32 is no node of integers, so the other type is not f32.
            (Input::F32(x), DType::Bool) => convert(x, call.integers[0], |x| i64::from(x != 0.0)),
            (Input::F32(x), _) => convert(x, call.integers[0], |x| x as i64),
            (Input::I64(x), DType::F32) => convert(x, call.outputs[0], |x| x as f32),
            (Input::I64(x), DType::Bool) => convert(x, call.integers[0], |x| i64::from(x != 0)),
            (Input::I64(x), DType::I64) => call.integers[0].copy_from_slice(x),
        }
    }
}

fn convert<X: Copy, Y>(x: &[X], y: &mut [Y], f: impl Fn(X) -> Y) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = f(*x));
}
