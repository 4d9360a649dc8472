//! `y = act(w ∗ x + b)`, sample by sample.

use super::phases::{Phases, View};
use super::sweep::Sweep;
use super::{Geometry, Pool};
use crate::gemm::Activation;
use crate::plane_product::{Finish, Places, Product, Small, pack, packed_len, plane_product};
use crate::pool::Chunks;

/// A convolution, ready to run.
#[derive(Debug, Clone)]
pub struct Forward {
    g: Geometry,
    phases: Phases,
    sweep: Sweep,
    places: Places,
}

impl Forward {
    /// Prepares the convolution.
    ///
    /// # Panics
    /// If the geometry is no convolution.
    pub fn new(g: Geometry) -> Self {
        g.check();
        let sweep = Sweep::new(g.output, Phases::pitch(&g));
        let phases = Phases::new(g, sweep.overhang);
        let places = Places::new(sweep.from.clone(), sweep.to.clone(), phases.offsets());
        Self { g, phases, sweep, places }
    }

    fn packed_len(&self) -> usize {
        self.g.groups * packed_len(self.g.group_out(), self.g.taps())
    }

    /// Elements of the planes that a group's product writes, if they are more than wanted.
    fn wide(&self) -> usize {
        if self.sweep.is_exact() { 0 } else { self.g.group_out() * self.sweep.plane }
    }

    /// How much scratch memory [`Self::run`] needs with this many threads, in elements.
    pub fn scratch_len(&self, threads: usize) -> usize {
        self.packed_len() + threads * (self.phases.copy_len() + self.wide())
    }

    /// Runs the convolution.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`
    /// - `w`: `[channels_out, channels_in / groups, kernel height, kernel width]`
    /// - `bias`: `[channels_out]`
    /// - `y`: `[batch, channels_out, output height, output width]`
    /// - `scratch`: [`Self::scratch_len`]
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn run(
        &self,
        pool: &Pool,
        x: &[f32],
        layer: &Layer<'_>,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.g;
        assert_eq!(x.len(), g.batch * g.sample_in(), "the input fills its shape");
        assert_eq!(y.len(), g.batch * g.sample_out(), "the output fills its shape");
        assert_eq!(layer.w.len(), g.channels_out * g.taps(), "the weights fill their shape");
        assert!(layer.bias.is_none_or(|b| b.len() == g.channels_out), "one bias per channel");
        let (packed, scratch) = scratch.split_at_mut(self.packed_len());
        let one = packed_len(g.group_out(), g.taps());
        for (group, packed) in packed.chunks_exact_mut(one).enumerate() {
            let w = &layer.w[group * g.group_out() * g.taps()..];
            pack(packed, g.group_out(), g.taps(), |o, t| w[o * g.taps() + t]);
        }
        let parts = Chunks::new(y, g.sample_out());
        pool.for_each_with(g.batch, parts, scratch, |n, y, scratch| {
            self.sample(&x[n * g.sample_in()..][..g.sample_in()], packed, layer, (y, scratch));
        });
    }

    fn sample(
        &self,
        x: &[f32],
        packed: &[f32],
        layer: &Layer<'_>,
        (y, scratch): (&mut [f32], &mut [f32]),
    ) {
        let g = &self.g;
        let (copy, scratch) = scratch.split_at_mut(self.phases.copy_len());
        if self.phases.are_copied() {
            self.phases.fill(x, View::plain(g.input), copy);
        }
        let x = if self.phases.are_copied() { &*copy } else { x };
        let planes = g.group_in() * self.phases.plane();
        let one = packed_len(g.group_out(), g.taps());
        for (group, y) in y.chunks_exact_mut(g.group_out() * g.pixels()).enumerate() {
            let channels = group * g.group_out()..(group + 1) * g.group_out();
            let finish = Finish { bias: layer.bias.map(|b| &b[channels]), floor: layer.floor() };
            let small = Small::packed(&packed[group * one..][..one], g.taps());
            let (rows, row_stride) = (g.group_out(), self.sweep.plane);
            let product = Product { small, rows, row_stride, finish };
            let x = &x[group * planes..];
            if self.sweep.is_exact() {
                plane_product(&product, &self.places, x, y);
                continue;
            }
            let wide = &mut scratch[..self.wide()];
            plane_product(&product, &self.places, x, wide);
            let planes = y.chunks_exact_mut(g.pixels()).zip(wide.chunks_exact(self.sweep.plane));
            for (y, wide) in planes {
                let rows = y.chunks_exact_mut(g.output[1]).zip(self.sweep.rows(wide));
                rows.for_each(|(y, row)| y.copy_from_slice(row));
            }
        }
    }
}

/// What a layer adds to the picture.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Weights.
    pub w: &'a [f32],
    /// One number per output channel, or none.
    pub bias: Option<&'a [f32]>,
    /// What comes after.
    pub activation: Activation,
}

impl Layer<'_> {
    fn floor(&self) -> f32 {
        self.activation.floor()
    }
}
