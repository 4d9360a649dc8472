//! Both kernels of a layer tried on this machine, one thread, with numbers of no meaning.
//!
//! Not here: guessing (`cost`).

use super::cost::Work;
use super::layers::Shape;
use hoyer_kernels::conv::{Forward, Layer};
use hoyer_kernels::gemm::{Activation, Epilogue, Gemm, Sizes};
use hoyer_kernels::pool::Pool;
use hoyer_kernels::sparse::{ConvIo, Ends, Layout, Planes, SparseConv, SparseLinear};

/// Runs that are timed.
const RUNS: usize = 15;

/// The median times of the dense and the sparse kernel; `clock` tells the time in seconds.
pub(super) fn times_us(work: &Work, w: &[f32], clock: fn() -> f64) -> [f64; 2] {
    let pool = Pool::new(1);
    match work.shape {
        Shape::Conv(g) => {
            let (x, mut y) =
                (vec![0.5; g.batch * g.sample_in()], vec![0.0; g.batch * g.sample_out()]);
            let dense = Forward::new(g);
            let mut packed = vec![0.0; dense.packed_len()];
            dense.pack(w, &mut packed);
            let mut scratch = vec![0.0; dense.packed_scratch_len(1)];
            let layer = Layer { w: &packed, bias: None, activation: Activation::Relu };
            let run = || dense.run_packed(&pool, &x, &layer, &mut y, &mut scratch);
            let dense = median(clock, run);
            let pad = SparseConv::reads_in_place(&g).unwrap_or(0);
            let from = Planes::new(g.channels_in, g.input, pad);
            let pad = match SparseConv::gain_from_copies(&g, work.nonzero) > Some(0.0) {
                true => SparseConv::padding_for_copies(g.output[1]),
                false => pad,
            };
            let to = Planes::new(g.channels_out, g.output, pad);
            let ends = Ends { x: Layout::Planes(from), residual: None, y: Layout::Planes(to) };
            let sparse = SparseConv::new(g, w, ends);
            let (x, mut y) = (vec![0.5; from.len(g.batch)], vec![0.0; to.len(g.batch)]);
            let mut scratch = vec![0.0; sparse.scratch_len(1)];
            let run =
                || sparse.run(&pool, ConvIo { x: &x, residual: None, y: &mut y }, &mut scratch);
            [dense, median(clock, run)]
        }
        Shape::Linear([m, k, n]) => {
            let (x, mut y) = (vec![0.5; m * k], vec![0.0; m * n]);
            let dense = Gemm::new(Sizes { m, n, k, trans_a: false, trans_b: true });
            let mut scratch = vec![0.0; dense.scratch_len()];
            let run = || dense.run(&pool, (&x, w), &mut y, &Epilogue::default(), &mut scratch);
            let dense = median(clock, run);
            let sparse = SparseLinear::new(m, w, n);
            let mut scratch = vec![0.0; sparse.scratch_len(1)];
            [dense, median(clock, || sparse.run(&pool, &x, &mut y, &mut scratch))]
        }
    }
}

fn median(clock: fn() -> f64, mut run: impl FnMut()) -> f64 {
    run();
    let mut times = [0.0; RUNS];
    for time in &mut times {
        let before = clock();
        run();
        *time = (clock() - before) * 1e6;
    }
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}
