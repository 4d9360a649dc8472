//! Columns added back to the pixels that their taps looked at, channel by channel, for a stride of 1.
//!
//! ```text
//! lines[kx][y] = Σ_ky columns[ky, kx][y - ky]          vectors that lie alike are summed up in registers
//! dx[y][x]     = Σ_kx lines[kx][y][x - kx]             what is beside a line is zero
//! ```
//! To add each column where it belongs is slower: vectors are read that others, a pixel aside, were written to just before.
//! Invariant: [`Fold::run`] has checked all lengths before the unsafe loops run.

use crate::conv::Geometry;
use crate::lanes::{self, LANES, Lanes, Loop};
use crate::plane_product::row_starts;

/// Widest kernel.
const WIDEST_KERNEL: usize = 7;

/// The sums, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    kernel: [usize; 2],
    dilation: [usize; 2],
    /// Of a column.
    size: [usize; 2],
    /// Of the pixels, those around the input among them.
    padded: [usize; 2],
    /// From one column to the next.
    column: usize,
    /// For every line of pixels, the first and the last tap that looked at it from a line of the column.
    taps: Vec<[usize; 2]>,
}

impl Fold {
    /// The sums, if lines fill vectors and lie side by side, and kernels are not too wide.
    pub(super) fn new(g: &Geometry, column: usize) -> Option<Self> {
        let (kernel, dilation, padded) = (g.kernel, g.dilation, g.padded());
        let taps = (0..padded[0]).map(|y| {
            let first = (y + 1).saturating_sub(g.output[0]).div_ceil(dilation[0]);
            [first, (y / dilation[0]).min(kernel[0] - 1)]
        });
        let taps = taps.collect();
        let fold = Self { kernel, dilation, size: g.output, padded, column, taps };
        let [height, width] = [0, 1].map(|i| g.output[i] + fold.reach(i));
        // Strides may leave pixels that no tap looked at; a stride of 1 does not.
        let is_near = g.stride == [1, 1] && padded == [height, width];
        let fits = kernel[1] <= WIDEST_KERNEL && g.output[1] >= LANES && column >= g.pixels();
        (is_near && fits).then_some(fold)
    }

    /// From the first tap to the last, down or across.
    fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis]
    }

    /// Elements of a line with zeros on both sides.
    fn line(&self) -> usize {
        self.size[1] + 2 * self.reach(1)
    }

    /// Scratch memory, in elements.
    pub(super) fn scratch_len(&self) -> usize {
        self.kernel[1] * self.padded[0] * self.line()
    }

    /// Writes all pixels of so many channels as the columns give.
    ///
    /// # Panics
    /// If a slice is too short.
    pub(super) fn run(&self, columns: &[f32], planes: &mut [f32], lines: &mut [f32]) {
        let [height, width] = self.padded;
        let taps = self.kernel[0] * self.kernel[1];
        let channels = planes.len() / (height * width);
        assert!(columns.len() >= channels * taps * self.column, "every tap has its column");
        let lines = &mut lines[..self.scratch_len()];
        lines.fill(0.0);
        let channels = columns.chunks_exact(taps * self.column);
        for (columns, plane) in channels.zip(planes.chunks_exact_mut(height * width)) {
            // SAFETY: `new` has seen that lines fill vectors and pixels are those that taps reach; here are all columns of a channel, all
            // its pixels, and all lines.
            unsafe { lanes::run(Channel { of: self, columns, plane, lines: &mut *lines }) };
        }
    }
}

/// One channel.
struct Channel<'a> {
    of: &'a Fold,
    columns: &'a [f32],
    plane: &'a mut [f32],
    lines: &'a mut [f32],
}

impl Loop for Channel<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's promise is passed on.
        unsafe {
            match self.of.kernel[1] {
                1 => self.taps::<L, 1>(),
                2 => self.taps::<L, 2>(),
                3 => self.taps::<L, 3>(),
                4 => self.taps::<L, 4>(),
                5 => self.taps::<L, 5>(),
                6 => self.taps::<L, 6>(),
                _ => self.taps::<L, WIDEST_KERNEL>(),
            }
        }
    }
}

impl Channel<'_> {
    /// # Safety
    /// As `run`; the kernel is `K` wide.
    #[inline(always)]
    unsafe fn taps<L: Lanes, const K: usize>(self) {
        let Self { of, columns, plane, lines } = self;
        let (w, [ph, pw], [dy, dx]) = (of.size[1], of.padded, of.dilation);
        let (line, reach) = (of.line(), of.reach(1));
        for (y, &[first, last]) in of.taps.iter().enumerate() {
            for x in row_starts(w) {
                let mut sums = [L::splat(0.0); K];
                for ky in first..=last {
                    let at = ky * K * of.column + (y - ky * dy) * w + x;
                    for (kx, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: the line lies in the column, and the vector in the line.
                        let from = unsafe { L::load(columns.as_ptr().add(at + kx * of.column)) };
                        *sum = sum.add(from);
                    }
                }
                for (kx, sum) in sums.into_iter().enumerate() {
                    // SAFETY: as above, for lines with `reach` zeros on both sides.
                    unsafe { sum.store(lines.as_mut_ptr().add((kx * ph + y) * line + reach + x)) };
                }
            }
        }
        for y in 0..ph {
            for x in row_starts(pw) {
                let mut sum = L::splat(0.0);
                for kx in 0..K {
                    let at = (kx * ph + y) * line + reach + x - kx * dx;
                    // SAFETY: from `reach` before the line to `reach` behind it there are zeros.
                    sum = sum.add(unsafe { L::load(lines.as_ptr().add(at)) });
                }
                // SAFETY: the vector lies in the line.
                unsafe { sum.store(plane.as_mut_ptr().add(y * pw + x)) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::tests::numbers;

    #[test]
    fn every_pixel_is_the_sum_of_the_taps_that_looked_at_it() {
        for (size, kernel, dilation) in
            [([12, 12], [5, 5], [1, 1]), ([9, 16], [3, 2], [1, 3]), ([11, 23], [1, 4], [2, 1])]
        {
            let out = [0, 1].map(|i| size[i] - (kernel[i] - 1) * dilation[i]);
            let g = Geometry {
                batch: 1,
                channels_in: 2,
                channels_out: 3,
                groups: 1,
                input: size,
                output: out,
                kernel,
                stride: [1, 1],
                dilation,
                pad_begin: [0, 0],
                pad_end: [0, 0],
            };
            let column = g.pixels() + 5;
            let fold = Fold::new(&g, column).expect("lines fill vectors");
            let columns = numbers(g.taps() * column, 1);
            let mut want = vec![0.0_f64; g.sample_in()];
            for t in 0..g.taps() {
                for (i, from) in columns[t * column..][..g.pixels()].iter().enumerate() {
                    let at = g.tap_offset(t) + i / out[1] * size[1] + i % out[1];
                    want[at] += f64::from(*from);
                }
            }
            let mut planes = vec![f32::NAN; g.sample_in()];
            let mut lines = vec![f32::NAN; fold.scratch_len()];
            fold.run(&columns, &mut planes, &mut lines);
            for (at, (got, want)) in planes.iter().zip(&want).enumerate() {
                assert!((f64::from(*got) - want).abs() < 1e-5, "{g:?} {at}: {got}, need {want}");
            }
        }
    }
}
