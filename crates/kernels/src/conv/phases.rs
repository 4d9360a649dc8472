//! The planes of a sample made readable: zeros around them, and pixels that a stride brings together side by side.
//!
//! ```text
//! phase (py, px) of a plane:  [y, x] = padded(y · stride down + py, x · stride right + px)
//! ```
//! A tap of the kernel reads one phase, shifted, so that all strides are stride 1 from here on. Planes that are so already are
//! not copied.

use super::Geometry;
use crate::cache::{collide, spaced};
use crate::isa::vectorize;

/// The phases that taps read.
#[derive(Debug, Clone)]
pub(super) struct Phases {
    g: Geometry,
    /// Rows and columns where phases begin.
    used: Vec<[usize; 2]>,
    /// Height and width of a phase.
    size: [usize; 2],
    /// Elements past the last plane that may be read.
    slack: usize,
}

impl Phases {
    /// Those of this convolution, readable for `slack` elements past their end.
    pub(super) fn new(g: Geometry, slack: usize) -> Self {
        let phase = |i: usize, k: usize| k * g.dilation[i] % g.stride[i];
        let mut used: Vec<[usize; 2]> = (0..g.kernel[0])
            .flat_map(|ky| (0..g.kernel[1]).map(move |kx| [phase(0, ky), phase(1, kx)]))
            .collect();
        used.sort_unstable();
        used.dedup();
        let reach = |i: usize| (g.kernel[i] - 1) * g.dilation[i] / g.stride[i];
        Self { g, used, size: [0, 1].map(|i| g.output[i] + reach(i)), slack }
    }

    /// From one row of a phase to the next.
    pub(super) fn pitch(g: &Geometry) -> usize {
        g.output[1] + (g.kernel[1] - 1) * g.dilation[1] / g.stride[1]
    }

    /// Whether [`Self::fill`] is needed.
    pub(super) fn are_copied(&self) -> bool {
        let g = &self.g;
        let moved = g.is_padded() || g.stride != [1, 1] || self.size != g.input;
        moved || self.slack > 0 || collide(g.group_in(), self.size[0] * self.size[1])
    }

    /// From one channel to the next.
    pub(super) fn plane(&self) -> usize {
        let all = self.used.len() * self.size[0] * self.size[1];
        if self.are_copied() { spaced(all) } else { all }
    }

    /// Elements of the copy of a sample; 0 if none is needed.
    pub(super) fn copy_len(&self) -> usize {
        if self.are_copied() { self.g.channels_in * self.plane() + self.slack } else { 0 }
    }

    /// Where each tap of a group reads the first pixel.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let Geometry { kernel: [kh, kw], dilation, stride, .. } = self.g;
        let offset = |t: usize| {
            let at = [t / kw % kh * dilation[0], t % kw * dilation[1]];
            let phase = [at[0] % stride[0], at[1] % stride[1]];
            let phase = self.used.iter().position(|used| *used == phase).unwrap_or_default();
            let row = phase * self.size[0] + at[0] / stride[0];
            t / (kh * kw) * self.plane() + row * self.size[1] + at[1] / stride[1]
        };
        (0..self.g.taps()).map(offset).collect()
    }

    /// Copies a sample.
    pub(super) fn fill(&self, sample: &[f32], copy: &mut [f32]) {
        let g = &self.g;
        let ([h, w], [rows, columns]) = (g.input, self.size);
        let (planes, slack) = copy.split_at_mut(g.channels_in * self.plane());
        slack.fill(0.0);
        // Columns of each phase that lie inside the image.
        let inside = |px: usize| {
            let first = g.pad_begin[1].saturating_sub(px).div_ceil(g.stride[1]).min(columns);
            let end = (w + g.pad_begin[1]).saturating_sub(px).div_ceil(g.stride[1]);
            first..end.clamp(first, columns)
        };
        vectorize(
            #[inline(always)]
            || {
                for (plane, to) in
                    sample.chunks_exact(h * w).zip(planes.chunks_exact_mut(self.plane()))
                {
                    let (phases, rest) = to.split_at_mut(self.used.len() * rows * columns);
                    rest.fill(0.0);
                    for (&[py, px], to) in
                        self.used.iter().zip(phases.chunks_exact_mut(rows * columns))
                    {
                        let inside = inside(px);
                        for (y, to) in to.chunks_exact_mut(columns).enumerate() {
                            let row = (y * g.stride[0] + py).checked_sub(g.pad_begin[0]);
                            let Some(row) = row.filter(|row| *row < h && !inside.is_empty()) else {
                                to.fill(0.0);
                                continue;
                            };
                            to[..inside.start].fill(0.0);
                            to[inside.end..].fill(0.0);
                            let first = inside.start * g.stride[1] + px - g.pad_begin[1];
                            let from = &plane[row * w + first..(row + 1) * w];
                            spread(from, g.stride[1], &mut to[inside.clone()]);
                        }
                    }
                }
            },
        );
    }
}

/// Every `step`-th element.
#[inline(always)]
fn spread(from: &[f32], step: usize, to: &mut [f32]) {
    match step {
        1 => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
        2 => {
            let (pairs, _) = from.as_chunks::<2>();
            to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
            if let (Some(to), Some(from)) = (to.get_mut(pairs.len()), from.get(2 * pairs.len())) {
                *to = *from;
            }
        }
        _ => to.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, from)| *to = *from),
    }
}
