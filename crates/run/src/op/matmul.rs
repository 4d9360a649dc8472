//! Products of stacks of matrices.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::{broadcast_strides, for_each_index, offset};
use hoyer_kernels::gemm::{Epilogue, Gemm, Sizes};
use hoyer_kernels::pool::Chunks;

/// So many products are shared by the threads whole; fewer are each split.
const WHOLE: usize = 8;

struct Product {
    kernel: Gemm,
    /// Which matrices of both operands are multiplied.
    pairs: Vec<[usize; 2]>,
    /// Elements of a matrix of either operand and of the output.
    sizes: [usize; 3],
}

/// Takes outputs with elements.
pub(crate) fn kernel(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let (a, b, y) = (&site.inputs[0], &site.inputs[1], &site.outputs[0]);
    if y.contains(&0) {
        return None;
    }
    let batch = y.len() - 2;
    let (mut m, n, k) = (y[batch], y[batch + 1], a[a.len() - 1]);
    let stack = |x: &[usize]| broadcast_strides(&x[..x.len() - 2], &y[..batch]);
    let (a_steps, b_steps) = (stack(a), stack(b));
    let mut pairs = Vec::new();
    for_each_index(&y[..batch], |i| pairs.push([offset(i, &a_steps), offset(i, &b_steps)]));
    let rows_follow = pairs.iter().enumerate().all(|(i, pair)| *pair == [i, 0]);
    if rows_follow {
        // One right matrix for all rows: one product.
        m *= pairs.len();
        pairs.truncate(1);
    }
    let kernel = Gemm::new(Sizes { m, n, k, trans_a: false, trans_b: false });
    Some(Box::new(Product { kernel, pairs, sizes: [m * k, k * n, m * n] }))
}

impl Kernel for Product {
    fn scratch_len(&self, threads: usize) -> usize {
        let at_once = if self.pairs.len() < WHOLE { 1 } else { threads };
        at_once * self.kernel.scratch_len()
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let (a, b, pool) = (call.input(0), call.input(1), call.pool);
        let (y, [of_a, of_b, of_y]) = (&mut *call.outputs[0], self.sizes);
        let scratch = &mut call.scratch[..self.scratch_len(pool.threads())];
        let multiply = |i: usize, y: &mut [f32], scratch: &mut [f32]| {
            let [at_a, at_b] = self.pairs[i];
            let operands = (&a[at_a * of_a..][..of_a], &b[at_b * of_b..][..of_b]);
            self.kernel.run(pool, operands, y, &Epilogue::default(), scratch);
        };
        if self.pairs.len() < WHOLE {
            y.chunks_exact_mut(of_y).enumerate().for_each(|(i, y)| multiply(i, y, scratch));
        } else {
            pool.for_each_with(self.pairs.len(), Chunks::new(y, of_y), scratch, multiply);
        }
    }
}
