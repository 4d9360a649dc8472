//! Both gradients of a convolution whose weights are mostly zero, in one walk over the samples.
//!
//! ```text
//! dx[phase of c][p] = Σ_{(o,t) : c read, w[o,t] lives} w[o,t] · dy[o][p − offset(t)]        dy with zeros around
//! dw[o,t]           = Σ_n Σ_q dy[o][q] · x[offset(t) + q]                                  for weights that live; else 0
//! ```
//! `x` is copied into phases as by the forward pass, and `dy` into planes with lines as long, so one table of offsets serves
//! both, for every stride, padding and dilation. Which weights live is fixed when this is made; their values are handed in.
//! The batch is cut into a fixed number of shares, whose sums are added up in order: results do not depend on threads.
//! Not here: the loops (`lines`, `dots`).

use super::dots::{self, Dots};
use super::lines::{self, LineJob};
use super::rows::{Rows, Weight};
use super::spmm::Placed;
use crate::cache::spaced;
use crate::conv::Geometry;
use crate::conv::phases::{Phase, Phases, View};
use crate::frame::Frame;
use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};
use crate::vector::WIDEST;

/// Shares of the batch; also the most threads that can help.
const SHARES: usize = 16;

/// Which gradients are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// That by the input.
    pub dx: bool,
    /// That by the weights.
    pub dw: bool,
}

/// What a run reads and writes.
#[derive(Debug)]
pub struct ConvGradientIo<'a> {
    /// The gradient by the output, `[batch, channels_out, output height, output width]`.
    pub dy: &'a [f32],
    /// The input, `[batch, channels_in, height, width]`; read for `dw` only.
    pub x: &'a [f32],
    /// The gradient by the input, if it is wanted.
    pub dx: Option<&'a mut [f32]>,
    /// The gradient by the weights `[channels_out, channels_in / groups, kernel height, kernel width]`, if it is wanted.
    pub dw: Option<&'a mut [f32]>,
}

/// The pixels of the input that lie in one phase.
#[derive(Debug, Clone)]
struct Part {
    /// The weights by input channel, and where they read `dy`.
    columns: Rows,
    /// Where the part's first pixel reads `dy`.
    from: usize,
    size: [usize; 2],
    /// The first pixel in the input.
    start: [usize; 2],
}

impl Part {
    fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Whether both lie in the same lines of the input, and in as many.
    fn shares_lines(&self, other: &Self) -> bool {
        (self.start[0], self.size[0]) == (other.start[0], other.size[0])
    }
}

/// A weight that lives.
struct Living {
    place: usize,
    /// The channels that it joins.
    output: usize,
    input: usize,
    /// Its row and column in the kernel.
    at: [usize; 2],
}

/// The gradients of a convolution that skips zero weights.
///
/// # Example
/// ```
/// use hoyer_kernels::conv::Geometry;
/// use hoyer_kernels::pool::Pool;
/// use hoyer_kernels::sparse::{ConvGradientIo, SparseConvGradient, Wanted};
///
/// let g = Geometry {
///     batch: 1, channels_in: 1, channels_out: 1, groups: 1, input: [2, 3], output: [2, 3], kernel: [3, 3],
///     stride: [1, 1], dilation: [1, 1], pad_begin: [1, 1], pad_end: [1, 1],
/// };
/// // Only the weight of the left neighbor lives; its value is 2.
/// let (mut live, mut w) = ([false; 9], [7.0; 9]);
/// (live[3], w[3]) = (true, 2.0);
/// let mut gradient = SparseConvGradient::new(g, &live, Wanted { dx: true, dw: true });
/// gradient.refresh(&w);
/// let (mut dx, mut dw, mut scratch) = ([0.0; 6], [0.0; 9], vec![0.0; gradient.scratch_len(1)]);
/// let (dy, x) = (&[1.0, 10.0, 100.0, 0.0, 0.0, 1.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// let io = ConvGradientIo { dy, x, dx: Some(&mut dx), dw: Some(&mut dw) };
/// gradient.run(&Pool::new(1), io, &mut scratch);
/// assert_eq!(dx, [20.0, 200.0, 0.0, 0.0, 2.0, 0.0]);
/// assert_eq!(dw, [0.0, 0.0, 0.0, 215.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// ```
#[derive(Debug, Clone)]
pub struct SparseConvGradient {
    g: Geometry,
    wanted: Wanted,
    phases: Phases,
    /// The weights by output channel, and where they read `x`.
    rows: Rows,
    parts: Vec<Part>,
    /// Whether the parts hold every pixel of the input.
    is_whole: bool,
    /// How `dy` is copied.
    dy: Frame,
    /// Samples of a share.
    share: usize,
}

impl SparseConvGradient {
    /// Prepares the gradients for these living weights, `[channels_out, channels_in / groups, kernel height, kernel width]`.
    ///
    /// # Panics
    /// If the geometry is no convolution, or the weights do not fill their shape.
    pub fn new(g: Geometry, live: &[bool], wanted: Wanted) -> Self {
        g.check();
        assert_eq!(live.len(), g.channels_out * g.taps(), "the weights fill their shape");
        let phases = Phases::new(g, WIDEST);
        let [height, pitch] = phases.size();
        let reach = [height - g.output[0], pitch - g.output[1]];
        let start = (reach[0] * pitch + reach[1]).next_multiple_of(WIDEST);
        let plane = spaced(start + height * pitch + WIDEST);
        let dy = Frame { size: g.output, start, pitch, plane };
        let mut made = Self {
            g,
            wanted,
            rows: Rows::default(),
            parts: Vec::new(),
            is_whole: true,
            dy,
            share: g.batch.div_ceil(SHARES).max(1),
            phases,
        };
        made.rows = made.rows(live);
        made.parts = (0..made.phases.list().len()).map(|i| made.part(i, live)).collect();
        made.is_whole =
            made.parts.iter().map(Part::pixels).sum::<usize>() == g.input[0] * g.input[1];
        made
    }

    /// Takes the values of the living weights from a dense weight, and does not look at the others.
    ///
    /// # Panics
    /// If `w` is shorter than the weight was.
    pub fn refresh(&mut self, w: &[f32]) {
        self.parts.iter_mut().for_each(|part| part.columns.refresh(w));
    }

    /// The weights that live.
    pub fn nonzero(&self) -> usize {
        self.rows.nonzero()
    }

    fn living<'a>(&'a self, live: &'a [bool]) -> impl Iterator<Item = Living> + 'a {
        let (g, [kh, kw]) = (&self.g, self.g.kernel);
        let places = live.iter().enumerate().filter(|(_, live)| **live).map(|(place, _)| place);
        places.map(move |place| {
            let (output, tap) = (place / g.taps(), place % g.taps());
            let input = output / g.group_out() * g.group_in() + tap / (kh * kw);
            Living { place, output, input, at: [tap / kw % kh, tap % kw] }
        })
    }

    fn rows(&self, live: &[bool]) -> Rows {
        let weight = |of: Living| {
            let offset = self.phases.offset(of.input, of.at[0], of.at[1]);
            Weight { row: of.output, offset, place: of.place }
        };
        Rows::gather(self.g.channels_out, &self.living(live).map(weight).collect::<Vec<_>>())
    }

    /// The part of the input in the phase with this number.
    fn part(&self, number: usize, live: &[bool]) -> Part {
        let (g, [height, pitch]) = (&self.g, self.phases.size());
        let Phase { rows, columns, first, .. } = &self.phases.list()[number];
        let (from, size) = (rows.start * pitch + columns.start, [rows.len(), columns.len()]);
        let phase = number * height * pitch;
        let mine = self.living(live).filter_map(|of| {
            let tap = self.phases.offset(0, of.at[0], of.at[1]);
            let inside = (phase..phase + height * pitch).contains(&tap);
            let offset = || of.output * self.dy.plane + self.dy.start - (tap - phase);
            inside.then(|| Weight { row: of.input, offset: offset(), place: of.place })
        });
        let columns = Rows::gather(g.channels_in, &mine.collect::<Vec<_>>());
        Part { columns, from, size, start: *first }
    }

    /// Elements of a share's sums; never none, so that every share has some.
    fn sums_len(&self) -> usize {
        if self.wanted.dw { (self.rows.nonzero() * WIDEST).max(1) } else { 1 }
    }

    /// Whether the only part is the gradient itself.
    fn is_direct(&self) -> bool {
        self.g.stride == [1, 1] && self.is_whole
    }

    fn shares(&self) -> usize {
        self.g.batch.div_ceil(self.share)
    }

    /// Elements of the copies of a sample: `x`, `dy`, and a part of `dx` before it is spread.
    fn copies(&self) -> [usize; 3] {
        let x = if self.wanted.dw { self.phases.copy_len() } else { 0 };
        let together = self.parts.chunk_by(Part::shares_lines);
        let largest = together.map(|parts| parts.iter().map(Part::pixels).sum::<usize>()).max();
        let spread = self.wanted.dx && !self.is_direct();
        let part = if spread { self.g.channels_in * largest.unwrap_or(0) } else { 0 };
        [x, self.g.channels_out * self.dy.plane + WIDEST, part]
    }

    /// How much scratch memory [`Self::run`] needs with this many threads, in elements.
    pub fn scratch_len(&self, threads: usize) -> usize {
        self.shares() * self.sums_len() + threads * self.copies().iter().sum::<usize>()
    }

    /// Computes the gradients; that by a weight that does not live is zero.
    ///
    /// # Shapes
    /// - `io`: as [`ConvGradientIo`] says
    /// - `scratch`: [`Self::scratch_len`]
    ///
    /// # Panics
    /// If a slice has another length, or not what was [`Wanted`] is there.
    pub fn run(&self, pool: &Pool, io: ConvGradientIo<'_>, scratch: &mut [f32]) {
        let g = &self.g;
        let ConvGradientIo { dy, x, dx, dw } = io;
        assert_eq!(dy.len(), g.batch * g.sample_out(), "the output's gradient fills its shape");
        assert_eq!([dx.is_some(), dw.is_some()], [self.wanted.dx, self.wanted.dw], "as announced");
        assert!(!self.wanted.dw || x.len() == g.batch * g.sample_in(), "the input fills its shape");
        let (sums, own) = scratch.split_at_mut(self.shares() * self.sums_len());
        let parts = Chunks::new(&mut *sums, self.sums_len());
        match dx {
            Some(dx) => {
                assert_eq!(dx.len(), g.batch * g.sample_in(), "the gradient fills its shape");
                let parts = (parts, Chunks::new(dx, self.share * g.sample_in()));
                pool.for_each_with(self.shares(), parts, own, |share, (sums, dx), own| {
                    self.share(share, (dy, x), (sums, Some(dx)), own);
                });
            }
            None => pool.for_each_with(self.shares(), parts, own, |share, sums, own| {
                self.share(share, (dy, x), (sums, None), own);
            }),
        }
        if let Some(dw) = dw {
            assert_eq!(dw.len(), g.channels_out * g.taps(), "the weights fill their shape");
            dw.fill(0.0);
            for (i, &place) in self.rows.places().iter().enumerate() {
                let shares = sums.chunks_exact(self.sums_len());
                dw[place as usize] = dots::total(shares.map(|share| &share[i * WIDEST..]));
            }
        }
    }

    fn share(
        &self,
        share: usize,
        (dy, x): (&[f32], &[f32]),
        (sums, mut dx): (&mut [f32], Option<&mut [f32]>),
        own: &mut [f32],
    ) {
        let g = &self.g;
        let [of_x, of_dy, _] = self.copies();
        let (x_copy, own) = own.split_at_mut(of_x);
        let (dy_copy, part) = own.split_at_mut(of_dy);
        sums.fill(0.0);
        for n in share * self.share..((share + 1) * self.share).min(g.batch) {
            let dy = &dy[n * g.sample_out()..][..g.sample_out()];
            self.dy.fill(dy, dy_copy, |o| !self.rows.range(o).is_empty());
            if self.wanted.dw {
                let x = &x[n * g.sample_in()..][..g.sample_in()];
                self.phases.fill(x, View::plain(g.input), x_copy);
                let pixels = (g.output[0] - 1) * self.phases.size()[1] + g.output[1];
                let (rows, range) = (&self.rows, 0..g.channels_out);
                let dy = Placed { start: self.dy.start, plane: self.dy.plane };
                dots::accumulate(&Dots { rows, range, dy, pixels }, dy_copy, x_copy, sums);
            }
            if let Some(dx) = &mut dx {
                let at = (n - share * self.share) * g.sample_in();
                self.input_gradient(dy_copy, &mut dx[at..][..g.sample_in()], part);
            }
        }
    }

    fn input_gradient(&self, dy: &[f32], dx: &mut [f32], whole: &mut [f32]) {
        let g = &self.g;
        let multiply = |part: &Part, to: &mut [f32]| {
            let job = LineJob {
                rows: &part.columns,
                range: 0..g.channels_in,
                from: part.from,
                pitch: self.phases.size()[1],
                size: part.size,
                to: Placed { start: 0, plane: part.pixels() },
                bias: &[],
                limits: [f32::NEG_INFINITY, f32::INFINITY],
            };
            lines::multiply(&job, dy, to);
        };
        if self.is_direct() {
            return multiply(&self.parts[0], dx);
        }
        if !self.is_whole {
            dx.fill(0.0);
        }
        for parts in self.parts.chunk_by(Part::shares_lines) {
            let mut rest = &mut *whole;
            for part in parts {
                let here;
                (here, rest) = rest.split_at_mut(g.channels_in * part.pixels());
                multiply(part, here);
            }
            vectorize(
                #[inline(always)]
                || self.spread(parts, whole, dx),
            );
        }
    }

    /// Puts parts that share lines, one after the other in `whole`, where they belong.
    #[inline(always)]
    fn spread(&self, parts: &[Part], whole: &[f32], dx: &mut [f32]) {
        let ([height, width], [down, right]) = (self.g.input, self.g.stride);
        let of_part = |i: usize| {
            let before = parts[..i].iter().map(Part::pixels).sum::<usize>();
            &whole[self.g.channels_in * before..][..self.g.channels_in * parts[i].pixels()]
        };
        let is_empty = parts.iter().any(|part| part.pixels() == 0);
        let pair = match parts {
            _ if is_empty => None,
            // Which of them begins at an even place.
            [a, b] if right == 2 && a.start[1] + b.start[1] == 1 => Some([a.start[1], b.start[1]]),
            _ => None,
        };
        let Some(pair) = pair else {
            for (i, part) in parts.iter().enumerate().filter(|(_, part)| part.pixels() > 0) {
                let planes = of_part(i).chunks_exact(part.pixels());
                for (from, to) in planes.zip(dx.chunks_exact_mut(height * width)) {
                    let lines = to.chunks_exact_mut(width).skip(part.start[0]).step_by(down);
                    for (from, to) in from.chunks_exact(part.size[1]).zip(lines) {
                        let to = to[part.start[1]..].iter_mut().step_by(right);
                        to.zip(from).for_each(|(to, from)| *to = *from);
                    }
                }
            }
            return;
        };
        let [evens, odds] = pair;
        let planes = of_part(evens).chunks_exact(parts[evens].pixels());
        let planes = planes.zip(of_part(odds).chunks_exact(parts[odds].pixels()));
        for ((evens_from, odds_from), to) in planes.zip(dx.chunks_exact_mut(height * width)) {
            let lines = to.chunks_exact_mut(width).skip(parts[0].start[0]).step_by(down);
            let evens = evens_from.chunks_exact(parts[evens].size[1]);
            let odds = odds_from.chunks_exact(parts[odds].size[1]);
            for ((evens, odds), to) in evens.zip(odds).zip(lines) {
                interleave(evens, odds, to);
            }
        }
    }
}

/// `to = evens[0], odds[0], evens[1], …`
#[inline(always)]
fn interleave(evens: &[f32], odds: &[f32], to: &mut [f32]) {
    let (pairs, last) = to.as_chunks_mut::<2>();
    for ((to, even), odd) in pairs.iter_mut().zip(evens).zip(odds) {
        *to = [*even, *odd];
    }
    if let ([to], Some(even)) = (last, evens.get(pairs.len())) {
        *to = *even;
    }
}
