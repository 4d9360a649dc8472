//! Element-wise functions of two operands that repeat along some axes of the output.
//!
//! ```text
//! y[i] = f(a[Σ step_a · i], b[Σ step_b · i])        a step of 0 repeats
//! ```
//! Axes along which both operands move on alike are seen as one, so that a row is as long as it can be.
//! Invariant: an empty operand stands for the output itself, computed in place.

use crate::elementwise::CHUNK;
use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};

/// How two operands lie over an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    axes: Vec<Axis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    len: usize,
    steps: [usize; 2],
}

/// An operand over a part of a row.
enum Operand<'a> {
    Own,
    Run(&'a [f32]),
    One(f32),
}

impl Broadcast {
    /// Operands of these shapes over an output of this one, by the rules of ONNX (and NumPy).
    ///
    /// # Panics
    /// If a shape does not broadcast to the output's.
    pub fn new(operands: [&[usize]; 2], output: &[usize]) -> Self {
        let steps = operands.map(|shape| steps(shape, output));
        let mut axes: Vec<Axis> = Vec::new();
        for (i, &len) in output.iter().enumerate().filter(|(_, len)| **len != 1) {
            let own = [steps[0][i], steps[1][i]];
            match axes.last_mut() {
                Some(outer) if outer.steps == own.map(|step| step * len) => {
                    *outer = Axis { len: outer.len * len, steps: own };
                }
                _ => axes.push(Axis { len, steps: own }),
            }
        }
        if axes.is_empty() {
            axes.push(Axis { len: 1, steps: [0, 0] });
        }
        Self { axes }
    }

    /// `y = f(a, b)`; an empty operand stands for `y`.
    ///
    /// # Panics
    /// If a slice does not fill its shape.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::{broadcast::Broadcast, pool::Pool};
    ///
    /// let per_row = Broadcast::new([&[2, 3], &[2, 1]], &[2, 3]);
    /// let mut y = [0.0; 6];
    /// per_row.run(&Pool::new(1), (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[10.0, 20.0]), &mut y, |a, b| a + b);
    /// assert_eq!(y, [11.0, 12.0, 13.0, 24.0, 25.0, 26.0]);
    /// ```
    pub fn run(
        &self,
        pool: &Pool,
        (a, b): (&[f32], &[f32]),
        y: &mut [f32],
        f: impl Fn(f32, f32) -> f32 + Sync,
    ) {
        let len: usize = self.axes.iter().map(|axis| axis.len).product();
        assert_eq!(y.len(), len, "the output fills its shape");
        let (row, outer) = self.axes.split_last().expect("there is one axis at least");
        pool.for_each(len.div_ceil(CHUNK), Chunks::new(y, CHUNK), |task, mut y| {
            let mut at = task * CHUNK;
            vectorize(|| {
                while !y.is_empty() {
                    let from = at % row.len;
                    let count = y.len().min(row.len - from);
                    let (part, rest) = std::mem::take(&mut y).split_at_mut(count);
                    let starts = starts(outer, at / row.len);
                    let operand = |x, i: usize| operand(x, starts[i], row.steps[i], from, count);
                    apply(operand(a, 0), operand(b, 1), part, &f);
                    (y, at) = (rest, at + count);
                }
            });
        });
    }
}

/// How far an operand moves on along every axis of the output.
fn steps(shape: &[usize], output: &[usize]) -> Vec<usize> {
    let missing = output.len().checked_sub(shape.len()).expect("the output has every axis");
    let mut steps = vec![0; output.len()];
    let mut step = 1;
    for (i, &len) in shape.iter().enumerate().rev() {
        assert!(len == 1 || len == output[missing + i], "{shape:?} broadcasts to {output:?}");
        steps[missing + i] = if len == 1 { 0 } else { step };
        step *= len;
    }
    steps
}

/// Where both operands start in a row of the output.
#[inline(always)]
fn starts(outer: &[Axis], mut row: usize) -> [usize; 2] {
    let mut starts = [0, 0];
    for axis in outer.iter().rev() {
        let i = row % axis.len;
        row /= axis.len;
        starts = [starts[0] + i * axis.steps[0], starts[1] + i * axis.steps[1]];
    }
    starts
}

#[inline(always)]
fn operand(x: &[f32], start: usize, step: usize, from: usize, count: usize) -> Operand<'_> {
    match (x.is_empty(), step) {
        (true, _) => Operand::Own,
        (false, 0) => Operand::One(x[start]),
        // The innermost axis that an operand moves along has step 1.
        (false, _) => Operand::Run(&x[start + from..][..count]),
    }
}

#[inline(always)]
fn apply(a: Operand<'_>, b: Operand<'_>, y: &mut [f32], f: &impl Fn(f32, f32) -> f32) {
    use Operand::{One, Own, Run};
    match (a, b) {
        (Run(a), Run(b)) => y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = f(*a, *b)),
        (Run(a), One(b)) => y.iter_mut().zip(a).for_each(|(y, a)| *y = f(*a, b)),
        (One(a), Run(b)) => y.iter_mut().zip(b).for_each(|(y, b)| *y = f(a, *b)),
        (One(a), One(b)) => y.fill(f(a, b)),
        (Own, Run(b)) => y.iter_mut().zip(b).for_each(|(y, b)| *y = f(*y, *b)),
        (Own, One(b)) => y.iter_mut().for_each(|y| *y = f(*y, b)),
        (Run(a), Own) => y.iter_mut().zip(a).for_each(|(y, a)| *y = f(*a, *y)),
        (One(a), Own) => y.iter_mut().for_each(|y| *y = f(a, *y)),
        (Own, Own) => y.iter_mut().for_each(|y| *y = f(*y, *y)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_joined_where_both_operands_move_alike() {
        let axes = |a: &[usize], b: &[usize], y: &[usize]| Broadcast::new([a, b], y).axes.len();
        assert_eq!(axes(&[4, 3, 5, 5], &[4, 3, 5, 5], &[4, 3, 5, 5]), 1);
        assert_eq!(axes(&[4, 3, 5, 5], &[], &[4, 3, 5, 5]), 1);
        assert_eq!(axes(&[4, 3, 5, 5], &[5, 5], &[4, 3, 5, 5]), 2);
        assert_eq!(axes(&[4, 3, 5, 5], &[1, 3, 1, 1], &[4, 3, 5, 5]), 3);
        assert_eq!(axes(&[1, 1], &[1], &[1, 1]), 1);
    }
}
