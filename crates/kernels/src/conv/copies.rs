//! Copies of a sample that make it readable by the kernels: padded planes, columns of taps, and back.

use super::Geometry;
use crate::lanes::LANES;

/// Copies a sample into planes with zeros around them.
pub(super) fn pad(g: &Geometry, sample: &[f32], padded: &mut [f32]) {
    let ([h, w], [ph, pw]) = (g.input, g.padded());
    padded.fill(0.0);
    for (from, to) in sample.chunks_exact(h * w).zip(padded.chunks_exact_mut(ph * pw)) {
        let rows = to.chunks_exact_mut(pw).skip(g.pad_begin[0]);
        for (from, to) in from.chunks_exact(w).zip(rows) {
            to[g.pad_begin[1]..][..w].copy_from_slice(from);
        }
    }
}

/// Copies the inner part of padded planes back into a sample.
pub(super) fn unpad(g: &Geometry, padded: &[f32], sample: &mut [f32]) {
    let ([h, w], [ph, pw]) = (g.input, g.padded());
    for (to, from) in sample.chunks_exact_mut(h * w).zip(padded.chunks_exact(ph * pw)) {
        let rows = from.chunks_exact(pw).skip(g.pad_begin[0]);
        for (to, from) in to.chunks_exact_mut(w).zip(rows) {
            to.copy_from_slice(&from[g.pad_begin[1]..][..w]);
        }
    }
}

/// The pixels of a plane, rounded up to whole vectors.
pub(super) fn column_len(g: &Geometry) -> usize {
    g.pixels().next_multiple_of(LANES)
}

/// Writes what every tap sees at every output pixel: `columns[tap][pixel]`, rows of [`column_len`].
/// `planes` are the padded planes of one group.
pub(super) fn im2col(g: &Geometry, planes: &[f32], columns: &mut [f32]) {
    let (width, pw) = (g.output[1], g.padded()[1]);
    for (t, column) in columns.chunks_exact_mut(column_len(g)).enumerate() {
        let from = &planes[g.tap_offset(t)..];
        for (oy, row) in column[..g.pixels()].chunks_exact_mut(width).enumerate() {
            let start = oy * g.stride[0] * pw;
            if g.stride[1] == 1 {
                row.copy_from_slice(&from[start..start + width]);
                continue;
            }
            row.iter_mut().enumerate().for_each(|(ox, to)| *to = from[start + ox * g.stride[1]]);
        }
        column[g.pixels()..].fill(0.0);
    }
}

/// Adds columns back to where their taps looked: the transpose of [`im2col`], over rows of `column_len`.
pub(super) fn col2im(g: &Geometry, columns: &[f32], column_len: usize, planes: &mut [f32]) {
    let (width, pw) = (g.output[1], g.padded()[1]);
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
