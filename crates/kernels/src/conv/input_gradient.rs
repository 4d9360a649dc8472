//! `dx = wᵀ ∗ dy`, by whichever of four ways takes less work.
//!
//! - `direct`: a convolution over `dy` with zeros around it; no more is written than the gradient
//! - `winograd`: the same with fewer products, for 3x3 kernels of stride 1
//! - `columns`: a product without those zeros, whose columns are added up afterwards; better where a large kernel meets a
//!   small plane
//! - `depthwise`: every channel by itself
//!
//! A sample is computed by one thread, so the result does not depend on the number of threads.

mod columns;
mod direct;
mod fold;

use super::depthwise::{self, Gather};
use super::winograd::{self, Kernels, Winograd};
use super::{Geometry, Pool, Work};
use crate::plane_product::Finish;
use crate::pool::Chunks;

/// How much more products are worth avoiding the columns.
const COST_OF_COLUMNS: f64 = 1.5;

/// The gradient of a convolution by its input, ready to run.
#[derive(Debug, Clone)]
pub struct InputGradient {
    g: Geometry,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Columns(columns::Columns),
    Direct(direct::Direct),
    Winograd(Box<Winograd>),
    Depthwise(Gather),
}

impl InputGradient {
    /// Prepares the gradient of this convolution.
    ///
    /// # Panics
    /// If the geometry is no convolution.
    pub fn new(g: Geometry) -> Self {
        g.check();
        if depthwise::suits(&g) {
            return Self { g, way: Way::Depthwise(Gather::backward(&g)) };
        }
        if let Some(reversed) = reversed(&g).filter(winograd::suits) {
            return Self { g, way: Way::Winograd(Box::new(Winograd::new(&reversed))) };
        }
        let (columns, direct) = (columns::Columns::new(g), direct::Direct::new(g));
        let is_direct = direct.vectors() as f64 <= COST_OF_COLUMNS * columns.vectors() as f64;
        let way = if is_direct { Way::Direct(direct) } else { Way::Columns(columns) };
        Self { g, way }
    }

    /// The way that was chosen, in a word.
    pub fn way(&self) -> &'static str {
        match &self.way {
            Way::Columns(_) => "columns",
            Way::Direct(_) => "direct",
            Way::Winograd(_) => "winograd",
            Way::Depthwise(_) => "depthwise",
        }
    }

    /// What one sample takes, for guesses at time.
    pub fn work(&self) -> Work {
        match &self.way {
            Way::Columns(way) => way.work(),
            Way::Direct(way) => way.work(),
            Way::Winograd(way) => way.work(),
            Way::Depthwise(way) => way.work(),
        }
    }

    fn packed_len(&self) -> usize {
        match &self.way {
            Way::Columns(way) => way.packed_len(),
            Way::Direct(way) => way.packed_len(),
            Way::Winograd(way) => way.packed_len(),
            Way::Depthwise(way) => way.packed_len(),
        }
    }

    /// How much scratch memory [`Self::run`] needs with this many threads, in elements.
    pub fn scratch_len(&self, threads: usize) -> usize {
        let of_thread = match &self.way {
            Way::Columns(way) => way.scratch_len(),
            Way::Direct(way) => way.scratch_len(),
            Way::Winograd(way) => way.scratch_len(),
            Way::Depthwise(way) => way.scratch_len(),
        };
        self.packed_len() + threads * of_thread
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
        match &self.way {
            Way::Columns(way) => way.pack(w, packed),
            Way::Direct(way) => way.pack(w, packed),
            Way::Winograd(way) => way.pack(Kernels::Turned(w), packed),
            Way::Depthwise(way) => way.pack(w, packed),
        }
        let parts = Chunks::new(dx, g.sample_in());
        pool.for_each_with(g.batch, parts, scratch, |n, dx, scratch| {
            let dy = &dy[n * g.sample_out()..][..g.sample_out()];
            match &self.way {
                Way::Columns(way) => way.sample(dy, packed, dx, scratch),
                Way::Direct(way) => way.sample(dy, packed, dx, scratch),
                Way::Winograd(way) => way.sample(dy, packed, &Finish::NOTHING, dx, scratch),
                Way::Depthwise(way) => way.sample(dy, packed, &Finish::NOTHING, dx, scratch),
            }
        });
    }
}

/// The convolution from the output's gradient to the input's; `None` if its kernels are not merely those of `g`, turned.
fn reversed(g: &Geometry) -> Option<Geometry> {
    let reach = [0, 1].map(|i| g.kernel[i] - 1);
    let pad =
        |pads: [usize; 2]| Some([reach[0].checked_sub(pads[0])?, reach[1].checked_sub(pads[1])?]);
    let is_dense = g.stride == [1; 2] && g.dilation == [1; 2];
    let (pad_begin, pad_end) = (pad(g.pad_begin)?, pad(g.pad_end)?);
    let (channels_in, channels_out) = (g.channels_out, g.channels_in);
    let (input, output) = (g.output, g.input);
    is_dense.then_some(Geometry {
        channels_in,
        channels_out,
        input,
        output,
        pad_begin,
        pad_end,
        ..*g
    })
}
