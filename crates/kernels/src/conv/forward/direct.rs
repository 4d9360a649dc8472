//! `y = act(w ∗ x + b)` as one product of the packed weights with vectors of pixels.

use super::Work;
use crate::conv::Geometry;
use crate::conv::phases::{Phases, View};
use crate::conv::sweep::Sweep;
use crate::lanes::LANES;
use crate::plane_product::{
    Finish, PANEL, Places, Product, Small, pack, packed_len, plane_product,
};
use crate::sparse::Planes;

/// The convolution, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    g: Geometry,
    phases: Phases,
    sweep: Sweep,
    places: Places,
    /// Where results lie, if not row-major.
    frame: Option<Planes>,
}

impl Direct {
    pub(super) fn new(g: Geometry) -> Self {
        let sweep = Sweep::new(g.output, Phases::pitch(&g));
        let phases = Phases::new(g, sweep.overhang);
        let places = Places::new(sweep.from.clone(), sweep.to.clone(), phases.offsets());
        Self { g, phases, sweep, places, frame: None }
    }

    /// The convolution with results in planes, if they are computed line by line.
    pub(super) fn into(self, planes: Planes) -> Option<Self> {
        let width = self.g.output[1];
        let is_line = |to: &usize| to % width + LANES <= width;
        // A plane without gaps is one line, and its vectors side by side are wide ones.
        let is_one_line = Phases::pitch(&self.g) == width;
        let are_lines = self.sweep.is_exact() && self.sweep.to.iter().all(is_line);
        if self.g.groups > 1 || is_one_line || !are_lines {
            return None;
        }
        let place = |to: &usize| planes.lead() + to / width * planes.row() + to % width;
        let to = self.sweep.to.iter().map(place).collect();
        let places = Places::new(self.sweep.from.clone(), to, self.phases.offsets());
        Some(Self { places, frame: Some(planes), ..self })
    }

    /// Elements of the packed weights of one group.
    fn packed_of_group(&self) -> usize {
        packed_len(self.g.group_out(), self.g.taps())
    }

    /// Elements of the packed weights.
    pub(super) fn packed_len(&self) -> usize {
        self.g.groups * self.packed_of_group()
    }

    /// Elements of the planes that a group's product writes, if they are more than wanted.
    fn wide(&self) -> usize {
        if self.sweep.is_exact() { 0 } else { self.g.group_out() * self.sweep.plane }
    }

    /// Scratch memory of a thread, in elements.
    pub(super) fn scratch_len(&self) -> usize {
        self.phases.copy_len() + self.wide()
    }

    pub(super) fn work(&self) -> Work {
        let rows = self.g.group_out().next_multiple_of(PANEL) * self.g.groups;
        let products = rows * self.g.taps() * self.sweep.from.len() * LANES;
        Work { products, moved: self.scratch_len() }
    }

    /// Packs the weights, group by group.
    pub(super) fn pack(&self, w: &[f32], packed: &mut [f32]) {
        let (rows, taps) = (self.g.group_out(), self.g.taps());
        let groups = packed.chunks_exact_mut(self.packed_of_group());
        for (packed, w) in groups.zip(w.chunks_exact(rows * taps)) {
            pack(packed, rows, taps, |o, t| w[o * taps + t]);
        }
    }

    /// Computes one sample.
    pub(super) fn sample(
        &self,
        x: &[f32],
        packed: &[f32],
        finish: &Finish<'_>,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.g;
        let (copy, wide) = scratch.split_at_mut(self.phases.copy_len());
        if self.phases.are_copied() {
            self.phases.fill(x, View::plain(g.input), copy);
        }
        let x = if self.phases.are_copied() { &*copy } else { x };
        if let Some(frame) = &self.frame {
            let (small, rows) = (Small::packed(packed, g.taps()), g.group_out());
            let product = Product { small, rows, row_stride: frame.plane(), finish: *finish };
            plane_product(&product, &self.places, x, y);
            return y.chunks_exact_mut(frame.plane()).for_each(|plane| frame.clear_around(plane));
        }
        let planes = g.group_in() * self.phases.plane();
        let groups = packed.chunks_exact(self.packed_of_group());
        let outputs = y.chunks_exact_mut(g.group_out() * g.pixels());
        for (group, (y, packed)) in outputs.zip(groups).enumerate() {
            let channels = group * g.group_out()..(group + 1) * g.group_out();
            let finish = Finish { bias: finish.bias.map(|b| &b[channels]), ..*finish };
            let small = Small::packed(packed, g.taps());
            let (rows, row_stride) = (g.group_out(), self.sweep.plane);
            let product = Product { small, rows, row_stride, finish };
            let x = &x[group * planes..];
            if self.sweep.is_exact() {
                plane_product(&product, &self.places, x, y);
                continue;
            }
            let wide = &mut wide[..self.wide()];
            plane_product(&product, &self.places, x, wide);
            let planes = y.chunks_exact_mut(g.pixels()).zip(wide.chunks_exact(self.sweep.plane));
            for (y, wide) in planes {
                let rows = y.chunks_exact_mut(g.output[1]).zip(self.sweep.rows(wide));
                rows.for_each(|(y, row)| y.copy_from_slice(row));
            }
        }
    }
}
