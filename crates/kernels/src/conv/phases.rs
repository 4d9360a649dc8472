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

/// Where a sample's pixels lie: the first, from one channel to the next, from one line to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) start: usize,
    pub(crate) plane: usize,
    pub(crate) row: usize,
}

impl View {
    /// Row-major, nothing in between.
    pub(crate) fn plain([height, width]: [usize; 2]) -> Self {
        Self { start: 0, plane: height * width, row: width }
    }
}

/// The phases that taps read.
#[derive(Debug, Clone)]
pub(crate) struct Phases {
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
    pub(crate) fn new(g: Geometry, slack: usize) -> Self {
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
    pub(crate) fn pitch(g: &Geometry) -> usize {
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
    pub(crate) fn copy_len(&self) -> usize {
        if self.are_copied() { self.g.channels_in * self.plane() + self.slack } else { 0 }
    }

    /// Where a tap of a channel reads its first pixel.
    pub(crate) fn offset(&self, channel: usize, ky: usize, kx: usize) -> usize {
        let Geometry { dilation: [dy, dx], stride: [sy, sx], .. } = self.g;
        let phase = [ky * dy % sy, kx * dx % sx];
        let phase = self.used.iter().position(|used| *used == phase).unwrap_or_default();
        let row = phase * self.size[0] + ky * dy / sy;
        channel * self.plane() + row * self.size[1] + kx * dx / sx
    }

    /// Where each tap of a group reads its first pixel.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let [kh, kw] = self.g.kernel;
        let offset = |t: usize| self.offset(t / (kh * kw), t / kw % kh, t % kw);
        (0..self.g.taps()).map(offset).collect()
    }

    /// Copies a sample whose pixels lie as the view says.
    pub(crate) fn fill(&self, sample: &[f32], view: View, copy: &mut [f32]) {
        let (planes, slack) = copy.split_at_mut(self.g.channels_in * self.plane());
        slack.fill(0.0);
        vectorize(
            #[inline(always)]
            || {
                let phase = self.size[0] * self.size[1];
                for (channel, to) in planes.chunks_exact_mut(self.plane()).enumerate() {
                    // All at once: a call for the few zeros of every line would take longer than the lines.
                    to.fill(0.0);
                    let from = &sample[view.start + channel * view.plane..];
                    let mut to = to;
                    for row in self.used.chunk_by(|a, b| a[0] == b[0]) {
                        let here;
                        (here, to) = to.split_at_mut(row.len() * phase);
                        if self.g.stride[1] == 2 && row.len() == 2 {
                            self.copy_both(from, view.row, row[0][0], here.split_at_mut(phase));
                            continue;
                        }
                        for (start, to) in row.iter().zip(here.chunks_exact_mut(phase)) {
                            self.copy_phase(from, view.row, *start, to);
                        }
                    }
                }
            },
        );
    }

    /// Both phases of every second line from `a` on, for a stride of two.
    #[inline(always)]
    fn copy_both(
        &self,
        from: &[f32],
        row: usize,
        a: usize,
        (first, second): (&mut [f32], &mut [f32]),
    ) {
        let Geometry { input: [height, width], stride: [sy, _], pad_begin: [top, left], .. } =
            self.g;
        let size = self.size[1];
        let lines = first.chunks_exact_mut(size).zip(second.chunks_exact_mut(size));
        for (i, phases) in lines.enumerate() {
            let y = (i * sy + a).wrapping_sub(top);
            if y >= height {
                continue;
            }
            // The pixels at even places of the line belong to the phase of the first of them.
            let [evens, odds] = match left % 2 {
                0 => [phases.0, phases.1],
                _ => [phases.1, phases.0],
            };
            let (evens, odds) = (&mut evens[left / 2..], &mut odds[left.div_ceil(2)..]);
            unzip(&from[y * row..][..width], evens, odds);
        }
    }

    #[inline(always)]
    fn copy_phase(&self, from: &[f32], row: usize, [a, b]: [usize; 2], to: &mut [f32]) {
        let Geometry { input: [height, width], stride: [sy, sx], pad_begin: [top, left], .. } =
            self.g;
        // Columns j with left <= j · sx + b < left + width.
        let first = left.saturating_sub(b).div_ceil(sx).min(self.size[1]);
        let end = (left + width).saturating_sub(b).div_ceil(sx).clamp(first, self.size[1]);
        if first == end {
            return;
        }
        let x = first * sx + b - left;
        for (i, to) in to.chunks_exact_mut(self.size[1]).enumerate() {
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

/// Elements in turns to two places, as far as there is room.
#[inline(always)]
fn unzip(from: &[f32], evens: &mut [f32], odds: &mut [f32]) {
    let whole = (from.len() / 16).min(evens.len() / 8).min(odds.len() / 8);
    let sixteens = from.as_chunks::<16>().0.iter().take(whole);
    let eights = evens.as_chunks_mut::<8>().0.iter_mut().zip(odds.as_chunks_mut::<8>().0);
    for (from, (evens, odds)) in sixteens.zip(eights) {
        *evens = std::array::from_fn(|i| from[2 * i]);
        *odds = std::array::from_fn(|i| from[2 * i + 1]);
    }
    let (rest, evens, odds) =
        (&from[16 * whole..], &mut evens[8 * whole..], &mut odds[8 * whole..]);
    // Lines of eight are common enough.
    if let ([a, b, c, d, e, f, g, h], Some(even), Some(odd)) =
        (rest, evens.first_chunk_mut::<4>(), odds.first_chunk_mut::<4>())
    {
        (*even, *odd) = ([*a, *c, *e, *g], [*b, *d, *f, *h]);
        return;
    }
    evens.iter_mut().zip(rest.iter().step_by(2)).for_each(|(to, x)| *to = *x);
    odds.iter_mut().zip(rest.iter().skip(1).step_by(2)).for_each(|(to, x)| *to = *x);
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
