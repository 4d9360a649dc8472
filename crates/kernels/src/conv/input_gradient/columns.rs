//! `dx = wᵀ ∗ dy`: a product into columns of taps, then added back to the pixels they looked at, some channels at a time, so that columns
//! are still near.

use super::fold::Fold;
use crate::conv::{Geometry, Work};
use crate::lanes::LANES;
use crate::plane_product::{
    Finish, PANEL, Places, Product, Small, pack, packed_len, plane_product,
};

/// The gradient, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    g: Geometry,
    /// Elements of a plane of `dy` as the product reads it: copied to a whole vector if it is smaller.
    plane: usize,
    places: Places,
    /// How they are added back, if lines suit it.
    fold: Option<Fold>,
}

impl Columns {
    pub(super) fn new(g: Geometry) -> Self {
        let pixels = g.pixels();
        let plane = if pixels >= LANES { pixels } else { pixels.next_multiple_of(LANES) };
        let places = Places::flat(plane, plane, g.group_out());
        Self { g, plane, places, fold: Fold::new(&g, plane) }
    }

    /// Scratch memory of a thread, in elements.
    pub(super) fn scratch_len(&self) -> usize {
        let padded = if self.g.is_padded() { self.g.sample_padded() } else { 0 };
        let lines = self.fold.as_ref().map_or(0, Fold::scratch_len);
        padded + (self.at_once() * self.one() + self.g.group_out()) * self.plane + lines
    }

    /// Taps of one channel.
    fn one(&self) -> usize {
        self.g.kernel[0] * self.g.kernel[1]
    }

    /// Channels at a time: so many that their taps fill panels.
    fn at_once(&self) -> usize {
        PANEL.min(self.g.group_in())
    }

    /// Elements of the packed weights.
    pub(super) fn packed_len(&self) -> usize {
        self.g.groups * packed_len(self.g.taps(), self.g.group_out())
    }

    /// Products of vectors for a pair of channels.
    pub(super) fn vectors(&self) -> usize {
        self.plane.div_ceil(LANES) * self.g.kernel[0] * self.g.kernel[1]
    }

    /// What a sample takes: columns are written and added back.
    pub(super) fn work(&self) -> Work {
        let (g, columns) = (&self.g, self.g.taps() * self.plane);
        let rows = g.taps().next_multiple_of(PANEL) * g.groups;
        let products = rows * g.group_out() * self.plane.next_multiple_of(LANES);
        Work { products, moved: g.groups * columns + self.scratch_len() }
    }

    /// For every group: rows are taps, terms are channels out.
    pub(super) fn pack(&self, w: &[f32], packed: &mut [f32]) {
        let g = &self.g;
        let one = packed_len(g.taps(), g.group_out());
        for (w, packed) in
            w.chunks_exact(g.group_out() * g.taps()).zip(packed.chunks_exact_mut(one))
        {
            pack(packed, g.taps(), g.group_out(), |t, o| w[o * g.taps() + t]);
        }
    }

    /// The gradient of one sample.
    pub(super) fn sample(&self, dy: &[f32], packed: &[f32], dx: &mut [f32], scratch: &mut [f32]) {
        let g = &self.g;
        let (padded, scratch) =
            scratch.split_at_mut(if g.is_padded() { g.sample_padded() } else { 0 });
        let planes = if g.is_padded() { &mut *padded } else { &mut *dx };
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
        let plane = self.plane;
        let rows = self.at_once() * self.one();
        let (columns, scratch) = scratch.split_at_mut(rows * plane);
        let (copy, lines) = scratch.split_at_mut(g.group_out() * plane);
        let dy = if plane == g.pixels() {
            dy
        } else {
            for (to, from) in copy.chunks_exact_mut(plane).zip(dy.chunks_exact(g.pixels())) {
                to[..g.pixels()].copy_from_slice(from);
                to[g.pixels()..].fill(0.0);
            }
            &*copy
        };
        let channel = planes.len() / g.group_in();
        let packed = packed.chunks(packed_len(rows, g.group_out()));
        for (planes, packed) in planes.chunks_mut(self.at_once() * channel).zip(packed) {
            let rows = planes.len() / channel * self.one();
            let small = Small::packed(packed, g.group_out());
            let finish = Finish::NOTHING;
            let product = Product { small, rows, row_stride: plane, finish };
            let columns = &mut columns[..rows * plane];
            plane_product(&product, &self.places, dy, columns);
            match &self.fold {
                Some(fold) => fold.run(columns, planes, lines),
                None => crate::isa::vectorize(|| col2im(g, columns, plane, planes)),
            }
        }
    }
}

/// Copies the inner part of padded planes back into a sample.
fn unpad(g: &Geometry, padded: &[f32], sample: &mut [f32]) {
    let ([h, w], [ph, pw]) = (g.input, g.padded());
    for (to, from) in sample.chunks_exact_mut(h * w).zip(padded.chunks_exact(ph * pw)) {
        let rows = from.chunks_exact(pw).skip(g.pad_begin[0]);
        for (to, from) in to.chunks_exact_mut(w).zip(rows) {
            to.copy_from_slice(&from[g.pad_begin[1]..][..w]);
        }
    }
}

/// Adds columns back to where their taps looked, over rows of `column_len`.
#[inline(always)]
fn col2im(g: &Geometry, columns: &[f32], column_len: usize, planes: &mut [f32]) {
    let (width, pw) = (g.output[1], g.padded()[1]);
    planes.fill(0.0);
    for (t, column) in columns.chunks_exact(column_len).enumerate() {
        let to = &mut planes[g.tap_offset(t)..];
        for (oy, row) in column[..g.pixels()].chunks_exact(width).enumerate() {
            let start = oy * g.stride[0] * pw;
            if g.stride[1] == 1 {
                to[start..start + width].iter_mut().zip(row).for_each(|(to, from)| *to += from);
                continue;
            }
            row.iter().enumerate().for_each(|(ox, from)| to[start + ox * g.stride[1]] += from);
        }
    }
}
