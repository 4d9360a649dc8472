//! `dx = wᵀ ∗ dy`: for each phase of the input a convolution of stride 1 over the output's gradient.
//!
//! ```text
//! dx[c, q · stride + r] = Σ_o Σ_k w[o, c, k] · dy[o, q − shift(k)]       over the taps k of phase r,
//! shift(k) = k · dilation / stride, r = k · dilation mod stride           down and right alike, in padded coordinates
//! ```

use crate::cache::{collide, spaced};
use crate::conv::sweep::Sweep;
use crate::conv::{Geometry, Work};
use crate::frame::Frame;
use crate::isa::vectorize;
use crate::lanes::LANES;
use crate::plane_product::{
    Finish, PANEL, Places, Product, Small, pack, packed_len, plane_product,
};

/// The gradient, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    g: Geometry,
    /// Where the planes of `dy` lie between zeros, and whether they have to be copied there.
    frame: Frame,
    is_copied: bool,
    /// Elements that may be read past the last plane.
    slack: usize,
    phases: Vec<Phase>,
}

/// Pixels of the input that the same taps look at.
#[derive(Debug, Clone)]
struct Phase {
    /// The first of them.
    first: [usize; 2],
    /// Taps of one plane.
    taps: Vec<usize>,
    sweep: Sweep,
    places: Places,
}

/// The pixels of one axis that belong to a phase.
struct Residue {
    /// The first in the input, and its window number if one tap were all.
    first: usize,
    window: usize,
    count: usize,
    remainder: usize,
}

impl Direct {
    pub(super) fn new(g: Geometry) -> Self {
        let border = [0, 1].map(|i| (g.kernel[i] - 1) * g.dilation[i] / g.stride[i]);
        let residues = [0, 1].map(|i| residues(&g, i));
        let size = [0, 1].map(|i| {
            let last = residues[i].iter().map(|r| r.window + r.count).max().unwrap_or(0);
            border[i] + last.max(g.output[i])
        });
        let pairs =
            residues[0].iter().flat_map(|down| residues[1].iter().map(move |right| (down, right)));
        let sweeps = pairs
            .map(|(down, right)| ([down, right], Sweep::new([down.count, right.count], size[1])));
        let sweeps: Vec<_> = sweeps.collect();
        let slack = sweeps.iter().map(|(_, sweep)| sweep.overhang).max().unwrap_or(0);
        let is_copied = slack > 0 || size != g.output || collide(g.group_out(), g.pixels());
        let plane = if is_copied { spaced(size[0] * size[1]) } else { g.pixels() };
        let phase = |(residue, sweep)| Phase::new(&g, residue, (border, [plane, size[1]]), sweep);
        let phases = sweeps.into_iter().map(phase).collect();
        let start = border[0] * size[1] + border[1];
        let frame = Frame { size: g.output, start, pitch: size[1], plane };
        Self { g, frame, is_copied, slack, phases }
    }

    fn copy_len(&self) -> usize {
        if self.is_copied { self.g.channels_out * self.frame.plane + self.slack } else { 0 }
    }

    /// Whether products are written where they belong.
    fn is_exact(&self) -> bool {
        self.g.stride == [1, 1] && self.phases[0].sweep.is_exact()
    }

    /// Elements of what a product writes, if that is elsewhere.
    fn wide(&self) -> usize {
        if self.is_exact() {
            return 0;
        }
        let plane = self.phases.iter().map(|phase| phase.sweep.plane).max().unwrap_or(0);
        self.g.group_in() * plane
    }

    /// Elements of a phase's weights for one group.
    fn packed_of(&self, phase: &Phase) -> usize {
        packed_len(self.g.group_in(), self.g.group_out() * phase.taps.len())
    }

    /// Elements of the packed weights.
    pub(super) fn packed_len(&self) -> usize {
        self.g.groups * self.phases.iter().map(|phase| self.packed_of(phase)).sum::<usize>()
    }

    /// Scratch memory of a thread, in elements.
    pub(super) fn scratch_len(&self) -> usize {
        self.copy_len() + self.wide()
    }

    /// Products of vectors for a pair of channels.
    pub(super) fn vectors(&self) -> usize {
        self.phases.iter().map(|phase| phase.sweep.from.len() * phase.taps.len()).sum()
    }

    /// What a sample takes: what is written elsewhere first is put where it belongs.
    pub(super) fn work(&self) -> Work {
        let g = &self.g;
        let rows = g.group_in().next_multiple_of(PANEL) * g.groups;
        let products = rows * g.group_out() * self.vectors() * LANES;
        let wide = if self.is_exact() { 0 } else { g.sample_in() };
        Work { products, moved: self.copy_len() + wide }
    }

    /// For every group and phase: rows are channels in, terms are channels out times taps.
    pub(super) fn pack(&self, w: &[f32], mut packed: &mut [f32]) {
        let (g, all) = (&self.g, self.g.kernel[0] * self.g.kernel[1]);
        for w in w.chunks_exact(g.group_out() * g.taps()) {
            for phase in self.phases.iter().filter(|phase| !phase.taps.is_empty()) {
                let (here, rest) = packed.split_at_mut(self.packed_of(phase));
                let n = phase.taps.len();
                pack(here, g.group_in(), g.group_out() * n, |c, term| {
                    w[(term / n * g.group_in() + c) * all + phase.taps[term % n]]
                });
                packed = rest;
            }
        }
    }

    /// The gradient of one sample.
    pub(super) fn sample(
        &self,
        dy: &[f32],
        mut packed: &[f32],
        dx: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.g;
        let (copy, wide) = scratch.split_at_mut(self.copy_len());
        if self.is_copied {
            let (planes, slack) = copy.split_at_mut(self.g.channels_out * self.frame.plane);
            self.frame.fill(dy, planes, |_| true);
            slack.fill(0.0);
        }
        let dy = if self.is_copied { &*copy } else { dy };
        let finish = Finish::NOTHING;
        let planes = g.group_out() * self.frame.plane;
        for (group, dx) in dx.chunks_exact_mut(g.sample_in() / g.groups).enumerate() {
            for phase in &self.phases {
                if phase.taps.is_empty() {
                    phase.scatter(g, None, dx);
                    continue;
                }
                let here;
                (here, packed) = packed.split_at(self.packed_of(phase));
                let small = Small::packed(here, g.group_out() * phase.taps.len());
                let (rows, row_stride) = (g.group_in(), phase.sweep.plane);
                let product = Product { small, rows, row_stride, finish };
                let dy = &dy[group * planes..];
                if self.is_exact() {
                    plane_product(&product, &phase.places, dy, dx);
                    continue;
                }
                let wide = &mut wide[..g.group_in() * phase.sweep.plane];
                plane_product(&product, &phase.places, dy, wide);
                vectorize(|| phase.scatter(g, Some(wide), dx));
            }
        }
    }
}

/// The phases of one axis that have pixels.
fn residues(g: &Geometry, i: usize) -> Vec<Residue> {
    let (stride, pad) = (g.stride[i], g.pad_begin[i]);
    let residue = |remainder: usize| {
        let window = pad.saturating_sub(remainder).div_ceil(stride);
        let first = window * stride + remainder - pad;
        let count = g.input[i].saturating_sub(first).div_ceil(stride);
        Residue { first, window, count, remainder }
    };
    (0..stride).map(residue).filter(|residue| residue.count > 0).collect()
}

impl Phase {
    fn new(
        g: &Geometry,
        residue: [&Residue; 2],
        (border, [plane, pitch]): ([usize; 2], [usize; 2]),
        sweep: Sweep,
    ) -> Self {
        let [kh, kw] = g.kernel;
        let at = |k: usize| [k / kw * g.dilation[0], k % kw * g.dilation[1]];
        let is_here = |k: &usize| (0..2).all(|i| at(*k)[i] % g.stride[i] == residue[i].remainder);
        let taps: Vec<usize> = (0..kh * kw).filter(is_here).collect();
        let offset = |o: usize, k: usize| {
            let place = |i: usize| border[i] + residue[i].window - at(k)[i] / g.stride[i];
            o * plane + place(0) * pitch + place(1)
        };
        let offsets = (0..g.group_out()).flat_map(|o| taps.iter().map(move |k| offset(o, *k)));
        let places = Places::new(sweep.from.clone(), sweep.to.clone(), offsets.collect());
        Self { first: residue.map(|residue| residue.first), taps, sweep, places }
    }

    /// Puts the phase of every plane, or zeros, where it belongs in the gradient of a group.
    #[inline(always)]
    fn scatter(&self, g: &Geometry, wide: Option<&[f32]>, dx: &mut [f32]) {
        let ([h, w], [top, left], [down, right]) = (g.input, self.first, g.stride);
        for (c, plane) in dx.chunks_exact_mut(h * w).enumerate() {
            // Sliced, not skipped: such iterators are not always taken into the loop.
            let rows = plane[top * w..].chunks_mut(down * w).map(|rows| &mut rows[..w]);
            let Some(wide) = wide else {
                rows.for_each(|row| row[left..].iter_mut().step_by(right).for_each(|x| *x = 0.0));
                continue;
            };
            let wide = &wide[c * self.sweep.plane..][..self.sweep.plane];
            for (to, from) in rows.zip(self.sweep.rows(wide)) {
                let to = to[left..].iter_mut().step_by(right);
                to.zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }
}
