//! `y = act(w ∗ x + b)`, sample by sample, by whichever of three ways takes less time.
//!
//! - `direct`: a product over all taps
//! - `winograd`: fewer products between transforms, for 3x3 kernels of stride 1
//! - `depthwise`: every channel by itself

mod direct;

use super::depthwise::{self, Gather};
use super::winograd::{self, Kernels, Winograd};
use super::{Geometry, Pool};
use crate::aligned::whole_lines;
use crate::gemm::Activation;
use crate::plane_product::Finish;
use crate::pool::Chunks;

/// A convolution, ready to run.
#[derive(Debug, Clone)]
pub struct Forward {
    g: Geometry,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Direct(direct::Direct),
    Winograd(Winograd),
    Depthwise(Gather),
}

impl Forward {
    /// Prepares the convolution.
    ///
    /// # Panics
    /// If the geometry is no convolution.
    pub fn new(g: Geometry) -> Self {
        g.check();
        let way = if depthwise::suits(&g) {
            Way::Depthwise(Gather::forward(&g))
        } else if winograd::suits(&g) {
            Way::Winograd(Winograd::new(&g))
        } else {
            Way::Direct(direct::Direct::new(g))
        };
        Self { g, way }
    }

    /// Elements of the packed weights.
    pub fn packed_len(&self) -> usize {
        whole_lines(match &self.way {
            Way::Direct(way) => way.packed_len(),
            Way::Winograd(way) => way.packed_len(),
            Way::Depthwise(way) => way.packed_len(),
        })
    }

    /// The way that was chosen, in a word.
    pub fn way(&self) -> &'static str {
        match &self.way {
            Way::Direct(_) => "direct",
            Way::Winograd(_) => "winograd",
            Way::Depthwise(_) => "depthwise",
        }
    }

    /// What one sample takes, for guesses at time.
    pub fn work(&self) -> Work {
        match &self.way {
            Way::Direct(way) => way.work(),
            Way::Winograd(way) => way.work(),
            Way::Depthwise(way) => way.work(),
        }
    }

    /// How much scratch memory [`Self::run_packed`] needs with this many threads, in elements.
    pub fn packed_scratch_len(&self, threads: usize) -> usize {
        let of_thread = match &self.way {
            Way::Direct(way) => way.scratch_len(),
            Way::Winograd(way) => way.scratch_len(),
            Way::Depthwise(way) => way.scratch_len(),
        };
        threads * whole_lines(of_thread)
    }

    /// How much scratch memory [`Self::run`] needs with this many threads, in elements.
    pub fn scratch_len(&self, threads: usize) -> usize {
        self.packed_len() + self.packed_scratch_len(threads)
    }

    /// Brings weights, `[channels_out, channels_in / groups, kernel height, kernel width]`, into the order in which they are
    /// read; weights that stay need it once.
    ///
    /// # Panics
    /// If a slice has another length, for `packed` [`Self::packed_len`].
    pub fn pack(&self, w: &[f32], packed: &mut [f32]) {
        assert_eq!(w.len(), self.g.channels_out * self.g.taps(), "the weights fill their shape");
        assert_eq!(packed.len(), self.packed_len(), "the packed weights fill their shape");
        match &self.way {
            Way::Direct(way) => way.pack(w, packed),
            Way::Winograd(way) => way.pack(Kernels::Plain(w), packed),
            Way::Depthwise(way) => way.pack(w, packed),
        }
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
        let (packed, scratch) = scratch.split_at_mut(self.packed_len());
        self.pack(layer.w, packed);
        self.run_packed(pool, x, &Layer { w: packed, ..*layer }, y, scratch);
    }

    /// As [`Self::run`], with weights as [`Self::pack`] left them.
    ///
    /// # Panics
    /// As [`Self::run`]; `scratch` has [`Self::packed_scratch_len`].
    pub fn run_packed(
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
        assert_eq!(layer.w.len(), self.packed_len(), "the packed weights fill their shape");
        assert!(layer.bias.is_none_or(|b| b.len() == g.channels_out), "one bias per channel");
        let finish = Finish { bias: layer.bias, floor: layer.activation.floor() };
        let parts = Chunks::new(y, g.sample_out());
        pool.for_each_with(g.batch, parts, scratch, |n, y, scratch| {
            let x = &x[n * g.sample_in()..][..g.sample_in()];
            match &self.way {
                Way::Direct(way) => way.sample(x, layer.w, &finish, y, scratch),
                Way::Winograd(way) => way.sample(x, layer.w, &finish, y, scratch),
                Way::Depthwise(way) => way.sample(x, layer.w, &finish, y, scratch),
            }
        });
    }
}

/// What a kernel does for a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Multiply-adds, also those of rows and pixels that only fill vectors.
    pub products: usize,
    /// Elements that are copied or transformed before and after.
    pub moved: usize,
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
