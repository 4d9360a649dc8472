//! `dw = Σ dy · x`: single pixels broadcast from where they lie, times rows of output channels.
//!
//! ```text
//! dwᵀ[t][o] += x[t at p] · dyᵀ[p][o]        for every sample and pixel p
//! ```
//! Samples are cut into a fixed number of shares, each summed on its own and added up in order, so the result
//! does not depend on the number of threads.

use super::copies::pad;
use super::{Geometry, Pool};
use crate::lanes::{LANES, Lanes, Portable};
use crate::pool::Chunks;

/// Shares of the batch; also the most threads that can help.
const SHARES: usize = 8;
/// Taps that are summed at a time.
const ROWS: usize = 6;

/// The gradient of a convolution by its weights, ready to run.
#[derive(Debug, Clone)]
pub struct WeightGradient {
    g: Geometry,
    /// Where each tap looks, relative to a window's corner.
    taps: Vec<usize>,
    /// Output channels of a group, rounded up to whole vectors.
    columns: usize,
    /// Samples of a share.
    share: usize,
}

impl WeightGradient {
    /// Prepares the gradient of this convolution.
    ///
    /// # Panics
    /// If the geometry is no convolution.
    pub fn new(g: Geometry) -> Self {
        g.check();
        let taps = (0..g.taps()).map(|t| g.tap_offset(t)).collect();
        let columns = g.group_out().next_multiple_of(LANES);
        Self { g, taps, columns, share: g.batch.div_ceil(SHARES).max(1) }
    }

    fn shares(&self) -> usize {
        self.g.batch.div_ceil(self.share)
    }

    /// Elements of one share's sums: `[groups][taps][columns]`.
    fn sums_len(&self) -> usize {
        self.g.groups * self.g.taps() * self.columns
    }

    fn scratch_per_worker(&self) -> usize {
        let padded = if self.g.is_padded() { self.g.sample_padded() } else { 0 };
        padded + self.g.pixels() * self.columns
    }

    /// How much scratch memory [`Self::run`] needs with this many threads, in elements.
    pub fn scratch_len(&self, threads: usize) -> usize {
        self.shares() * self.sums_len() + threads * self.scratch_per_worker()
    }

    /// Runs the gradient.
    ///
    /// # Shapes
    /// - `dy`: `[batch, channels_out, output height, output width]`
    /// - `x`: `[batch, channels_in, height, width]`
    /// - `dw`: `[channels_out, channels_in / groups, kernel height, kernel width]`
    /// - `scratch`: [`Self::scratch_len`]
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn run(&self, pool: &Pool, dy: &[f32], x: &[f32], dw: &mut [f32], scratch: &mut [f32]) {
        let g = &self.g;
        assert_eq!(x.len(), g.batch * g.sample_in(), "the input fills its shape");
        assert_eq!(dy.len(), g.batch * g.sample_out(), "the output's gradient fills its shape");
        assert_eq!(dw.len(), g.channels_out * g.taps(), "the weights fill their shape");
        let (sums, scratch) = scratch.split_at_mut(self.shares() * self.sums_len());
        let parts = Chunks::new(sums, self.sums_len());
        pool.for_each_with(self.shares(), parts, scratch, |share, sums, scratch| {
            sums.fill(0.0);
            for n in share * self.share..((share + 1) * self.share).min(g.batch) {
                let dy = &dy[n * g.sample_out()..][..g.sample_out()];
                self.sample(dy, &x[n * g.sample_in()..][..g.sample_in()], sums, scratch);
            }
        });
        self.gather(pool, sums, dw);
    }

    /// Adds the shares up in order and transposes the sum into the weights' layout.
    fn gather(&self, pool: &Pool, sums: &mut [f32], dw: &mut [f32]) {
        let (first, others) = sums.split_at_mut(self.sums_len());
        let chunk = 4096;
        pool.for_each(first.len().div_ceil(chunk), Chunks::new(first, chunk), |i, total| {
            for share in others.chunks_exact(self.sums_len()) {
                let share = &share[i * chunk..][..total.len()];
                crate::isa::vectorize(|| total.iter_mut().zip(share).for_each(|(t, s)| *t += s));
            }
        });
        let (taps, outs) = (self.g.taps(), self.g.group_out());
        pool.for_each(self.g.channels_out, Chunks::new(dw, taps), |o, row| {
            let (group, o) = (o / outs, o % outs);
            let column = first[group * taps * self.columns + o..].iter().step_by(self.columns);
            row.iter_mut().zip(column).for_each(|(to, from)| *to = *from);
        });
    }

    fn sample(&self, dy: &[f32], x: &[f32], sums: &mut [f32], scratch: &mut [f32]) {
        let g = &self.g;
        let (padded, transposed) =
            scratch.split_at_mut(if g.is_padded() { g.sample_padded() } else { 0 });
        if g.is_padded() {
            pad(g, x, padded);
        }
        let x = if g.is_padded() { &*padded } else { x };
        let (planes, outputs) = (x.len() / g.groups, g.group_out() * g.pixels());
        for (group, sums) in sums.chunks_exact_mut(g.taps() * self.columns).enumerate() {
            let dy = &dy[group * outputs..][..outputs];
            self.transpose(dy, transposed);
            self.accumulate(&x[group * planes..][..planes], transposed, sums);
        }
    }

    /// `[channels][pixels]` to `[pixels][columns]`, missing channels zero.
    fn transpose(&self, dy: &[f32], transposed: &mut [f32]) {
        let pixels = self.g.pixels();
        for (p, row) in transposed.chunks_exact_mut(self.columns).enumerate() {
            for (o, to) in row[..self.g.group_out()].iter_mut().enumerate() {
                *to = dy[o * pixels + p];
            }
            row[self.g.group_out()..].fill(0.0);
        }
    }

    fn accumulate(&self, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let g = &self.g;
        let corner =
            (g.output[0] - 1) * g.stride[0] * g.padded()[1] + (g.output[1] - 1) * g.stride[1];
        let reach = corner + self.taps.iter().max().expect("a kernel has taps");
        assert!(reach < x.len(), "every tap lies inside its plane");
        assert!(
            dy.len() >= g.pixels() * self.columns && sums.len() == self.taps.len() * self.columns
        );
        #[cfg(target_arch = "x86_64")]
        if crate::isa::has_avx2() {
            // SAFETY: the machine has AVX2 and FMA, and the accesses were checked above.
            unsafe { self.with_avx2(x, dy, sums) };
            return;
        }
        // SAFETY: the accesses were checked above.
        unsafe { self.run_lanes::<Portable>(x, dy, sums) };
    }

    /// # Safety
    /// The machine must have AVX2 and FMA; otherwise as [`Self::run_lanes`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn with_avx2(&self, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.run_lanes::<crate::lanes::Avx2>(x, dy, sums) };
    }

    /// # Safety
    /// All accesses must lie inside the slices, and the machine must have the lanes.
    #[inline(always)]
    unsafe fn run_lanes<L: Lanes>(&self, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let vectors = self.columns / LANES;
        for (i, taps) in self.taps.chunks(ROWS).enumerate() {
            // A missing tap repeats the last one and is not stored.
            let from: [usize; ROWS] = std::array::from_fn(|r| taps[r.min(taps.len() - 1)]);
            let sums = &mut sums[i * ROWS * self.columns..][..taps.len() * self.columns];
            for v in (0..vectors).step_by(2) {
                // SAFETY: the caller's promise is passed on.
                unsafe {
                    if v + 1 < vectors {
                        self.tile::<L, 2>(x, &from, &dy[v * LANES..], &mut sums[v * LANES..]);
                    } else {
                        self.tile::<L, 1>(x, &from, &dy[v * LANES..], &mut sums[v * LANES..]);
                    }
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::run_lanes`].
    #[inline(always)]
    unsafe fn tile<L: Lanes, const V: usize>(
        &self,
        x: &[f32],
        taps: &[usize; ROWS],
        dy: &[f32],
        sums: &mut [f32],
    ) {
        let g = &self.g;
        let (down, right) = (g.stride[0] * g.padded()[1], g.stride[1]);
        let mut acc = [[L::splat(0.0); V]; ROWS];
        let mut d = dy.as_ptr();
        // SAFETY: `accumulate` checked that every tap of every pixel lies in `x` and every pixel has a row in `dy`.
        unsafe {
            for oy in 0..g.output[0] {
                let row: [*const f32; ROWS] =
                    std::array::from_fn(|r| x.as_ptr().add(taps[r] + oy * down));
                for ox in 0..g.output[1] {
                    let dy: [L; V] = std::array::from_fn(|i| L::load(d.add(i * LANES)));
                    for (acc, row) in acc.iter_mut().zip(row) {
                        let x = L::splat(*row.add(ox * right));
                        for (acc, dy) in acc.iter_mut().zip(dy) {
                            *acc = acc.add_product(x, dy);
                        }
                    }
                    // Stops one row short of the end, so that the pointer stays inside the slice.
                    d = d.wrapping_add(self.columns);
                }
            }
        }
        let one = L::splat(1.0);
        // Constant indices only: an array indexed by a variable would live in memory, not in registers.
        for (r, acc) in acc.iter().enumerate() {
            for (i, acc) in acc.iter().enumerate() {
                let start = r * self.columns + i * LANES;
                if let Some(sums) = sums.get_mut(start..start + LANES) {
                    // SAFETY: `sums` has LANES elements.
                    unsafe {
                        L::load(sums.as_ptr()).add_product(*acc, one).store(sums.as_mut_ptr())
                    };
                }
            }
        }
    }
}
