//! Vectors that cover all pixels of a plane of results.
//!
//! Either each row on its own, the last vector moved back to end with it, or the plane from front to back as if it were
//! one row: then what lies between the rows is computed too, and left out of the result.

use crate::lanes::LANES;
use crate::plane_product::row_starts;

/// Vectors over `size` pixels, whose rows lie some pitch apart where they are read.
#[derive(Debug, Clone)]
pub(super) struct Sweep {
    /// Where each vector starts where it is read.
    pub(super) from: Vec<usize>,
    /// Where each vector starts in a plane of results.
    pub(super) to: Vec<usize>,
    /// Elements of a plane of results.
    pub(super) plane: usize,
    /// From one row of results to the next.
    pub(super) pitch: usize,
    /// How many elements past the last pixel are read.
    pub(super) overhang: usize,
    size: [usize; 2],
}

impl Sweep {
    /// Whichever way takes fewer vectors.
    pub(super) fn new(size: [usize; 2], pitch: usize) -> Self {
        Self::where_rows_suit(size, pitch, |w| w >= LANES)
    }

    /// As [`Self::new`], but no pixel lies in two vectors.
    pub(super) fn disjoint(size: [usize; 2], pitch: usize) -> Self {
        Self::where_rows_suit(size, pitch, |w| w.is_multiple_of(LANES))
    }

    fn where_rows_suit(size: [usize; 2], pitch: usize, suits: impl Fn(usize) -> bool) -> Self {
        // Rows without a gap are one row.
        let [h, w] = if pitch == size[1] { [1, size[0] * size[1]] } else { size };
        let flat = (h - 1) * pitch + w;
        if suits(w) && h * w.div_ceil(LANES) <= flat.div_ceil(LANES) {
            let starts = |pitch| {
                let row = |y| row_starts(w).map(move |x| y * pitch + x);
                (0..h).flat_map(row).collect()
            };
            let (from, to) = (starts(pitch), starts(w));
            return Self { from, to, plane: h * w, pitch: size[1], overhang: 0, size };
        }
        let starts: Vec<usize> = (0..flat).step_by(LANES).collect();
        let plane = flat.next_multiple_of(LANES);
        Self { from: starts.clone(), to: starts, plane, pitch, overhang: plane - flat, size }
    }

    /// Whether every element of a plane of results is wanted.
    pub(super) fn is_exact(&self) -> bool {
        self.plane == self.size[0] * self.size[1]
    }

    /// The rows of a plane of results.
    pub(super) fn rows<'a>(&self, plane: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        let w = self.size[1];
        plane.chunks(self.pitch).take(self.size[0]).map(move |row| &row[..w])
    }

    /// The rows of a plane of results, to be written.
    pub(super) fn rows_mut<'a>(&self, plane: &'a mut [f32]) -> impl Iterator<Item = &'a mut [f32]> {
        let w = self.size[1];
        plane.chunks_mut(self.pitch).take(self.size[0]).map(move |row| &mut row[..w])
    }
}
