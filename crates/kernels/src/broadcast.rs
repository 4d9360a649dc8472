//! Element-wise functions of several operands that repeat along some axes of the output.
//!
//! ```text
//! y[i] = f(a[Σ step_a · i], b[Σ step_b · i], …)        a step of 0 repeats
//! ```
//! Axes along which all operands move on alike are seen as one, so that a row is as long as it can be.
//! Invariant: an empty operand stands for the output itself, computed in place.

use crate::elementwise::CHUNK;
use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};

/// How operands lie over an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast<const N: usize = 2> {
    axes: Vec<Axis<N>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis<const N: usize> {
    len: usize,
    steps: [usize; N],
}

/// A part of a row of the output: where its operands' rows start, how far they move on for each element, and which
/// elements it is.
#[derive(Debug, Clone, Copy)]
struct Part<const N: usize> {
    starts: [usize; N],
    steps: [usize; N],
    from: usize,
    count: usize,
}

/// An operand over a part of a row.
enum Operand<'a, T> {
    Own,
    Run(&'a [T]),
    One(T),
}

impl<const N: usize> Broadcast<N> {
    /// Operands of these shapes over an output of this one, by the rules of ONNX (and NumPy).
    ///
    /// # Panics
    /// If a shape does not broadcast to the output's.
    pub fn new(operands: [&[usize]; N], output: &[usize]) -> Self {
        let steps = operands.map(|shape| steps(shape, output));
        let mut axes: Vec<Axis<N>> = Vec::new();
        for (i, &len) in output.iter().enumerate().filter(|(_, len)| **len != 1) {
            let own = std::array::from_fn(|operand| steps[operand][i]);
            match axes.last_mut() {
                Some(outer) if outer.steps == own.map(|step| step * len) => {
                    *outer = Axis { len: outer.len * len, steps: own };
                }
                _ => axes.push(Axis { len, steps: own }),
            }
        }
        if axes.is_empty() {
            axes.push(Axis { len: 1, steps: [0; N] });
        }
        Self { axes }
    }

    /// How many tasks the output is, if it fills its shape.
    fn tasks(&self, len: usize) -> usize {
        let need: usize = self.axes.iter().map(|axis| axis.len).product();
        assert_eq!(len, need, "the output fills its shape");
        len.div_ceil(CHUNK)
    }

    /// Takes the next part of a row from `y`, whose first element is `at` of the output.
    #[inline(always)]
    fn next<'y, Y>(&self, y: &mut &'y mut [Y], at: &mut usize) -> Option<(Part<N>, &'y mut [Y])> {
        let (row, outer) = self.axes.split_last()?;
        if y.is_empty() {
            return None;
        }
        let from = *at % row.len;
        let count = y.len().min(row.len - from);
        let (part, rest) = std::mem::take(y).split_at_mut(count);
        let starts = starts(outer, *at / row.len);
        (*y, *at) = (rest, *at + count);
        Some((Part { starts, steps: row.steps, from, count }, part))
    }
}

impl Broadcast {
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
        pool.for_each(self.tasks(y.len()), Chunks::new(y, CHUNK), |task, mut y| {
            let mut at = task * CHUNK;
            vectorize(|| {
                while let Some((part, y)) = self.next(&mut y, &mut at) {
                    apply(part.operand(a, 0), part.operand(b, 1), y, &f);
                }
            });
        });
    }

    /// `y = f(a, b)` into numbers of another type, or of integers.
    ///
    /// # Panics
    /// If a slice does not fill its shape.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::{broadcast::Broadcast, pool::Pool};
    ///
    /// let above = Broadcast::new([&[2], &[]], &[2]);
    /// let mut y = [0; 2];
    /// above.run_into(&Pool::new(1), (&[1.0, 3.0], &[2.0]), &mut y, |a, b| i64::from(a > b));
    /// assert_eq!(y, [0, 1]);
    /// ```
    pub fn run_into<T: Copy + Sync, Y: Copy + Send>(
        &self,
        pool: &Pool,
        (a, b): (&[T], &[T]),
        y: &mut [Y],
        f: impl Fn(T, T) -> Y + Sync,
    ) {
        pool.for_each(self.tasks(y.len()), Chunks::new(y, CHUNK), |task, mut y| {
            let mut at = task * CHUNK;
            vectorize(|| {
                while let Some((part, y)) = self.next(&mut y, &mut at) {
                    apply_into(part.operand(a, 0), part.operand(b, 1), y, &f);
                }
            });
        });
    }
}

impl Broadcast<3> {
    /// `y = a where c is not 0, else b`.
    ///
    /// # Panics
    /// If a slice does not fill its shape.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::{broadcast::Broadcast, pool::Pool};
    ///
    /// let masked = Broadcast::new([&[3], &[], &[3]], &[3]);
    /// let mut y = [0.0; 3];
    /// masked.choose(&Pool::new(1), &[0, 1, 0], (&[9.0], &[1.0, 2.0, 3.0]), &mut y);
    /// assert_eq!(y, [1.0, 9.0, 3.0]);
    /// ```
    pub fn choose<T: Copy + Send + Sync>(
        &self,
        pool: &Pool,
        c: &[i64],
        (a, b): (&[T], &[T]),
        y: &mut [T],
    ) {
        pool.for_each(self.tasks(y.len()), Chunks::new(y, CHUNK), |task, mut y| {
            let mut at = task * CHUNK;
            vectorize(|| {
                while let Some((part, y)) = self.next(&mut y, &mut at) {
                    let first: [usize; 3] =
                        std::array::from_fn(|k| part.starts[k] + part.steps[k] * part.from);
                    for (i, y) in y.iter_mut().enumerate() {
                        let [c_at, a_at, b_at] =
                            std::array::from_fn(|k| first[k] + part.steps[k] * i);
                        *y = if c[c_at] == 0 { b[b_at] } else { a[a_at] };
                    }
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

/// Where the operands start in a row of the output.
#[inline(always)]
fn starts<const N: usize>(outer: &[Axis<N>], mut row: usize) -> [usize; N] {
    let mut starts = [0; N];
    for axis in outer.iter().rev() {
        let i = row % axis.len;
        row /= axis.len;
        starts.iter_mut().zip(axis.steps).for_each(|(start, step)| *start += i * step);
    }
    starts
}

impl<const N: usize> Part<N> {
    #[inline(always)]
    fn operand<'a, T: Copy>(&self, x: &'a [T], at: usize) -> Operand<'a, T> {
        let start = self.starts[at];
        match (x.is_empty(), self.steps[at]) {
            (true, _) => Operand::Own,
            (false, 0) => Operand::One(x[start]),
            // The innermost axis that an operand moves along has step 1.
            (false, _) => Operand::Run(&x[start + self.from..][..self.count]),
        }
    }
}

#[inline(always)]
fn apply(a: Operand<'_, f32>, b: Operand<'_, f32>, y: &mut [f32], f: &impl Fn(f32, f32) -> f32) {
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

#[inline(always)]
fn apply_into<T: Copy, Y: Copy>(
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    y: &mut [Y],
    f: &impl Fn(T, T) -> Y,
) {
    use Operand::{One, Own, Run};
    match (a, b) {
        (Run(a), Run(b)) => y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = f(*a, *b)),
        (Run(a), One(b)) => y.iter_mut().zip(a).for_each(|(y, a)| *y = f(*a, b)),
        (One(a), Run(b)) => y.iter_mut().zip(b).for_each(|(y, b)| *y = f(a, *b)),
        (One(a), One(b)) => y.fill(f(a, b)),
        (Own, _) | (_, Own) => panic!("an operand of another type than the output's has elements"),
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
