//! Convolutions that only move pixels: every s-th of a channel becomes a channel, and other channels are zeros.
//!
//! ```text
//! y[o, p] = x[channel(o), p · stride]        or 0, where no channel is picked
//! ```
//! Such is a shortcut without weights between layers of different sizes. Not here: sums of pixels (`conv`).

use super::conv::Layout;
use crate::conv::Geometry;
use crate::conv::phases::View;
use crate::isa::{Isa, isa};
use crate::pool::{Chunks, Pool};
use crate::vector::{Vector, WIDEST, over_vectors};

/// Elements of a narrow vector.
const NARROW: usize = 8;

/// A 1x1 convolution without padding whose rows have at most one weight, of one.
///
/// # Example
/// ```
/// use hoyer_kernels::conv::Geometry;
/// use hoyer_kernels::pool::Pool;
/// use hoyer_kernels::sparse::{Layout, Pick};
///
/// let g = Geometry {
///     batch: 1, channels_in: 1, channels_out: 2, groups: 1, input: [3, 3], output: [2, 2], kernel: [1, 1],
///     stride: [2, 2], dilation: [1, 1], pad_begin: [0, 0], pad_end: [0, 0],
/// };
/// let pick = Pick::new(g, &[0.0, 1.0], [Layout::Plain; 2]).expect("it only moves pixels");
/// let mut y = [9.0; 8];
/// pick.run(&Pool::new(1), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], &mut y);
/// assert_eq!(y, [0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 7.0, 9.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Pick {
    g: Geometry,
    ends: [Layout; 2],
    /// The input's channel for each of the output's.
    channels: Vec<Option<usize>>,
}

impl Pick {
    /// The convolution with these weights, from one layout to another, if it is one.
    ///
    /// # Panics
    /// If the geometry is no convolution, or planes have another size.
    pub fn new(g: Geometry, w: &[f32], ends: [Layout; 2]) -> Option<Self> {
        g.check();
        let fits = |layout: &Layout, size| layout.planes().is_none_or(|p| p.size() == size);
        assert!(fits(&ends[0], g.input) && fits(&ends[1], g.output), "planes fit");
        let is_one = g.kernel == [1, 1] && g.groups == 1 && !g.is_padded();
        if !is_one || w.len() != g.channels_in * g.channels_out {
            return None;
        }
        let channels = w.chunks_exact(g.channels_in).map(picked).collect::<Option<_>>()?;
        Some(Self { g, ends, channels })
    }

    /// Moves the pixels.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]` in its layout
    /// - `y`: `[batch, channels_out, output height, output width]` in its layout
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn run(&self, pool: &Pool, x: &[f32], y: &mut [f32]) {
        let (g, [from, to]) = (&self.g, &self.ends);
        assert_eq!(x.len(), from.len(g.batch, g.sample_in()), "the input fills its layout");
        assert_eq!(y.len(), to.len(g.batch, g.sample_out()), "so does the output");
        let [from, to] = [from.view(g.input), to.view(g.output)];
        pool.for_each(g.batch, Chunks::new(y, g.channels_out * to.plane), |n, y| {
            let x = &x[n * g.channels_in * from.plane..];
            for (y, channel) in y.chunks_exact_mut(to.plane).zip(&self.channels) {
                match channel {
                    Some(channel) => self.plane(&x[channel * from.plane..], (from, to), y),
                    None => y.fill(0.0),
                }
            }
        });
    }

    /// One channel, with zeros around.
    fn plane(&self, x: &[f32], (from, to): (View, View), y: &mut [f32]) {
        let Geometry { stride: [down, right], output: [height, width], .. } = self.g;
        let lines = Lines { below: [down * from.row, to.row], size: [height, width] };
        let x = &x[from.start..];
        if right == 2 && lines.check(x.len(), y.len().saturating_sub(to.start)) {
            evens_on(isa(), &lines, x, &mut y[to.start..]);
        } else {
            for (i, line) in y[to.start..].chunks_mut(to.row).take(height).enumerate() {
                let x = x[i * lines.below[0]..].iter().step_by(right);
                line[..width].iter_mut().zip(x).for_each(|(y, x)| *y = *x);
            }
        }
        if let Layout::Planes(planes) = &self.ends[1] {
            planes.clear_around(y);
        }
    }
}

/// Lines of which every second element is taken.
#[derive(Debug, Clone, Copy)]
struct Lines {
    /// From one line to the next, where it is read and where it is written.
    below: [usize; 2],
    /// Lines, and elements that are taken of each.
    size: [usize; 2],
}

impl Lines {
    /// Whether whole vectors may be read and written.
    fn check(&self, x: usize, y: usize) -> bool {
        let ([height, width], [read, written]) = (self.size, self.below);
        width >= NARROW
            && (height - 1) * read + 2 * width <= x
            && (height - 1) * written + width <= y
    }
}

/// Takes them with the vectors of an instruction set, or the best below it that the machine has.
fn evens_on(with: Isa, lines: &Lines, x: &[f32], y: &mut [f32]) {
    assert!(lines.check(x.len(), y.len()), "every line lies inside its slice");
    let with = if lines.size[1] < WIDEST { with.min(Isa::Avx2) } else { with };
    // SAFETY: the accesses were checked above; a line that is taken in wide vectors fills one.
    unsafe { run_on(with, lines, x, y) };
}

over_vectors! {
    /// # Safety
    /// `lines.check` must hold, and a line must fill a vector.
    unsafe fn run_on(lines: &Lines, x: &[f32], y: &mut [f32]) = evens
}

/// # Safety
/// As [`run_on`], and the machine must have the vectors.
#[inline(always)]
unsafe fn evens<V: Vector>(lines: &Lines, x: &[f32], y: &mut [f32]) {
    let ([height, width], [read, written]) = (lines.size, lines.below);
    for line in 0..height {
        for column in 0..width.div_ceil(V::LEN) {
            let at = (column * V::LEN).min(width - V::LEN);
            // SAFETY: `check` held for all lines and columns.
            unsafe {
                let x = x.as_ptr().add(line * read + 2 * at);
                let taken = V::load(x).evens(V::load(x.add(V::LEN)));
                taken.store(y.as_mut_ptr().add(line * written + at));
            }
        }
    }
}

/// The channel that a row takes: one, or none; nothing if it does something else.
fn picked(row: &[f32]) -> Option<Option<usize>> {
    let mut weights = row.iter().enumerate().filter(|(_, w)| **w != 0.0);
    match (weights.next(), weights.next()) {
        (None, _) => Some(None),
        (Some((channel, 1.0)), None) => Some(Some(channel)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparse::{ConvIo, Ends, Planes, SparseConv};

    #[test]
    fn picked_pixels_are_those_of_the_convolution_in_every_layout() {
        let _same = crate::isa::forced::none();
        for (input, stride) in
            [([9, 15], [2, 2]), ([32, 33], [2, 2]), ([8, 8], [1, 1]), ([7, 20], [1, 3])]
        {
            let output = [0, 1].map(|i| (input[i] - 1) / stride[i] + 1);
            let g = Geometry {
                batch: 2,
                channels_in: 3,
                channels_out: 5,
                groups: 1,
                input,
                output,
                kernel: [1, 1],
                stride,
                dilation: [1, 1],
                pad_begin: [0, 0],
                pad_end: [0, 0],
            };
            let mut w = [0.0; 15];
            [3, 7, 11].into_iter().for_each(|at| w[at] = 1.0);
            let layouts =
                |channels, size| [Layout::Plain, Layout::Planes(Planes::new(channels, size, 1))];
            for from in layouts(3, input) {
                for to in layouts(5, output) {
                    let mut x: Vec<f32> =
                        (0..from.len(2, g.sample_in())).map(|i| i as f32).collect();
                    x[7] = f32::NAN;
                    let pick = Pick::new(g, &w, [from, to]).expect("it only moves pixels");
                    let conv = SparseConv::new(g, &w, Ends { x: from, residual: None, y: to });
                    let [mut y, mut want] = [0; 2].map(|_| vec![7.0; to.len(2, g.sample_out())]);
                    pick.run(&Pool::new(2), &x, &mut y);
                    let io = ConvIo { x: &x, residual: None, y: &mut want };
                    conv.run(&Pool::new(1), io, &mut vec![0.0; conv.scratch_len(1)]);
                    let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&y), bits(&want), "{g:?} {from:?} {to:?}");
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_takes_every_second_element() {
        for width in [8, 13, 16, 40] {
            let lines = Lines { below: [2 * width + 1, width + 3], size: [5, width] };
            let x: Vec<f32> = (0..5 * (2 * width + 1)).map(|i| i as f32).collect();
            for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
                let mut y = vec![-1.0; 5 * (width + 3)];
                evens_on(isa, &lines, &x, &mut y);
                for (i, y) in y.iter().enumerate() {
                    let (line, column) = (i / (width + 3), i % (width + 3));
                    let want =
                        if column < width { x[line * (2 * width + 1) + 2 * column] } else { -1.0 };
                    assert_eq!(*y, want, "{isa:?} {width} {i}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "every line lies inside its slice")]
    fn a_line_beyond_the_slice_is_refused() {
        let lines = Lines { below: [16, 8], size: [2, 8] };
        evens_on(Isa::Portable, &lines, &[0.0; 31], &mut [0.0; 16]);
    }

    #[test]
    fn a_convolution_that_sums_or_scales_is_none() {
        let g = Geometry {
            batch: 1,
            channels_in: 2,
            channels_out: 1,
            groups: 1,
            input: [4, 4],
            output: [4, 4],
            kernel: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            pad_begin: [0, 0],
            pad_end: [0, 0],
        };
        for w in [[1.0, 1.0], [2.0, 0.0]] {
            assert!(Pick::new(g, &w, [Layout::Plain; 2]).is_none());
        }
    }
}
