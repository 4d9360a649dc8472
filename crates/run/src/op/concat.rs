//! Joining along an axis.

use crate::kernel::{Call, Input, Kernel, Site};
use hoyer_graph::Concat;
use hoyer_kernels::pool::Chunks;

/// Elements of a task, about.
const CHUNK: usize = 16_384;

struct Join {
    /// Elements of each input that stand together, and of the output.
    runs: Vec<usize>,
    block: usize,
}

/// Takes outputs with elements.
pub(crate) fn kernel(op: &Concat, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let rank = site.outputs[0].len() as i64;
    let axis = if op.axis < 0 { op.axis + rank } else { op.axis } as usize;
    let run = |shape: &Vec<usize>| shape[axis..].iter().product::<usize>();
    let runs: Vec<usize> = site.inputs.iter().map(run).collect();
    let block = runs.iter().sum();
    let empty = site.outputs[0].contains(&0);
    (!empty).then(|| Box::new(Join { runs, block }) as Box<dyn Kernel>)
}

impl Kernel for Join {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (inputs, y) = (call.inputs, &mut *call.outputs[0]);
        let blocks = (CHUNK / self.block).max(1);
        let chunk = blocks * self.block;
        call.pool.for_each(y.len().div_ceil(chunk), Chunks::new(y, chunk), |task, y| {
            for (i, mut y) in y.chunks_exact_mut(self.block).enumerate() {
                for (input, &run) in inputs.iter().zip(&self.runs) {
                    let Input::F32(x) = *input else { continue };
                    let (part, rest) = std::mem::take(&mut y).split_at_mut(run);
                    part.copy_from_slice(&x[(task * blocks + i) * run..][..run]);
                    y = rest;
                }
            }
        });
    }
}
