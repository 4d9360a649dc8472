//! The loop over lines: results that lie row-major are written where they belong, whatever lies between the lines that are read.
//!
//! ```text
//! for a tile of L lines of C vectors, for a row o:   sums = b[o];  for (offset, w): sums += w · x[offset + line · pitch ..];  store
//! ```
//! A line's last vector is moved back to end with it, so some pixels are computed twice; a line shorter than a vector is computed
//! with what lies behind it, and cut off. The wider vectors are used where they compute no more pixels than the narrow ones, or hardly
//! more of one long line, as which a plane without gaps is seen.
//! Invariant: [`LineJob::check`] held before the unsafe loops run, so every access lies inside its slice.
//! Not here: planes whose lines need not be told apart (`spmm`).

use super::rows::Rows;
use super::spmm::Placed;
use crate::isa::{Isa, isa};
use crate::vector::{Vector, WIDEST, over_vectors};
use std::ops::Range;

/// Vectors of the narrow instruction sets; so much of a line is read at least.
pub(super) const NARROW: usize = 8;
/// Most vectors of a line that are taken at once.
const COLUMNS: usize = 4;
/// The same, where there is only one line.
const ONE_LINE: usize = 12;

/// A product: some rows of the matrix over lines of pixels.
#[derive(Debug, Clone)]
pub(crate) struct LineJob<'a> {
    pub(crate) rows: &'a Rows,
    /// Which rows.
    pub(crate) range: Range<usize>,
    /// Where the first pixel is read, before the weights' offsets.
    pub(crate) from: usize,
    /// From one line that is read to the next.
    pub(crate) pitch: usize,
    /// Lines, and pixels of a line; they are written without a gap.
    pub(crate) size: [usize; 2],
    /// Where the rows of the range are written.
    pub(crate) to: Placed,
    /// One number for every row of the matrix; none are zeros.
    pub(crate) bias: &'a [f32],
    /// Smallest and largest result.
    pub(crate) limits: [f32; 2],
}

impl LineJob<'_> {
    fn check(&self, input: usize, out: usize) -> bool {
        let ([height, width], count) = (self.size, self.range.len());
        let read = (height - 1) * self.pitch + width.max(NARROW);
        self.range.end <= self.rows.len()
            && (self.bias.is_empty() || self.range.end <= self.bias.len())
            && self.from + self.rows.reach() + read <= input
            && self.to.start + (count - 1) * self.to.plane + height * width <= out
    }
}

/// Computes the product into `out`.
///
/// # Panics
/// If an access lies outside a slice.
pub(crate) fn multiply(job: &LineJob<'_>, input: &[f32], out: &mut [f32]) {
    multiply_on(isa(), job, input, out);
}

/// As [`multiply`], with the vectors of an instruction set, or the best below it that the machine has.
pub(super) fn multiply_on(with: Isa, job: &LineJob<'_>, input: &[f32], out: &mut [f32]) {
    let [height, width] = job.size;
    if job.range.is_empty() || height == 0 || width == 0 {
        return;
    }
    assert!(job.check(input.len(), out.len()), "every pixel lies inside its plane");
    let fits = width.next_multiple_of(WIDEST) == width.next_multiple_of(NARROW);
    let wide = width >= WIDEST && (fits || height == 1 && width >= 3 * WIDEST);
    let with = if with == Isa::Avx512 && !wide { Isa::Avx2 } else { with };
    // SAFETY: the accesses were checked above; a line that is read in wide vectors fills one.
    unsafe { run_on(with, job, input, out) };
}

over_vectors! {
    /// # Safety
    /// `job.check` must hold, and a line must fill a vector wider than [`NARROW`].
    unsafe fn run_on(job: &LineJob<'_>, input: &[f32], out: &mut [f32]) = run
}

/// Where a tile begins, and how far its last column lies from there.
#[derive(Debug, Clone, Copy)]
struct Tile {
    line: usize,
    pixel: usize,
    last: usize,
}

/// # Safety
/// `job.check` must hold, a line must fill a vector wider than [`NARROW`], and the machine must have the vectors.
#[inline(always)]
unsafe fn run<V: Vector>(job: &LineJob<'_>, input: &[f32], out: &mut [f32]) {
    let width = job.size[1];
    let vectors = width.div_ceil(V::LEN);
    let columns = vectors.div_ceil(if job.size[0] == 1 { ONE_LINE } else { COLUMNS });
    let mut at = 0;
    for column in 0..columns {
        let count = (vectors - at).div_ceil(columns - column);
        let start = |i: usize| (i * V::LEN).min(width.saturating_sub(V::LEN));
        let tile = Tile { line: 0, pixel: start(at), last: start(at + count - 1) - start(at) };
        // SAFETY: the tile's vectors lie among the checked ones.
        unsafe {
            match count {
                1 => {
                    let tile = lines::<V, 1, 12>(job, tile, input, out);
                    let tile = lines::<V, 1, 8>(job, tile, input, out);
                    let tile = lines::<V, 1, 4>(job, tile, input, out);
                    let tile = lines::<V, 1, 2>(job, tile, input, out);
                    lines::<V, 1, 1>(job, tile, input, out);
                }
                2 => {
                    let tile = lines::<V, 2, 6>(job, tile, input, out);
                    let tile = lines::<V, 2, 4>(job, tile, input, out);
                    let tile = lines::<V, 2, 2>(job, tile, input, out);
                    lines::<V, 2, 1>(job, tile, input, out);
                }
                3 => {
                    let tile = lines::<V, 3, 4>(job, tile, input, out);
                    let tile = lines::<V, 3, 2>(job, tile, input, out);
                    lines::<V, 3, 1>(job, tile, input, out);
                }
                COLUMNS => {
                    let tile = lines::<V, COLUMNS, 3>(job, tile, input, out);
                    lines::<V, COLUMNS, 1>(job, tile, input, out);
                }
                5 => rows::<V, 5, 1>(job, tile, input, out),
                6 => rows::<V, 6, 1>(job, tile, input, out),
                7 => rows::<V, 7, 1>(job, tile, input, out),
                8 => rows::<V, 8, 1>(job, tile, input, out),
                9 => rows::<V, 9, 1>(job, tile, input, out),
                10 => rows::<V, 10, 1>(job, tile, input, out),
                11 => rows::<V, 11, 1>(job, tile, input, out),
                _ => rows::<V, ONE_LINE, 1>(job, tile, input, out),
            }
        }
        at += count;
    }
}

/// As many tiles of `L` lines as there are, one below the other; gives where the next would begin.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn lines<V: Vector, const C: usize, const L: usize>(
    job: &LineJob<'_>,
    mut tile: Tile,
    input: &[f32],
    out: &mut [f32],
) -> Tile {
    while tile.line + L <= job.size[0] {
        // SAFETY: the caller's promise is passed on.
        unsafe { rows::<V, C, L>(job, tile, input, out) };
        tile.line += L;
    }
    tile
}

/// One tile, all rows.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn rows<V: Vector, const C: usize, const L: usize>(
    job: &LineJob<'_>,
    tile: Tile,
    input: &[f32],
    out: &mut [f32],
) {
    let [low, high] = job.limits.map(V::splat);
    let column = |i: usize| if i + 1 == C { tile.last } else { i * V::LEN };
    let width = job.size[1];
    // SAFETY: `check` held, so the tile's first pixel and all that follows lie inside.
    let from = unsafe { input.as_ptr().add(job.from + tile.line * job.pitch + tile.pixel) };
    for row in job.range.clone() {
        let bias = job.bias.get(row).copied().unwrap_or(0.0);
        let mut sums = [[V::splat(bias); C]; L];
        for entry in job.rows.row(row) {
            let (w, mut x) = (V::splat(entry.value), from.wrapping_add(entry.offset as usize));
            for line in &mut sums {
                for (i, sum) in line.iter_mut().enumerate() {
                    // SAFETY: as above, for the largest offset and every line.
                    *sum = sum.add_product(w, unsafe { V::load(x.add(column(i))) });
                }
                x = x.wrapping_add(job.pitch);
            }
        }
        let to = job.to.start + (row - job.range.start) * job.to.plane;
        let mut to = out.as_mut_ptr().wrapping_add(to + tile.line * width + tile.pixel);
        for line in &sums {
            for (i, sum) in line.iter().enumerate() {
                // SAFETY: `check` held for the row's plane.
                unsafe { store(sum.clamp(low, high), to.wrapping_add(column(i)), width) };
            }
            to = to.wrapping_add(width);
        }
    }
}

/// Writes a vector, or as much of it as a line has.
///
/// # Safety
/// `to` must be writable for a vector or `width` elements, whichever is less.
#[inline(always)]
unsafe fn store<V: Vector>(vector: V, to: *mut f32, width: usize) {
    if width >= V::LEN {
        // SAFETY: the caller's promise.
        return unsafe { vector.store(to) };
    }
    let mut whole = [0.0_f32; WIDEST];
    // SAFETY: a vector has at most so many elements, and the caller promises `width` of them at `to`.
    unsafe {
        vector.store(whole.as_mut_ptr());
        std::ptr::copy_nonoverlapping(whole.as_ptr(), to, width);
    }
}
