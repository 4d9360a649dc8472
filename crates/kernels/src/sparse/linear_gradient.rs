//! Both gradients of a linear layer whose weights are mostly zero, with samples as pixels.
//!
//! ```text
//! dx[n, k] = Σ_{o : w[o,k] lives} w[o,k] · dy[n, o]
//! dw[o, k] = Σ_n dy[n, o] · x[n, k]                     for weights that live; else 0
//! ```
//! Both sides are turned once, so that a weight multiplies a run of samples. Which weights live is fixed when this is made; their
//! values are handed in. Rows are cut into a fixed number of pieces, each computed by one thread.
//! Not here: the loops (`spmm`, `dots`), the turn (`turn`).

use super::bands::Bands;
use super::conv_gradient::Wanted;
use super::dots::{self, Dots};
use super::rows::{Rows, Weight};
use super::spmm::{Finish, Job, Placed, multiply};
use crate::cache::spaced;
use crate::pool::{Chunks, Pool};
use crate::transpose::transpose;
use crate::vector::WIDEST;

/// Pieces of the rows of either side; also the most threads that can help.
const PIECES: usize = 16;

/// What a run reads and writes.
#[derive(Debug)]
pub struct LinearGradientIo<'a> {
    /// The gradient by the output, `[batch, outputs]`.
    pub dy: &'a [f32],
    /// The input, `[batch, inputs]`; read for `dw` only.
    pub x: &'a [f32],
    /// The gradient by the input, if it is wanted.
    pub dx: Option<&'a mut [f32]>,
    /// The gradient by the weights `[outputs, inputs]`, if it is wanted.
    pub dw: Option<&'a mut [f32]>,
}

/// The gradients of a linear layer that skips zero weights.
///
/// # Example
/// ```
/// use hoyer_kernels::pool::Pool;
/// use hoyer_kernels::sparse::{LinearGradientIo, SparseLinearGradient, Wanted};
///
/// let wanted = Wanted { dx: true, dw: true };
/// let mut gradient = SparseLinearGradient::new(2, &[false, true, false, false], 2, wanted);
/// gradient.refresh(&[0.0, 3.0, 0.0, 0.0]);
/// let (mut dx, mut dw, mut scratch) = ([0.0; 4], [0.0; 4], vec![0.0; gradient.scratch_len()]);
/// let (dy, x) = (&[1.0, 7.0, 2.0, 7.0], &[5.0, 6.0, 5.0, 8.0]);
/// let io = LinearGradientIo { dy, x, dx: Some(&mut dx), dw: Some(&mut dw) };
/// gradient.run(&Pool::new(1), io, &mut scratch);
/// assert_eq!(dx, [0.0, 3.0, 0.0, 6.0]);
/// assert_eq!(dw, [0.0, 1.0 * 6.0 + 2.0 * 8.0, 0.0, 0.0]);
/// ```
#[derive(Debug, Clone)]
pub struct SparseLinearGradient {
    batch: usize,
    inputs: usize,
    outputs: usize,
    wanted: Wanted,
    /// The weights by output, and where they read the turned `x`.
    rows: Rows,
    /// The weights by input, and where they read the turned `dy`.
    columns: Rows,
    zeros: Vec<f32>,
    /// From one row of a turned side to the next.
    row: usize,
    /// Most weights of a piece of the outputs.
    most: usize,
}

impl SparseLinearGradient {
    /// Prepares the gradients for so many samples and these living weights, `[outputs, inputs]`.
    ///
    /// # Panics
    /// If the outputs do not divide the weights.
    pub fn new(batch: usize, live: &[bool], outputs: usize, wanted: Wanted) -> Self {
        assert!(live.len().is_multiple_of(outputs.max(1)), "the weights have whole rows");
        let inputs = live.len() / outputs.max(1);
        let row = spaced(batch);
        let living = || live.iter().enumerate().filter(|(_, live)| **live).map(|(place, _)| place);
        let by_output = living().map(|place| Weight {
            row: place / inputs,
            offset: place % inputs * row,
            place,
        });
        let by_input = living().map(|place| Weight {
            row: place % inputs,
            offset: place / inputs * row,
            place,
        });
        let rows = Rows::gather(outputs, &by_output.collect::<Vec<_>>());
        let columns = Rows::gather(inputs, &by_input.collect::<Vec<_>>());
        let zeros = vec![0.0; inputs];
        let mut made = Self { batch, inputs, outputs, wanted, rows, columns, zeros, row, most: 0 };
        let weights = |piece: usize| made.range(piece).map(|o| made.rows.range(o).len()).sum();
        made.most = (0..PIECES).map(weights).max().unwrap_or(0).max(1);
        made
    }

    /// Takes the values of the living weights from a dense weight, and does not look at the others.
    ///
    /// # Panics
    /// If `w` is shorter than the weight was.
    pub fn refresh(&mut self, w: &[f32]) {
        self.columns.refresh(w);
    }

    /// The weights that live.
    pub fn nonzero(&self) -> usize {
        self.rows.nonzero()
    }

    /// The outputs of a piece.
    fn range(&self, piece: usize) -> std::ops::Range<usize> {
        let size = self.outputs.div_ceil(PIECES);
        (piece * size).min(self.outputs)..((piece + 1) * size).min(self.outputs)
    }

    /// Elements of the turned `dy`, of the turned `x` and `dx`, which share a place, and of the weights' sums.
    fn parts(&self) -> [usize; 3] {
        let turned = |rows: usize| rows * self.row + WIDEST;
        [turned(self.outputs), turned(self.inputs), PIECES * self.most * WIDEST]
    }

    /// How much scratch memory [`Self::run`] needs, in elements.
    pub fn scratch_len(&self) -> usize {
        self.parts().iter().sum()
    }

    /// Computes the gradients; that by a weight that does not live is zero.
    ///
    /// # Shapes
    /// - `io`: as [`LinearGradientIo`] says
    /// - `scratch`: at least [`Self::scratch_len`]
    ///
    /// # Panics
    /// If a slice has another length, or not what was [`Wanted`] is there.
    pub fn run(&self, pool: &Pool, io: LinearGradientIo<'_>, scratch: &mut [f32]) {
        let LinearGradientIo { dy, x, dx, dw } = io;
        assert_eq!(dy.len(), self.batch * self.outputs, "the output's gradient fills its shape");
        assert_eq!([dx.is_some(), dw.is_some()], [self.wanted.dx, self.wanted.dw], "as announced");
        if self.batch == 0 || self.inputs == 0 {
            // No sum has a term.
            dw.into_iter().for_each(|dw| dw.fill(0.0));
            return;
        }
        let [of_dy, of_x, of_sums] = self.parts();
        let (turned_dy, rest) = scratch.split_at_mut(of_dy);
        let (turned, rest) = rest.split_at_mut(of_x);
        self.turn(pool, dy, self.outputs, turned_dy);
        if let Some(dw) = dw {
            assert_eq!(x.len(), self.batch * self.inputs, "the input fills its shape");
            assert_eq!(dw.len(), self.inputs * self.outputs, "the weights fill their shape");
            self.turn(pool, x, self.inputs, turned);
            self.weight_gradient(pool, (turned_dy, turned), dw, &mut rest[..of_sums]);
        }
        if let Some(dx) = dx {
            assert_eq!(dx.len(), self.batch * self.inputs, "the gradient fills its shape");
            self.input_gradient(pool, turned_dy, dx, turned);
        }
    }

    /// Samples become pixels, with zeros behind the last.
    fn turn(&self, pool: &Pool, from: &[f32], rows: usize, to: &mut [f32]) {
        let (planes, slack) = to.split_at_mut(rows * self.row);
        slack.fill(0.0);
        let piece = rows.div_ceil(PIECES).max(1);
        let parts = Chunks::new(planes, piece * self.row);
        pool.for_each(rows.div_ceil(piece), parts, |i, to| {
            let size = [self.batch, to.len() / self.row];
            transpose((&from[i * piece..], rows), size, (&mut *to, self.row));
            to.chunks_exact_mut(self.row).for_each(|row| row[self.batch..].fill(0.0));
        });
    }

    fn weight_gradient(
        &self,
        pool: &Pool,
        (dy, x): (&[f32], &[f32]),
        dw: &mut [f32],
        sums: &mut [f32],
    ) {
        let size = self.outputs.div_ceil(PIECES).max(1);
        let parts = (Chunks::new(dw, size * self.inputs), Chunks::new(sums, self.most * WIDEST));
        pool.for_each(self.outputs.div_ceil(size), parts, |piece, (dw, sums)| {
            let range = self.range(piece);
            let first = self.rows.range(range.start).start;
            let dy_at = Placed { start: 0, plane: self.row };
            let (rows, pixels) = (&self.rows, self.batch);
            sums.fill(0.0);
            dots::accumulate(&Dots { rows, range: range.clone(), dy: dy_at, pixels }, dy, x, sums);
            dw.fill(0.0);
            for at in range.clone().flat_map(|o| self.rows.range(o)) {
                let place = self.rows.places()[at] as usize - range.start * self.inputs;
                dw[place] = dots::total(std::iter::once(&sums[(at - first) * WIDEST..]));
            }
        });
    }

    fn input_gradient(&self, pool: &Pool, dy: &[f32], dx: &mut [f32], turned: &mut [f32]) {
        let piece = self.inputs.div_ceil(PIECES).max(1);
        let parts = Chunks::new(&mut turned[..self.inputs * self.row], piece * self.row);
        pool.for_each(self.inputs.div_ceil(piece), parts, |i, to| {
            let range = i * piece..((i + 1) * piece).min(self.inputs);
            let limits = [f32::NEG_INFINITY, f32::INFINITY];
            let finish = Finish { bias: &self.zeros, residual: None, limits, keep: &[] };
            let at = Placed { start: 0, plane: self.row };
            let (rows, pixels) = (&self.columns, self.batch);
            multiply(
                &Job { rows, bands: Bands::ONE, range, from: 0, to: at, pixels, finish },
                dy,
                to,
            );
        });
        let turned = &*turned;
        let samples = self.batch.div_ceil(PIECES).max(1);
        let parts = Chunks::new(dx, samples * self.inputs);
        pool.for_each(self.batch.div_ceil(samples), parts, |i, dx| {
            let size = [self.inputs, dx.len() / self.inputs];
            transpose((&turned[i * samples..], self.row), size, (dx, self.inputs));
        });
    }
}
