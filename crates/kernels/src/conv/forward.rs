//! `y = act(w ∗ x + b)`, sample by sample, by whichever of three ways takes less time.
//!
//! - `direct`: a product over all taps
//! - `winograd`: fewer products between transforms, for 3x3 kernels of stride 1
//! - `depthwise`: every channel by itself, in one of two ways

mod direct;

use super::depthwise::{self, Gather, Planar};
use super::winograd::{self, Kernels, Winograd};
use super::{Geometry, Pool};
use crate::aligned::whole_lines;
use crate::gemm::Activation;
use crate::plane_product::Finish;
use crate::pool::Chunks;
use crate::sparse::Layout;

/// A convolution, ready to run.
#[derive(Debug, Clone)]
pub struct Forward {
    g: Geometry,
    way: Way,
    /// How input and output lie.
    ends: [Layout; 2],
}

#[derive(Debug, Clone)]
enum Way {
    Direct(direct::Direct),
    Winograd(Winograd),
    Depthwise(Gather),
    Planar(Planar),
}

impl Forward {
    /// Prepares the convolution.
    ///
    /// # Panics
    /// If the geometry is no convolution.
    pub fn new(g: Geometry) -> Self {
        g.check();
        let ends = [Layout::Plain; 2];
        let way = if depthwise::suits(&g) {
            let planar = Planar::new(&g, ends).map(Way::Planar);
            planar.unwrap_or_else(|| Way::Depthwise(Gather::forward(&g)))
        } else if winograd::suits(&g) {
            Way::Winograd(Winograd::new(&g))
        } else {
            Way::Direct(direct::Direct::new(g))
        };
        Self { g, way, ends }
    }

    /// The convolution from one layout to another, if there is a way between them.
    ///
    /// # Panics
    /// If planes have another size.
    pub fn between(self, ends: [Layout; 2]) -> Option<Self> {
        let g = &self.g;
        let fits = |layout: &Layout, size| layout.planes().is_none_or(|p| p.size() == size);
        assert!(fits(&ends[0], g.input) && fits(&ends[1], g.output), "planes fit");
        let way = match (self.way, ends) {
            (way, [Layout::Plain, Layout::Plain]) => way,
            (Way::Planar(_) | Way::Depthwise(_), _) => Way::Planar(Planar::new(g, ends)?),
            (Way::Direct(way), [Layout::Plain, Layout::Planes(to)]) => Way::Direct(way.into(to)?),
            _ => return None,
        };
        Some(Self { way, ends, ..self })
    }

    /// Elements of the packed weights.
    pub fn packed_len(&self) -> usize {
        whole_lines(match &self.way {
            Way::Direct(way) => way.packed_len(),
            Way::Winograd(way) => way.packed_len(),
            Way::Depthwise(way) => way.packed_len(),
            Way::Planar(way) => way.packed_len(),
        })
    }

    /// The way that was chosen, in a word.
    pub fn way(&self) -> &'static str {
        match &self.way {
            Way::Direct(_) => "direct",
            Way::Winograd(_) => "winograd",
            Way::Depthwise(_) | Way::Planar(_) => "depthwise",
        }
    }

    /// What one sample takes, for guesses at time.
    pub fn work(&self) -> Work {
        match &self.way {
            Way::Direct(way) => way.work(),
            Way::Winograd(way) => way.work(),
            Way::Depthwise(way) => way.work(),
            Way::Planar(way) => way.work(),
        }
    }

    /// How much scratch memory [`Self::run_packed`] needs with this many threads, in elements.
    pub fn packed_scratch_len(&self, threads: usize) -> usize {
        let of_thread = match &self.way {
            Way::Direct(way) => way.scratch_len(),
            Way::Winograd(way) => way.scratch_len(),
            Way::Depthwise(way) => way.scratch_len(),
            Way::Planar(way) => way.scratch_len(),
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
            Way::Planar(_) => packed[..w.len()].copy_from_slice(w),
        }
    }

    /// Runs the convolution.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`, row-major unless [`Self::between`] said otherwise; so `y`
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
        let [from, to] = &self.ends;
        assert_eq!(x.len(), from.len(g.batch, g.sample_in()), "the input fills its shape");
        assert_eq!(y.len(), to.len(g.batch, g.sample_out()), "the output fills its shape");
        assert_eq!(layer.w.len(), self.packed_len(), "the packed weights fill their shape");
        assert!(layer.bias.is_none_or(|b| b.len() == g.channels_out), "one bias per channel");
        let finish = Finish { bias: layer.bias, floor: layer.activation.floor() };
        let step_in = from.len(1, g.sample_in()) - from.len(0, 0);
        let parts = Chunks::new(y, to.len(1, g.sample_out()) - to.len(0, 0));
        pool.for_each_with(g.batch, parts, scratch, |n, y, scratch| {
            let x = &x[n * step_in..][..from.len(1, g.sample_in())];
            match &self.way {
                Way::Direct(way) => way.sample(x, layer.w, &finish, y, scratch),
                Way::Winograd(way) => way.sample(x, layer.w, &finish, y, scratch),
                Way::Depthwise(way) => way.sample(x, layer.w, &finish, y, scratch),
                Way::Planar(way) => way.sample(x, layer.w, &finish, y, scratch),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::tests::{CASES, geometry, numbers};
    use crate::sparse::Planes;

    /// Planes with rubbish where no kernel may look.
    fn laid_out(layout: Layout, batch: usize, plain: &[f32]) -> Vec<f32> {
        let Layout::Planes(planes) = layout else { return plain.to_vec() };
        let mut value = vec![f32::NAN; planes.len(batch)];
        let sample = plain.len() / batch;
        for n in 0..batch {
            let to = &mut value[n * planes.sample()..];
            planes.pack(&plain[n * sample..][..sample], to);
        }
        value
    }

    fn run(conv: &Forward, (x, w, bias): (&[f32], &[f32], &[f32]), y: &mut [f32]) {
        let mut packed = vec![0.0; conv.packed_len()];
        conv.pack(w, &mut packed);
        let mut scratch = vec![f32::NAN; conv.packed_scratch_len(2)];
        let layer = Layer { w: &packed, bias: Some(bias), activation: Activation::Relu };
        conv.run_packed(&Pool::new(2), x, &layer, y, &mut scratch);
    }

    #[test]
    fn results_are_the_same_in_every_layout_and_planes_have_zeros_around() {
        let mut found = 0;
        for g in CASES.map(geometry) {
            let (x, w) =
                (numbers(g.batch * g.sample_in(), 1), numbers(g.channels_out * g.taps(), 2));
            let bias = numbers(g.channels_out, 3);
            let mut want = vec![f32::NAN; g.batch * g.sample_out()];
            run(&Forward::new(g), (&x, &w, &bias), &mut want);
            let layouts = |channels, size| {
                let planes = [0, 1, 2].map(|pad| Layout::Planes(Planes::new(channels, size, pad)));
                planes.into_iter().chain([Layout::Plain])
            };
            for from in layouts(g.channels_in, g.input) {
                for to in layouts(g.channels_out, g.output) {
                    let Some(conv) = Forward::new(g).between([from, to]) else { continue };
                    found += usize::from(from != Layout::Plain || to != Layout::Plain);
                    let x = laid_out(from, g.batch, &x);
                    let mut y = vec![f32::NAN; to.len(g.batch, g.sample_out())];
                    run(&conv, (&x, &w, &bias), &mut y);
                    let expected = laid_out(to, g.batch, &want);
                    let written = g.batch * (to.len(1, g.sample_out()) - to.len(0, 0));
                    for (at, (y, want)) in y.iter().zip(&expected).enumerate().take(written) {
                        assert!((y - want).abs() < 1e-4, "{g:?} {from:?} {to:?} {at}: {y} {want}");
                    }
                }
            }
        }
        assert!(found > 20, "only {found} ways between layouts");
    }
}
