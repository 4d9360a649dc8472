//! Times sparse against dense convolutions on one thread: `sparse_speed [avx2|portable] [training]`, microseconds, medians.
//!
//! Random masks, data in the cache; sparse from planes to planes, dense from plain to plain. With `training` all lies plain, and
//! both gradients are computed too. What the cost model of `hoyer-run` was fitted to.

use hoyer_kernels::aligned::Aligned;
use hoyer_kernels::conv::{Forward, Geometry, InputGradient, Layer, WeightGradient};
use hoyer_kernels::gemm::{Activation, Epilogue, Gemm, Sizes};
use hoyer_kernels::isa::{Isa, force};
use hoyer_kernels::pool::Pool;
use hoyer_kernels::sparse::{
    ConvGradientIo, ConvIo, Ends, Layout, LinearGradientIo, Planes, SparseConv, SparseConvGradient,
    SparseLinear, SparseLinearGradient, Wanted,
};
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

/// Both gradients.
const BOTH: Wanted = Wanted { dx: true, dw: true };

/// Samples of a training step.
const SAMPLES: usize = 8;

fn geometry(batch: usize, channels: [usize; 2], size: usize, window: [usize; 3]) -> Geometry {
    let [kernel, stride, pad] = window;
    let out = (size + 2 * pad - kernel) / stride + 1;
    Geometry {
        batch,
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
    }
}

/// A layer and both gradients over values that lie plain.
fn conv_training(name: &str, channels: [usize; 2], size: usize, window: [usize; 3]) {
    let g = geometry(SAMPLES, channels, size, window);
    let (pool, mut numbers) = (Pool::new(1), Numbers(1));
    let (x, w) = (numbers.list(g.batch * g.sample_in()), numbers.list(g.channels_out * g.taps()));
    let dy = numbers.list(g.batch * g.sample_out());
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
    let (forward, by_input, by_weight) =
        (Forward::new(g), InputGradient::new(g), WeightGradient::new(g));
    let len = forward.scratch_len(1).max(by_input.scratch_len(1)).max(by_weight.scratch_len(1));
    let mut scratch = vec![0.0; len];
    let layer = Layer { w: &w, bias: None, activation: Activation::Relu };
    let time = median(|| {
        forward.run(&pool, &x, &layer, &mut y, &mut scratch[..forward.scratch_len(1)]);
        by_input.run(&pool, &dy, &w, &mut dx, &mut scratch[..by_input.scratch_len(1)]);
        by_weight.run(&pool, &dy, &x, &mut dw, &mut scratch[..by_weight.scratch_len(1)]);
    });
    print!("{name:24} dense {time:7.1}");
    let ends = Ends { x: Layout::Plain, residual: None, y: Layout::Plain };
    for density in [0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0] {
        let w = numbers.weight(w.len(), density);
        let live: Vec<bool> = w.iter().map(|w| *w != 0.0).collect();
        let conv = SparseConv::new(g, &w, ends);
        let mut gradient = SparseConvGradient::new(g, &live, BOTH);
        let mut scratch = vec![0.0; conv.scratch_len(1).max(gradient.scratch_len(1))];
        let time = median(|| {
            let io = ConvIo { x: &x, residual: None, y: &mut y };
            conv.run(&pool, io, &mut scratch[..conv.scratch_len(1)]);
            gradient.refresh(&w);
            let io = ConvGradientIo { dy: &dy, x: &x, dx: Some(&mut dx), dw: Some(&mut dw) };
            gradient.run(&pool, io, &mut scratch[..gradient.scratch_len(1)]);
        });
        print!("  {density}: {time:6.1}");
    }
    println!();
}

/// A linear layer and both gradients.
fn linear_training(batch: usize, inputs: usize, outputs: usize) {
    let (pool, mut numbers) = (Pool::new(1), Numbers(1));
    let (x, w) = (numbers.list(batch * inputs), numbers.list(inputs * outputs));
    let dy = numbers.list(batch * outputs);
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
    let gemm = |m, n, k, trans_a, trans_b| Gemm::new(Sizes { m, n, k, trans_a, trans_b });
    let forward = gemm(batch, outputs, inputs, false, true);
    let by_input = gemm(batch, inputs, outputs, false, false);
    let by_weight = gemm(outputs, inputs, batch, true, false);
    let len = forward.scratch_len().max(by_input.scratch_len()).max(by_weight.scratch_len());
    let (mut scratch, epilogue) = (vec![0.0; len], Epilogue::default());
    let time = median(|| {
        forward.run(&pool, (&x, &w), &mut y, &epilogue, &mut scratch);
        by_input.run(&pool, (&dy, &w), &mut dx, &epilogue, &mut scratch);
        by_weight.run(&pool, (&dy, &x), &mut dw, &epilogue, &mut scratch);
    });
    print!("{:24} dense {time:7.1}", format!("linear {inputs}-{outputs} batch {batch}"));
    for density in [0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0] {
        let w = numbers.weight(w.len(), density);
        let live: Vec<bool> = w.iter().map(|w| *w != 0.0).collect();
        let layer = SparseLinear::new(batch, &w, outputs);
        let mut gradient = SparseLinearGradient::new(batch, &live, outputs, BOTH);
        let mut scratch = vec![0.0; layer.scratch_len(1).max(gradient.scratch_len())];
        let time = median(|| {
            layer.run(&pool, &x, &mut y, &mut scratch[..layer.scratch_len(1)]);
            gradient.refresh(&w);
            let io = LinearGradientIo { dy: &dy, x: &x, dx: Some(&mut dx), dw: Some(&mut dw) };
            gradient.run(&pool, io, &mut scratch);
        });
        print!("  {density}: {time:6.1}");
    }
    println!();
}

fn training() {
    conv_training("5x5 1-20 28x28", [1, 20], 28, [5, 1, 0]);
    conv_training("5x5 20-50 12x12", [20, 50], 12, [5, 1, 0]);
    conv_training("3x3 3-16 32x32", [3, 16], 32, [3, 1, 1]);
    conv_training("3x3 16-16 32x32", [16, 16], 32, [3, 1, 1]);
    conv_training("3x3 16-32 32x32 / 2", [16, 32], 32, [3, 2, 1]);
    conv_training("3x3 32-32 16x16", [32, 32], 16, [3, 1, 1]);
    conv_training("3x3 32-64 16x16 / 2", [32, 64], 16, [3, 2, 1]);
    conv_training("3x3 64-64 8x8", [64, 64], 8, [3, 1, 1]);
    conv_training("1x1 64-128 16x16", [64, 128], 16, [1, 1, 0]);
    for (inputs, outputs) in [(784, 300), (800, 500), (300, 100), (64, 10)] {
        linear_training(64, inputs, outputs);
    }
    linear_training(24, 200, 150);
}

fn conv(name: &str, channels: [usize; 2], size: usize, [kernel, stride]: [usize; 2]) {
    let pad = kernel / 2;
    let g = geometry(1, channels, size, [kernel, stride, pad]);
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
    // As a program lays its values out.
    let (mut x_planes, mut y) = (Aligned::zeros(from.len(1), 0), Aligned::zeros(to.len(1), 1));
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
    if std::env::args().any(|arg| arg == "training") {
        return training();
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
    conv("1x1 256-256 28x28", [256, 256], 28, [1, 1]);
    conv("1x1 512-512 14x14", [512, 512], 14, [1, 1]);
    conv("1x1 512-512 7x7", [512, 512], 7, [1, 1]);
    conv("1x1 1024-1024 7x7", [1024, 1024], 7, [1, 1]);
    linear(1, 784, 300);
    linear(1, 300, 100);
    linear(1, 800, 500);
    linear(4, 784, 300);
    linear(32, 784, 300);
    linear(32, 800, 500);
}
