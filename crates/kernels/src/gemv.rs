//! A matrix times one vector: the linear layer of one sample.
//!
//! ```text
//! y[o] = Σ_k w[o, k] · x[k]
//! ```
//! Four rows at a time, so that a part of `x` is loaded once for all of them.
//! Not here: more than one sample (`gemm`), weights that are mostly zero (`sparse`).

use crate::isa::{Isa, isa};
use crate::pool::{Chunks, Pool};
use crate::vector::{Vector, WIDEST, halved, over_vectors};

/// Rows at a time.
const ROWS: usize = 4;

/// Weights of a task: about 20 µs.
const PIECE: usize = 250_000;

/// Computes `y = w · x`.
///
/// # Shapes
/// - `w`: `[y.len(), x.len()]`
///
/// # Panics
/// If the weights do not fill their shape.
pub fn gemv(pool: &Pool, w: &[f32], x: &[f32], y: &mut [f32]) {
    assert_eq!(w.len(), x.len() * y.len(), "the weights fill their shape");
    let rows = PIECE.div_ceil(x.len().max(1)).next_multiple_of(ROWS);
    pool.for_each(y.len().div_ceil(rows), Chunks::new(y, rows), |task, y| {
        let w = &w[task * rows * x.len()..][..y.len() * x.len()];
        piece_on(isa(), w, x, y);
    });
}

/// A piece, with the vectors of an instruction set, or the best below it that the machine has.
fn piece_on(with: Isa, w: &[f32], x: &[f32], y: &mut [f32]) {
    assert_eq!(w.len(), x.len() * y.len(), "the weights fill their shape");
    // SAFETY: the slices fit one another.
    unsafe { run_on(with, w, x, y) };
}

over_vectors! {
    /// # Safety
    /// `w` must have `x.len() · y.len()` elements.
    unsafe fn run_on(w: &[f32], x: &[f32], y: &mut [f32]) = run
}

/// # Safety
/// `w` must have `x.len() · y.len()` elements, and the machine the vectors.
#[inline(always)]
unsafe fn run<V: Vector>(w: &[f32], x: &[f32], y: &mut [f32]) {
    let inputs = x.len();
    for (i, y) in y.chunks_mut(ROWS).enumerate() {
        let w = &w[i * ROWS * inputs..];
        // SAFETY: so many rows begin at `w`.
        unsafe {
            match y {
                [a, b, c, d] => [*a, *b, *c, *d] = rows::<V, ROWS>(w, x),
                _ => {
                    for (r, y) in y.iter_mut().enumerate() {
                        [*y] = rows::<V, 1>(&w[r * inputs..], x);
                    }
                }
            }
        }
    }
}

/// # Safety
/// `R` rows of `x.len()` must begin at `w`, and the machine must have the vectors.
#[inline(always)]
unsafe fn rows<V: Vector, const R: usize>(w: &[f32], x: &[f32]) -> [f32; R] {
    let (inputs, mut sums) = (x.len(), [[V::splat(0.0); 2]; R]);
    let pairs = inputs / (2 * V::LEN);
    for i in 0..pairs {
        for half in 0..2 {
            let at = (2 * i + half) * V::LEN;
            // SAFETY: `at + V::LEN` lies inside `x`, and inside each of the rows.
            unsafe {
                let x = V::load(x.as_ptr().add(at));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let w = V::load(w.as_ptr().add(r * inputs + at));
                    sums[half] = sums[half].add_product(w, x);
                }
            }
        }
    }
    std::array::from_fn(|r| {
        let mut lanes = [0.0; WIDEST];
        // SAFETY: the array holds the widest vector.
        unsafe { sums[r][0].add(sums[r][1]).store(lanes.as_mut_ptr()) };
        let rest = pairs * 2 * V::LEN..inputs;
        let tail = w[r * inputs..][rest.clone()].iter().zip(&x[rest]);
        halved(&lanes) + tail.map(|(w, x)| w * x).sum::<f32>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_computes_the_product() {
        for (inputs, outputs) in [(1, 1), (7, 3), (31, 4), (32, 5), (33, 9), (100, 10), (784, 30)] {
            let number = |i: usize| ((i * 7919) % 251) as f32 / 125.0 - 1.0;
            let w: Vec<f32> = (0..inputs * outputs).map(number).collect();
            let x: Vec<f32> = (0..inputs).map(|i| number(i + 13)).collect();
            for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
                let mut y = vec![f32::NAN; outputs];
                piece_on(isa, &w, &x, &mut y);
                for (o, y) in y.iter().enumerate() {
                    let products = w[o * inputs..].iter().zip(&x);
                    let want: f64 = products.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                    assert!((f64::from(*y) - want).abs() < 1e-4, "{isa:?} {o}: {y}, need {want}");
                }
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let w: Vec<f32> = (0..600 * 1001).map(|i| (i % 17) as f32 - 8.0).collect();
        let x: Vec<f32> = (0..1001).map(|i| (i % 5) as f32 / 3.0).collect();
        let run = |threads| {
            let mut y = vec![0.0; 600];
            gemv(&Pool::new(threads), &w, &x, &mut y);
            y
        };
        assert_eq!(run(1), run(2));
    }
}
