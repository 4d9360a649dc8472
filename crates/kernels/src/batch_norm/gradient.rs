//! The gradients of both forms of batch normalization, by its input, scale and shift.
//!
//! Two passes over a channel: sums, then what is written. The gradient of limits behind the normalization is part of both.

use super::{GROUP, Group, Sizes, slope};
use crate::isa::vectorize;
use crate::pool::{Chunks, ColumnPart, Pool};
use crate::sums::sums;

/// What a gradient is made from.
#[derive(Debug, Clone, Copy)]
pub struct Backward<'a> {
    /// The gradient by the output; empty if it lies in `dx`.
    pub dy: &'a [f32],
    /// The input.
    pub x: &'a [f32],
    /// The scale of every channel.
    pub scale: &'a [f32],
    /// The mean of every channel that was subtracted.
    pub mean: &'a [f32],
    /// What every channel was multiplied by to normalize it.
    pub inv_std: &'a [f32],
    /// What the statistics were.
    pub source: Source,
    /// Limits behind the normalization; `dy` is the gradient by what they gave.
    pub gate: Gate<'a>,
}

/// Where the statistics of a normalization came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The batch itself: they depend on `x`.
    Batch,
    /// Stored: they are constants.
    Stored,
}

/// What of `dy` passes: all that lies between limits, but not on them.
#[derive(Debug, Clone, Copy)]
pub enum Gate<'a> {
    /// There are no limits.
    Open,
    /// What the limits gave, and the limits.
    Given(&'a [f32], [f32; 2]),
    /// What the limits gave is computed again, to the last bit, from `x` and these shifts of the channels: arithmetic costs less
    /// than memory.
    Again(&'a [f32], [f32; 2]),
}

/// What a gradient is put into.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// By the input.
    pub dx: &'a mut [f32],
    /// By the scale.
    pub dscale: &'a mut [f32],
    /// By the shift.
    pub dshift: &'a mut [f32],
}

/// The gradients of both forms.
///
/// # Panics
/// If a slice does not fill its shape.
pub fn gradient(pool: &Pool, sizes: &Sizes, from: &Backward<'_>, to: &mut Gradients<'_>) {
    let Gradients { dx, dscale, dshift } = to;
    assert!(dx.len() == sizes.len() && from.x.len() == dx.len(), "input fills its shape");
    let chunk = sizes.group();
    let parts = (sizes.columns(dx), Chunks::new(dscale, chunk), Chunks::new(dshift, chunk));
    pool.for_each(sizes.tasks(), parts, |task, (mut dx, dscale, dshift)| {
        let group = sizes.task(task);
        let mut lines = [Line::default(); GROUP];
        (0..group.channels).for_each(|i| lines[i] = group.line(from, i));
        let [sums, products] = group.products(from, &lines, &dx);
        for i in 0..group.channels {
            let inverse = f64::from(group.of(from.inv_std)[i]);
            (dscale[i], dshift[i]) = ((products[i] * inverse) as f32, sums[i] as f32);
            if from.source == Source::Batch {
                let slope = f64::from(lines[i].slope);
                lines[i].by_x = (-slope * inverse * inverse * products[i] / group.count()) as f32;
                lines[i].rest = (-slope * sums[i] / group.count()) as f32;
            }
        }
        group.write(from, &lines, &mut dx);
    });
}

/// The numbers of a channel: it was `slope · (x − mean) + shift`, and `dx = slope · dy + by_x · (x − mean) + rest`.
#[derive(Clone, Copy, Default)]
struct Line {
    mean: f32,
    slope: f32,
    shift: f32,
    by_x: f32,
    rest: f32,
}

impl Line {
    #[inline(always)]
    fn y(&self, x: f32) -> f32 {
        (x - self.mean) * self.slope + self.shift
    }

    #[inline(always)]
    fn dx(&self, dy: f32, x: f32) -> f32 {
        self.slope * dy + self.by_x * (x - self.mean) + self.rest
    }

    #[inline(always)]
    fn terms(&self, dy: f32, x: f32) -> [f32; 2] {
        [dy, dy * (x - self.mean)]
    }
}

/// What passes limits.
#[inline(always)]
fn through(dy: f32, y: f32, [low, high]: [f32; 2]) -> f32 {
    if (low < y) & (y < high) { dy } else { 0.0 }
}

impl<'a> Gate<'a> {
    /// The same for some elements of what it was given.
    #[inline(always)]
    fn part(self, cut: impl Fn(&'a [f32]) -> &'a [f32]) -> Self {
        match self {
            Gate::Given(y, limits) => Gate::Given(cut(y), limits),
            Gate::Open | Gate::Again(..) => self,
        }
    }

    /// What passes of element `i`.
    #[inline(always)]
    fn one(self, line: &Line, i: usize, [dy, x]: [f32; 2]) -> f32 {
        match self {
            Gate::Open => dy,
            Gate::Given(y, limits) => through(dy, y[i], limits),
            Gate::Again(_, limits) => through(dy, line.y(x), limits),
        }
    }
}

impl Group {
    fn line(&self, from: &Backward<'_>, i: usize) -> Line {
        let shift = match from.gate {
            Gate::Again(shift, _) => self.of(shift)[i],
            Gate::Open | Gate::Given(..) => 0.0,
        };
        let slope = slope(self.of(from.scale)[i], self.of(from.inv_std)[i]);
        Line { mean: self.of(from.mean)[i], slope, shift, by_x: 0.0, rest: 0.0 }
    }

    /// `Σ dy` and `Σ dy · (x − mean)` of every channel.
    #[inline(always)]
    fn products(
        &self,
        from: &Backward<'_>,
        lines: &[Line; GROUP],
        dx: &ColumnPart<'_, f32>,
    ) -> [[f64; GROUP]; 2] {
        let (mut total, mut products) = ([0.0; GROUP], [0.0; GROUP]);
        for sample in 0..self.batch {
            let x = self.row(from.x, sample);
            let dy = if from.dy.is_empty() { dx.row(sample) } else { self.row(from.dy, sample) };
            let gate = from.gate.part(|y| self.row(y, sample));
            for (i, line) in lines.iter().enumerate().take(self.channels) {
                let [sum, product] = if self.space == 1 {
                    line.terms(gate.one(line, i, [dy[i], x[i]]), x[i]).map(f64::from)
                } else {
                    let at = i * self.space..(i + 1) * self.space;
                    let gate = gate.part(|y| &y[at.clone()]);
                    channel_sums(line, gate, [&dy[at.clone()], &x[at.clone()]], self.stride)
                };
                total[i] += sum;
                products[i] += product;
            }
        }
        [total, products]
    }

    /// The last samples first: they are in the cache.
    fn write(&self, from: &Backward<'_>, lines: &[Line; GROUP], dx: &mut ColumnPart<'_, f32>) {
        for sample in (0..self.batch).rev() {
            let (x, dx) = (self.row(from.x, sample), dx.row_mut(sample));
            if !from.dy.is_empty() {
                dx.copy_from_slice(self.row(from.dy, sample));
            }
            let gate = from.gate.part(|y| self.row(y, sample));
            if self.space == 1 {
                for (i, (dx, x)) in dx.iter_mut().zip(x).enumerate() {
                    *dx = lines[i].dx(gate.one(&lines[i], i, [*dx, *x]), *x);
                }
                continue;
            }
            let channels = dx.chunks_exact_mut(self.space).zip(x.chunks_exact(self.space));
            for (i, (dx, x)) in channels.enumerate() {
                let gate = gate.part(|y| &y[i * self.space..][..self.space]);
                write_channel(&lines[i], gate, x, dx);
            }
        }
    }
}

/// `Σ dy` and `Σ dy · (x − mean)` of a channel in one sample.
#[inline(always)]
fn channel_sums(line: &Line, gate: Gate<'_>, [dy, x]: [&[f32]; 2], ahead: usize) -> [f64; 2] {
    let line = *line;
    match gate {
        Gate::Open => sums([dy, x], ahead, |[dy, x]| line.terms(dy, x)),
        Gate::Given(y, limits) => {
            sums([dy, x, y], ahead, |[dy, x, y]| line.terms(through(dy, y, limits), x))
        }
        Gate::Again(_, limits) => {
            sums([dy, x], ahead, |[dy, x]| line.terms(through(dy, line.y(x), limits), x))
        }
    }
}

/// The gradient by a channel in one sample; `dx` holds that by the output.
#[inline(always)]
fn write_channel(line: &Line, gate: Gate<'_>, x: &[f32], dx: &mut [f32]) {
    let (line, row) = (*line, dx.iter_mut().zip(x));
    match gate {
        Gate::Open => vectorize(|| row.for_each(|(dx, x)| *dx = line.dx(*dx, *x))),
        Gate::Given(y, limits) => vectorize(|| {
            row.zip(y).for_each(|((dx, x), y)| *dx = line.dx(through(*dx, *y, limits), *x));
        }),
        Gate::Again(_, limits) => vectorize(|| {
            row.for_each(|(dx, x)| *dx = line.dx(through(*dx, line.y(*x), limits), *x));
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch_norm::{Affine, Statistics, train};
    use crate::gemm::Activation;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 101 + i / 11) % 23) as f32 / 8.0 - 1.3).collect()
    }

    #[test]
    fn a_gate_computed_again_passes_what_the_given_one_does() {
        for (batch, channels, space) in [(5, 40, 1), (3, 7, 9), (2, 3, 1024)] {
            let sizes = Sizes { batch, channels, space };
            let (pool, len, limits) = (Pool::new(2), sizes.len(), [-0.25, 0.5]);
            let (x, dy) = (numbers(len, 1), numbers(len, 2));
            let (scale, shift) = (numbers(channels, 3), numbers(channels, 4));
            let [mut mean, mut var, mut inv_std] = [(); 3].map(|()| vec![0.0; channels]);
            let mut y = vec![0.0; len];
            train(
                &pool,
                (&sizes, 1e-5),
                (&x, &Affine { scale: &scale, shift: &shift }),
                (&mut y, Activation::Clip(limits)),
                &mut Statistics { mean: &mut mean, var: &mut var, inv_std: &mut inv_std },
            );
            let run = |gate, apart: bool| {
                let [mut dscale, mut dshift] = [(); 2].map(|()| vec![0.0; channels]);
                let mut dx = if apart { vec![f32::NAN; len] } else { dy.clone() };
                let dy: &[f32] = if apart { &dy } else { &[] };
                let (x, scale, mean, inv_std) = (&x, &scale, &mean, &inv_std);
                let from = Backward { dy, x, scale, mean, inv_std, source: Source::Batch, gate };
                let mut to = Gradients { dx: &mut dx, dscale: &mut dscale, dshift: &mut dshift };
                gradient(&pool, &sizes, &from, &mut to);
                (dx, dscale, dshift)
            };
            let given = run(Gate::Given(&y, limits), false);
            assert_eq!(run(Gate::Again(&shift, limits), false), given);
            assert_eq!(run(Gate::Again(&shift, limits), true), given);
            assert_ne!(run(Gate::Open, false), given);
        }
    }
}
