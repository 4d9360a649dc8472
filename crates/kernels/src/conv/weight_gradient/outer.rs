//! Single pixels broadcast from where they lie, times rows of output channels.
//!
//! ```text
//! dwᵀ[t][o] += x[t at p] · dyᵀ[p][o]        for every pixel p
//! ```
//! `dyᵀ` is a copy in strips of two vectors of channels, which a tile reads from front to back.

use crate::conv::phases::Phases;
use crate::conv::{Geometry, Pool};
use crate::lanes::{self, LANES, Lanes, Loop};
use crate::pool::Chunks;
use crate::transpose::transpose_padded;

/// Taps that are summed at a time.
const ROWS: usize = 6;
/// Channels of a strip.
const STRIP: usize = 2 * LANES;

/// The products of one group.
#[derive(Debug, Clone)]
pub(super) struct Outer {
    channels: usize,
    output: [usize; 2],
    /// From one row of `x` to the next.
    pitch: usize,
    /// Output channels, rounded up to whole vectors.
    columns: usize,
    /// Where each tap reads, relative to a window's corner.
    taps: Vec<usize>,
}

impl Outer {
    pub(super) fn new(g: &Geometry, taps: Vec<usize>) -> Self {
        let columns = g.group_out().next_multiple_of(LANES);
        let (channels, pitch) = (g.group_out(), Phases::pitch(g));
        Self { channels, output: g.output, pitch, columns, taps }
    }

    fn pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Elements of a group's sums: `[taps][columns]`.
    pub(super) fn sums_len(&self) -> usize {
        self.taps.len() * self.columns
    }

    /// Elements of a group's transposed `dy`.
    pub(super) fn copy_len(&self) -> usize {
        self.pixels() * self.columns
    }

    /// Multiply-adds of a group.
    pub(super) fn products(&self) -> usize {
        self.pixels() * self.sums_len()
    }

    /// Transposes sums, `[groups][taps][columns]`, into the weights' layout.
    pub(super) fn gather(&self, pool: &Pool, g: &Geometry, sums: &[f32], dw: &mut [f32]) {
        let (taps, outs) = (self.taps.len(), self.channels);
        pool.for_each(g.channels_out, Chunks::new(dw, taps), |o, row| {
            let (group, o) = (o / outs, o % outs);
            let column = sums[group * taps * self.columns + o..].iter().step_by(self.columns);
            row.iter_mut().zip(column).for_each(|(to, from)| *to = *from);
        });
    }

    /// Adds the products of a sample's group to `sums`.
    pub(super) fn accumulate(&self, dy: &[f32], x: &[f32], sums: &mut [f32], copy: &mut [f32]) {
        let copy = &mut copy[..self.copy_len()];
        for first in (0..self.columns).step_by(STRIP) {
            let width = STRIP.min(self.columns - first);
            let strip = &mut copy[first * self.pixels()..][..width * self.pixels()];
            let channels = &dy[first * self.pixels()..];
            let size = [(self.channels - first).min(width), self.pixels()];
            transpose_padded(channels, size, (strip, width));
        }
        self.run(copy, x, sums);
    }

    fn run(&self, dy: &[f32], x: &[f32], sums: &mut [f32]) {
        let corner = (self.output[0] - 1) * self.pitch + self.output[1] - 1;
        let reach = corner + self.taps.iter().max().expect("a kernel has taps");
        assert!(reach < x.len(), "every tap lies inside its plane");
        assert!(dy.len() == self.copy_len() && sums.len() == self.sums_len());
        // SAFETY: the accesses were checked above.
        unsafe { lanes::run(Sums { of: self, dy, x, sums }) };
    }

    /// # Safety
    /// All accesses must lie inside the slices, and the machine must have the lanes.
    #[inline(always)]
    unsafe fn run_lanes<L: Lanes>(&self, dy: &[f32], x: &[f32], sums: &mut [f32]) {
        for (i, taps) in self.taps.chunks(ROWS).enumerate() {
            // A missing tap repeats the last one and is not stored.
            let from: [usize; ROWS] = std::array::from_fn(|r| taps[r.min(taps.len() - 1)]);
            let sums = &mut sums[i * ROWS * self.columns..][..taps.len() * self.columns];
            for first in (0..self.columns).step_by(STRIP) {
                let (strip, sums) = (&dy[first * self.pixels()..], &mut sums[first..]);
                // SAFETY: the caller's promise is passed on.
                unsafe {
                    if self.columns - first >= STRIP {
                        self.tile::<L, 2>(x, &from, strip, sums);
                    } else {
                        self.tile::<L, 1>(x, &from, strip, sums);
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
        let mut acc = [[L::splat(0.0); V]; ROWS];
        let mut d = dy.as_ptr();
        // SAFETY: `run` checked that every tap of every pixel lies in `x` and every pixel has a row in `dy`.
        unsafe {
            for oy in 0..self.output[0] {
                let row: [*const f32; ROWS] =
                    std::array::from_fn(|r| x.as_ptr().add(taps[r] + oy * self.pitch));
                for ox in 0..self.output[1] {
                    let dy: [L; V] = std::array::from_fn(|i| L::load(d.add(i * LANES)));
                    for (acc, row) in acc.iter_mut().zip(row) {
                        let x = L::splat(*row.add(ox));
                        for (acc, dy) in acc.iter_mut().zip(dy) {
                            *acc = acc.add_product(x, dy);
                        }
                    }
                    // Stops one row short of the end, so that the pointer stays inside the slice.
                    d = d.wrapping_add(V * LANES);
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

/// The products of one sample's group. Every access must lie inside its slice.
struct Sums<'a> {
    of: &'a Outer,
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
