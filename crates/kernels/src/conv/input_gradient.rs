//! `dx = wᵀ ∗ dy`: a product into columns of taps, then added back to the pixels they looked at.

use super::copies::{col2im, column_len, unpad};
use super::{Geometry, Pool};
use crate::lanes::LANES;
use crate::plane_product::{Finish, Places, Product, Small, pack, packed_len, plane_product};
use crate::pool::Chunks;

/// The gradient of a convolution by its input, ready to run.
#[derive(Debug, Clone)]
pub struct InputGradient {
    g: Geometry,
    places: Places,
}

impl InputGradient {
    /// Prepares the gradient of this convolution.
    ///
    /// # Panics
    /// If the geometry is no convolution.
    pub fn new(g: Geometry) -> Self {
        g.check();
        let places = Places::flat(Self::plane(&g), Self::plane(&g), g.group_out());
        Self { g, places }
    }

    /// Pixels of a plane of `dy` as the product reads it: copied to a whole vector if it is smaller.
    fn plane(g: &Geometry) -> usize {
        if g.pixels() >= LANES { g.pixels() } else { column_len(g) }
    }

    fn packed_len(&self) -> usize {
        self.g.groups * packed_len(self.g.taps(), self.g.group_out())
    }

    fn scratch_per_worker(&self) -> usize {
        let padded = if self.g.is_padded() { self.g.sample_padded() } else { 0 };
        padded + (self.g.taps() + self.g.group_out()) * Self::plane(&self.g)
    }

    /// How much scratch memory [`Self::run`] needs with this many threads, in elements.
    pub fn scratch_len(&self, threads: usize) -> usize {
        self.packed_len() + threads * self.scratch_per_worker()
    }

    /// Runs the gradient.
    ///
    /// # Shapes
    /// - `dy`: `[batch, channels_out, output height, output width]`
    /// - `w`: `[channels_out, channels_in / groups, kernel height, kernel width]`
    /// - `dx`: `[batch, channels_in, height, width]`
    /// - `scratch`: [`Self::scratch_len`]
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn run(&self, pool: &Pool, dy: &[f32], w: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
        let g = &self.g;
        assert_eq!(dx.len(), g.batch * g.sample_in(), "the input's gradient fills its shape");
        assert_eq!(dy.len(), g.batch * g.sample_out(), "the output's gradient fills its shape");
        assert_eq!(w.len(), g.channels_out * g.taps(), "the weights fill their shape");
        let (packed, scratch) = scratch.split_at_mut(self.packed_len());
        let one = packed_len(g.taps(), g.group_out());
        for (group, packed) in packed.chunks_exact_mut(one).enumerate() {
            let w = &w[group * g.group_out() * g.taps()..];
            pack(packed, g.taps(), g.group_out(), |t, o| w[o * g.taps() + t]);
        }
        let parts = Chunks::new(dx, g.sample_in());
        pool.for_each_with(g.batch, parts, scratch, |n, dx, scratch| {
            self.sample(&dy[n * g.sample_out()..][..g.sample_out()], packed, dx, scratch);
        });
    }

    fn sample(&self, dy: &[f32], packed: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
        let g = &self.g;
        let (padded, scratch) =
            scratch.split_at_mut(if g.is_padded() { g.sample_padded() } else { 0 });
        let planes = if g.is_padded() { &mut *padded } else { &mut *dx };
        planes.fill(0.0);
        let one = packed_len(g.taps(), g.group_out());
        let (inputs, outputs) = (planes.len() / g.groups, g.group_out() * g.pixels());
        for group in 0..g.groups {
            let dy = &dy[group * outputs..][..outputs];
            let to = &mut planes[group * inputs..][..inputs];
            self.group(dy, &packed[group * one..][..one], to, scratch);
        }
        if g.is_padded() {
            unpad(g, padded, dx);
        }
    }

    fn group(&self, dy: &[f32], packed: &[f32], planes: &mut [f32], scratch: &mut [f32]) {
        let g = &self.g;
        let plane = Self::plane(g);
        let (columns, copy) = scratch.split_at_mut(g.taps() * plane);
        let dy = if plane == g.pixels() {
            dy
        } else {
            for (to, from) in copy.chunks_exact_mut(plane).zip(dy.chunks_exact(g.pixels())) {
                to[..g.pixels()].copy_from_slice(from);
                to[g.pixels()..].fill(0.0);
            }
            copy
        };
        let finish = Finish { bias: None, floor: f32::NEG_INFINITY };
        let small = Small::packed(packed, g.group_out());
        let product = Product { small, rows: g.taps(), row_stride: plane, finish };
        plane_product(&product, &self.places, dy, columns);
        crate::isa::vectorize(|| col2im(g, columns, plane, planes));
    }
}
