//! Dropout in training, which is its own gradient.

use crate::kernel::{Call, Kernel};
use hoyer_graph::{Dropout, DropoutMask};
use hoyer_kernels::elementwise::map_indexed;

struct Training {
    seed: u64,
    ratio: f32,
}

/// Takes the training form; the other is a view.
pub(crate) fn kernel(op: &Dropout) -> Option<Box<dyn Kernel>> {
    let kernel = Training { seed: op.seed, ratio: op.ratio };
    op.training.then(|| Box::new(kernel) as Box<dyn Kernel>)
}

impl Kernel for Training {
    fn run(&self, call: &mut Call<'_, '_>) {
        let mask = DropoutMask::new(self.seed, call.step, self.ratio);
        let scale = (1.0 / (1.0 - f64::from(self.ratio))) as f32;
        map_indexed(call.pool, call.input(0), call.outputs[0], |i, x| {
            if mask.keeps(i) { x * scale } else { 0.0 }
        });
    }
}
