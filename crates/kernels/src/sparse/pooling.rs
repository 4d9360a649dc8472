//! Pools that read planes where they lie: the mean of a channel, and maxima of 2 x 2.
//!
//! ```text
//! mean[n, c] = Σ over a plane, its zeros among them, / (height · width)
//! ```
//! Not here: pools over row-major values (`reduce`, `max_pool`, `window`).

use super::conv::Layout;
use super::planes::Planes;
use crate::isa::{Isa, isa, vectorize};
use crate::max_pool::larger;
use crate::pool::{Chunks, Pool};
use crate::vector::{Vector, over_vectors};

/// Partial sums that do not wait for one another.
const PARTS: usize = 32;

/// The mean of every channel.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]` in planes
/// - `y`: `[batch, channels]`
///
/// # Panics
/// If a slice has another length.
pub fn mean(planes: &Planes, batch: usize, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), planes.len(batch), "the input fills its planes");
    assert_eq!(y.len() * planes.plane(), batch * planes.sample(), "one mean per channel");
    let count: usize = planes.size().iter().product();
    vectorize(
        #[inline(always)]
        || {
            for (x, y) in x.chunks_exact(planes.plane()).zip(y) {
                let mut parts = [0.0_f32; PARTS];
                let chunks = x[planes.lead()..].chunks_exact(PARTS);
                let rest: f32 = chunks.remainder().iter().sum();
                for chunk in chunks {
                    parts.iter_mut().zip(chunk).for_each(|(part, x)| *part += x);
                }
                *y = (parts.iter().sum::<f32>() + rest) / count as f32;
            }
        },
    );
}

/// The largest of each 2 x 2 elements side by side; a NaN counts as largest.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]` in planes
/// - `y`: `[batch, channels, height / 2, width / 2]` in its layout
///
/// # Panics
/// If a slice has another length, or the output's planes another size.
pub fn max_2x2(pool: &Pool, (from, to): (&Planes, Layout), batch: usize, x: &[f32], y: &mut [f32]) {
    let size = from.size().map(|n| n / 2);
    let channels = from.sample() / from.plane();
    assert_eq!(x.len(), from.len(batch), "the input fills its planes");
    assert_eq!(y.len(), to.len(batch, channels * size[0] * size[1]), "so does the output");
    assert!(to.planes().is_none_or(|planes| planes.size() == size), "half as high and wide");
    let view = to.view(size);
    let lines = Lines { rows: [from.row(), view.row], size };
    let parts = Chunks::new(y, channels * view.plane);
    pool.for_each(batch, parts, |n, y| {
        let x = &x[n * from.sample()..];
        for (x, y) in x.chunks_exact(from.plane()).zip(y.chunks_exact_mut(view.plane)) {
            if let Layout::Planes(planes) = &to {
                planes.clear_around(y);
            }
            largest_on(isa(), &lines, &x[from.lead()..], &mut y[view.start..]);
        }
    });
}

/// Lines of maxima.
#[derive(Debug, Clone, Copy)]
struct Lines {
    /// From one line to the next, where they are read and where they are written.
    rows: [usize; 2],
    /// Lines that are written, and their width.
    size: [usize; 2],
}

impl Lines {
    fn check(&self, x: usize, y: usize) -> bool {
        let ([height, width], [read, write]) = (self.size, self.rows);
        let fits = (2 * height).saturating_sub(1) * read + 2 * width <= x
            && height.saturating_sub(1) * write + width <= y;
        height == 0 || fits
    }
}

/// The maxima of a plane, with the vectors of an instruction set, or the best below it that the machine has.
fn largest_on(with: Isa, lines: &Lines, x: &[f32], y: &mut [f32]) {
    assert!(lines.check(x.len(), y.len()), "every line lies inside its plane");
    // SAFETY: the accesses were checked above.
    unsafe { run_on(with, lines, x, y) };
}

over_vectors! {
    /// # Safety
    /// `lines.check` must hold.
    unsafe fn run_on(lines: &Lines, x: &[f32], y: &mut [f32]) = run
}

/// # Safety
/// `lines.check` must hold, and the machine must have the vectors.
#[inline(always)]
unsafe fn run<V: Vector>(lines: &Lines, x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promise is passed on, and every line is as wide as is asked.
    unsafe {
        match lines.size[1] {
            width if width >= V::LEN => wide::<V>(lines, x, y),
            8.. => wide::<V::Eight>(lines, x, y),
            4.. => narrow::<V::Eight>(lines, x, y),
            _ => one_by_one(lines, x, y),
        }
    }
}

/// A vector of maxima at a time; the last of a line overlaps the one before.
///
/// # Safety
/// As [`run`], and lines must be as wide as a vector.
#[inline(always)]
unsafe fn wide<V: Vector>(lines: &Lines, x: &[f32], y: &mut [f32]) {
    let ([height, width], [read, write]) = (lines.size, lines.rows);
    for line in 0..height {
        for column in 0..width.div_ceil(V::LEN) {
            let at = (column * V::LEN).min(width - V::LEN);
            // SAFETY: `check` held for all lines and columns.
            unsafe {
                let above = x.as_ptr().add(2 * line * read + 2 * at);
                let both = |x: *const f32| V::load(x).larger(V::load(x.add(read)));
                let (first, next) = (both(above), both(above.add(V::LEN)));
                let most = first.evens(next).larger(first.odds(next));
                most.store(y.as_mut_ptr().add(line * write + at));
            }
        }
    }
}

/// Four maxima of two lines at a time; the last of a line overlap those before, a last line without another is taken twice.
///
/// # Safety
/// As [`run`], and lines must be four to seven wide.
#[inline(always)]
unsafe fn narrow<V: Vector>(lines: &Lines, x: &[f32], y: &mut [f32]) {
    let ([height, width], [read, write]) = (lines.size, lines.rows);
    for line in (0..height).step_by(2) {
        let next = (line + 1).min(height - 1);
        for at in [0, width - 4] {
            // SAFETY: `check` held for all lines and columns; a vector has eight elements, four of each line.
            unsafe {
                let both = |line: usize| {
                    let x = x.as_ptr().add(2 * line * read + 2 * at);
                    V::load(x).larger(V::load(x.add(read)))
                };
                let (first, second) = (both(line), both(next));
                let mut most = [0.0_f32; 8];
                first.evens(second).larger(first.odds(second)).store(most.as_mut_ptr());
                for (half, line) in [line, next].into_iter().enumerate() {
                    let to = y.as_mut_ptr().add(line * write + at);
                    to.cast::<[f32; 4]>().write_unaligned(most.as_chunks().0[half]);
                }
            }
        }
    }
}

#[inline(always)]
fn one_by_one(lines: &Lines, x: &[f32], y: &mut [f32]) {
    let ([height, width], [read, write]) = (lines.size, lines.rows);
    for line in 0..height {
        let (above, below) = (&x[2 * line * read..], &x[(2 * line + 1) * read..]);
        for (at, y) in y[line * write..][..width].iter_mut().enumerate() {
            let pair = |x: &[f32]| [x[2 * at], x[2 * at + 1]];
            let ([a, b], [c, d]) = (pair(above), pair(below));
            *y = larger(larger(a, c), larger(b, d));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_finds_the_largest_and_what_is_not_a_number() {
        for size in [[1, 1], [3, 3], [4, 4], [3, 5], [4, 7], [5, 8], [2, 12], [3, 16], [2, 37]] {
            let [height, width]: [usize; 2] = size;
            let rows = [2 * width + 1, width + 2];
            let len = (2 * height - 1) * rows[0] + 2 * width;
            let mut x: Vec<f32> = (0..len).map(|i| (i * 7919 % 1009) as f32 - 500.0).collect();
            x.iter_mut().step_by(11).for_each(|x| *x = f32::NAN);
            let mut want = vec![-1.0; (height - 1) * rows[1] + width];
            let mut all = Vec::new();
            for isa in [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512] {
                let mut y = want.clone();
                largest_on(isa, &Lines { rows, size }, &x, &mut y);
                all.push(y);
            }
            for (line, y) in want.chunks_mut(rows[1]).enumerate() {
                for (column, y) in y[..width].iter_mut().enumerate() {
                    let window = [0, 1, rows[0], rows[0] + 1];
                    let window = window.map(|i| x[2 * line * rows[0] + 2 * column + i]);
                    let nan = window.iter().any(|x| x.is_nan());
                    *y = if nan { f32::NAN } else { window.into_iter().fold(f32::MIN, f32::max) };
                }
            }
            for y in all {
                let same = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
                assert!(y.iter().zip(&want).all(same), "{size:?}: {y:?} {want:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "every line lies inside its plane")]
    fn a_line_beyond_the_plane_is_refused() {
        let lines = Lines { rows: [16, 8], size: [2, 8] };
        largest_on(Isa::Portable, &lines, &[0.0; 63], &mut [0.0; 16]);
    }
}
