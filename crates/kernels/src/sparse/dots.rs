//! The loop of weight gradients: products of two planes, for the weights that are left and no others.
//!
//! ```text
//! for a tile of pixels, for a row o, for up to 8 of its weights:   sums[weight] += Σ_q dy[o, q] · x[offset(weight) + q]
//! ```
//! Every sum is a vector, in memory between tiles and samples, and added up once ([`total`]). A vector of `dy` is read once for all
//! weights of the block; few weights take several vectors of pixels at a time instead, so that no addition waits for the last.
//! Invariants: the order of additions follows from pattern and sizes alone; [`Dots::check`] held before the unsafe loops run.

use super::rows::{Entry, Rows};
use super::spmm::Placed;
use crate::isa::{Isa, isa};
use crate::vector::{Vector, WIDEST, halved, over_vectors};
use std::ops::Range;

/// Vectors of a tile: what the weights read of it stays in the nearest cache.
const TILE: usize = 16;
/// Most weights of a block.
const BLOCK: usize = 8;

/// Sums over a run of pixels.
#[derive(Debug, Clone)]
pub(crate) struct Dots<'a> {
    /// Where the weights read `x`.
    pub(crate) rows: &'a Rows,
    /// Which rows.
    pub(crate) range: Range<usize>,
    /// The planes of `dy`, one for every row of the matrix.
    pub(crate) dy: Placed,
    /// Pixels; up to a widest vector less one more are read of both sides, of which one must be zero.
    pub(crate) pixels: usize,
}

impl Dots<'_> {
    /// The weights of the rows.
    fn weights(&self) -> Range<usize> {
        let of = |row| self.rows.range(row);
        of(self.range.start).start..of(self.range.end - 1).end
    }

    fn check(&self, dy: usize, x: usize, sums: usize) -> bool {
        let run = self.pixels.next_multiple_of(WIDEST);
        self.range.end <= self.rows.len()
            && self.dy.start + (self.range.end - 1) * self.dy.plane + run <= dy
            && self.rows.reach() + run <= x
            && self.weights().len() * WIDEST <= sums
    }
}

/// Adds to `sums`, a widest vector for every weight of the rows.
///
/// # Panics
/// If an access lies outside a slice.
pub(crate) fn accumulate(job: &Dots<'_>, dy: &[f32], x: &[f32], sums: &mut [f32]) {
    accumulate_on(isa(), job, (dy, x), sums);
}

/// As [`accumulate`], with the vectors of an instruction set, or the best below it that the machine has.
pub(super) fn accumulate_on(
    with: Isa,
    job: &Dots<'_>,
    (dy, x): (&[f32], &[f32]),
    sums: &mut [f32],
) {
    if job.range.is_empty() || job.weights().is_empty() || job.pixels == 0 {
        return;
    }
    assert!(job.check(dy.len(), x.len(), sums.len()), "every pixel lies inside its plane");
    // SAFETY: the accesses were checked above.
    unsafe { run_on(with, job, dy, x, sums) };
}

over_vectors! {
    /// # Safety
    /// `job.check` must hold.
    unsafe fn run_on(job: &Dots<'_>, dy: &[f32], x: &[f32], sums: &mut [f32]) = run
}

/// Adds up what the shares of `sums` found for a weight, always in the same order: shares, then halves of the vector.
pub(crate) fn total<'a>(shares: impl Iterator<Item = &'a [f32]>) -> f32 {
    let mut lanes = [0.0_f32; WIDEST];
    for share in shares {
        lanes.iter_mut().zip(share).for_each(|(sum, x)| *sum += x);
    }
    halved(&lanes)
}

/// # Safety
/// `job.check` must hold, and the machine must have the vectors.
#[inline(always)]
unsafe fn run<V: Vector>(job: &Dots<'_>, dy: &[f32], x: &[f32], sums: &mut [f32]) {
    let vectors = job.pixels.div_ceil(V::LEN);
    let tiles = vectors.div_ceil(TILE * WIDEST / V::LEN);
    let first = job.weights().start;
    let mut at = 0;
    for tile in 0..tiles {
        let count = (vectors - at).div_ceil(tiles - tile);
        for row in job.range.clone() {
            let entries = job.rows.row(row);
            let blocks = entries.len().div_ceil(BLOCK);
            // SAFETY: `check` held, so the tile of the row's plane, of `x` and the row's sums lie inside.
            unsafe {
                let dy = dy.as_ptr().add(job.dy.start + row * job.dy.plane + at * V::LEN);
                let x = x.as_ptr().add(at * V::LEN);
                let mut sums = sums.as_mut_ptr().add((job.rows.range(row).start - first) * WIDEST);
                let mut rest = entries;
                for block in 0..blocks {
                    let (these, others) = rest.split_at(rest.len().div_ceil(blocks - block));
                    weights::<V>(these, count, (dy, x), sums);
                    sums = sums.wrapping_add(these.len() * WIDEST);
                    rest = others;
                }
            }
        }
        at += count;
    }
}

/// The weights of a block over so many vectors.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn weights<V: Vector>(
    entries: &[Entry],
    count: usize,
    from: (*const f32, *const f32),
    sums: *mut f32,
) {
    // SAFETY: the caller's promise is passed on.
    unsafe {
        match entries.len() {
            1 => block::<V, 1, 4>(entries, count, from, sums),
            2 => block::<V, 2, 4>(entries, count, from, sums),
            3 => block::<V, 3, 2>(entries, count, from, sums),
            4 => block::<V, 4, 2>(entries, count, from, sums),
            5 => block::<V, 5, 1>(entries, count, from, sums),
            6 => block::<V, 6, 1>(entries, count, from, sums),
            7 => block::<V, 7, 1>(entries, count, from, sums),
            _ => block::<V, BLOCK, 1>(entries, count, from, sums),
        }
    }
}

/// `N` weights, `U` vectors of pixels at a time.
///
/// # Safety
/// As [`run`], and there must be `N` entries.
#[inline(always)]
unsafe fn block<V: Vector, const N: usize, const U: usize>(
    entries: &[Entry],
    count: usize,
    (dy, x): (*const f32, *const f32),
    sums: *mut f32,
) {
    // SAFETY: the caller's promise: all vectors of all weights lie inside, and so do the sums.
    unsafe {
        let from: [*const f32; N] =
            std::array::from_fn(|n| x.add(entries.get_unchecked(n).offset as usize));
        let mut acc = [[V::splat(0.0); U]; N];
        let mut at = 0;
        while at + U <= count {
            let dy: [V; U] = std::array::from_fn(|u| V::load(dy.add((at + u) * V::LEN)));
            for (acc, from) in acc.iter_mut().zip(from) {
                for (u, acc) in acc.iter_mut().enumerate() {
                    *acc = acc.add_product(dy[u], V::load(from.add((at + u) * V::LEN)));
                }
            }
            at += U;
        }
        while at < count {
            let dy = V::load(dy.add(at * V::LEN));
            for (acc, from) in acc.iter_mut().zip(from) {
                acc[0] = acc[0].add_product(dy, V::load(from.add(at * V::LEN)));
            }
            at += 1;
        }
        for (n, acc) in acc.iter().enumerate() {
            let to = sums.add(n * WIDEST);
            acc.iter().fold(V::load(to), |sum, acc| sum.add(*acc)).store(to);
        }
    }
}
