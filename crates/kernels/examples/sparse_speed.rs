//! Times sparse against dense convolutions on one thread: `sparse_speed [avx2|portable]`, microseconds, medians.
//!
//! Random masks, data in the cache; sparse from planes to planes, dense from plain to plain. What the cost model of
//! `hoyer-run` was fitted to.

use hoyer_kernels::conv::{Forward, Geometry, Layer};
use hoyer_kernels::gemm::{Activation, Epilogue, Gemm, Sizes};
use hoyer_kernels::isa::{Isa, force};
use hoyer_kernels::pool::Pool;
use hoyer_kernels::sparse::{ConvIo, Ends, Layout, Planes, SparseConv, SparseLinear};
use std::time::Instant;

/// Median of at least 100 runs over a tenth of a second.
fn median(mut run: impl FnMut()) -> f64 {
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < 100 || start.elapsed().as_secs_f64() < 0.1 {
        let before = Instant::now();
        run();
        times.push(before.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn list(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }

    fn weight(&mut self, len: usize, density: f32) -> Vec<f32> {
        let mut pick = || if self.next() < 2.0 * density - 1.0 { self.next() } else { 0.0 };
        (0..len).map(|_| pick()).collect()
    }
}

fn conv(name: &str, channels: [usize; 2], size: usize, [kernel, stride]: [usize; 2]) {
    let pad = kernel / 2;
    let out = (size + 2 * pad - kernel) / stride + 1;
    let g = Geometry {
        batch: 1,
        channels_in: channels[0],
        channels_out: channels[1],
        groups: 1,
        input: [size; 2],
        output: [out; 2],
        kernel: [kernel; 2],
        stride: [stride; 2],
        dilation: [1; 2],
        pad_begin: [pad; 2],
        pad_end: [pad; 2],
    };
    let (pool, mut numbers) = (Pool::new(1), Numbers(1));
    let (x, w) = (numbers.list(g.sample_in()), numbers.list(g.channels_out * g.taps()));
    let (mut y, dense) = (vec![0.0; g.sample_out()], Forward::new(g));
    let mut scratch = vec![0.0; dense.scratch_len(1)];
    let layer = Layer { w: &w, bias: None, activation: Activation::Relu };
    let time = median(|| dense.run(&pool, &x, &layer, &mut y, &mut scratch));
    print!("{name:24} dense {time:7.2}");
    let from = Planes::new(g.channels_in, g.input, pad);
    let to = Planes::new(g.channels_out, g.output, pad);
    let ends = Ends { x: Layout::Planes(from), residual: None, y: Layout::Planes(to) };
    let (mut x_planes, mut y) = (vec![0.0; from.len(1)], vec![0.0; to.len(1)]);
    from.pack(&x, &mut x_planes);
    for density in [1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.0] {
        let conv = SparseConv::new(g, &numbers.weight(w.len(), density), ends);
        let mut scratch = vec![0.0; conv.scratch_len(1)];
        let time = median(|| {
            let io = ConvIo { x: &x_planes, residual: None, y: &mut y };
            conv.run(&pool, io, &mut scratch);
        });
        print!("  {density}: {time:6.2}");
    }
    println!();
}

fn linear(batch: usize, inputs: usize, outputs: usize) {
    let (pool, mut numbers) = (Pool::new(1), Numbers(1));
    let (x, w) = (numbers.list(batch * inputs), numbers.list(inputs * outputs));
    let mut y = vec![0.0; batch * outputs];
    let gemm = Gemm::new(Sizes { m: batch, n: outputs, k: inputs, trans_a: false, trans_b: true });
    let mut scratch = vec![0.0; gemm.scratch_len()];
    let epilogue = Epilogue::default();
    let time = median(|| gemm.run(&pool, (&x, &w), &mut y, &epilogue, &mut scratch));
    print!("{:24} dense {time:7.2}", format!("linear {inputs}-{outputs} batch {batch}"));
    for density in [0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0] {
        let layer = SparseLinear::new(batch, &numbers.weight(w.len(), density), outputs);
        let mut scratch = vec![0.0; layer.scratch_len(1)];
        let time = median(|| layer.run(&pool, &x, &mut y, &mut scratch));
        print!("  {density}: {time:6.2}");
    }
    println!();
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("avx2") => force(Isa::Avx2),
        Some("portable") => force(Isa::Portable),
        _ => force(Isa::Avx512),
    }
    conv("3x3 3-16 32x32", [3, 16], 32, [3, 1]);
    conv("3x3 16-16 32x32", [16, 16], 32, [3, 1]);
    conv("3x3 16-32 32x32 / 2", [16, 32], 32, [3, 2]);
    conv("3x3 32-32 16x16", [32, 32], 16, [3, 1]);
    conv("3x3 32-64 16x16 / 2", [32, 64], 16, [3, 2]);
    conv("3x3 64-64 8x8", [64, 64], 8, [3, 1]);
    conv("1x1 64-128 56x56", [64, 128], 56, [1, 1]);
    conv("1x1 128-256 28x28", [128, 256], 28, [1, 1]);
    conv("1x1 256-256 14x14", [256, 256], 14, [1, 1]);
    conv("1x1 512-512 7x7", [512, 512], 7, [1, 1]);
    linear(1, 784, 300);
    linear(1, 300, 100);
    linear(1, 800, 500);
    linear(4, 784, 300);
    linear(32, 784, 300);
    linear(32, 800, 500);
}
