//! Sums of products of two planes: one for every output channel and tap.
//!
//! ```text
//! dw[o][t] += Σ_lanes Σ_v dy[o][to_v ..] · x[from_v + offset_t ..]
//! ```

use crate::conv::Geometry;
use crate::conv::sweep::Sweep;
use crate::lanes::{self, LANES, Lanes, Loop};

/// Channels and taps that are summed at a time; and the taps if there is one channel.
const ROWS: usize = 4;
const TAPS: usize = 3;
const TAPS_OF_ONE: usize = 9;

/// The products of one group.
#[derive(Debug, Clone)]
pub(super) struct Dots {
    channels: usize,
    /// Pixels of a channel of `dy`.
    pixels: usize,
    /// Width of `dy`.
    width: usize,
    sweep: Sweep,
    /// Where each tap reads, relative to a window's corner.
    taps: Vec<usize>,
}

impl Dots {
    pub(super) fn new(g: &Geometry, sweep: Sweep, taps: Vec<usize>) -> Self {
        let (channels, pixels, width) = (g.group_out(), g.pixels(), g.output[1]);
        Self { channels, pixels, width, sweep, taps }
    }

    /// Elements of the copy of a group's `dy`, with zeros between its rows; 0 if none is needed.
    pub(super) fn copy_len(&self) -> usize {
        if self.sweep.is_exact() { 0 } else { self.channels * self.sweep.plane }
    }

    /// Multiply-adds of a group.
    pub(super) fn products(&self) -> usize {
        self.channels * self.taps.len() * self.sweep.from.len() * LANES
    }

    /// Adds the products of a sample's group to `sums`, `[channels][taps]`.
    pub(super) fn accumulate(&self, dy: &[f32], x: &[f32], sums: &mut [f32], copy: &mut [f32]) {
        if self.sweep.is_exact() {
            return self.run(dy, x, sums);
        }
        let copy = &mut copy[..self.copy_len()];
        copy.fill(0.0);
        for (dy, copy) in dy.chunks_exact(self.pixels).zip(copy.chunks_exact_mut(self.sweep.plane))
        {
            let rows = self.sweep.rows_mut(copy).zip(dy.chunks_exact(self.width));
            rows.for_each(|(to, from)| to.copy_from_slice(from));
        }
        self.run(copy, x, sums);
    }

    fn run(&self, dy: &[f32], x: &[f32], sums: &mut [f32]) {
        let max = |list: &[usize]| list.iter().copied().max().unwrap_or(0);
        assert!(
            max(&self.taps) + max(&self.sweep.from) + LANES <= x.len(),
            "every tap lies inside its plane"
        );
        assert!(
            max(&self.sweep.to) + LANES <= self.sweep.plane
                && dy.len() == self.channels * self.sweep.plane
                && sums.len() == self.channels * self.taps.len(),
            "every channel has its plane and its sums"
        );
        // SAFETY: the accesses were checked above.
        unsafe { lanes::run(Sums { of: self, dy, x, sums }) };
    }

    /// # Safety
    /// All accesses must lie inside the slices, and the machine must have the lanes.
    #[inline(always)]
    unsafe fn run_lanes<L: Lanes>(&self, dy: &[f32], x: &[f32], sums: &mut [f32]) {
        // SAFETY: the caller's promise is passed on.
        unsafe {
            match self.channels {
                1 => self.tiles::<L, 1, TAPS_OF_ONE>(dy, x, sums),
                _ => self.tiles::<L, ROWS, TAPS>(dy, x, sums),
            }
        }
    }

    /// # Safety
    /// As [`Self::run_lanes`].
    #[inline(always)]
    unsafe fn tiles<L: Lanes, const R: usize, const T: usize>(
        &self,
        dy: &[f32],
        x: &[f32],
        sums: &mut [f32],
    ) {
        let all = self.taps.len();
        for first in (0..self.channels).step_by(R) {
            for (i, taps) in self.taps.chunks(T).enumerate() {
                // A missing channel or tap repeats the last one and is not stored.
                let rows: [*const f32; R] = std::array::from_fn(|r| {
                    let channel = (first + r).min(self.channels - 1);
                    dy.as_ptr().wrapping_add(channel * self.sweep.plane)
                });
                let from: [*const f32; T] =
                    std::array::from_fn(|t| x.as_ptr().wrapping_add(taps[t.min(taps.len() - 1)]));
                // SAFETY: the caller's promise is passed on.
                let tile = unsafe { self.tile::<L, R, T>(rows, from) };
                for (r, row) in tile.iter().enumerate().take(self.channels - first) {
                    let at = (first + r) * all + i * T;
                    let sums = sums[at..].iter_mut().zip(row).take(taps.len());
                    sums.for_each(|(sum, lanes)| *sum += lanes.sum());
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::run_lanes`].
    #[inline(always)]
    unsafe fn tile<L: Lanes, const R: usize, const T: usize>(
        &self,
        rows: [*const f32; R],
        from: [*const f32; T],
    ) -> [[L; T]; R] {
        let mut acc = [[L::splat(0.0); T]; R];
        for (&at, &to) in self.sweep.from.iter().zip(&self.sweep.to) {
            // SAFETY: `run` checked that every vector of every tap and channel lies in its slice.
            unsafe {
                let x: [L; T] = std::array::from_fn(|t| L::load(from[t].add(at)));
                for (acc, row) in acc.iter_mut().zip(rows) {
                    let dy = L::load(row.add(to));
                    for (acc, x) in acc.iter_mut().zip(x) {
                        *acc = acc.add_product(dy, x);
                    }
                }
            }
        }
        acc
    }
}

/// The products of one sample's group. Every access must lie inside its slice.
struct Sums<'a> {
    of: &'a Dots,
    dy: &'a [f32],
    x: &'a [f32],
    sums: &'a mut [f32],
}

impl Loop for Sums<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.of.run_lanes::<L>(self.dy, self.x, self.sums) };
    }
}
