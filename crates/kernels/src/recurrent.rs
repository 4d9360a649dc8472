//! What recurrent layers have in common: sizes, directions, the places of their numbers.
//!
//! Not here: the cells (`lstm`, `gru`).

pub(crate) mod strips;

use crate::gemm::{Gemm, Sizes as Product};
use crate::pool::{Chunks, Pool};

/// Sizes of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Steps of time.
    pub steps: usize,
    /// Samples.
    pub batch: usize,
    /// Features of a sample at a time.
    pub input: usize,
    /// Hidden units of a direction.
    pub hidden: usize,
    /// One direction, or two with weights of their own.
    pub directions: usize,
    /// Whether the first direction walks from the last step to the first; a second one always does.
    pub reversed: bool,
}

impl Sizes {
    /// Samples at all times.
    pub(crate) fn samples(&self) -> usize {
        self.steps * self.batch
    }

    /// Elements of a state of one direction.
    pub(crate) fn state(&self) -> usize {
        self.batch * self.hidden
    }

    /// Time of the `i`th step of a direction.
    pub(crate) fn time(&self, i: usize, direction: usize) -> usize {
        if self.reversed || direction == 1 { self.steps - 1 - i } else { i }
    }

    /// Where the hidden units at a time are among all outputs.
    pub(crate) fn units(&self, time: usize, direction: usize) -> std::ops::Range<usize> {
        let start = (time * self.directions + direction) * self.state();
        start..start + self.state()
    }

    /// Copies what each step starts with, `[steps, batch, hidden]` in order of time, from all outputs.
    pub(crate) fn before(
        &self,
        y: &[f32],
        initial: Option<&[f32]>,
        direction: usize,
        out: &mut [f32],
    ) {
        for i in 0..self.steps {
            let out = &mut out[self.time(i, direction) * self.state()..][..self.state()];
            match (i, initial) {
                (0, Some(initial)) => out.copy_from_slice(initial),
                (0, None) => out.fill(0.0),
                _ => out.copy_from_slice(&y[self.units(self.time(i - 1, direction), direction)]),
            }
        }
    }
}

/// `[m, n] = [m, k] · [n, k]ᵀ`
pub(crate) fn by_rows(m: usize, n: usize, k: usize) -> Gemm {
    Gemm::new(Product { m, n, k, trans_a: false, trans_b: true })
}

/// `[m, n] = [m, k] · [k, n]`
pub(crate) fn plain(m: usize, n: usize, k: usize) -> Gemm {
    Gemm::new(Product { m, n, k, trans_a: false, trans_b: false })
}

/// `[m, n] = [k, m]ᵀ · [k, n]`
pub(crate) fn by_columns(m: usize, n: usize, k: usize) -> Gemm {
    Gemm::new(Product { m, n, k, trans_a: true, trans_b: false })
}

/// The part of a slice that belongs to one of several directions.
pub(crate) fn part(x: &[f32], directions: usize, direction: usize) -> &[f32] {
    let len = x.len() / directions;
    &x[direction * len..][..len]
}

/// As [`part`], to be changed.
pub(crate) fn part_mut(x: &mut [f32], directions: usize, direction: usize) -> &mut [f32] {
    let len = x.len() / directions;
    &mut x[direction * len..][..len]
}

/// An initial state, or zeros.
pub(crate) fn start(initial: Option<&[f32]>, sizes: Sizes, direction: usize, state: &mut [f32]) {
    match initial {
        Some(initial) => state.copy_from_slice(part(initial, sizes.directions, direction)),
        None => state.fill(0.0),
    }
}

/// `y += x`
#[inline(always)]
pub(crate) fn add(y: &mut [f32], x: &[f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
}

/// `y = Σ` of the rows of `x`.
pub(crate) fn sum_rows(pool: &Pool, x: &[f32], y: &mut [f32]) {
    /// Columns of a task.
    const WIDTH: usize = 64;
    let count = y.len();
    pool.for_each(count.div_ceil(WIDTH), Chunks::new(y, WIDTH), |task, y| {
        y.fill(0.0);
        let width = y.len();
        let rows = x.chunks_exact(count).map(|row| &row[task * WIDTH..][..width]);
        crate::isa::vectorize(|| rows.for_each(|row| add(y, row)));
    });
}

/// Cuts the next `len` elements off scratch memory.
pub(crate) fn take<'a>(scratch: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    let (taken, rest) = std::mem::take(scratch).split_at_mut(len);
    *scratch = rest;
    taken
}
