//! `y = act(w ∗ x + b)`, sample by sample.

use super::copies::{column_len, im2col, pad};
use super::{Geometry, Pool};
use crate::gemm::Activation;
use crate::lanes::LANES;
use crate::plane_product::{
    Finish, Places, Product, Small, pack, packed_len, plane_product, row_starts,
};
use crate::pool::Chunks;

/// A convolution, ready to run.
#[derive(Debug, Clone)]
pub struct Forward {
    g: Geometry,
    places: Places,
    /// Whether pixels are read where they lie in the (padded) planes; if not, from a copy of columns.
    direct: bool,
}

impl Forward {
    /// Prepares the convolution.
    ///
    /// # Panics
    /// If the geometry is no convolution.
    pub fn new(g: Geometry) -> Self {
        g.check();
        let direct = g.stride == [1, 1] && g.output[1] >= LANES;
        let places = if direct {
            in_place(&g)
        } else {
            Places::flat(column_len(&g), column_len(&g), g.taps())
        };
        Self { g, places, direct }
    }

    fn packed_len(&self) -> usize {
        self.g.groups * packed_len(self.g.group_out(), self.g.taps())
    }

    fn scratch_per_worker(&self) -> usize {
        let padded = if self.g.is_padded() { self.g.sample_padded() } else { 0 };
        let columns = (self.g.taps() + self.g.group_out()) * column_len(&self.g);
        padded + if self.direct { 0 } else { columns }
    }

    /// How much scratch memory [`Self::run`] needs with this many threads, in elements.
    pub fn scratch_len(&self, threads: usize) -> usize {
        self.packed_len() + threads * self.scratch_per_worker()
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
        let (padded, scratch) =
            scratch.split_at_mut(if g.is_padded() { g.sample_padded() } else { 0 });
        if g.is_padded() {
            pad(g, x, padded);
        }
        let x = if g.is_padded() { &*padded } else { x };
        let (planes, outputs) = (x.len() / g.groups, g.group_out() * g.pixels());
        let one = packed_len(g.group_out(), g.taps());
        for group in 0..g.groups {
            let channels = group * g.group_out()..(group + 1) * g.group_out();
            let finish = Finish { bias: layer.bias.map(|b| &b[channels]), floor: layer.floor() };
            let packed = &packed[group * one..][..one];
            let small = Small::packed(packed, g.taps());
            let product = Product { small, rows: g.group_out(), row_stride: g.pixels(), finish };
            let x = &x[group * planes..][..planes];
            self.group(&product, x, &mut y[group * outputs..][..outputs], scratch);
        }
    }

    fn group(&self, product: &Product<'_>, x: &[f32], y: &mut [f32], scratch: &mut [f32]) {
        if self.direct {
            plane_product(product, &self.places, x, y);
            return;
        }
        let g = &self.g;
        let len = column_len(g);
        let (columns, scratch) = scratch.split_at_mut(g.taps() * len);
        im2col(g, x, columns);
        let out = &mut scratch[..g.group_out() * len];
        plane_product(&Product { row_stride: len, ..*product }, &self.places, columns, out);
        for (y, out) in y.chunks_exact_mut(g.pixels()).zip(out.chunks_exact(len)) {
            y.copy_from_slice(&out[..g.pixels()]);
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
        match self.activation {
            Activation::None => f32::NEG_INFINITY,
            Activation::Relu => 0.0,
        }
    }
}

/// Vectors along the output rows, read from the planes of one group.
fn in_place(g: &Geometry) -> Places {
    let (width, pw) = (g.output[1], g.padded()[1]);
    let mut places =
        Places { offsets: (0..g.taps()).map(|t| g.tap_offset(t)).collect(), ..Places::default() };
    for oy in 0..g.output[0] {
        for ox in row_starts(width) {
            places.from.push(oy * pw + ox);
            places.to.push(oy * width + ox);
        }
    }
    places
}
