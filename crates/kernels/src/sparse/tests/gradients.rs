//! Gradients and the loops over lines and dots: against their meaning in f64, and against the dense kernels with masked weights.

use super::{Numbers, geometry};
use crate::conv::tests::{close, for_each_product};
use crate::conv::{self, Geometry};
use crate::isa::{Isa, forced};
use crate::pool::Pool;
use crate::sparse::dots::{Dots, accumulate_on, total};
use crate::sparse::lines::{LineJob, multiply_on};
use crate::sparse::rows::Rows;
use crate::sparse::spmm::Placed;
use crate::sparse::{
    ConvGradientIo, LinearGradientIo, SparseConvGradient, SparseLinearGradient, Wanted,
};
use crate::vector::WIDEST;

const WANTED: [Wanted; 3] =
    [Wanted { dx: true, dw: true }, Wanted { dx: false, dw: true }, Wanted { dx: true, dw: false }];

/// Any convolution that is one.
fn any_geometry(numbers: &mut Numbers) -> Geometry {
    let mut index = |n: usize| ((numbers.next() + 1.0) / 2.0 * n as f32) as usize;
    let groups = [1, 1, 2, 3][index(4)];
    let window: [[usize; 2]; 3] = [5, 3, 2].map(|most| [1 + index(most), 1 + index(most)]);
    let [kernel, stride, dilation] = window;
    let [pad_begin, pad_end] = [[index(4), index(4)], [index(4), index(4)]];
    let reach = [0, 1].map(|i| dilation[i] * (kernel[i] - 1) + 1);
    let least = [0, 1].map(|i| reach[i].saturating_sub(pad_begin[i] + pad_end[i]).max(1));
    let input = [0, 1].map(|i| least[i] + index(if i == 0 { 9 } else { 40 }));
    let output = [0, 1].map(|i| (input[i] + pad_begin[i] + pad_end[i] - reach[i]) / stride[i] + 1);
    let (channels_in, channels_out) = (groups * (1 + index(4)), groups * (1 + index(5)));
    let batch = 1 + index(20);
    Geometry {
        batch,
        channels_in,
        channels_out,
        groups,
        input,
        output,
        kernel,
        stride,
        dilation,
        pad_begin,
        pad_end,
    }
}

/// A weight, and which of it lives: some that live are zero, and what does not live is rubbish.
fn weight(
    numbers: &mut Numbers,
    rows: usize,
    columns: usize,
    density: f32,
) -> (Vec<f32>, Vec<bool>) {
    let mut w = numbers.weight(rows, columns, density);
    let live: Vec<bool> = w.iter().map(|w| *w != 0.0).collect();
    for (i, (w, live)) in w.iter_mut().zip(&live).enumerate() {
        match live {
            true if i % 7 == 3 => *w = 0.0,
            true => {}
            false => *w = f32::NAN,
        }
    }
    (w, live)
}

fn masked(w: &[f32], live: &[bool]) -> Vec<f32> {
    w.iter().zip(live).map(|(w, live)| if *live { *w } else { 0.0 }).collect()
}

type Both = (Option<Vec<f32>>, Option<Vec<f32>>);

fn conv_gradients(
    gradient: &SparseConvGradient,
    g: &Geometry,
    wanted: Wanted,
    (dy, x): (&[f32], &[f32]),
    threads: usize,
) -> Both {
    let mut dx = wanted.dx.then(|| vec![f32::NAN; g.batch * g.sample_in()]);
    let mut dw = wanted.dw.then(|| vec![f32::NAN; g.channels_out * g.taps()]);
    let mut scratch = vec![f32::NAN; gradient.scratch_len(threads)];
    let io = ConvGradientIo { dy, x, dx: dx.as_deref_mut(), dw: dw.as_deref_mut() };
    gradient.run(&Pool::new(threads), io, &mut scratch);
    (dx, dw)
}

fn check_conv(g: Geometry, density: f32, numbers: &mut Numbers) {
    let (w, live) = weight(numbers, g.channels_out, g.taps(), density);
    let w0 = masked(&w, &live);
    let (dy, x) = (numbers.list(g.batch * g.sample_out()), numbers.list(g.batch * g.sample_in()));
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    for_each_product(&g, |y, x_at, w_at| {
        dx[x_at] += f64::from(dy[y]) * f64::from(w0[w_at]);
        if live[w_at] {
            dw[w_at] += f64::from(dy[y]) * f64::from(x[x_at]);
        }
    });
    for wanted in WANTED {
        let mut gradient = SparseConvGradient::new(g, &live, wanted);
        gradient.refresh(&w);
        let [one, two, five] =
            [1, 2, 5].map(|threads| conv_gradients(&gradient, &g, wanted, (&dy, &x), threads));
        assert!(one == two && one == five, "{g:?}: the number of threads changes a bit");
        let what = format!("{g:?} {density} {wanted:?}");
        one.0.iter().for_each(|got| close(got, &dx, &format!("{what} dx")));
        one.1.iter().for_each(|got| close(got, &dw, &format!("{what} dw")));
    }
    let mut dense = vec![0.0; x.len()];
    let kernel = conv::InputGradient::new(g);
    kernel.run(&Pool::new(1), &dy, &w0, &mut dense, &mut vec![0.0; kernel.scratch_len(1)]);
    close(&dense, &dx, &format!("{g:?} dense dx"));
    let mut dense = vec![0.0; w.len()];
    let kernel = conv::WeightGradient::new(g);
    kernel.run(&Pool::new(1), &dy, &x, &mut dense, &mut vec![0.0; kernel.scratch_len(1)]);
    close(&masked(&dense, &live), &dw, &format!("{g:?} dense dw"));
}

#[test]
fn gradients_of_any_convolution_are_those_of_the_dense_one_with_masked_weights() {
    let _same = forced::none();
    let mut numbers = Numbers(23);
    for i in 0..120 {
        let g = any_geometry(&mut numbers);
        check_conv(g, [0.0, 0.05, 0.3, 1.0][i % 4], &mut numbers);
    }
}

#[test]
fn gradients_of_the_convolutions_that_networks_have_are_right() {
    let _same = forced::none();
    let square = |channels, size: usize, kernel: usize, stride: usize, pad: usize| {
        geometry(channels, [size; 2], [[kernel; 2], [stride; 2], [1; 2], [pad; 2]])
    };
    let mut numbers = Numbers(29);
    for (g, batch) in [
        (square([1, 20, 1], 28, 5, 1, 0), 3),
        (square([20, 50, 1], 12, 5, 1, 0), 17),
        (square([16, 16, 1], 32, 3, 1, 1), 2),
        (square([16, 32, 1], 32, 3, 2, 1), 2),
        (square([64, 64, 1], 8, 3, 1, 1), 3),
        (square([3, 5, 1], 64, 3, 1, 1), 1),
        (square([16, 32, 1], 32, 1, 2, 0), 1),
    ] {
        check_conv(Geometry { batch, ..g }, 0.1, &mut numbers);
    }
}

#[test]
fn gradients_of_linear_layers_are_right_whatever_the_threads() {
    let _same = forced::none();
    let mut numbers = Numbers(31);
    let sizes = [(1, 1, 1), (3, 7, 6), (64, 80, 50), (20, 40, 17), (130, 33, 10), (16, 5, 1)];
    for (batch, inputs, outputs) in sizes {
        for (density, wanted) in [0.0, 0.05, 0.3, 1.0].into_iter().zip(WANTED.into_iter().cycle()) {
            let (w, live) = weight(&mut numbers, outputs, inputs, density);
            let w0 = masked(&w, &live);
            let (dy, x) = (numbers.list(batch * outputs), numbers.list(batch * inputs));
            let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
            for (n, o, k) in (0..batch * outputs * inputs)
                .map(|i| (i / outputs / inputs, i / inputs % outputs, i % inputs))
            {
                let dy = f64::from(dy[n * outputs + o]);
                dx[n * inputs + k] += dy * f64::from(w0[o * inputs + k]);
                if live[o * inputs + k] {
                    dw[o * inputs + k] += dy * f64::from(x[n * inputs + k]);
                }
            }
            let mut gradient = SparseLinearGradient::new(batch, &live, outputs, wanted);
            gradient.refresh(&w);
            let run = |threads| -> Both {
                let mut dx = wanted.dx.then(|| vec![f32::NAN; x.len()]);
                let mut dw = wanted.dw.then(|| vec![f32::NAN; w.len()]);
                let io = LinearGradientIo {
                    dy: &dy,
                    x: &x,
                    dx: dx.as_deref_mut(),
                    dw: dw.as_deref_mut(),
                };
                let mut scratch = vec![f32::NAN; gradient.scratch_len()];
                gradient.run(&Pool::new(threads), io, &mut scratch);
                (dx, dw)
            };
            let [one, two] = [1, 2].map(run);
            assert!(one == two, "two threads change a bit");
            let what = format!("{batch} {inputs} {outputs} {density} {wanted:?}");
            one.0.iter().for_each(|got| close(got, &dx, &format!("{what} dx")));
            one.1.iter().for_each(|got| close(got, &dw, &format!("{what} dw")));
        }
    }
}

#[test]
fn every_instruction_set_computes_lines_of_every_length() {
    let (rows, columns, height) = (5, 9, 13);
    for width in [1_usize, 3, 7, 8, 9, 12, 16, 17, 24, 31, 32, 40, 63, 64, 70, 100] {
        let pitch = width + 3;
        let plane = height * pitch + WIDEST;
        let mut numbers = Numbers(37);
        let w = numbers.weight(rows, columns, 0.4);
        let x = numbers.list(columns * plane);
        let bias = numbers.list(rows);
        let list = Rows::new(&w, rows, |_, column| column * plane);
        let to = Placed { start: 0, plane: height * width + 1 };
        for range in [0..rows, 2..4] {
            let job = LineJob {
                rows: &list,
                range: range.clone(),
                from: 2,
                pitch,
                size: [height, width],
                to,
                bias: &bias,
                limits: [-0.5, 0.5],
            };
            for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
                let mut y = vec![f32::NAN; range.len() * to.plane];
                multiply_on(isa, &job, &x, &mut y);
                for (i, y) in y.iter().enumerate() {
                    let (o, q) = (i / to.plane + range.start, i % to.plane);
                    if q == height * width {
                        assert!(y.is_nan(), "{isa:?} {width}: written behind the lines");
                        continue;
                    }
                    let at = 2 + q / width * pitch + q % width;
                    let term =
                        |t: usize| f64::from(w[o * columns + t]) * f64::from(x[t * plane + at]);
                    let want = f64::from(bias[o]) + (0..columns).map(term).sum::<f64>();
                    let gap = (f64::from(*y) - want.clamp(-0.5, 0.5)).abs();
                    assert!(gap < 1e-5, "{isa:?} {width} {o} {q}: {y}, need {want}");
                }
            }
        }
    }
}

#[test]
fn every_instruction_set_sums_up_rows_of_any_number_of_weights() {
    let columns = 21;
    for pixels in [1_usize, 8, 16, 17, 80, 255, 256, 257, 700] {
        // Row i has i weights.
        let rows = columns + 1;
        let live: Vec<f32> = (0..rows * columns)
            .map(|at| if at % columns < at / columns { 1.0 } else { 0.0 })
            .collect();
        let plane = pixels.next_multiple_of(WIDEST);
        let mut numbers = Numbers(41);
        let x = numbers.list(columns * plane);
        let mut dy = numbers.list(rows * plane);
        dy.chunks_mut(plane).for_each(|row| row[pixels..].fill(0.0));
        let list = Rows::new(&live, rows, |_, column| column * plane);
        for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
            for range in [0..rows, 3..9] {
                let job = Dots {
                    rows: &list,
                    range: range.clone(),
                    dy: Placed { start: 0, plane },
                    pixels,
                };
                let mut sums = vec![0.0; list.nonzero() * WIDEST];
                (0..2).for_each(|_| accumulate_on(isa, &job, (&dy, &x), &mut sums));
                let entries = range.flat_map(|o| (0..o.min(columns)).map(move |t| (o, t)));
                for ((o, t), sums) in entries.zip(sums.chunks(WIDEST)) {
                    let (dy, x) = (&dy[o * plane..][..pixels], &x[t * plane..][..pixels]);
                    let want: f64 =
                        dy.iter().zip(x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    let got = f64::from(total(std::iter::once(sums)));
                    assert!(
                        (got - 2.0 * want).abs() < 1e-4,
                        "{isa:?} {pixels} {o} {t}: {got}, need {want} twice"
                    );
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "every pixel lies inside its plane")]
fn lines_that_reach_beyond_the_input_are_refused() {
    let rows = Rows::new(&[1.0, 1.0], 1, |_, column| 32 * column);
    let job = LineJob {
        rows: &rows,
        range: 0..1,
        from: 0,
        pitch: 8,
        size: [2, 8],
        to: Placed { start: 0, plane: 16 },
        bias: &[],
        limits: [0.0, 1.0],
    };
    multiply_on(Isa::Portable, &job, &[0.0; 47], &mut [0.0; 16]);
}

#[test]
#[should_panic(expected = "every pixel lies inside its plane")]
fn sums_that_reach_beyond_a_plane_are_refused() {
    let rows = Rows::new(&[1.0, 1.0], 1, |_, column| 32 * column);
    let job = Dots { rows: &rows, range: 0..1, dy: Placed { start: 0, plane: 16 }, pixels: 16 };
    accumulate_on(Isa::Portable, &job, (&[0.0; 16], &[0.0; 47]), &mut [0.0; 32]);
}
