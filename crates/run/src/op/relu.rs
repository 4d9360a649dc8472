//! ReLU and its gradient, in place where the input dies.

use crate::kernel::{Call, Kernel};
use hoyer_kernels::isa::vectorize;
use hoyer_kernels::pool::Chunks;

/// Elements of a task.
const CHUNK: usize = 16_384;

struct Forward;
struct Gradient;

#[expect(clippy::unnecessary_wraps, reason = "every op's maker may decline")]
pub(crate) fn forward() -> Option<Box<dyn Kernel>> {
    Some(Box::new(Forward))
}

#[expect(clippy::unnecessary_wraps, reason = "every op's maker may decline")]
pub(crate) fn gradient() -> Option<Box<dyn Kernel>> {
    Some(Box::new(Gradient))
}

impl Kernel for Forward {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (x, y) = (call.input(0), &mut *call.outputs[0]);
        if !x.is_empty() {
            y.copy_from_slice(x);
        }
        let tasks = y.len().div_ceil(CHUNK);
        call.pool.for_each(tasks, Chunks::new(y, CHUNK), |_, y| {
            vectorize(|| y.iter_mut().for_each(|y| *y = y.max(0.0)));
        });
    }
}

impl Kernel for Gradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, y, dx) = (call.input(0), call.input(1), &mut *call.outputs[0]);
        if !dy.is_empty() {
            dx.copy_from_slice(dy);
        }
        let tasks = dx.len().div_ceil(CHUNK);
        call.pool.for_each(tasks, Chunks::new(dx, CHUNK), |i, dx| {
            let y = &y[i * CHUNK..][..dx.len()];
            vectorize(|| {
                dx.iter_mut().zip(y).for_each(|(dx, y)| *dx = if *y > 0.0 { *dx } else { 0.0 });
            });
        });
    }
}
