//! `dw = Σ dy · x`, by whichever of four ways the shape makes cheaper.
//!
//! - `outer`: single pixels of `x` times rows of output channels of a transposed `dy`
//! - `winograd::Gradient`: as `outer`, over transformed tiles, for 3x3 kernels of stride 1
//! - `dots`: vectors of pixels of `dy` times those of `x`, each product of two planes summed up at its end
//! - `depthwise`: every channel by itself
//!
//! Samples are cut into a fixed number of shares, each summed on its own and added up in order, so the result
//! does not depend on the number of threads.

mod dots;
mod outer;

use super::depthwise::{self, Products};
use super::phases::{Phases, View};
use super::sweep::Sweep;
use super::{Geometry, Pool, Work, winograd};
use crate::isa::vectorize;
use crate::lanes::LANES;
use crate::pool::Chunks;

/// Shares of the batch; also the most threads that can help.
const SHARES: usize = 8;
/// Taps that are few against 256 pixels.
const FEW_TAPS: usize = 32;
/// Elements that one task adds up.
const CHUNK: usize = 4096;

/// The gradient of a convolution by its weights, ready to run.
#[derive(Debug, Clone)]
pub struct WeightGradient {
    g: Geometry,
    way: Way,
    /// Samples of a share.
    share: usize,
}

#[derive(Debug, Clone)]
enum Way {
    Groups(Box<Groups>),
    Winograd(Box<winograd::Gradient>),
    Depthwise(Products),
}

impl WeightGradient {
    /// Prepares the gradient of this convolution.
    ///
    /// # Panics
    /// If the geometry is no convolution.
    pub fn new(g: Geometry) -> Self {
        g.check();
        let way = if depthwise::suits(&g) {
            Way::Depthwise(Products::new(&g))
        } else if winograd::suits(&g) {
            Way::Winograd(Box::new(winograd::Gradient::new(&g)))
        } else {
            Way::Groups(Box::new(Groups::new(g)))
        };
        Self { g, way, share: g.batch.div_ceil(SHARES).max(1) }
    }

    /// The way that was chosen, in a word.
    pub fn way(&self) -> &'static str {
        match &self.way {
            Way::Groups(way) => way.sums.name(),
            Way::Winograd(_) => "winograd",
            Way::Depthwise(_) => "depthwise",
        }
    }

    /// What one sample takes, for guesses at time.
    pub fn work(&self) -> Work {
        match &self.way {
            Way::Groups(way) => way.work(),
            Way::Winograd(way) => way.work(),
            Way::Depthwise(way) => way.work(),
        }
    }

    fn shares(&self) -> usize {
        self.g.batch.div_ceil(self.share)
    }

    /// Elements of one share's sums.
    fn sums_len(&self) -> usize {
        match &self.way {
            Way::Groups(way) => way.sums_len(),
            Way::Winograd(way) => way.sums_len(),
            Way::Depthwise(way) => way.sums_len(),
        }
    }

    fn scratch_per_worker(&self) -> usize {
        match &self.way {
            Way::Groups(way) => way.scratch_len(),
            Way::Winograd(way) => way.scratch_len(),
            Way::Depthwise(way) => way.scratch_len(),
        }
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
                let x = &x[n * g.sample_in()..][..g.sample_in()];
                match &self.way {
                    Way::Groups(way) => way.accumulate(dy, x, sums, scratch),
                    Way::Winograd(way) => way.accumulate(dy, x, sums, scratch),
                    Way::Depthwise(way) => way.accumulate(dy, x, sums, scratch),
                }
            }
        });
        self.gather(pool, sums, dw);
    }

    /// Adds the shares up in order, into the weights' layout.
    fn gather(&self, pool: &Pool, sums: &mut [f32], dw: &mut [f32]) {
        let (first, others) = sums.split_at_mut(self.sums_len());
        pool.for_each(first.len().div_ceil(CHUNK), Chunks::new(first, CHUNK), |i, total| {
            for share in others.chunks_exact(self.sums_len()) {
                let share = &share[i * CHUNK..][..total.len()];
                vectorize(|| total.iter_mut().zip(share).for_each(|(t, s)| *t += s));
            }
        });
        match &self.way {
            Way::Groups(way) => way.gather(pool, first, dw),
            Way::Winograd(way) => way.gather(pool, first, dw),
            Way::Depthwise(way) => way.gather(first, dw),
        }
    }
}

/// Group by group, over phases of the input.
#[derive(Debug, Clone)]
struct Groups {
    g: Geometry,
    phases: Phases,
    sums: Sums,
}

#[derive(Debug, Clone)]
enum Sums {
    Dots(dots::Dots),
    Outer(outer::Outer),
}

impl Sums {
    fn name(&self) -> &'static str {
        match self {
            Self::Dots(_) => "dots",
            Self::Outer(_) => "outer",
        }
    }
}

impl Groups {
    fn new(g: Geometry) -> Self {
        if suits_dots(&g) {
            let sweep = Sweep::disjoint(g.output, Phases::pitch(&g));
            let phases = Phases::new(g, sweep.overhang);
            let sums = Sums::Dots(dots::Dots::new(&g, sweep, phases.offsets()));
            return Self { g, phases, sums };
        }
        let phases = Phases::new(g, 0);
        let sums = Sums::Outer(outer::Outer::new(&g, phases.offsets()));
        Self { g, phases, sums }
    }

    fn sums_len(&self) -> usize {
        match &self.sums {
            Sums::Dots(_) => self.g.channels_out * self.g.taps(),
            Sums::Outer(outer) => self.g.groups * outer.sums_len(),
        }
    }

    fn work(&self) -> Work {
        let (of_group, copy) = match &self.sums {
            Sums::Dots(dots) => (dots.products(), dots.copy_len()),
            Sums::Outer(outer) => (outer.products(), outer.copy_len()),
        };
        let groups = self.g.groups;
        Work { products: groups * of_group, moved: self.phases.copy_len() + groups * copy }
    }

    fn scratch_len(&self) -> usize {
        let copy = match &self.sums {
            Sums::Dots(dots) => dots.copy_len(),
            Sums::Outer(outer) => outer.copy_len(),
        };
        self.phases.copy_len() + copy
    }

    /// Adds the products of a sample to `sums`.
    fn accumulate(&self, dy: &[f32], x: &[f32], sums: &mut [f32], scratch: &mut [f32]) {
        let g = &self.g;
        let (copy, scratch) = scratch.split_at_mut(self.phases.copy_len());
        if self.phases.are_copied() {
            self.phases.fill(x, View::plain(g.input), copy);
        }
        let x = if self.phases.are_copied() { &*copy } else { x };
        let planes = g.group_in() * self.phases.plane();
        let one = sums.len() / g.groups;
        for (group, sums) in sums.chunks_exact_mut(one).enumerate() {
            let dy = &dy[group * g.group_out() * g.pixels()..][..g.group_out() * g.pixels()];
            let x = &x[group * planes..];
            match &self.sums {
                Sums::Dots(dots) => dots.accumulate(dy, x, sums, scratch),
                Sums::Outer(outer) => outer.accumulate(dy, x, sums, scratch),
            }
        }
    }

    /// The gradient out of the sums of all samples.
    fn gather(&self, pool: &Pool, sums: &[f32], dw: &mut [f32]) {
        match &self.sums {
            Sums::Dots(_) => dw.copy_from_slice(sums),
            Sums::Outer(outer) => outer.gather(pool, &self.g, sums, dw),
        }
    }
}

/// Whether planes are multiplied as wholes: where few output channels would leave lanes empty, or where there are so many more
/// pixels than taps that transposing `dy` costs more than adding up lanes.
fn suits_dots(g: &Geometry) -> bool {
    let few = g.kernel == [1, 1] || g.taps() <= FEW_TAPS;
    g.group_out() < LANES || few && g.pixels() >= 256
}
