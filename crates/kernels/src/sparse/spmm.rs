//! The loop: for a stretch of pixels that fits in registers, all rows; for a row, all its weights.
//!
//! ```text
//! for a tile of T vectors of pixels, for a row o:   sums = b[o] + r[o];  for (offset, w): sums += w · x[offset ..];  store
//! ```
//! A tile is outside so that what the rows read of it stays in the nearest cache. Where it does not, the rows come in bands that read a part
//! of the inputs each, and `out` keeps the sums from one band to the next (`bands`); what is added, and in which order, stays the same.
//! Invariant: [`Job::check`] held before the unsafe loops run, so every access lies inside its slice.

use super::bands::Bands;
use super::rows::Rows;
use crate::isa::{Isa, isa};
use crate::vector::{Vector, WIDEST, over_vectors};
use std::ops::Range;

/// Most vectors of a tile: with 16 registers, what leaves some for the weight and its neighbors.
pub(super) const TILE: usize = 12;

/// Planes that are read or written, one per row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    /// Where the first pixel of the first row lies.
    pub(crate) start: usize,
    /// From one row to the next.
    pub(crate) plane: usize,
}

/// What is added to the sums, and what they are held within.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish<'a> {
    /// One number for every row of the matrix.
    pub(crate) bias: &'a [f32],
    /// A value of the output's shape.
    pub(crate) residual: Option<(&'a [f32], Placed)>,
    /// Smallest and largest.
    pub(crate) limits: [f32; 2],
    /// All bits for a pixel, none for what lies between and behind the lines and shall be zero, in whole widest vectors; all are pixels
    /// if it is empty.
    pub(crate) keep: &'a [u32],
}

/// A product: some rows of the matrix over a run of pixels.
#[derive(Debug, Clone)]
pub(crate) struct Job<'a> {
    /// The rows of the first band, those of the second, and so on.
    pub(crate) rows: &'a Rows,
    pub(crate) bands: Bands,
    /// Which rows.
    pub(crate) range: Range<usize>,
    /// Where pixel 0 is read, before the weights' offsets.
    pub(crate) from: usize,
    /// Where the rows of the range are written.
    pub(crate) to: Placed,
    /// Pixels; up to a widest vector less one more are written after the last.
    pub(crate) pixels: usize,
    pub(crate) finish: Finish<'a>,
}

impl Job<'_> {
    fn check(&self, input: usize, out: usize) -> bool {
        let count = self.range.len();
        let run = self.pixels.next_multiple_of(WIDEST);
        let inside = |placed: &Placed, first: usize, len: usize| {
            placed.start + (first + count - 1) * placed.plane + run <= len
        };
        let residual = self.finish.residual;
        let rows = self.rows.len() / self.bands.count;
        self.range.end <= rows.min(self.finish.bias.len())
            && self.from + self.rows.reach() + run <= input
            && (self.finish.keep.is_empty() || run <= self.finish.keep.len())
            && inside(&self.to, 0, out)
            && residual.is_none_or(|(from, at)| inside(&at, self.range.start, from.len()))
    }
}

/// Computes the product into `out`.
///
/// # Panics
/// If an access lies outside a slice.
pub(crate) fn multiply(job: &Job<'_>, input: &[f32], out: &mut [f32]) {
    multiply_on(isa(), job, input, out);
}

/// As [`multiply`], with the vectors of an instruction set, or the best below it that the machine has.
pub(super) fn multiply_on(with: Isa, job: &Job<'_>, input: &[f32], out: &mut [f32]) {
    if job.range.is_empty() || job.pixels == 0 {
        return;
    }
    assert!(job.check(input.len(), out.len()), "every pixel lies inside its plane");
    // SAFETY: the accesses were checked above.
    unsafe { run_on(with, job, input, out) };
}

over_vectors! {
    /// # Safety
    /// `job.check` must hold.
    unsafe fn run_on(job: &Job<'_>, input: &[f32], out: &mut [f32]) = run
}

/// # Safety
/// `job.check` must hold, and the machine must have the vectors.
#[inline(always)]
unsafe fn run<V: Vector>(job: &Job<'_>, input: &[f32], out: &mut [f32]) {
    let vectors = job.pixels.div_ceil(V::LEN);
    let tiles = vectors.div_ceil(job.bands.tile);
    let mut at = 0;
    for tile in 0..tiles {
        let count = (vectors - at).div_ceil(tiles - tile);
        let pixel = at * V::LEN;
        // SAFETY: the tile's vectors lie among the checked ones.
        unsafe {
            match count {
                1 => bands::<V, 1>(job, pixel, input, out),
                2 => bands::<V, 2>(job, pixel, input, out),
                3 => bands::<V, 3>(job, pixel, input, out),
                4 => bands::<V, 4>(job, pixel, input, out),
                5 => bands::<V, 5>(job, pixel, input, out),
                6 => bands::<V, 6>(job, pixel, input, out),
                7 => bands::<V, 7>(job, pixel, input, out),
                8 => bands::<V, 8>(job, pixel, input, out),
                9 => bands::<V, 9>(job, pixel, input, out),
                10 => bands::<V, 10>(job, pixel, input, out),
                11 => bands::<V, 11>(job, pixel, input, out),
                _ => bands::<V, TILE>(job, pixel, input, out),
            }
        }
        at += count;
    }
}

/// One tile of `T` vectors from `pixel` on, band after band.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn bands<V: Vector, const T: usize>(
    job: &Job<'_>,
    pixel: usize,
    input: &[f32],
    out: &mut [f32],
) {
    for band in 0..job.bands.count {
        // SAFETY: the caller's promise is passed on.
        unsafe { rows::<V, T>(job, band, pixel, input, out) };
    }
}

/// All rows of a band: the first begins with what is added, the last one ends with the limits.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn rows<V: Vector, const T: usize>(
    job: &Job<'_>,
    band: usize,
    pixel: usize,
    input: &[f32],
    out: &mut [f32],
) {
    let [low, high] = job.finish.limits.map(V::splat);
    let (is_first, is_last) = (band == 0, band + 1 == job.bands.count);
    let list = band * (job.rows.len() / job.bands.count);
    // SAFETY: `check` held, so pixel and all that follows lie inside.
    let from = unsafe { input.as_ptr().add(job.from + pixel) };
    for row in job.range.clone() {
        let to = job.to.start + (row - job.range.start) * job.to.plane + pixel;
        // SAFETY: as above, for the row's plane.
        let to = unsafe { out.as_mut_ptr().add(to) };
        let mut sums = [V::splat(job.finish.bias[row]); T];
        // SAFETY: as above, for the row's plane and the largest offset.
        unsafe {
            if !is_first {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(to.add(i * V::LEN));
                }
            } else if let Some((residual, at)) = job.finish.residual {
                let r = residual.as_ptr().add(at.start + row * at.plane + pixel);
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add(V::load(r.add(i * V::LEN)));
                }
            }
            for entry in job.rows.row(list + row) {
                let (w, x) = (V::splat(entry.value), from.add(entry.offset as usize));
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add_product(w, V::load(x.add(i * V::LEN)));
                }
            }
            if !is_last {
                for (i, sum) in sums.iter().enumerate() {
                    sum.store(to.add(i * V::LEN));
                }
                continue;
            }
            if job.finish.keep.is_empty() {
                for (i, sum) in sums.iter().enumerate() {
                    sum.clamp(low, high).store(to.add(i * V::LEN));
                }
                continue;
            }
            let keep = job.finish.keep.as_ptr().add(pixel);
            for (i, sum) in sums.iter().enumerate() {
                sum.clamp(low, high).keep(keep.add(i * V::LEN)).store(to.add(i * V::LEN));
            }
        }
    }
}
