//! Channels as planes with zeros around them, so that a neighbor is an offset even at the border.
//!
//! ```text
//! element (n, c, y, x) lies at  start + (n · channels + c) · plane + y · row + x
//! row = width + pad       the zeros right of a line are those left of the next
//! ```
//! Invariants: what lies between the lines, above the first and below the last is zero whenever a kernel reads it; there
//! is room for a widest vector behind the last element; element (0, 0) begins a cache line if the slice does.
//! Source: Park et al. (2017), <https://arxiv.org/abs/1608.01409>, section 3 (one zero column serves two lines).

use crate::cache::spaced;
use crate::frame::Frame;
use crate::vector::WIDEST;

/// Where the elements of `[batch, channels, height, width]` lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planes {
    channels: usize,
    size: [usize; 2],
    pad: usize,
    row: usize,
    /// From the start of a plane to its first element.
    lead: usize,
    plane: usize,
}

impl Planes {
    /// Planes of this height and width with `pad` zeros on every side.
    pub fn new(channels: usize, size: [usize; 2], pad: usize) -> Self {
        let row = size[1] + pad;
        let lead = (pad * row + pad).next_multiple_of(WIDEST);
        // Lines below, and what a last vector writes beyond the last line.
        let inner = (size[0] * row).next_multiple_of(WIDEST).max((size[0] + pad) * row + pad);
        Self { channels, size, pad, row, lead, plane: spaced(lead + inner) }
    }

    /// Elements of a value of so many samples.
    pub fn len(&self, batch: usize) -> usize {
        batch * self.sample() + WIDEST
    }

    /// Zeros on every side.
    pub fn pad(&self) -> usize {
        self.pad
    }

    /// From one line to the next.
    pub fn row(&self) -> usize {
        self.row
    }

    /// From one channel to the next.
    pub fn plane(&self) -> usize {
        self.plane
    }

    /// From one sample to the next.
    pub(crate) fn sample(&self) -> usize {
        self.channels * self.plane
    }

    /// Where the first element of a plane lies in it.
    pub(crate) fn lead(&self) -> usize {
        self.lead
    }

    /// Height and width.
    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Writes a sample `[channels, height, width]` into its planes, with zeros around.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn pack(&self, sample: &[f32], planes: &mut [f32]) {
        let (size, start, pitch) = (self.size, self.lead, self.row);
        let frame = Frame { size, start, pitch, plane: self.plane };
        frame.fill(sample, &mut planes[..self.sample()], |_| true);
    }

    /// Reads a sample back.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn unpack(&self, planes: &[f32], sample: &mut [f32]) {
        let [height, width] = self.size;
        let planes = planes[..self.sample()].chunks_exact(self.plane);
        for (to, from) in sample.chunks_exact_mut(height * width).zip(planes) {
            let lines = from[self.lead..].chunks(self.row);
            for (to, from) in to.chunks_exact_mut(width).zip(lines) {
                to.copy_from_slice(&from[..width]);
            }
        }
    }

    /// All bits for what is an element from the first one on, none for what lies between lines, in whole widest vectors.
    pub(crate) fn elements(&self) -> Vec<u32> {
        let [height, width] = self.size;
        let run = ((height.max(1) - 1) * self.row + width).next_multiple_of(WIDEST);
        let is_inside = |at: usize| at % self.row < width && at / self.row < height;
        (0..run).map(|at| if is_inside(at) { u32::MAX } else { 0 }).collect()
    }

    /// Sets to zero what lies before the first element of one plane and behind `run` elements from there on.
    pub(crate) fn clear_ends(&self, plane: &mut [f32], run: usize) {
        plane[..self.lead].fill(0.0);
        plane[self.lead + run..].fill(0.0);
    }

    /// Sets to zero what is no element of one plane.
    pub(crate) fn clear_around(&self, plane: &mut [f32]) {
        let [height, width] = self.size;
        plane[..self.lead].fill(0.0);
        let (inner, below) = plane[self.lead..].split_at_mut(height * self.row);
        if self.pad == 1 {
            // Most planes: one element a line.
            inner[width..].iter_mut().step_by(self.row).for_each(|x| *x = 0.0);
        } else if self.pad > 0 {
            inner.chunks_exact_mut(self.row).for_each(|line| line[width..].fill(0.0));
        }
        below.fill(0.0);
    }
}
