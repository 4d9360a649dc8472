//! Convolutions with any stride, padding, dilation and groups, from planes to planes.
//!
//! A convolution of stride 1 reads planes where they lie, any other reads a copy (`phases`); both read copies for every column of the kernel
//! (`shifts`) where enough weights read each, or lines can then be written where they belong. It writes
//! planes where they lie if their lines are as long as those it reads, and lines one by one if the output lies row-major, else
//! through one plane of its own.
//! Many channels that lie in planes are read in bands (`bands`).
//! Samples, and for one sample ranges of channels, are cut by the sizes alone, so results do not depend on threads.
//! Not here: the loops (`spmm`, `lines`).

use super::bands::{Bands, Reads};
use super::lines::{self, LineJob};
use super::planes::Planes;
use super::rows::{Rows, Weight};
use super::shifts::{self, Shifts};
use super::spmm::{Finish, Job, Placed, TILE, multiply_on};
use crate::conv::Geometry;
use crate::conv::phases::{Phases, View};
use crate::isa::{Isa, isa};
use crate::lanes::LANES;
use crate::pool::{Chunks, Pool};
use crate::vector::WIDEST;
use std::ops::Range;

/// How a value `[batch, channels, height, width]` lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Row-major, nothing in between.
    Plain,
    /// In planes with zeros around.
    Planes(Planes),
}

impl Layout {
    pub(crate) fn view(&self, size: [usize; 2]) -> View {
        match self {
            Self::Plain => View::plain(size),
            Self::Planes(p) => View { start: p.lead(), plane: p.plane(), row: p.row() },
        }
    }

    /// Elements of a value of so many samples, each of `sample` elements.
    pub fn len(&self, batch: usize, sample: usize) -> usize {
        match self {
            Self::Plain => batch * sample,
            Self::Planes(planes) => planes.len(batch),
        }
    }

    pub(crate) fn planes(&self) -> Option<&Planes> {
        match self {
            Self::Plain => None,
            Self::Planes(planes) => Some(planes),
        }
    }
}

/// How the values that a convolution reads and writes lie.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// The input.
    pub x: Layout,
    /// What is added to the output, if anything is.
    pub residual: Option<Layout>,
    /// The output.
    pub y: Layout,
}

/// What a run reads and writes.
#[derive(Debug)]
pub struct ConvIo<'a> {
    /// The input, `[batch, channels_in, height, width]` in its layout.
    pub x: &'a [f32],
    /// What is added, `[batch, channels_out, output height, output width]` in its layout.
    pub residual: Option<&'a [f32]>,
    /// The output, in its layout.
    pub y: &'a mut [f32],
}

/// How the weights' offsets find their pixels.
#[derive(Debug, Clone)]
enum Source {
    /// In planes: those of the input, or packed for the call.
    Planes(Planes),
    /// Row-major, all lines of a channel as one: so they are written, too.
    Flat,
    /// In a copy.
    Phases(Phases),
    /// In a copy for each column of the kernel.
    Shifts(Shifts),
}

/// A convolution that skips zero weights.
///
/// # Example
/// ```
/// use hoyer_kernels::conv::Geometry;
/// use hoyer_kernels::pool::Pool;
/// use hoyer_kernels::sparse::{ConvIo, Ends, Layout, SparseConv};
///
/// let g = Geometry {
///     batch: 1, channels_in: 1, channels_out: 1, groups: 1, input: [2, 3], output: [2, 3], kernel: [3, 3],
///     stride: [1, 1], dilation: [1, 1], pad_begin: [1, 1], pad_end: [1, 1],
/// };
/// // Every pixel becomes twice its left neighbor, plus one.
/// let mut w = [0.0; 9];
/// w[3] = 2.0;
/// let plain = Ends { x: Layout::Plain, residual: None, y: Layout::Plain };
/// let conv = SparseConv::new(g, &w, plain).with_bias(&[1.0]);
/// let (mut y, mut scratch) = ([0.0; 6], vec![0.0; conv.scratch_len(1)]);
/// let io = ConvIo { x: &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], residual: None, y: &mut y };
/// conv.run(&Pool::new(1), io, &mut scratch);
/// assert_eq!(y, [1.0, 3.0, 5.0, 1.0, 9.0, 11.0]);
/// ```
#[derive(Debug, Clone)]
pub struct SparseConv {
    g: Geometry,
    ends: Ends,
    source: Source,
    rows: Rows,
    bands: Bands,
    bias: Vec<f32>,
    limits: [f32; 2],
    pieces: usize,
    /// Which of the pixels that are written where they belong are some.
    keep: Vec<u32>,
}

impl SparseConv {
    /// Prepares the convolution with these weights `[channels_out, channels_in / groups, kernel height, kernel width]`.
    ///
    /// # Panics
    /// If the geometry is no convolution, the weights do not fill their shape, or planes have another size.
    pub fn new(g: Geometry, w: &[f32], ends: Ends) -> Self {
        g.check();
        let fits = |layout: &Layout, size| layout.planes().is_none_or(|p| p.size() == size);
        let residual = ends.residual.is_none_or(|layout| fits(&layout, g.output));
        assert!(fits(&ends.x, g.input) && fits(&ends.y, g.output) && residual, "planes fit");
        let source = Self::source(&g, &ends, w.iter().filter(|w| **w != 0.0).count());
        let (bias, limits) = (vec![0.0; g.channels_out], [f32::NEG_INFINITY, f32::INFINITY]);
        let (rows, bands, keep) = (Rows::default(), Bands::ONE, Vec::new());
        let mut conv = Self { g, ends, source, rows, bands, bias, limits, pieces: 1, keep };
        if let (true, Layout::Planes(planes)) = (conv.writes_in_place(), ends.y) {
            conv.keep = planes.elements();
        }
        conv.set_weights(w);
        conv
    }

    /// Adds these numbers to the channels.
    ///
    /// # Panics
    /// If they are not one per channel.
    #[must_use]
    pub fn with_bias(mut self, bias: &[f32]) -> Self {
        self.set_bias(bias);
        self
    }

    /// Holds every result within these numbers; what is not a number stays so.
    #[must_use]
    pub fn with_limits(mut self, low: f32, high: f32) -> Self {
        self.limits = [low, high];
        self
    }

    /// Cuts one sample into so many ranges of channels, for as many threads at once; 0 counts as 1.
    #[must_use]
    pub fn with_pieces(mut self, pieces: usize) -> Self {
        self.pieces = pieces.clamp(1, self.g.channels_out.max(1));
        self
    }

    /// Takes other weights, with another pattern of zeros; allocates only if more are left than ever before, or if many channels in planes
    /// are read in bands.
    ///
    /// # Panics
    /// If they do not fill their shape.
    pub fn set_weights(&mut self, w: &[f32]) {
        let g = &self.g;
        assert_eq!(w.len(), g.channels_out * g.taps(), "the weights fill their shape");
        let [kh, kw] = g.kernel;
        let (group_in, group_out) = (g.group_in(), g.group_out());
        let source = &self.source;
        let offset = |row: usize, column: usize| {
            let channel = row / group_out * group_in + column / (kh * kw);
            source.offset(g, channel, column / kw % kh, column % kw)
        };
        self.bands = self.bands(w.iter().filter(|w| **w != 0.0).count());
        if self.bands == Bands::ONE {
            return self.rows.set(w, g.channels_out, offset);
        }
        let living = w.iter().enumerate().filter(|(_, w)| **w != 0.0).map(|(place, _)| {
            let (row, column) = (place / g.taps(), place % g.taps());
            let band = self.bands.of(column / (kh * kw), g.channels_in);
            Weight { row: band * g.channels_out + row, offset: offset(row, column), place }
        });
        let living: Vec<_> = living.collect();
        self.rows = Rows::gather(g.channels_out * self.bands.count, &living);
        self.rows.refresh(w);
    }

    /// How a sample is taken with so many weights left.
    fn bands(&self, weights: usize) -> Bands {
        let g = &self.g;
        let shifted = matches!(self.source, Source::Shifts(_));
        if g.groups > 1 || shifted || !self.writes_in_place() {
            return Bands::ONE;
        }
        let beside = (g.kernel[0] - 1) * g.dilation[0] * self.source.row(g);
        let (channels, rows) = (g.channels_in, g.channels_out);
        Bands::new(&Reads { channels, pixels: self.run_len(), beside, rows, weights })
    }

    /// Takes the values of the weights that are left from a dense weight, and does not look at the others.
    ///
    /// # Panics
    /// If `w` is shorter than the weight was.
    pub fn refresh(&mut self, w: &[f32]) {
        self.rows.refresh(w);
    }

    /// Adds other numbers to the channels.
    ///
    /// # Panics
    /// If they are not one per channel.
    pub fn set_bias(&mut self, bias: &[f32]) {
        self.bias.copy_from_slice(bias);
    }

    /// The weights that are left.
    pub fn nonzero(&self) -> usize {
        self.rows.nonzero()
    }

    /// Whether a convolution reads planes where they lie, if their padding is at least what this gives.
    pub fn reads_in_place(g: &Geometry) -> Option<usize> {
        let pads = g.pad_begin.into_iter().chain(g.pad_end).max().unwrap_or(0);
        (g.stride == [1, 1] && pads <= WIDEST).then_some(pads)
    }

    /// Cycles that a sample takes less, about, if what it reads is copied for every column of the kernel; less than 0 if it takes more.
    /// Then the output should lie in planes with [`Self::padding_for_copies`]. Nothing if there should be no copies whatever else is so.
    pub fn gain_from_copies(g: &Geometry, weights: usize) -> Option<f64> {
        shifts::gain(g, weights)
    }

    /// Padding of planes of this width whose lines are as long as those that come from copies.
    pub fn padding_for_copies(width: usize) -> usize {
        width.next_multiple_of(LANES) - width
    }

    fn source(g: &Geometry, ends: &Ends, weights: usize) -> Source {
        let is_flat = g.kernel == [1, 1] && ends.residual.is_none() && g.pixels() >= lines::NARROW;
        let source = match (Self::reads_in_place(g), ends.x) {
            (Some(0), Layout::Plain) if is_flat && ends.y == Layout::Plain => Source::Flat,
            (Some(pad), Layout::Planes(planes)) if planes.pad() >= pad => Source::Planes(planes),
            (Some(pad), Layout::Plain) => Source::Planes(Planes::new(g.channels_in, g.input, pad)),
            _ => Source::Phases(Phases::new(*g, WIDEST)),
        };
        let pays = shifts::gain(g, weights) > Some(0.0)
            || shifts::stay_near(g)
                && ends.y != Layout::Plain
                && !writes_in_place(g, ends, source.row(g), false);
        match g.kernel[1] > 1 && pays && writes_in_place(g, ends, shifts::row(g), true) {
            true => Source::Shifts(Shifts::new(g)),
            false => source,
        }
    }

    fn is_copied(&self) -> bool {
        match self.source {
            Source::Planes(_) => self.ends.x == Layout::Plain,
            Source::Flat => false,
            Source::Phases(_) | Source::Shifts(_) => true,
        }
    }

    /// Whether lines are written where they belong.
    fn writes_in_place(&self) -> bool {
        let shifted = matches!(self.source, Source::Shifts(_));
        writes_in_place(&self.g, &self.ends, self.source.row(&self.g), shifted)
    }

    /// Pixels of an output channel, those between the lines among them.
    fn run_len(&self) -> usize {
        (self.g.output[0] - 1) * self.source.row(&self.g) + self.g.output[1]
    }

    /// Whether vectors of eight take less time than wider ones: in copies whose lines are a multiple of eight they never cross a cache
    /// line; and a few of them compute less beyond the last pixel.
    fn prefers_eights(&self) -> bool {
        let eights = self.run_len().div_ceil(LANES);
        match &self.source {
            Source::Shifts(shifts) => !shifts.row().is_multiple_of(WIDEST),
            _ => eights <= TILE && !eights.is_multiple_of(WIDEST / LANES),
        }
    }

    fn copy_len(&self) -> usize {
        if self.is_copied() { self.source.copy_len() } else { 0 }
    }

    /// Whether lines are computed one by one, without what lies between them.
    fn writes_lines(&self) -> bool {
        self.ends.y == Layout::Plain && self.ends.residual.is_none() && !self.writes_in_place()
    }

    fn line_len(&self) -> usize {
        if self.writes_in_place() || self.writes_lines() {
            0
        } else {
            self.run_len().next_multiple_of(WIDEST)
        }
    }

    /// How much scratch memory [`Self::run`] needs with this many threads, in elements.
    pub fn scratch_len(&self, threads: usize) -> usize {
        let shared = if self.g.batch == 1 { self.copy_len() } else { 0 };
        shared + threads * (self.copy_len() - shared + self.line_len())
    }

    /// Runs the convolution.
    ///
    /// # Shapes
    /// - `io`: as [`ConvIo`] and the [`Ends`] say
    /// - `scratch`: [`Self::scratch_len`]
    ///
    /// # Panics
    /// If a slice has another length, or there is a residual where none was announced, or none where one was.
    pub fn run(&self, pool: &Pool, io: ConvIo<'_>, scratch: &mut [f32]) {
        let g = &self.g;
        let (sample_in, sample_out) = (g.sample_in(), g.sample_out());
        assert_eq!(io.x.len(), self.ends.x.len(g.batch, sample_in), "the input fills its layout");
        assert_eq!(io.y.len(), self.ends.y.len(g.batch, sample_out), "so does the output");
        let residual = self.ends.residual.map(|layout| layout.len(g.batch, sample_out));
        assert_eq!(io.residual.map(<[f32]>::len), residual, "and the residual");
        let step = |layout: Layout, plain| layout.len(1, plain) - layout.len(0, plain);
        let (step_x, step_y) = (step(self.ends.x, sample_in), step(self.ends.y, sample_out));
        let step_r = self.ends.residual.map_or(0, |layout| step(layout, sample_out));
        if g.batch == 1 {
            let (copy, own) = scratch.split_at_mut(self.copy_len());
            let input = self.input(io.x, copy);
            let channels = g.channels_out.div_ceil(self.pieces);
            let parts = Chunks::new(io.y, channels * (step_y / g.channels_out));
            let tasks = g.channels_out.div_ceil(channels);
            pool.for_each_with(tasks, parts, own, |task, y, line| {
                let range = task * channels..((task + 1) * channels).min(g.channels_out);
                self.channels(range, (input, io.residual), y, line);
            });
            return;
        }
        pool.for_each_with(g.batch, Chunks::new(io.y, step_y), scratch, |n, y, own| {
            let (copy, line) = own.split_at_mut(self.copy_len());
            let input = self.input(&io.x[n * step_x..], copy);
            let residual = io.residual.map(|r| &r[n * step_r..]);
            self.channels(0..g.channels_out, (input, residual), y, line);
        });
    }

    /// The sample as the offsets want it.
    fn input<'a>(&self, x: &'a [f32], copy: &'a mut [f32]) -> &'a [f32] {
        match &self.source {
            Source::Flat => return x,
            Source::Planes(_) if !self.is_copied() => return x,
            Source::Planes(planes) => planes.pack(x, copy),
            Source::Phases(phases) => phases.fill(x, self.ends.x.view(self.g.input), copy),
            Source::Shifts(shifts) => shifts.fill(x, self.ends.x.view(self.g.input), copy),
        }
        copy
    }

    /// Computes some channels of a sample into their part of the output.
    fn channels(
        &self,
        range: Range<usize>,
        (input, residual): (&[f32], Option<&[f32]>),
        y: &mut [f32],
        line: &mut [f32],
    ) {
        let view = self.ends.y.view(self.g.output);
        let from = self.source.start(&self.g);
        if self.writes_lines() {
            let (pitch, size) = match self.source {
                Source::Flat => (0, [1, self.g.pixels()]),
                _ => (self.source.row(&self.g), self.g.output),
            };
            let to = Placed { start: 0, plane: view.plane };
            let (rows, bias, limits) = (&self.rows, self.bias.as_slice(), self.limits);
            return lines::multiply(
                &LineJob { rows, range, from, pitch, size, to, bias, limits },
                input,
                y,
            );
        }
        let to = Placed { start: view.start, plane: view.plane };
        let residual_view = self.ends.residual.map(|layout| layout.view(self.g.output));
        let finish = Finish { bias: &self.bias, residual: None, limits: self.limits, keep: &[] };
        let (rows, bands, pixels) = (&self.rows, self.bands, self.run_len());
        let isa = if self.prefers_eights() { isa().min(Isa::Avx2) } else { isa() };
        let job = Job { rows, bands, range, from, to, pixels, finish };
        if self.writes_in_place() {
            let at = residual_view.map(|v| Placed { start: v.start, plane: v.plane });
            let finish = Finish { residual: residual.zip(at), keep: &self.keep, ..finish };
            multiply_on(isa, &Job { finish, ..job.clone() }, input, y);
            if let Layout::Planes(planes) = &self.ends.y {
                let planes_of = y.chunks_exact_mut(view.plane);
                planes_of.for_each(|plane| planes.clear_ends(plane, pixels));
            }
            return;
        }
        let line = &mut line[..self.line_len()];
        let limits =
            if residual.is_some() { [f32::NEG_INFINITY, f32::INFINITY] } else { self.limits };
        for (i, channel) in job.range.clone().enumerate() {
            let to = Placed { start: 0, plane: 0 };
            let finish = Finish { limits, ..finish };
            let job = Job { range: channel..channel + 1, to, finish, ..job.clone() };
            multiply_on(isa, &job, input, line);
            let y = &mut y[i * view.plane..][..view.plane];
            let residual = residual.zip(residual_view);
            self.copy_out(line, residual.map(|(r, v)| (&r[channel * v.plane..], v)), y);
        }
    }

    /// Takes the lines of one channel to where they belong, with what is added to them.
    fn copy_out(&self, line: &[f32], residual: Option<(&[f32], View)>, y: &mut [f32]) {
        let [_, width] = self.g.output;
        if let Layout::Planes(planes) = &self.ends.y {
            planes.clear_around(y);
        }
        let view = self.ends.y.view(self.g.output);
        let [low, high] = self.limits;
        let lines = y[view.start..].chunks_mut(view.row).zip(line.chunks(self.source.row(&self.g)));
        for (i, (y, line)) in lines.take(self.g.output[0]).enumerate() {
            let (y, line) = (&mut y[..width], &line[..width]);
            let Some((residual, view)) = residual else {
                y.copy_from_slice(line);
                continue;
            };
            let residual = &residual[view.start + i * view.row..][..width];
            for ((y, x), r) in y.iter_mut().zip(line).zip(residual) {
                let sum = x + r;
                // Two tests and no `clamp`: a NaN passes, and the loop vectorizes.
                let sum = if sum < low { low } else { sum };
                *y = if sum > high { high } else { sum };
            }
        }
    }
}

/// Whether lines of `row` are written where they belong, one after the other; row-major only from copies, which have nothing
/// between the lines.
fn writes_in_place(g: &Geometry, ends: &Ends, row: usize, shifted: bool) -> bool {
    let same = |layout: &Layout| match layout {
        Layout::Planes(planes) => planes.row() == row,
        Layout::Plain => shifted && g.output[1] == row && g.pixels().is_multiple_of(WIDEST),
    };
    same(&ends.y) && ends.residual.is_none_or(|layout| same(&layout))
}

impl Source {
    fn row(&self, g: &Geometry) -> usize {
        match self {
            Self::Planes(planes) => planes.row(),
            Self::Flat => g.input[1],
            Self::Phases(_) => Phases::pitch(g),
            Self::Shifts(shifts) => shifts.row(),
        }
    }

    fn copy_len(&self) -> usize {
        match self {
            Self::Planes(planes) => planes.len(1),
            Self::Flat => 0,
            Self::Phases(phases) => phases.copy_len(),
            Self::Shifts(shifts) => shifts.len(),
        }
    }

    /// Where the first pixel's first tap is read.
    fn start(&self, g: &Geometry) -> usize {
        match self {
            Self::Planes(planes) => planes.lead() - g.pad_begin[0] * planes.row() - g.pad_begin[1],
            Self::Flat | Self::Phases(_) | Self::Shifts(_) => 0,
        }
    }

    fn offset(&self, g: &Geometry, channel: usize, ky: usize, kx: usize) -> usize {
        match self {
            Self::Planes(planes) => {
                let line = ky * g.dilation[0] * planes.row() + kx * g.dilation[1];
                channel * planes.plane() + line
            }
            Self::Flat => channel * g.input[0] * g.input[1],
            Self::Phases(phases) => phases.offset(channel, ky, kx),
            Self::Shifts(shifts) => shifts.offset(channel, ky, kx),
        }
    }
}
