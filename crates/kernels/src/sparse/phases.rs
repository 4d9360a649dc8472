//! A copy of the input in which every tap is a run of pixels, whatever the stride and the padding.
//!
//! ```text
//! phase (a, b) of a channel holds  x[i · stride_y + a − pad_top, j · stride_x + b − pad_left]  at (i, j), zero outside
//! tap (ky, kx) reads               phase (ky · dy mod stride_y, kx · dx mod stride_x), from (⌊ky · dy / stride_y⌋, …) on
//! ```
//! Outputs follow one another in lines of the phase's width. Not here: planes that can be read where they lie (`planes`).

use crate::conv::Geometry;
use crate::vector::WIDEST;

/// Where a channel's pixels lie in a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) start: usize,
    pub(crate) plane: usize,
    pub(crate) row: usize,
}

/// Every stride-th pixel of every stride-th line, for each start.
#[derive(Debug, Clone)]
pub(crate) struct Phases {
    g: Geometry,
    /// Height and width of a phase.
    size: [usize; 2],
    /// Which phases a tap reads, by number.
    used: Vec<bool>,
    plane: usize,
}

impl Phases {
    pub(crate) fn new(g: &Geometry) -> Self {
        let size: [usize; 2] = std::array::from_fn(|i| {
            (g.input[i] + g.pad_begin[i] + g.pad_end[i]).div_ceil(g.stride[i])
        });
        let plane = (size[0] * size[1]).next_multiple_of(WIDEST);
        let plane = if plane.is_multiple_of(1024) { plane + WIDEST } else { plane };
        let mut phases = Self { g: *g, size, used: vec![false; g.stride[0] * g.stride[1]], plane };
        for (ky, kx) in (0..g.kernel[0]).flat_map(|ky| (0..g.kernel[1]).map(move |kx| (ky, kx))) {
            let phase = phases.phase(ky, kx);
            phases.used[phase] = true;
        }
        phases
    }

    fn phase(&self, ky: usize, kx: usize) -> usize {
        let Geometry { dilation: [dy, dx], stride: [sy, sx], .. } = self.g;
        ky * dy % sy * sx + kx * dx % sx
    }

    /// Elements of a copied sample, with room for a last vector.
    pub(crate) fn len(&self) -> usize {
        self.g.channels_in * self.used.len() * self.plane + WIDEST
    }

    /// From one line of outputs to the next.
    pub(crate) fn row(&self) -> usize {
        self.size[1]
    }

    /// Where a tap of an input channel reads its first pixel.
    pub(crate) fn offset(&self, channel: usize, ky: usize, kx: usize) -> usize {
        let Geometry { dilation: [dy, dx], stride: [sy, sx], .. } = self.g;
        let plane = channel * self.used.len() + self.phase(ky, kx);
        plane * self.plane + ky * dy / sy * self.size[1] + kx * dx / sx
    }

    /// Writes the phases that are read.
    pub(crate) fn copy(&self, sample: &[f32], view: View, to: &mut [f32]) {
        crate::isa::vectorize(
            #[inline(always)]
            || {
                let planes = to.chunks_exact_mut(self.plane).enumerate();
                for (i, to) in planes.take(self.g.channels_in * self.used.len()) {
                    let (channel, phase) = (i / self.used.len(), i % self.used.len());
                    if self.used[phase] {
                        let from = &sample[view.start + channel * view.plane..];
                        self.copy_phase(from, view.row, phase, to);
                    }
                }
            },
        );
    }

    #[inline(always)]
    fn copy_phase(&self, from: &[f32], row: usize, phase: usize, to: &mut [f32]) {
        let Geometry { input: [height, width], stride: [sy, sx], pad_begin: [top, left], .. } =
            self.g;
        let (a, b) = (phase / sx, phase % sx);
        // Columns j with left <= j · sx + b < left + width.
        let first = left.saturating_sub(b).div_ceil(sx).min(self.size[1]);
        let end = (left + width).saturating_sub(b).div_ceil(sx).clamp(first, self.size[1]);
        // All at once: a call for the few zeros of every line would take longer than the lines.
        to.fill(0.0);
        if first == end {
            return;
        }
        let x = first * sx + b - left;
        for (i, to) in to.chunks_exact_mut(self.size[1]).take(self.size[0]).enumerate() {
            let y = (i * sy + a).wrapping_sub(top);
            if y >= height {
                continue;
            }
            let (line, to) = (&from[y * row..][x..width], &mut to[first..end]);
            match sx {
                1 => to.copy_from_slice(&line[..to.len()]),
                2 => every_second(line, to),
                _ => to.iter_mut().zip(line.iter().step_by(sx)).for_each(|(to, x)| *to = *x),
            }
        }
    }
}

/// Eight at a time from sixteen, so that the loop becomes shuffles.
#[inline(always)]
fn every_second(from: &[f32], to: &mut [f32]) {
    let (sixteens, _) = from.as_chunks::<16>();
    let (eights, _) = to.as_chunks_mut::<8>();
    let whole = sixteens.len().min(eights.len());
    for (from, to) in sixteens.iter().zip(eights) {
        *to = std::array::from_fn(|i| from[2 * i]);
    }
    let rest = to[8 * whole..].iter_mut().zip(from[16 * whole..].iter().step_by(2));
    rest.for_each(|(to, x)| *to = *x);
}
