//! Where along an axis the most extreme number is.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::DType;
use hoyer_kernels::pool::Chunks;

/// Results of a task, about.
const CHUNK: usize = 1024;

struct Argument {
    /// Elements along the axis, and behind it.
    count: usize,
    inner: usize,
    /// 1 for the largest, −1 for the smallest.
    sign: f32,
    last: bool,
}

/// Takes f32 only; `sign` is 1 for the largest and −1 for the smallest.
pub(crate) fn kernel(
    (axis, last): (i64, bool),
    sign: f32,
    site: &Site<'_>,
) -> Option<Box<dyn Kernel>> {
    let shape = &site.inputs[0];
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis } as usize;
    let (count, inner) = (shape[axis], shape[axis + 1..].iter().product());
    let is_f32 = site.input_types[0] == DType::F32;
    is_f32.then(|| Box::new(Argument { count, inner, sign, last }) as Box<dyn Kernel>)
}

impl Argument {
    fn find(&self, x: &[f32], output: usize) -> usize {
        let start = output / self.inner * self.count * self.inner + output % self.inner;
        let mut best = (0, self.sign * x[start]);
        for k in 1..self.count {
            let new = self.sign * x[start + k * self.inner];
            let better = new > best.1 || (new.is_nan() && !best.1.is_nan());
            let as_good = new == best.1 || (new.is_nan() && best.1.is_nan());
            if better || (self.last && as_good) {
                best = (k, new);
            }
        }
        best.0
    }
}

impl Kernel for Argument {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (x, y) = (call.input(0), &mut *call.integers[0]);
        call.pool.for_each(y.len().div_ceil(CHUNK), Chunks::new(y, CHUNK), |task, y| {
            for (output, y) in (task * CHUNK..).zip(y) {
                *y = self.find(x, output) as i64;
            }
        });
    }
}
