//! A sample copied once for every column of the kernel, so that what a weight reads begins where vectors begin.
//!
//! ```text
//! copy (c, k), phase p:  [y, x] = padded(c, y · down + p, x · right + k · dilation)      row = output width, in whole vectors of eight
//! ```
//! A vector that crosses a cache line is read twice; read in place, most do. Where many weights read each copy, and all copies stay in the
//! nearest cache, copying is cheaper ([`gain`]); from the second cache on, it is not: a ResNet-20 took 20 % longer.

use super::conv::SparseConv;
use super::spmm::TILE;
use crate::cache::spaced;
use crate::conv::Geometry;
use crate::conv::phases::{Phases, View};
use crate::lanes::{self, LANES, Lanes, Loop};
use crate::vector::WIDEST;
use std::ops::Range;

/// Where the copies of a sample lie.
#[derive(Debug, Clone)]
pub(super) struct Shifts {
    g: Geometry,
    row: usize,
    phases: Vec<Phase>,
    plane: usize,
    /// For every column of the kernel and every pixel of a line: all bits if the input has it, none if it is padding.
    inside: Vec<u32>,
}

/// Every `down`-th line of a copy.
#[derive(Debug, Clone)]
struct Phase {
    /// Where its first line lies in the copy.
    start: usize,
    /// Its lines, and those of them that are lines of the input; around these are zeros.
    lines: usize,
    real: Range<usize>,
    /// Line of the input at which `real` begins.
    first: usize,
}

impl Shifts {
    pub(super) fn new(g: &Geometry) -> Self {
        let row = row(g);
        let [down, right] = g.stride;
        let (mut phases, mut start): (Vec<Phase>, _) = (Vec::new(), 0);
        for phase in 0..down.min(lines(g)) {
            let lines = (lines(g) - phase).div_ceil(down);
            let line = |padded: usize| padded.saturating_sub(phase).div_ceil(down).min(lines);
            let real = line(g.pad_begin[0])..line(g.pad_begin[0] + g.input[0]);
            let first = (real.start * down + phase).saturating_sub(g.pad_begin[0]);
            phases.push(Phase { start, lines, real, first });
            start += lines * row;
        }
        let is_inside = |at: usize| {
            let column = at % row * right + at / row * g.dilation[1];
            (g.pad_begin[1]..g.pad_begin[1] + g.input[1]).contains(&column)
        };
        let bits = |at| if is_inside(at) { u32::MAX } else { 0 };
        let inside = (0..g.kernel[1] * row).map(bits).collect();
        Self { g: *g, row, phases, plane: spaced(start), inside }
    }

    /// From one line to the next.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    /// Elements of the copies of a sample.
    pub(super) fn len(&self) -> usize {
        self.g.channels_in * self.g.kernel[1] * self.plane + WIDEST
    }

    /// Where a tap of a channel reads its first pixel.
    pub(super) fn offset(&self, channel: usize, ky: usize, kx: usize) -> usize {
        let (line, down) = (ky * self.g.dilation[0], self.g.stride[0]);
        let phase = self.phases[line % down].start + line / down * self.row;
        (channel * self.g.kernel[1] + kx) * self.plane + phase
    }

    /// Copies a sample whose pixels lie as the view says.
    pub(super) fn fill(&self, sample: &[f32], view: View, copies: &mut [f32]) {
        let g = &self.g;
        let (planes, slack) = copies.split_at_mut(self.len() - WIDEST);
        slack.fill(0.0);
        let last = view.start + (g.channels_in - 1) * view.plane + (g.input[0] - 1) * view.row;
        assert!(last + g.input[1] <= sample.len(), "every line lies in the sample");
        // SAFETY: lines of the input lie in the sample, as checked above, and those of a copy in its plane: `Self::new`.
        unsafe { lanes::run(Fill { of: self, sample, view, planes }) };
    }
}

/// Elements that copies may have to stay in the nearest cache.
const NEAR: usize = 8000;

/// Cycles that a tile takes for a weight beside its products, and a vector for a product: a widest one that crosses cache lines, one that
/// does not, a vector of eight that does not. Then what a vector of eight takes on its way into a copy, and what it takes without.
const TILE_CYCLES: f64 = 2.0;
const CROSSING: f64 = 2.2;
const ALIGNED: f64 = 1.0;
const EIGHT: f64 = 0.5;
const COPIED: f64 = 1.5;
const MOVED: f64 = 1.0;

/// Cycles that copies save a sample of a convolution with so many weights left, about; less than 0 if they cost more than they save. Nothing
/// if they would not stay in the nearest cache. The numbers are those of one core (`records/2026-11-24_sparse-inference.md`).
pub(super) fn gain(g: &Geometry, weights: usize) -> Option<f64> {
    let (row, pad) = (row(g), SparseConv::reads_in_place(g));
    if g.kernel[1] == 1 {
        return Some(0.0);
    }
    if !stay_near(g) {
        return None;
    }
    let product = |pixels: usize, width: usize, cycles: f64| {
        let vectors = pixels.div_ceil(width);
        vectors.div_ceil(TILE) as f64 * TILE_CYCLES + vectors as f64 * cycles
    };
    let long = pad.map_or_else(|| Phases::pitch(g), |pad| g.input[1] + pad);
    let in_place = product((g.output[0] - 1) * long + g.output[1], WIDEST, CROSSING);
    let (width, cycles) =
        if row.is_multiple_of(WIDEST) { (WIDEST, ALIGNED) } else { (LANES, EIGHT) };
    let copied = product(g.output[0] * row, width, cycles);
    let moved = if pad.is_some() { 0 } else { g.sample_in() / LANES };
    let copies = (elements(g) / LANES) as f64 * COPIED;
    Some(weights as f64 * (in_place - copied) - copies + moved as f64 * MOVED)
}

/// Whether all copies stay in the nearest cache.
pub(super) fn stay_near(g: &Geometry) -> bool {
    elements(g) <= NEAR
}

/// Elements of all copies.
fn elements(g: &Geometry) -> usize {
    g.channels_in * g.kernel[1] * lines(g) * row(g)
}

/// Lines of an output with nothing but whole vectors of eight.
pub(super) fn row(g: &Geometry) -> usize {
    g.output[1].next_multiple_of(LANES)
}

/// Lines that an output reads.
fn lines(g: &Geometry) -> usize {
    (g.output[0] - 1) * g.stride[0] + (g.kernel[0] - 1) * g.dilation[0] + 1
}

/// All copies of all channels of a sample.
struct Fill<'a> {
    of: &'a Shifts,
    sample: &'a [f32],
    view: View,
    planes: &'a mut [f32],
}

impl Loop for Fill<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let (Shifts { g, row, phases, plane, inside }, view) = (self.of, self.view);
        let [_, columns] = g.kernel;
        for (copy, to) in self.planes.chunks_exact_mut(*plane).enumerate() {
            let (channel, column) = (copy / columns, copy % columns);
            let from = view.start + channel * view.plane + column * g.dilation[1];
            for phase in phases {
                let mut line = Line { from: from + phase.first * view.row, to: phase.start };
                // SAFETY: lines of the phase lie in the copy, and those that are real in the sample: `Phase`, and `fill` has checked.
                unsafe {
                    line.zeros::<L>(phase.real.start * row, to);
                    let step = Step {
                        sample: self.sample,
                        pad: g.pad_begin[1],
                        inside: &inside[column * row..][..*row],
                        below: g.stride[0] * view.row,
                    };
                    let count = phase.real.len();
                    match g.stride[1] {
                        1 => step.lines::<L, 1>(count, &mut line, to),
                        2 => step.lines::<L, 2>(count, &mut line, to),
                        stride => (0..count).for_each(|_| step.careful(stride, &mut line, to)),
                    }
                    line.zeros::<L>((phase.lines - phase.real.end) * row, to);
                }
            }
        }
    }
}

/// Where a line is read, but for the padding on its left, and where it is written.
struct Line {
    from: usize,
    to: usize,
}

impl Line {
    /// # Safety
    /// So many elements, whole vectors, must be writable.
    #[inline(always)]
    unsafe fn zeros<L: Lanes>(&mut self, count: usize, to: &mut [f32]) {
        for _ in 0..count / LANES {
            // SAFETY: the caller's promise.
            unsafe { L::splat(0.0).store(to.as_mut_ptr().add(self.to)) };
            self.to += LANES;
        }
    }
}

/// From one line of a channel to the next.
struct Step<'a> {
    sample: &'a [f32],
    /// Columns of padding on the left.
    pad: usize,
    /// Which pixels of a line the input has.
    inside: &'a [u32],
    /// From one line to the next in the input.
    below: usize,
}

impl Step<'_> {
    /// Lines of which every `STRIDE`-th element is taken.
    ///
    /// # Safety
    /// They must be writable.
    #[inline(always)]
    unsafe fn lines<L: Lanes, const STRIDE: usize>(
        &self,
        count: usize,
        line: &mut Line,
        to: &mut [f32],
    ) {
        let row = self.inside.len();
        let last = line.from + count.saturating_sub(1) * self.below;
        // What lies beside a line is read, too, if it lies in the sample: it is masked.
        let may =
            |from: usize| from >= self.pad && from - self.pad + STRIDE * row <= self.sample.len();
        if !may(line.from) || !may(last) {
            // The first lines of a sample, or the last.
            for _ in 0..count {
                self.careful(STRIDE, line, to);
            }
            return;
        }
        for _ in 0..count {
            for v in (0..row).step_by(LANES) {
                // SAFETY: a line that may be read is as long as vectors of `row` elements need, as just checked; the rest is promised.
                unsafe {
                    let x = self.sample.as_ptr().add(line.from - self.pad + STRIDE * v);
                    let x = match STRIDE {
                        1 => L::load(x),
                        _ => L::load(x).evens(L::load(x.add(LANES))),
                    };
                    let x = x.keep(self.inside.as_ptr().add(v));
                    x.store(to.as_mut_ptr().add(line.to + v));
                }
            }
            line.from += self.below;
            line.to += row;
        }
    }

    /// A line, element by element.
    fn careful(&self, stride: usize, line: &mut Line, to: &mut [f32]) {
        let row = self.inside.len();
        for (i, (y, inside)) in to[line.to..][..row].iter_mut().zip(self.inside).enumerate() {
            let is_pixel = *inside != 0;
            *y = if is_pixel { self.sample[line.from + i * stride - self.pad] } else { 0.0 };
        }
        line.from += self.below;
        line.to += row;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(channels: [usize; 2], input: [usize; 2], kernel: usize, pad: usize) -> Geometry {
        Geometry {
            batch: 1,
            channels_in: channels[0],
            channels_out: channels[1],
            groups: 1,
            input,
            output: input.map(|n| n + 2 * pad + 1 - kernel),
            kernel: [kernel; 2],
            stride: [1, 1],
            dilation: [1, 1],
            pad_begin: [pad; 2],
            pad_end: [pad; 2],
        }
    }

    #[test]
    fn copies_are_made_where_enough_weights_read_them_and_all_stay_near() {
        let first = geometry([1, 13], [28, 28], 5, 0);
        assert!(gain(&first, 136) > Some(0.0) && gain(&first, 5) < Some(0.0));
        let second = geometry([13, 38], [12, 12], 5, 0);
        assert!(gain(&second, 469) > Some(0.0) && gain(&second, 50) < Some(0.0));
        // 48 copies of 34 x 32 pixels do not stay in the nearest cache; a kernel of one column needs none.
        assert_eq!(gain(&geometry([16, 16], [32, 32], 3, 1), 2304), None);
        assert_eq!(gain(&geometry([16, 16], [16, 16], 1, 0), 256), Some(0.0));
    }

    #[test]
    fn every_column_of_the_kernel_has_a_copy_with_zeros_where_padding_is() {
        let g = geometry([2, 1], [3, 4], 3, 1);
        let shifts = Shifts::new(&g);
        assert_eq!((shifts.row(), shifts.offset(1, 2, 1)), (8, 4 * shifts.plane + 2 * 8));
        let x: Vec<f32> = (1..=24).map(|i| i as f32).collect();
        let mut copies = vec![f32::NAN; shifts.len()];
        shifts.fill(&x, View::plain(g.input), &mut copies);
        for channel in 0..2 {
            for column in 0..3 {
                let at = shifts.offset(channel, 0, column);
                for (i, got) in copies[at..][..5 * 8].iter().enumerate() {
                    let (y, x) = (i / 8, i % 8 + column);
                    let inside = (1..4).contains(&y) && (1..5).contains(&x);
                    let want = if inside { (channel * 12 + (y - 1) * 4 + x) as f32 } else { 0.0 };
                    assert_eq!(*got, want, "{channel} {column} {i}");
                }
            }
        }
    }
}
