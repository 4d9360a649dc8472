//! Sums, means and other folds over axes that stand together.
//!
//! ```text
//! ends    [lead, kept, tail] → [kept]            over the first and the last axes
//! middle  [outer, gone, inner] → [outer, inner]  over axes in between
//! ```

use crate::elementwise::CHUNK;
use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};
use crate::sums::sum;

/// Columns of the output that a task sums at a time, at least.
const COLUMNS: usize = 64;

/// Partial results that a fold over a row keeps apart, so that its loop is not a chain.
const LANES: usize = 16;

/// Which axes are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// `lead` and `tail` go, `kept` stays.
    Ends {
        /// Elements of the axes in front.
        lead: usize,
        /// Elements of the axes that stay.
        kept: usize,
        /// Elements of the axes behind.
        tail: usize,
    },
    /// `gone` goes.
    Middle {
        /// Elements of the axes in front.
        outer: usize,
        /// Elements of the axes that are summed.
        gone: usize,
        /// Elements of the axes behind.
        inner: usize,
    },
}

impl Sum {
    /// The sum over the flagged axes of a shape; `None` if they lie neither at the ends nor together.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::{pool::Pool, reduce::Sum};
    ///
    /// let columns = Sum::new(&[2, 3], &[true, false]).unwrap();
    /// let mut y = [0.0; 3];
    /// columns.run(&Pool::new(1), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut y, 0.5);
    /// assert_eq!(y, [2.5, 3.5, 4.5]);
    /// ```
    pub fn new(shape: &[usize], gone: &[bool]) -> Option<Self> {
        let size = |dims: &[usize]| dims.iter().product::<usize>();
        let span = |flag: bool| {
            let first = gone.iter().position(|&gone| gone == flag).unwrap_or(shape.len());
            let end = gone.iter().rposition(|&gone| gone == flag).map_or(first, |last| last + 1);
            let together = gone[first..end].iter().all(|&gone| gone == flag);
            let sizes = [&shape[..first], &shape[first..end], &shape[end..]].map(size);
            together.then_some(sizes)
        };
        match (span(true), span(false)) {
            (Some([outer, gone, 1]), _) => Some(Self::Ends { lead: 1, kept: outer, tail: gone }),
            (Some([outer, gone, inner]), _) => Some(Self::Middle { outer, gone, inner }),
            (None, Some([lead, kept, tail])) => Some(Self::Ends { lead, kept, tail }),
            (None, None) => None,
        }
    }

    /// How many elements go into one sum.
    pub fn count(&self) -> usize {
        match *self {
            Self::Ends { lead, tail, .. } => lead * tail,
            Self::Middle { gone, .. } => gone,
        }
    }

    /// `y = scale · Σ x`.
    ///
    /// # Panics
    /// If a slice does not fill its shape.
    pub fn run(&self, pool: &Pool, x: &[f32], y: &mut [f32], scale: f64) {
        assert_eq!(x.len(), self.count() * y.len(), "the input fills its shape");
        match *self {
            Self::Ends { lead, kept, tail } => {
                assert_eq!(y.len(), kept, "the output fills its shape");
                let chunk = (CHUNK / (lead * tail).max(1)).max(1);
                pool.for_each(kept.div_ceil(chunk), Chunks::new(y, chunk), |task, y| {
                    vectorize(|| rows(x, [lead, kept, tail], task * chunk, y, scale));
                });
            }
            Self::Middle { outer, gone, inner } => {
                assert_eq!(y.len(), outer * inner, "the output fills its shape");
                let chunk = (CHUNK / gone.max(1)).next_multiple_of(COLUMNS).max(COLUMNS);
                let tasks = y.len().div_ceil(chunk);
                pool.for_each(tasks, Chunks::new(y, chunk), |task, y| {
                    vectorize(|| columns(x, [gone, inner], task * chunk, y, scale));
                });
            }
        }
    }
}

impl Sum {
    /// `y = f(start, f(x₁, f(x₂, …)))` in any order: `f` must not care about it.
    ///
    /// # Panics
    /// If a slice does not fill its shape.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::{pool::Pool, reduce::Sum};
    ///
    /// let rows = Sum::new(&[2, 3], &[false, true]).unwrap();
    /// let mut y = [0.0; 2];
    /// rows.fold(&Pool::new(1), &[1.0, 5.0, 3.0, 4.0, 2.0, 6.0], &mut y, (0.0, f32::max));
    /// assert_eq!(y, [5.0, 6.0]);
    /// ```
    pub fn fold(
        &self,
        pool: &Pool,
        x: &[f32],
        y: &mut [f32],
        (start, f): (f32, impl Fn(f32, f32) -> f32 + Sync),
    ) {
        assert_eq!(x.len(), self.count() * y.len(), "the input fills its shape");
        let (chunk, all) = ((CHUNK / self.count().max(1)).max(COLUMNS), y.len());
        pool.for_each(all.div_ceil(chunk), Chunks::new(y, chunk), |task, y| {
            let first = task * chunk;
            vectorize(|| match *self {
                Self::Ends { lead, kept, tail } => {
                    for (k, y) in (first..).zip(y) {
                        let rows = (0..lead).map(|l| &x[(l * kept + k) * tail..][..tail]);
                        *y = rows.fold(start, |y, row| f(y, fold_row(row, start, &f)));
                    }
                }
                Self::Middle { gone, inner, .. } => {
                    fold_columns(x, [gone, inner], first, y, (start, &f));
                }
            });
        });
    }
}

#[inline(always)]
fn fold_row(row: &[f32], start: f32, f: &impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for chunk in whole {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane = f(*lane, *x));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, x)| *lane = f(*lane, *x));
    lanes.iter().fold(start, |y, lane| f(y, *lane))
}

/// Folds the columns from `first` on, as far as they lie in one block at a time.
#[inline(always)]
fn fold_columns(
    x: &[f32],
    [gone, inner]: [usize; 2],
    first: usize,
    y: &mut [f32],
    (start, f): (f32, &impl Fn(f32, f32) -> f32),
) {
    let mut done = 0;
    while done < y.len() {
        let (block, from) = ((first + done) / inner, (first + done) % inner);
        let width = (inner - from).min(y.len() - done);
        let part = &mut y[done..][..width];
        part.fill(start);
        for line in 0..gone {
            let line = &x[(block * gone + line) * inner + from..][..width];
            part.iter_mut().zip(line).for_each(|(y, x)| *y = f(*y, *x));
        }
        done += width;
    }
}

/// The sums of the kept elements from `first` on.
#[inline(always)]
fn rows(x: &[f32], [lead, kept, tail]: [usize; 3], first: usize, y: &mut [f32], scale: f64) {
    for (k, y) in (first..).zip(y) {
        let rows = (0..lead).map(|l| &x[(l * kept + k) * tail..][..tail]);
        *y = (scale * rows.map(|row| sum(row, |x| x)).sum::<f64>()) as f32;
    }
}

/// The sums of the columns from `first` on, a block at a time.
#[inline(always)]
fn columns(x: &[f32], [gone, inner]: [usize; 2], first: usize, y: &mut [f32], scale: f64) {
    let mut done = 0;
    while done < y.len() {
        let (block, from) = ((first + done) / inner, (first + done) % inner);
        let width = COLUMNS.min(inner - from).min(y.len() - done);
        let mut totals = [0.0_f64; COLUMNS];
        for line in 0..gone {
            let line = &x[(block * gone + line) * inner + from..][..width];
            totals.iter_mut().zip(line).for_each(|(total, x)| *total += f64::from(*x));
        }
        let part = &mut y[done..][..width];
        part.iter_mut().zip(totals).for_each(|(y, total)| *y = (scale * total) as f32);
        done += width;
    }
}
