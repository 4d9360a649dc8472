//! Softmax and log-softmax along an axis in the middle, and their gradients.
//!
//! ```text
//! [outer, classes, inner]     log-softmax  y = x − max − log Σ e^(x − max)     softmax  y = e^that
//! softmax dx = y · (dy − Σ dy · y)             log-softmax dx = dy − e^y · Σ dy
//! ```
//! Neighboring columns are worked on side by side.

use crate::exponential::exp;
use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};

/// Columns at a time.
const WIDTH: usize = 64;

/// Whether the result is a probability or its logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// A probability.
    Linear,
    /// Its logarithm.
    Logarithmic,
}

/// Softmax over `classes` lines of `inner` elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softmax {
    /// What the result is.
    pub scale: Scale,
    /// Elements of the axis.
    pub classes: usize,
    /// Elements of the axes behind it.
    pub inner: usize,
}

impl Softmax {
    fn block(&self) -> usize {
        self.classes * self.inner
    }

    /// The result over `x`.
    ///
    /// # Panics
    /// If a slice does not hold whole blocks, or `x` and `y` differ in length.
    pub fn forward(&self, pool: &Pool, x: &[f32], y: &mut [f32]) {
        let block = self.block();
        assert!(block > 0 && y.len().is_multiple_of(block), "the output has whole blocks");
        assert_eq!(x.len(), y.len(), "input and output are alike");
        pool.for_each(y.len() / block, Chunks::new(y, block), |task, y| {
            let x = &x[task * block..][..block];
            vectorize(|| {
                (0..self.inner).step_by(WIDTH).for_each(|first| self.columns(x, y, first));
            });
        });
    }

    /// The lines of a block, cut to the columns from `first` on.
    #[inline(always)]
    fn lines<'a>(&self, x: &'a [f32], first: usize) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let width = WIDTH.min(self.inner - first);
        x.chunks_exact(self.inner).map(move |line| &line[first..][..width])
    }

    #[inline(always)]
    fn columns(&self, x: &[f32], y: &mut [f32], first: usize) {
        let (mut max, mut sums) = ([f32::NEG_INFINITY; WIDTH], [0.0_f32; WIDTH]);
        for x in self.lines(x, first) {
            max.iter_mut().zip(x).for_each(|(max, x)| *max = max.max(*x));
        }
        for x in self.lines(x, first) {
            let columns = sums.iter_mut().zip(x).zip(&max);
            columns.for_each(|((sum, x), max)| *sum += exp(x - max));
        }
        let logs = sums.map(f32::ln);
        for (x, y) in self.lines(x, first).zip(y.chunks_exact_mut(self.inner)) {
            let columns = y[first..].iter_mut().zip(x).zip(max.iter().zip(&logs));
            match self.scale {
                Scale::Linear => columns.for_each(|((y, x), (max, log))| *y = exp(x - max - log)),
                Scale::Logarithmic => columns.for_each(|((y, x), (max, log))| *y = x - max - log),
            }
        }
    }

    /// `dx` from `(dy, y)`.
    ///
    /// # Panics
    /// If a slice does not hold whole blocks, or the slices differ in length.
    pub fn gradient(&self, pool: &Pool, (dy, y): (&[f32], &[f32]), dx: &mut [f32]) {
        let block = self.block();
        assert!(block > 0 && dx.len().is_multiple_of(block), "the output has whole blocks");
        assert!(dy.len() == dx.len() && y.len() == dx.len(), "inputs and output are alike");
        pool.for_each(dx.len() / block, Chunks::new(dx, block), |task, dx| {
            let (dy, y) = (&dy[task * block..][..block], &y[task * block..][..block]);
            vectorize(|| {
                (0..self.inner).step_by(WIDTH).for_each(|first| self.slopes((dy, y), dx, first));
            });
        });
    }

    #[inline(always)]
    fn slopes(&self, (dy, y): (&[f32], &[f32]), dx: &mut [f32], first: usize) {
        let mut totals = [0.0_f32; WIDTH];
        for (dy, y) in self.lines(dy, first).zip(self.lines(y, first)) {
            let columns = totals.iter_mut().zip(dy).zip(y);
            match self.scale {
                Scale::Linear => columns.for_each(|((total, dy), y)| *total += dy * y),
                Scale::Logarithmic => columns.for_each(|((total, dy), _)| *total += dy),
            }
        }
        let lines = self.lines(dy, first).zip(self.lines(y, first));
        for ((dy, y), dx) in lines.zip(dx.chunks_exact_mut(self.inner)) {
            let columns = dx[first..].iter_mut().zip(dy).zip(y.iter().zip(&totals));
            match self.scale {
                Scale::Linear => {
                    columns.for_each(|((dx, dy), (y, total))| *dx = y * (dy - total));
                }
                Scale::Logarithmic => {
                    columns.for_each(|((dx, dy), (y, total))| *dx = dy - exp(*y) * total);
                }
            }
        }
    }
}
