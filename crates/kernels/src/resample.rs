//! Weighted sums of elements along one axis, the same along all others: resized images and their gradients.
//!
//! ```text
//! y[·, o, ·] = Σ w · x[·, i, ·]    over the taps (i, w) of o
//! ```

use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};

/// Elements of a task, about.
const CHUNK: usize = 16_384;

/// Which elements along an axis make which, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Resample {
    /// Elements along the axis before and after.
    sizes: [usize; 2],
    /// Elements of all axes inside of it.
    inner: usize,
    /// For every output, where its taps begin; one entry more than outputs.
    starts: Vec<usize>,
    taps: Vec<(usize, f32)>,
}

impl Resample {
    /// An axis of `n` elements with `inner` ones inside, made of these taps.
    ///
    /// # Panics
    /// If a tap lies outside.
    pub fn new(n: usize, inner: usize, taps: &[Vec<(usize, f64)>]) -> Self {
        assert!(taps.iter().flatten().all(|tap| tap.0 < n), "taps lie within {n} elements");
        let mut starts = vec![0];
        for taps in taps {
            starts.push(starts[starts.len() - 1] + taps.len());
        }
        let flat = taps.iter().flatten().map(|&(i, weight)| (i, weight as f32)).collect();
        Self { sizes: [n, taps.len()], inner, starts, taps: flat }
    }

    /// The same sums transposed: from outputs back to inputs.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut back = vec![Vec::new(); self.sizes[0]];
        for o in 0..self.sizes[1] {
            for &(i, weight) in self.of(o) {
                back[i].push((o, f64::from(weight)));
            }
        }
        Self::new(self.sizes[1], self.inner, &back)
    }

    /// How many elements come out of so many.
    ///
    /// # Panics
    /// If they do not fill the axis.
    pub fn output_len(&self, len: usize) -> usize {
        let block = self.sizes[0] * self.inner;
        assert!(len.is_multiple_of(block), "{len} elements are blocks of {block}");
        len / block * self.sizes[1] * self.inner
    }

    fn of(&self, o: usize) -> &[(usize, f32)] {
        &self.taps[self.starts[o]..self.starts[o + 1]]
    }

    /// Computes all of `y`.
    ///
    /// # Panics
    /// If `x` or `y` does not fill the axes.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::{pool::Pool, resample::Resample};
    ///
    /// let middle = Resample::new(3, 1, &[vec![(0, 0.5), (1, 0.5)], vec![(1, 0.5), (2, 0.5)]]);
    /// let mut y = [0.0; 2];
    /// middle.run(&Pool::new(1), &[1.0, 3.0, 7.0], &mut y);
    /// assert_eq!(y, [2.0, 5.0]);
    /// ```
    pub fn run(&self, pool: &Pool, x: &[f32], y: &mut [f32]) {
        assert_eq!(y.len(), self.output_len(x.len()), "the output fills its axes");
        let [n, m] = self.sizes;
        if y.is_empty() {
            return;
        }
        let block = m * self.inner;
        let blocks = (CHUNK / block).max(1);
        // Few large blocks are cut into rows.
        if self.inner >= CHUNK {
            return pool.for_each(y.len() / self.inner, Chunks::new(y, self.inner), |row, y| {
                let x = &x[row / m * n * self.inner..][..n * self.inner];
                vectorize(|| self.row(row % m, x, y));
            });
        }
        let tasks = y.len().div_ceil(blocks * block);
        pool.for_each(tasks, Chunks::new(y, blocks * block), |task, y| {
            let x = x[task * blocks * n * self.inner..].chunks_exact(n * self.inner);
            vectorize(|| {
                for (x, y) in x.zip(y.chunks_exact_mut(block)) {
                    self.block(x, y);
                }
            });
        });
    }

    #[inline(always)]
    fn block(&self, x: &[f32], y: &mut [f32]) {
        if self.inner == 1 {
            for (o, y) in y.iter_mut().enumerate() {
                *y = self.of(o).iter().map(|&(i, weight)| weight * x[i]).sum();
            }
            return;
        }
        for (o, y) in y.chunks_exact_mut(self.inner).enumerate() {
            self.row(o, x, y);
        }
    }

    #[inline(always)]
    fn row(&self, o: usize, x: &[f32], y: &mut [f32]) {
        let from = |i: usize| &x[i * self.inner..][..self.inner];
        match *self.of(o) {
            [] => y.fill(0.0),
            [(i, 1.0)] => y.copy_from_slice(from(i)),
            [(i, v), (j, w)] => {
                let pairs = y.iter_mut().zip(from(i)).zip(from(j));
                pairs.for_each(|((y, a), b)| *y = v * a + w * b);
            }
            ref taps => {
                y.fill(0.0);
                for &(i, weight) in taps {
                    y.iter_mut().zip(from(i)).for_each(|(y, x)| *y += weight * x);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_sum_goes_back_the_same_way() {
        let taps = [vec![(0, 1.0)], vec![(2, 0.25), (0, 0.75)], vec![], vec![(1, 1.0)]];
        for inner in [1, 3, CHUNK + 1] {
            let there = Resample::new(3, inner, &taps);
            let x: Vec<f32> = (0..2 * 3 * inner).map(|i| (i % 7) as f32).collect();
            let dy: Vec<f32> = (0..2 * 4 * inner).map(|i| (i % 5) as f32).collect();
            let (mut y, mut dx) = (vec![9.0; dy.len()], vec![9.0; x.len()]);
            let pool = Pool::new(2);
            there.run(&pool, &x, &mut y);
            there.transposed().run(&pool, &dy, &mut dx);
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            assert!((dot(&y, &dy) - dot(&x, &dx)).abs() < 1e-6 * dot(&y, &dy), "{inner}");
            assert_eq!(there.transposed().transposed().sizes, there.sizes);
        }
    }
}
