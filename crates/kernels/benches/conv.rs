//! How near to the machine's peak the convolutions of real networks run, forward and both gradients.
//!
//! ```text
//! cargo bench -p hoyer-kernels --bench conv [-- NAME…] [batch=N] [threads=T] [seconds=S]
//! ```
//! The peak is measured first: fused multiply-adds of numbers that stay in registers, on one thread, times the threads. So is the
//! product of two matrices of 512 x 512, for comparison with other libraries. Then every kernel runs until `seconds`
//! are over, and the median of its runs is printed in GFLOP/s and as a share of the peak.
//! Not here: comparisons with other libraries (`benches/vs-torch`).

use hoyer_kernels::conv::{Forward, Geometry, InputGradient, Layer, WeightGradient};
use hoyer_kernels::gemm::{Activation, Gemm, Sizes};
use hoyer_kernels::peak::multiply_adds;
use hoyer_kernels::pool::Pool;
use std::time::{Duration, Instant};

/// Channels in, out and groups; height and width of the input, kernel, stride, padding.
type Row = (&'static str, [usize; 3], usize, usize, usize, usize);

const LAYERS: &[Row] = &[
    ("lenet-5 conv1", [1, 20, 1], 28, 5, 1, 0),
    ("lenet-5 conv2", [20, 50, 1], 12, 5, 1, 0),
    ("resnet-20 3-16", [3, 16, 1], 32, 3, 1, 1),
    ("resnet-20 16-16", [16, 16, 1], 32, 3, 1, 1),
    ("resnet-20 16-32 /2", [16, 32, 1], 32, 3, 2, 1),
    ("resnet-20 32-32", [32, 32, 1], 16, 3, 1, 1),
    ("resnet-20 32-64 /2", [32, 64, 1], 16, 3, 2, 1),
    ("resnet-20 64-64", [64, 64, 1], 8, 3, 1, 1),
    ("resnet-20 1x1 /2", [16, 32, 1], 32, 1, 2, 0),
    ("mobilenet 16-96 1x1", [16, 96, 1], 32, 1, 1, 0),
    ("mobilenet 96-24 1x1", [96, 24, 1], 32, 1, 1, 0),
    ("mobilenet 96-576 1x1", [96, 576, 1], 8, 1, 1, 0),
    ("mobilenet 960-160 1x1", [960, 160, 1], 4, 1, 1, 0),
    ("mobilenet 144 depthwise", [144, 144, 144], 32, 3, 1, 1),
    ("mobilenet 144 depthwise /2", [144, 144, 144], 32, 3, 2, 1),
    ("mobilenet 192 depthwise", [192, 192, 192], 16, 3, 1, 1),
    ("mobilenet 192 depthwise /2", [192, 192, 192], 16, 3, 2, 1),
    ("mobilenet 576 depthwise", [576, 576, 576], 8, 3, 1, 1),
    ("mobilenet 576 depthwise /2", [576, 576, 576], 8, 3, 2, 1),
    ("mobilenet 960 depthwise", [960, 960, 960], 4, 3, 1, 1),
    ("96 depthwise 5x5", [96, 96, 96], 16, 5, 1, 2),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |name: &str, default: f64| {
        let given = args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
        given.map_or(default, |n| n.parse().unwrap_or_else(|_| panic!("{name} = {n} is no number")))
    };
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.contains('=')).collect();
    let (batch, time) =
        (number("batch", 32.0) as usize, Duration::from_secs_f64(number("seconds", 0.2)));
    let pool = Pool::new(number("threads", 1.0) as usize);
    let threads = pool.threads();
    let (peak, cube) = (peak(time) * threads as f64, cube(&pool, time));
    println!("batch {batch}, {threads} thread(s)");
    println!("peak {peak:.1} GFLOP/s (registers only), 512-cube product {cube:.1} GFLOP/s\n");
    println!("{:<28}{:>18}{:>18}{:>18}", "GFLOP/s (share of peak)", "forward", "dx", "dw");
    for (name, channels, side, kernel, stride, pad) in LAYERS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let output = (side + 2 * pad - kernel) / stride + 1;
        let g = Geometry {
            batch,
            channels_in: channels[0],
            channels_out: channels[1],
            groups: channels[2],
            input: [*side; 2],
            output: [output; 2],
            kernel: [*kernel; 2],
            stride: [*stride; 2],
            dilation: [1; 2],
            pad_begin: [*pad; 2],
            pad_end: [*pad; 2],
        };
        let rates = rates(&pool, g, time);
        let show = |rate: f64| format!("{rate:>9.1} ({:>3.0} %)", 100.0 * rate / peak);
        println!("{name:<28}{:>18}{:>18}{:>18}", show(rates[0]), show(rates[1]), show(rates[2]));
    }
}

/// Median time of a call, in seconds.
fn median(time: Duration, mut call: impl FnMut()) -> f64 {
    let (start, mut times) = (Instant::now(), Vec::new());
    call();
    while start.elapsed() < time || times.len() < 5 {
        let start = Instant::now();
        call();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + 11) % 101) as f32 / 50.0 - 1.0).collect()
}

/// GFLOP/s of one thread that reads no memory.
fn peak(time: Duration) -> f64 {
    let mut flops = 0;
    let seconds = median(time, || flops = multiply_adds());
    1e-9 * flops as f64 / seconds
}

/// GFLOP/s of the product of two matrices of 512 x 512.
fn cube(pool: &Pool, time: Duration) -> f64 {
    let n = 512;
    let kernel = Gemm::new(Sizes { m: n, n, k: n, trans_a: false, trans_b: false });
    let (a, mut c, mut scratch) =
        (numbers(n * n), vec![0.0; n * n], vec![0.0; kernel.scratch_len()]);
    let seconds = median(2 * time, || {
        kernel.run(pool, (&a, &a), &mut c, &Default::default(), &mut scratch);
    });
    2e-9 * (n * n * n) as f64 / seconds
}

/// GFLOP/s of the forward pass, the gradient by the input and that by the weights.
fn rates(pool: &Pool, g: Geometry, time: Duration) -> [f64; 3] {
    let (forward, dx, dw) = (Forward::new(g), InputGradient::new(g), WeightGradient::new(g));
    let t = pool.threads();
    let need = forward.scratch_len(t).max(dx.scratch_len(t)).max(dw.scratch_len(t));
    let mut scratch = vec![0.0; need];
    let mut x = numbers(g.batch * g.sample_in());
    let mut w = numbers(g.channels_out * g.taps());
    let mut y = numbers(g.batch * g.sample_out());
    let gflop = 2e-9 * (y.len() * g.taps()) as f64;
    let times = [
        median(time, || {
            let layer = Layer { w: &w, bias: None, activation: Activation::None };
            forward.run(pool, &x, &layer, &mut y, &mut scratch[..forward.scratch_len(t)]);
        }),
        median(time, || dx.run(pool, &y, &w, &mut x, &mut scratch[..dx.scratch_len(t)])),
        median(time, || dw.run(pool, &y, &x, &mut w, &mut scratch[..dw.scratch_len(t)])),
    ];
    times.map(|seconds| gflop / seconds)
}
