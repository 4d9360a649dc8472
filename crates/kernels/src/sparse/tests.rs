//! Every loop against its meaning in f64, over odd sizes, empty rows and all-zero layers.

mod gradients;
mod one_line;

use super::bands::Bands;
use super::rows::{Rows, Weight};
use super::spmm::{Finish, Job, Placed, multiply_on};
use super::{ConvIo, Ends, Layout, Planes, SparseConv, SparseLinear};
use crate::conv::Geometry;
use crate::conv::tests::for_each_product;
use crate::isa::{Isa, forced};
use crate::pool::Pool;
use crate::vector::WIDEST;

/// Numbers in [-1, 1), the same every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn list(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }

    /// A weight of which about this share is left; every fifth row is empty.
    fn weight(&mut self, rows: usize, columns: usize, density: f32) -> Vec<f32> {
        let mut w = Vec::new();
        for row in 0..rows {
            for _ in 0..columns {
                let lives = self.next() < 2.0 * density - 1.0 && row % 5 != 4;
                w.push(if lives { self.next() } else { 0.0 });
            }
        }
        w
    }
}

fn geometry(channels: [usize; 3], input: [usize; 2], window: [[usize; 2]; 4]) -> Geometry {
    let [kernel, stride, dilation, pad] = window;
    let output = std::array::from_fn(|i| {
        (input[i] + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1
    });
    let [channels_in, channels_out, groups] = channels;
    Geometry {
        batch: 1,
        channels_in,
        channels_out,
        groups,
        input,
        output,
        kernel,
        stride,
        dilation,
        pad_begin: pad,
        pad_end: pad,
    }
}

/// The convolution as it is defined, one sum after the other.
fn meaning(g: &Geometry, x: &[f32], w: &[f32], mut y: Vec<f64>) -> Vec<f64> {
    for_each_product(g, |y_at, x_at, w_at| {
        y[y_at] += f64::from(w[w_at]) * f64::from(x[x_at]);
    });
    y
}

/// A value in its layout, with rubbish wherever no kernel may look.
fn laid_out(layout: Layout, batch: usize, plain: &[f32]) -> Vec<f32> {
    let Layout::Planes(planes) = layout else { return plain.to_vec() };
    let mut value = vec![f32::NAN; planes.len(batch)];
    let sample = plain.len() / batch;
    for n in 0..batch {
        planes.pack(&plain[n * sample..][..sample], &mut value[n * planes.sample()..]);
    }
    value
}

fn plain(layout: Layout, batch: usize, value: &[f32], len: usize) -> Vec<f32> {
    let Layout::Planes(planes) = layout else { return value.to_vec() };
    let mut plain = vec![0.0; len];
    for n in 0..batch {
        let to = &mut plain[n * len / batch..][..len / batch];
        planes.unpack(&value[n * planes.sample()..], to);
    }
    plain
}

/// Runs a convolution between all kinds of layouts, and gives the bits of the output.
fn check_conv(g: Geometry, density: f32, threads: usize) -> Vec<u32> {
    let mut numbers = Numbers(7);
    let w = numbers.weight(g.channels_out, g.taps(), density);
    let x = numbers.list(g.batch * g.sample_in());
    let (bias, r) = (numbers.list(g.channels_out), numbers.list(g.batch * g.sample_out()));
    let (pool, mut bits) = (Pool::new(threads), Vec::new());
    let layouts = |channels, size| {
        [0, 1, 3].map(|pad| Layout::Planes(Planes::new(channels, size, pad))).into_iter()
    };
    let inputs = layouts(g.channels_in, g.input).chain([Layout::Plain]);
    for (i, x_layout) in inputs.enumerate() {
        for (j, y_layout) in layouts(g.channels_out, g.output).chain([Layout::Plain]).enumerate() {
            let residual = [None, Some(y_layout), Some(Layout::Plain)][(i + j) % 3];
            let ends = Ends { x: x_layout, residual, y: y_layout };
            let conv = SparseConv::new(g, &w, ends).with_bias(&bias).with_limits(-0.5, 0.75);
            let conv = conv.with_pieces(3);
            let mut y = laid_out(y_layout, g.batch, &vec![0.0; r.len()]);
            y.fill(f32::NAN);
            let mut scratch = vec![f32::NAN; conv.scratch_len(threads)];
            let (x, r_in) =
                (laid_out(x_layout, g.batch, &x), residual.map(|l| laid_out(l, g.batch, &r)));
            let io = ConvIo { x: &x, residual: r_in.as_deref(), y: &mut y };
            conv.run(&pool, io, &mut scratch);
            let start = (0..r.len()).map(|i| {
                let added = if residual.is_some() { f64::from(r[i]) } else { 0.0 };
                f64::from(bias[i / g.pixels() % g.channels_out]) + added
            });
            let plain_x = plain(x_layout, g.batch, &x, g.batch * g.sample_in());
            let want = meaning(&g, &plain_x, &w, start.collect());
            let got = plain(y_layout, g.batch, &y, r.len());
            for (at, (got, want)) in got.iter().zip(&want).enumerate() {
                let want = want.clamp(-0.5, 0.75);
                assert!((f64::from(*got) - want).abs() < 1e-5, "{g:?} {ends:?} {at}: {got} {want}");
            }
            // What a later convolution reads as padding is zero.
            if let Layout::Planes(planes) = y_layout {
                let zeros = |y: &[f32]| y.iter().filter(|x| **x == 0.0).count();
                let around = g.batch * g.channels_out * (planes.plane() - g.pixels());
                assert!(zeros(&y) >= around, "{g:?} {ends:?}: the padding is not zero");
            }
            bits.extend(got.iter().map(|x| x.to_bits()));
        }
    }
    bits
}

#[test]
fn convolutions_of_all_kinds_compute_their_meaning_whatever_the_threads() {
    let _same = forced::none();
    let cases = [
        geometry([3, 7, 1], [8, 8], [[3, 3], [1, 1], [1, 1], [1, 1]]),
        geometry([3, 6, 1], [17, 33], [[3, 3], [1, 1], [1, 1], [1, 1]]),
        geometry([5, 9, 1], [7, 7], [[1, 1], [1, 1], [1, 1], [0, 0]]),
        geometry([4, 5, 1], [9, 15], [[3, 3], [2, 2], [1, 1], [1, 1]]),
        geometry([4, 5, 1], [16, 32], [[1, 1], [2, 2], [1, 1], [0, 0]]),
        geometry([2, 5, 1], [12, 20], [[5, 5], [1, 1], [1, 1], [0, 0]]),
        // Read from copies for every column of the kernel, if there are weights enough.
        geometry([2, 5, 1], [9, 17], [[2, 5], [1, 1], [1, 1], [0, 0]]),
        geometry([3, 5, 1], [12, 24], [[3, 3], [1, 1], [2, 4], [0, 0]]),
        geometry([4, 6, 2], [9, 27], [[2, 4], [1, 1], [1, 1], [0, 0]]),
        geometry([3, 4, 1], [16, 16], [[5, 5], [1, 1], [1, 1], [2, 2]]),
        geometry([3, 4, 1], [13, 23], [[3, 3], [2, 3], [1, 1], [1, 1]]),
        geometry([3, 4, 1], [15, 31], [[3, 3], [2, 2], [1, 2], [1, 2]]),
        geometry([2, 5, 1], [12, 20], [[5, 3], [3, 1], [1, 2], [2, 4]]),
        geometry([6, 6, 6], [10, 10], [[3, 3], [1, 1], [1, 1], [1, 1]]),
        geometry([6, 4, 2], [10, 10], [[3, 3], [2, 2], [1, 1], [1, 1]]),
        geometry([1, 1, 1], [1, 1], [[1, 1], [1, 1], [1, 1], [0, 0]]),
        geometry([2, 3, 1], [1, 40], [[1, 3], [1, 1], [1, 2], [0, 2]]),
        // Read in two bands.
        geometry([200, 3, 1], [12, 20], [[1, 1], [1, 1], [1, 1], [0, 0]]),
        geometry([150, 2, 1], [9, 11], [[3, 3], [1, 1], [1, 1], [1, 1]]),
    ];
    for g in cases {
        for (batch, density) in [(1, 0.3), (2, 0.1), (1, 1.0), (1, 0.0)] {
            let g = Geometry { batch, ..g };
            let [one, two] = [1, 2].map(|threads| check_conv(g, density, threads));
            assert!(one == two, "{g:?}: two threads change a bit");
        }
    }
}

#[test]
fn planes_have_zeros_around_on_every_instruction_set() {
    forced::all(|| {
        for size in [[8, 8], [7, 9], [16, 16]] {
            check_conv(geometry([3, 5, 1], size, [[3, 3], [1, 1], [1, 1], [1, 1]]), 0.3, 1);
        }
    });
}

#[test]
fn linear_layers_compute_their_meaning_whatever_the_threads() {
    let _same = forced::none();
    for (batch, inputs, outputs) in
        [(1, 1, 1), (1, 300, 100), (3, 7, 6), (8, 31, 5), (20, 40, 17), (70, 33, 10), (128, 5, 3)]
    {
        for density in [0.0, 0.2, 1.0] {
            let mut numbers = Numbers(11);
            let w = numbers.weight(outputs, inputs, density);
            let (x, bias) = (numbers.list(batch * inputs), numbers.list(outputs));
            let layer =
                SparseLinear::new(batch, &w, outputs).with_bias(&bias).with_limits(0.0, 1.5);
            let run = |threads| {
                let mut y = vec![f32::NAN; batch * outputs];
                let mut scratch = vec![f32::NAN; layer.scratch_len(threads)];
                layer.run(&Pool::new(threads), &x, &mut y, &mut scratch);
                y
            };
            let [y, two] = [1, 2].map(run);
            assert!(y == two, "two threads change a bit");
            for (i, y) in y.iter().enumerate() {
                let (n, o) = (i / outputs, i % outputs);
                let products = x[n * inputs..][..inputs].iter().zip(&w[o * inputs..]);
                let sum: f64 = products.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                let want = (sum + f64::from(bias[o])).clamp(0.0, 1.5);
                assert!((f64::from(*y) - want).abs() < 1e-5, "{batch} {i}: {y}, need {want}");
            }
        }
    }
}

#[test]
fn every_instruction_set_computes_the_same_and_keeps_what_is_no_number() {
    let (rows, columns) = (7, 20);
    for pixels in [1_usize, 8, 15, 16, 17, 12 * 16, 12 * 16 + 1, 400] {
        let mut numbers = Numbers(3);
        let w = numbers.weight(rows, columns, 0.4);
        let plane = pixels.next_multiple_of(WIDEST);
        let mut x = numbers.list(columns * plane);
        x[0] = f32::NAN;
        let bias = numbers.list(rows);
        let list = Rows::new(&w, rows, |_, column| column * plane);
        let at = Placed { start: 0, plane };
        let residual = numbers.list(rows * plane);
        let finish =
            Finish { bias: &bias, residual: Some((&residual, at)), limits: [-0.2, 0.9], keep: &[] };
        let job =
            Job { rows: &list, bands: Bands::ONE, range: 2..rows, from: 0, to: at, pixels, finish };
        let bands = Bands { count: 3, tile: 5 };
        let living = w.iter().enumerate().filter(|(_, w)| **w != 0.0).map(|(place, _)| {
            let (row, column) = (place / columns, place % columns);
            let row = bands.of(column, columns) * rows + row;
            Weight { row, offset: column * plane, place }
        });
        let mut cut = Rows::gather(3 * rows, &living.collect::<Vec<_>>());
        cut.refresh(&w);
        let in_bands = Job { rows: &cut, bands, ..job.clone() };
        for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
            let mut y = vec![0.0; (rows - 2) * plane];
            multiply_on(isa, &job, &x, &mut y);
            let mut same = vec![0.0; y.len()];
            multiply_on(isa, &in_bands, &x, &mut same);
            let bits = |y: &[f32]| y.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(bits(&y) == bits(&same), "{isa:?} {pixels}: bands change a bit");
            for (i, y) in y.iter().enumerate().filter(|(i, _)| i % plane < pixels) {
                let (o, q) = (i / plane + 2, i % plane);
                let sum: f64 = (0..columns)
                    .filter(|t| w[o * columns + t] != 0.0)
                    .map(|t| f64::from(w[o * columns + t]) * f64::from(x[t * plane + q]))
                    .sum();
                let sum = sum + f64::from(bias[o]) + f64::from(residual[o * plane + q]);
                let want = sum.clamp(f64::from(-0.2_f32), f64::from(0.9_f32));
                let same = y.is_nan() && want.is_nan() || (f64::from(*y) - want).abs() < 1e-5;
                assert!(same, "{isa:?} {pixels} {o} {q}: {y}, need {want}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "every pixel lies inside its plane")]
fn a_weight_that_reads_beyond_the_input_is_refused() {
    let rows = Rows::new(&[1.0, 1.0], 1, |_, column| 32 * column);
    let finish = Finish { bias: &[0.0], residual: None, limits: [0.0, 1.0], keep: &[] };
    let to = Placed { start: 0, plane: 16 };
    let job = Job { rows: &rows, bands: Bands::ONE, range: 0..1, from: 0, to, pixels: 16, finish };
    multiply_on(Isa::Portable, &job, &[0.0; 47], &mut [0.0; 16]);
}

#[test]
fn another_pattern_and_new_values_are_those_of_a_new_layer() {
    let g = geometry([3, 5, 1], [6, 6], [[3, 3], [1, 1], [1, 1], [1, 1]]);
    let mut numbers = Numbers(5);
    let (first, mut second) = (numbers.weight(5, 27, 0.5), numbers.weight(5, 27, 0.2));
    let x = numbers.list(g.sample_in());
    let ends = Ends { x: Layout::Plain, residual: None, y: Layout::Plain };
    let run = |conv: &SparseConv| {
        let (mut y, mut scratch) = (vec![0.0; g.sample_out()], vec![0.0; conv.scratch_len(1)]);
        conv.run(&Pool::new(1), ConvIo { x: &x, residual: None, y: &mut y }, &mut scratch);
        y
    };
    let mut conv = SparseConv::new(g, &first, ends);
    conv.set_weights(&second);
    assert_eq!(run(&conv), run(&SparseConv::new(g, &second, ends)));
    second.iter_mut().for_each(|w| *w *= 2.0);
    conv.refresh(&second);
    assert_eq!(run(&conv), run(&SparseConv::new(g, &second, ends)));
}

#[test]
fn pools_over_planes_compute_their_meaning() {
    for (size, pad) in [([2, 2], 0), ([7, 9], 1), ([24, 24], 2)] {
        let (batch, channels) = (2, 3);
        let x = Numbers(9).list(batch * channels * size[0] * size[1]);
        let from = Planes::new(channels, size, pad);
        let value = laid_out(Layout::Planes(from), batch, &x);
        let value: Vec<f32> = value.iter().map(|x| if x.is_nan() { 0.0 } else { *x }).collect();
        let mut means = vec![0.0; batch * channels];
        super::mean(&from, batch, &value, &mut means);
        for (mean, x) in means.iter().zip(x.chunks_exact(size[0] * size[1])) {
            let want = x.iter().map(|x| f64::from(*x)).sum::<f64>() / x.len() as f64;
            assert!((f64::from(*mean) - want).abs() < 1e-6, "{mean}, need {want}");
        }
        let half = size.map(|n| n / 2);
        let to = [Layout::Plain, Layout::Planes(Planes::new(channels, half, 1))];
        for to in to {
            let len = batch * channels * half[0] * half[1];
            let mut y = laid_out(to, batch, &vec![0.0; len]);
            super::max_2x2(&Pool::new(2), (&from, to), batch, &value, &mut y);
            for (i, y) in plain(to, batch, &y, len).iter().enumerate() {
                let (c, oy, ox) = (i / half[0] / half[1], i / half[1] % half[0], i % half[1]);
                let at = |dy, dx| x[(c * size[0] + 2 * oy + dy) * size[1] + 2 * ox + dx];
                assert_eq!(*y, at(0, 0).max(at(0, 1)).max(at(1, 0)).max(at(1, 1)));
            }
        }
    }
}
