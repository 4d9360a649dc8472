//! Linear layers: one sample walks along the list of weights, many go through the loop over pixels, as pixels.
//!
//! ```text
//! y[n, o] = act( b[o] + Σ_{k : w[o,k] ≠ 0} w[o, k] · x[n, k] )
//! ```
//! Not here: the loop over pixels (`spmm`).

use super::bands::Bands;
use super::rows::Rows;
use super::spmm::{Finish, Job, Placed, multiply};
use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};
use crate::transpose::transpose;
use crate::vector::WIDEST;

/// From this many samples on they are turned into pixels.
const MANY: usize = 8;

/// Samples that are turned at once.
const BLOCK: usize = 64;

/// A linear layer that skips zero weights.
///
/// # Example
/// ```
/// use hoyer_kernels::{pool::Pool, sparse::SparseLinear};
///
/// let layer = SparseLinear::new(1, &[0.0, 2.0, 0.0, 0.0, 0.0, 3.0], 2).with_bias(&[1.0, 0.0]);
/// let (mut y, mut scratch) = ([0.0; 2], vec![0.0; layer.scratch_len(1)]);
/// layer.run(&Pool::new(1), &[5.0, 6.0, 7.0], &mut y, &mut scratch);
/// assert_eq!(y, [13.0, 21.0]);
/// ```
#[derive(Debug, Clone)]
pub struct SparseLinear {
    batch: usize,
    inputs: usize,
    outputs: usize,
    rows: Rows,
    bias: Vec<f32>,
    limits: [f32; 2],
}

impl SparseLinear {
    /// Prepares the layer for so many samples, with weights `[outputs, inputs]`.
    ///
    /// # Panics
    /// If the outputs do not divide the weights.
    pub fn new(batch: usize, w: &[f32], outputs: usize) -> Self {
        let inputs = w.len() / outputs.max(1);
        let (bias, limits) = (vec![0.0; outputs], [f32::NEG_INFINITY, f32::INFINITY]);
        let mut layer = Self { batch, inputs, outputs, rows: Rows::default(), bias, limits };
        layer.set_weights(w);
        layer
    }

    /// Adds these numbers to the outputs.
    ///
    /// # Panics
    /// If they are not one per output.
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

    /// Takes other weights, with another pattern of zeros; allocates only if more are left than ever before.
    ///
    /// # Panics
    /// If they do not fill their shape.
    pub fn set_weights(&mut self, w: &[f32]) {
        assert_eq!(w.len(), self.outputs * self.inputs, "the weights fill their shape");
        let step = if self.is_turned() { self.block() } else { 1 };
        self.rows.set(w, self.outputs, |_, column| column * step);
    }

    /// Takes the values of the weights that are left from a dense weight, and does not look at the others.
    ///
    /// # Panics
    /// If `w` is shorter than the weight was.
    pub fn refresh(&mut self, w: &[f32]) {
        self.rows.refresh(w);
    }

    /// Adds other numbers to the outputs.
    ///
    /// # Panics
    /// If they are not one per output.
    pub fn set_bias(&mut self, bias: &[f32]) {
        self.bias.copy_from_slice(bias);
    }

    /// The weights that are left.
    pub fn nonzero(&self) -> usize {
        self.rows.nonzero()
    }

    fn is_turned(&self) -> bool {
        self.batch >= MANY
    }

    /// Samples of a block, rounded up to whole vectors.
    fn block(&self) -> usize {
        BLOCK.min(self.batch).next_multiple_of(WIDEST)
    }

    /// How much scratch memory [`Self::run`] needs with this many threads, in elements.
    pub fn scratch_len(&self, threads: usize) -> usize {
        if !self.is_turned() {
            return 0;
        }
        threads * ((self.inputs + self.outputs) * self.block() + WIDEST)
    }

    /// Runs the layer.
    ///
    /// # Shapes
    /// - `x`: `[batch, inputs]`
    /// - `y`: `[batch, outputs]`
    /// - `scratch`: [`Self::scratch_len`]
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn run(&self, pool: &Pool, x: &[f32], y: &mut [f32], scratch: &mut [f32]) {
        assert_eq!(x.len(), self.batch * self.inputs, "the input fills its shape");
        assert_eq!(y.len(), self.batch * self.outputs, "the output fills its shape");
        if self.outputs == 0 || self.batch == 0 {
            return;
        }
        if !self.is_turned() {
            for (n, y) in y.chunks_exact_mut(self.outputs).enumerate() {
                self.one(&x[n * self.inputs..][..self.inputs], y);
            }
            return;
        }
        let parts = Chunks::new(y, BLOCK * self.outputs);
        pool.for_each_with(self.batch.div_ceil(BLOCK), parts, scratch, |block, y, own| {
            let samples = y.len() / self.outputs;
            let x = &x[block * BLOCK * self.inputs..][..samples * self.inputs];
            self.many(x, y, own);
        });
    }

    /// One sample.
    fn one(&self, x: &[f32], y: &mut [f32]) {
        assert!(self.rows.nonzero() == 0 || self.rows.reach() < x.len(), "offsets are inputs");
        let [low, high] = self.limits;
        vectorize(
            #[inline(always)]
            || {
                for (row, y) in y.iter_mut().enumerate() {
                    let sum = self.bias[row] + dot(&self.rows, row, x);
                    let sum = if sum < low { low } else { sum };
                    *y = if sum > high { high } else { sum };
                }
            },
        );
    }

    /// A block of samples, turned to `[inputs, samples]` and back.
    fn many(&self, x: &[f32], y: &mut [f32], own: &mut [f32]) {
        let (block, samples) = (self.block(), y.len() / self.outputs);
        let (turned, sums) = own.split_at_mut(self.inputs * block + WIDEST);
        let sums = &mut sums[..self.outputs * block];
        transpose((x, self.inputs), [samples, self.inputs], (turned, block));
        let pixels = turned.chunks_exact_mut(block).take(self.inputs);
        pixels.for_each(|pixels| pixels[samples..].fill(0.0));
        let finish = Finish { bias: &self.bias, residual: None, limits: self.limits, keep: &[] };
        let to = Placed { start: 0, plane: block };
        let (rows, range) = (&self.rows, 0..self.outputs);
        multiply(
            &Job { rows, bands: Bands::ONE, range, from: 0, to, pixels: samples, finish },
            turned,
            sums,
        );
        transpose((sums, block), [self.outputs, samples], (y, self.outputs));
    }
}

/// The sum over a row's weights, in four parts that do not wait for one another.
#[inline(always)]
fn dot(rows: &Rows, row: usize, x: &[f32]) -> f32 {
    let entries = rows.row(row);
    let mut sums = [0.0_f32; 4];
    let (fours, rest) = entries.as_chunks::<4>();
    for four in fours {
        for (sum, entry) in sums.iter_mut().zip(four) {
            // SAFETY: the caller checked that the largest offset lies inside `x`.
            let x = unsafe { *x.get_unchecked(entry.offset as usize) };
            *sum += x * entry.value;
        }
    }
    for entry in rest {
        sums[0] += x[entry.offset as usize] * entry.value;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}
