//! A product with weights that stay the same over all steps: they are copied once, in strips of columns, and a task takes some rows times a
//! strip.
//!
//! Not here: what is done with the sums (`lstm`).

use crate::lanes::LANES;
use crate::plane_product::{Finish, PANEL, Places, Product, Small, plane_product};

/// Columns of a strip: six rows times as many fill the registers of AVX-512.
pub(crate) const STRIP: usize = 64;

/// Most rows of a task.
pub(crate) const ROWS: usize = 4 * PANEL;

/// Work of a task, about: 5 µs.
const MACS_PER_TASK: usize = 300_000;

/// Sums of a task, row after row.
pub(crate) type Sums = [f32; ROWS * STRIP];

/// How rows times strips are cut, for so many terms.
#[derive(Debug, Clone)]
pub(crate) struct Strips {
    terms: usize,
    /// Rows of a task.
    pub(crate) rows: usize,
    places: Places,
}

impl Strips {
    pub(crate) fn new(terms: usize) -> Self {
        let starts: Vec<usize> = (0..STRIP).step_by(LANES).collect();
        let offsets = (0..terms).map(|term| term * STRIP).collect();
        let rows = MACS_PER_TASK / (STRIP * terms);
        let rows = rows.next_multiple_of(PANEL).clamp(PANEL, ROWS);
        Self { terms, rows, places: Places::new(starts.clone(), starts, offsets) }
    }

    /// Elements of a strip.
    pub(crate) fn len(&self) -> usize {
        self.terms * STRIP
    }

    /// Multiplies at most [`Self::rows`] rows, one after the other, by a strip.
    ///
    /// # Panics
    /// If a slice is too short.
    pub(crate) fn multiply(&self, rows: &[f32], strip: &[f32], sums: &mut Sums) {
        let small = Small::strided(rows, self.terms, 1);
        let (rows, finish) = (rows.len() / self.terms, Finish::NOTHING);
        assert!(rows <= ROWS, "a task has {ROWS} rows at most");
        let product = Product { small, rows, row_stride: STRIP, finish };
        plane_product(&product, &self.places, strip, sums);
    }
}

/// A slice cut in two equal-sized parts, one to be read and one to be written.
///
/// # Panics
/// If they overlap, or one lies outside.
pub(crate) fn from_to(
    x: &mut [f32],
    from: std::ops::Range<usize>,
    to: std::ops::Range<usize>,
) -> (&[f32], &mut [f32]) {
    if from.start < to.start {
        let (before, after) = x.split_at_mut(to.start);
        (&before[from], &mut after[..to.len()])
    } else {
        let (before, after) = x.split_at_mut(from.start);
        (&after[..from.len()], &mut before[to])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_match_the_scalar_twin() {
        for (rows, terms) in [(1, 1), (5, 3), (6, 7), (7, 207), (24, 16)] {
            let number = |i: usize| ((i * 37) % 19) as f32 / 8.0 - 1.0;
            let x: Vec<f32> = (0..rows * terms).map(number).collect();
            let strip: Vec<f32> = (0..terms * STRIP).map(|i| number(i + 5)).collect();
            let mut sums = [f32::NAN; ROWS * STRIP];
            Strips::new(terms).multiply(&x, &strip, &mut sums);
            for (i, sum) in sums[..rows * STRIP].iter().enumerate() {
                let term = |k: usize| x[i / STRIP * terms + k] * strip[k * STRIP + i % STRIP];
                let want: f32 = (0..terms).map(term).sum();
                assert!((sum - want).abs() < 1e-4, "{rows} x {terms}, {i}: {sum}, need {want}");
            }
        }
    }

    #[test]
    fn parts_are_found_in_either_order() {
        let mut x = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(from_to(&mut x, 0..1, 2..3), (&[1.0][..], &mut [3.0][..]));
        assert_eq!(from_to(&mut x, 3..4, 1..2), (&[4.0][..], &mut [2.0][..]));
    }
}
