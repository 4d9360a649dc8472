//! Which pixels a depthwise convolution reads for which: tables over planes of vectors with zeros around them.
//!
//! ```text
//! to[to + j · to_step]  reads  from[j · from_step + offset(tap)]      along each axis, j < count
//! ```
//! Forward there is one run of all outputs. Backward there is one for each remainder of the stride, with the taps that meet it.

use crate::conv::Geometry;
use crate::lanes::LANES;

/// Pixels of one axis that have the same taps.
#[derive(Debug, Clone)]
struct Run {
    to: usize,
    to_step: usize,
    from_step: usize,
    count: usize,
    /// Number of each tap, and where it reads.
    taps: Vec<[usize; 2]>,
}

/// Planes that are read: zeros before and after along each axis.
#[derive(Debug, Clone)]
pub(super) struct Padded {
    size: [usize; 2],
    before: [usize; 2],
    padded: [usize; 2],
}

/// Pixels that have the same taps. What is read counts in elements of padded planes, eight for a pixel.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    /// Where the first tap's window begins for each pixel; whole eights, the last pixel repeated.
    pub(super) from: Vec<[usize; LANES]>,
    /// Which pixel each one is; its number is the number of pixels.
    pub(super) to: Vec<usize>,
    /// The taps, and how far from there they read.
    pub(super) taps: Vec<Tap>,
}

/// A weight and where it reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    pub(super) index: usize,
    pub(super) offset: usize,
}

/// What each output reads of the input.
pub(super) fn forward(g: &Geometry) -> (Padded, Vec<Phase>) {
    let padded = Padded { size: g.input, before: g.pad_begin, padded: g.padded() };
    let run = |i: usize| Run {
        to: 0,
        to_step: 1,
        from_step: g.stride[i],
        count: g.output[i],
        taps: (0..g.kernel[i]).map(|k| [k, k * g.dilation[i]]).collect(),
    };
    let phase = Phase::new(&padded, g, [&run(0), &run(1)], g.output[1]);
    (padded, vec![phase])
}

/// What the gradient by each input reads of the gradient by the output.
pub(super) fn backward(g: &Geometry) -> (Padded, Vec<Phase>) {
    let before = [0, 1].map(|i| (g.kernel[i] - 1) * g.dilation[i] / g.stride[i]);
    let runs = [0, 1].map(|i| residues(g, i, before[i]));
    let padded = [0, 1].map(|i| {
        let reach = |run: &Run| run.count + run.taps.iter().map(|tap| tap[1]).max().unwrap_or(0);
        runs[i].iter().map(reach).max().unwrap_or(0).max(before[i] + g.output[i])
    });
    let padded = Padded { size: g.output, before, padded };
    let phases = runs[0].iter().flat_map(|down| {
        runs[1].iter().map(|right| Phase::new(&padded, g, [down, right], g.input[1]))
    });
    let phases = phases.collect();
    (padded, phases)
}

/// The pixels of an axis of the input by what is left when the padded place is divided by the stride.
fn residues(g: &Geometry, i: usize, before: usize) -> Vec<Run> {
    let (stride, pad, dilation) = (g.stride[i], g.pad_begin[i], g.dilation[i]);
    let run = |remainder: usize| {
        // The first window that could begin at a pixel of this remainder.
        let window = pad.saturating_sub(remainder).div_ceil(stride);
        let to = window * stride + remainder - pad;
        let taps = (0..g.kernel[i]).filter(|k| k * dilation % stride == remainder);
        Run {
            to,
            to_step: stride,
            from_step: 1,
            count: g.input[i].saturating_sub(to).div_ceil(stride),
            taps: taps.map(|k| [k, before + window - k * dilation / stride]).collect(),
        }
    };
    (0..stride).map(run).filter(|run| run.count > 0).collect()
}

impl Padded {
    /// Elements of eight planes.
    pub(super) fn len(&self) -> usize {
        self.padded[0] * self.padded[1] * LANES
    }

    /// Pixels of a plane without its zeros.
    pub(super) fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Where each pixel of a plane lies between the zeros.
    pub(super) fn places(&self) -> Vec<usize> {
        let [top, left] = self.before;
        let at = |p: usize| {
            ((p / self.size[1] + top) * self.padded[1] + p % self.size[1] + left) * LANES
        };
        (0..self.pixels()).map(at).collect()
    }
}

impl Phase {
    fn new(padded: &Padded, g: &Geometry, [down, right]: [&Run; 2], width: usize) -> Self {
        let pitch = padded.padded[1];
        let pairs = || (0..down.count).flat_map(|y| (0..right.count).map(move |x| (y, x)));
        let to = pairs()
            .map(|(y, x)| (down.to + y * down.to_step) * width + right.to + x * right.to_step);
        let from = pairs().map(|(y, x)| (y * down.from_step * pitch + x * right.from_step) * LANES);
        let from: Vec<usize> = from.collect();
        let eight = |chunk: &[usize]| std::array::from_fn(|i| chunk[i.min(chunk.len() - 1)]);
        let taps = down.taps.iter().flat_map(|[ky, y]| {
            right.taps.iter().map(move |[kx, x]| Tap {
                index: ky * g.kernel[1] + kx,
                offset: (y * pitch + x) * LANES,
            })
        });
        Self {
            from: from.chunks(LANES).map(eight).collect(),
            to: to.collect(),
            taps: taps.collect(),
        }
    }

    /// Elements of padded planes that are read, about: the last one and all before.
    pub(super) fn reach(&self) -> usize {
        let from = self.from.as_flattened().iter().max().copied().unwrap_or(0);
        from + self.taps.iter().map(|tap| tap.offset).max().unwrap_or(0) + LANES
    }

    /// Whether the pixels are those of a plane, one after the other.
    pub(super) fn is_plain(&self) -> bool {
        self.to.iter().enumerate().all(|(i, to)| i == *to)
    }
}
