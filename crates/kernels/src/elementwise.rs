//! Element-wise functions over whole slices, shared by all threads.
//!
//! Invariant: an empty input stands for the output itself, computed in place.
//! Not here: operands of different shapes (`broadcast`).

use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};

/// Elements of a task: about 10 µs where memory is the limit.
pub(crate) const CHUNK: usize = 16_384;

/// `y = f(index, x)`; an empty `x` stands for `y`.
///
/// # Panics
/// If `x` is shorter than `y`, but not empty.
pub fn map_indexed(pool: &Pool, x: &[f32], y: &mut [f32], f: impl Fn(u64, f32) -> f32 + Sync) {
    pool.for_each(y.len().div_ceil(CHUNK), Chunks::new(y, CHUNK), |task, y| {
        let first = task * CHUNK;
        if x.is_empty() {
            vectorize(|| y.iter_mut().zip(first as u64..).for_each(|(y, i)| *y = f(i, *y)));
        } else {
            let x = &x[first..][..y.len()];
            vectorize(|| {
                y.iter_mut().zip(x).zip(first as u64..).for_each(|((y, x), i)| *y = f(i, *x));
            });
        }
    });
}

/// `y = f(x)`; an empty `x` stands for `y`.
///
/// # Panics
/// If `x` is shorter than `y`, but not empty.
///
/// # Example
/// ```
/// use hoyer_kernels::{elementwise::map, pool::Pool};
///
/// let mut y = [0.0; 3];
/// map(&Pool::new(1), &[1.0, 2.0, 3.0], &mut y, |x| x * x);
/// map(&Pool::new(1), &[], &mut y, |x| -x);
/// assert_eq!(y, [-1.0, -4.0, -9.0]);
/// ```
pub fn map(pool: &Pool, x: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    map_indexed(pool, x, y, |_, x| f(x));
}

/// `y = f(a, b)`; an empty `a` stands for `y`.
///
/// # Panics
/// If an input is shorter than `y` (`a` may be empty).
pub fn map2(
    pool: &Pool,
    (a, b): (&[f32], &[f32]),
    y: &mut [f32],
    f: impl Fn(f32, f32) -> f32 + Sync,
) {
    pool.for_each(y.len().div_ceil(CHUNK), Chunks::new(y, CHUNK), |task, y| {
        let first = task * CHUNK;
        let b = &b[first..][..y.len()];
        if a.is_empty() {
            vectorize(|| y.iter_mut().zip(b).for_each(|(y, b)| *y = f(*y, *b)));
        } else {
            let a = &a[first..][..y.len()];
            vectorize(|| y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = f(*a, *b)));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_count_through_all_tasks() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5] {
            let mut y = vec![0.0; len];
            map_indexed(&Pool::new(2), &[], &mut y, |i, _| i as f32);
            assert!(y.iter().enumerate().all(|(i, y)| *y == i as f32), "{len}");
        }
    }

    #[test]
    fn in_place_and_out_of_place_agree() {
        let (a, b): (Vec<f32>, Vec<f32>) = (0..20_001).map(|i| (i as f32, 0.5 * i as f32)).unzip();
        let (mut apart, mut within) = (vec![0.0; a.len()], a.clone());
        map2(&Pool::new(2), (&a, &b), &mut apart, |a, b| a - b);
        map2(&Pool::new(2), (&[], &b), &mut within, |a, b| a - b);
        assert_eq!(apart, within);
        assert_eq!(apart, b);
    }
}
