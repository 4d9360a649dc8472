//! Every kernel against its scalar twin, over strides, pads, dilations, groups and odd sizes.

use super::*;
use crate::gemm::Activation;
use crate::isa::forced;

pub(crate) fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + seed * 101 + i / 11) % 23) as f32 / 8.0 - 1.3).collect()
}

/// `[batch, in, out, groups, height, width, kernel, stride, pad, dilation]`
pub(crate) const CASES: [[usize; 10]; 35] = [
    [3, 1, 20, 1, 28, 28, 5, 1, 0, 1],
    [9, 20, 50, 1, 12, 12, 5, 1, 0, 1],
    [2, 16, 16, 1, 32, 32, 3, 1, 1, 1],
    [2, 16, 32, 1, 32, 32, 3, 2, 1, 1],
    [2, 3, 5, 1, 7, 9, 3, 1, 1, 1],
    [2, 4, 6, 2, 11, 13, 3, 2, 1, 1],
    [1, 6, 6, 6, 9, 10, 3, 1, 1, 1],
    [1, 8, 7, 1, 4, 4, 1, 1, 0, 1],
    [2, 8, 7, 1, 14, 15, 1, 1, 0, 1],
    [1, 2, 3, 1, 12, 17, 3, 1, 2, 2],
    [17, 5, 3, 1, 2, 2, 2, 1, 0, 1],
    [1, 2, 9, 1, 5, 5, 5, 3, 3, 1],
    [2, 16, 32, 1, 32, 32, 1, 2, 0, 1],
    [2, 8, 8, 8, 16, 16, 3, 2, 1, 1],
    [3, 12, 12, 12, 4, 4, 3, 1, 1, 1],
    [1, 4, 4, 1, 7, 7, 3, 2, 1, 1],
    [2, 3, 4, 1, 9, 9, 2, 3, 0, 2],
    [10, 6, 20, 1, 16, 16, 1, 1, 0, 1],
    [1, 9, 9, 9, 2, 2, 3, 1, 1, 1],
    [2, 4, 4, 4, 3, 3, 5, 2, 2, 1],
    [2, 4, 2, 2, 20, 19, 3, 2, 1, 3],
    [2, 16, 16, 16, 32, 32, 3, 1, 1, 1],
    [9, 24, 24, 24, 8, 8, 3, 1, 1, 1],
    [3, 17, 17, 17, 4, 4, 3, 1, 1, 1],
    [2, 11, 11, 11, 9, 13, 3, 2, 1, 1],
    [2, 8, 8, 8, 8, 8, 5, 2, 2, 1],
    [2, 9, 9, 9, 7, 6, 5, 1, 2, 1],
    [1, 13, 13, 13, 5, 3, 2, 3, 1, 1],
    [2, 10, 10, 10, 14, 11, 3, 2, 2, 3],
    [2, 8, 8, 8, 9, 7, 1, 2, 0, 1],
    [3, 9, 17, 1, 10, 14, 3, 1, 1, 1],
    [9, 24, 8, 1, 8, 8, 3, 1, 1, 1],
    [2, 10, 20, 1, 12, 10, 3, 1, 0, 1],
    [1, 8, 40, 1, 4, 26, 3, 1, 2, 1],
    [2, 16, 9, 1, 18, 34, 3, 1, 1, 1],
];

pub(crate) fn geometry([batch, ci, co, groups, h, w, k, s, p, d]: [usize; 10]) -> Geometry {
    let out = |n: usize| (n + 2 * p - d * (k - 1) - 1) / s + 1;
    Geometry {
        batch,
        channels_in: ci,
        channels_out: co,
        groups,
        input: [h, w],
        output: [out(h), out(w)],
        kernel: [k; 2],
        stride: [s; 2],
        dilation: [d; 2],
        pad_begin: [p; 2],
        pad_end: [p; 2],
    }
}

/// Calls `f(y index, x index, w index)` for every product of the convolution.
pub(crate) fn for_each_product(g: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let [h, w] = g.input;
    for y_at in 0..g.batch * g.sample_out() {
        let (n, o) = (y_at / g.sample_out(), y_at % g.sample_out() / g.pixels());
        let (oy, ox) = (y_at % g.pixels() / g.output[1], y_at % g.output[1]);
        for t in 0..g.taps() {
            let [kh, kw] = g.kernel;
            let c = o / g.group_out() * g.group_in() + t / (kh * kw);
            let y = oy * g.stride[0] + t / kw % kh * g.dilation[0];
            let x = ox * g.stride[1] + t % kw * g.dilation[1];
            let inside = (g.pad_begin[0]..g.pad_begin[0] + h).contains(&y)
                && (g.pad_begin[1]..g.pad_begin[1] + w).contains(&x);
            if inside {
                let row = y - g.pad_begin[0];
                let x_at = n * g.sample_in() + (c * h + row) * w + x - g.pad_begin[1];
                f(y_at, x_at, o * g.taps() + t);
            }
        }
    }
}

pub(crate) fn close(got: &[f32], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let gap = (f64::from(*got) - want).abs() / want.abs().max(1.0);
        assert!(gap < 1e-4, "{what} at {i}: {got}, need {want}");
    }
}

#[test]
fn the_forward_kernel_matches_its_scalar_twin() {
    forced::all(|| {
        for case in CASES {
            let g = geometry(case);
            let (x, w) =
                (numbers(g.batch * g.sample_in(), 1), numbers(g.channels_out * g.taps(), 2));
            let bias = numbers(g.channels_out, 3);
            let mut want = vec![0.0; g.batch * g.sample_out()];
            for_each_product(&g, |y, x_at, w_at| {
                want[y] += f64::from(x[x_at]) * f64::from(w[w_at])
            });
            let channel = |y: usize| y % g.sample_out() / g.pixels();
            for (y, want) in want.iter_mut().enumerate() {
                *want = (*want + f64::from(bias[channel(y)])).max(0.0);
            }
            let kernel = Forward::new(g);
            let mut y = vec![f32::NAN; want.len()];
            let mut scratch = vec![f32::NAN; kernel.scratch_len(2)];
            let layer = Layer { w: &w, bias: Some(&bias), activation: Activation::Relu };
            kernel.run(&Pool::new(2), &x, &layer, &mut y, &mut scratch);
            close(&y, &want, &format!("{case:?}"));
        }
    });
}

#[test]
fn no_way_hides_what_is_not_a_number_behind_a_relu() {
    forced::all(|| {
        for case in CASES {
            let g = geometry(case);
            let (mut x, w) =
                (numbers(g.batch * g.sample_in(), 1), numbers(g.channels_out * g.taps(), 2));
            let at = g.sample_in() / 2;
            x[at] = f32::NAN;
            let kernel = Forward::new(g);
            let mut y = vec![0.0; g.batch * g.sample_out()];
            let mut scratch = vec![0.0; kernel.scratch_len(2)];
            let layer = Layer { w: &w, bias: None, activation: Activation::Relu };
            kernel.run(&Pool::new(2), &x, &layer, &mut y, &mut scratch);
            for_each_product(&g, |y_at, x_at, _| {
                assert!(x_at != at || y[y_at].is_nan(), "{case:?}: {y_at}");
            });
        }
    });
}

#[test]
fn the_input_gradient_matches_its_scalar_twin() {
    forced::all(|| {
        for case in CASES {
            let g = geometry(case);
            let (dy, w) =
                (numbers(g.batch * g.sample_out(), 1), numbers(g.channels_out * g.taps(), 2));
            let mut want = vec![0.0; g.batch * g.sample_in()];
            for_each_product(&g, |y, x, w_at| want[x] += f64::from(dy[y]) * f64::from(w[w_at]));
            let kernel = InputGradient::new(g);
            let mut dx = vec![f32::NAN; want.len()];
            let mut scratch = vec![f32::NAN; kernel.scratch_len(2)];
            kernel.run(&Pool::new(2), &dy, &w, &mut dx, &mut scratch);
            close(&dx, &want, &format!("{case:?}"));
        }
    });
}

#[test]
fn the_weight_gradient_matches_its_scalar_twin() {
    forced::all(|| {
        for case in CASES {
            let g = geometry(case);
            let (dy, x) =
                (numbers(g.batch * g.sample_out(), 1), numbers(g.batch * g.sample_in(), 2));
            let mut want = vec![0.0; g.channels_out * g.taps()];
            for_each_product(&g, |y, x_at, w| want[w] += f64::from(dy[y]) * f64::from(x[x_at]));
            let kernel = WeightGradient::new(g);
            let mut dw = vec![f32::NAN; want.len()];
            let mut scratch = vec![f32::NAN; kernel.scratch_len(2)];
            kernel.run(&Pool::new(2), &dy, &x, &mut dw, &mut scratch);
            close(&dw, &want, &format!("{case:?}"));
        }
    });
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let _same = forced::none();
    let g = geometry(CASES[1]);
    let (dy, x) = (numbers(g.batch * g.sample_out(), 1), numbers(g.batch * g.sample_in(), 2));
    let run = |threads| {
        let kernel = WeightGradient::new(g);
        let mut dw = vec![0.0; g.channels_out * g.taps()];
        let mut scratch = vec![0.0; kernel.scratch_len(threads)];
        kernel.run(&Pool::new(threads), &dy, &x, &mut dw, &mut scratch);
        dw
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(3));
}

#[test]
fn every_way_but_winograds_counts_all_products_and_each_has_a_name() {
    for case in CASES {
        let g = geometry(case);
        let mut least = 0;
        for_each_product(&g, |_, _, _| least += 1);
        let (forward, dx, dw) = (Forward::new(g), InputGradient::new(g), WeightGradient::new(g));
        let all = [(forward.way(), forward.work()), (dx.way(), dx.work()), (dw.way(), dw.work())];
        for (way, work) in all {
            let counted = g.batch * work.products;
            assert!(counted >= least || way == "winograd", "{case:?}: {way} counts {counted}");
            assert!(work.products > 0 && !way.is_empty(), "{case:?}");
        }
    }
}
