//! Element-wise functions of one input and their gradients, in place where the input dies.

use crate::kernel::{Call, Kernel};
use hoyer_kernels::elementwise::{map, map2};

struct Unary<F>(F);

struct Gradient<F>(F);

/// `y = f(x)`.
#[expect(clippy::unnecessary_wraps, reason = "every op's maker may decline")]
pub(crate) fn unary(f: impl Fn(f32) -> f32 + Send + Sync + 'static) -> Option<Box<dyn Kernel>> {
    Some(Box::new(Unary(f)))
}

/// `dx = f(dy, s)` where `s` is the second input: the output, as a rule.
#[expect(clippy::unnecessary_wraps, reason = "every op's maker may decline")]
pub(crate) fn gradient(
    f: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
) -> Option<Box<dyn Kernel>> {
    Some(Box::new(Gradient(f)))
}

impl<F: Fn(f32) -> f32 + Send + Sync> Kernel for Unary<F> {
    fn run(&self, call: &mut Call<'_, '_>) {
        map(call.pool, call.input(0), call.outputs[0], &self.0);
    }
}

impl<F: Fn(f32, f32) -> f32 + Send + Sync> Kernel for Gradient<F> {
    fn run(&self, call: &mut Call<'_, '_>) {
        map2(call.pool, (call.input(0), call.input(1)), call.outputs[0], &self.0);
    }
}
