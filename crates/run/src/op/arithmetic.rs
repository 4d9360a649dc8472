//! Element-wise arithmetic: equal shapes, or one side repeating over the other's leading axes.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::{Op, elements};
use hoyer_kernels::isa::vectorize;
use hoyer_kernels::pool::Chunks;

/// Elements of a task, about.
const CHUNK: usize = 16_384;

struct Arithmetic {
    op: Op,
    /// Elements of each side before it repeats.
    periods: [usize; 2],
}

/// Takes sides whose shape is a tail of the output's shape (a scalar is the empty tail).
pub(crate) fn kernel(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let period = |shape: &[usize]| {
        let own: Vec<usize> = shape.iter().copied().skip_while(|&dim| dim == 1).collect();
        let tail = site.outputs[0].ends_with(&own);
        tail.then(|| elements(&own)).flatten()
    };
    let periods = [period(&site.inputs[0])?, period(&site.inputs[1])?];
    Some(Box::new(Arithmetic { op: site.op().clone(), periods }))
}

impl Kernel for Arithmetic {
    fn run(&self, call: &mut Call<'_, '_>) {
        match self.op {
            Op::Add(_) => self.map(call, |a, b| a + b),
            Op::Sub(_) => self.map(call, |a, b| a - b),
            Op::Mul(_) => self.map(call, |a, b| a * b),
            _ => self.map(call, |a, b| a / b),
        }
    }
}

impl Arithmetic {
    fn map(&self, call: &mut Call<'_, '_>, f: impl Fn(f32, f32) -> f32 + Sync) {
        let (a, b) = (call.input(0), call.input(1));
        let y = &mut *call.outputs[0];
        if self.periods == [y.len(); 2] {
            let tasks = y.len().div_ceil(CHUNK);
            call.pool.for_each(tasks, Chunks::new(y, CHUNK), |i, y| {
                let (a, b) = (&a[i * CHUNK..][..y.len()], &b[i * CHUNK..][..y.len()]);
                vectorize(|| y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = f(*a, *b)));
            });
            return;
        }
        for (i, y) in y.iter_mut().enumerate() {
            *y = f(a[i % self.periods[0]], b[i % self.periods[1]]);
        }
    }
}
