//! A matrix times one vector: the linear layer of one sample.
//!
//! ```text
//! y[o] = Σ_k w[o, k] · x[k]
//! ```
//! Row by row: weights come from beyond the nearest cache, fastest in the order of memory, and `x` stays in it.
//! Not here: more than one sample (`gemm`), weights that are mostly zero (`sparse`).

use crate::isa::{Isa, isa};
use crate::pool::{Chunks, Pool};
use crate::vector::{Vector, WIDEST, halved, over_vectors};

/// Rows whose sums are added up together.
const ROWS: usize = 4;

/// Sums of a row that do not wait for one another.
const SUMS: usize = 4;

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
    let rows = PIECE.div_ceil(x.len().max(1));
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
    for (i, y) in y.chunks_mut(ROWS).enumerate() {
        let mut lanes = [[0.0; WIDEST]; ROWS];
        for (r, lanes) in lanes.iter_mut().enumerate().take(y.len()) {
            let w = &w[(i * ROWS + r) * x.len()..][..x.len()];
            // SAFETY: a row is as long as `x`; the array holds the widest vector.
            unsafe { row::<V>(w, x).store(lanes.as_mut_ptr()) };
            // Too few for a vector.
            let short = if x.len() < V::LEN { x.len() } else { 0 };
            lanes[0] += w.iter().zip(x).take(short).map(|(w, x)| w * x).sum::<f32>();
        }
        let sums: [f32; ROWS] = std::array::from_fn(|r| halved(&lanes[r]));
        y.copy_from_slice(&sums[..y.len()]);
    }
}

/// The sums of a row, side by side; none if it fills no vector.
///
/// # Safety
/// Both must be equally long, and the machine must have the vectors.
#[inline(always)]
unsafe fn row<V: Vector>(w: &[f32], x: &[f32]) -> V {
    let (whole, rest) = (x.len() / V::LEN, x.len() % V::LEN);
    let mut sums = [V::splat(0.0); SUMS];
    let blocks = whole / SUMS;
    for block in 0..blocks {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: so many whole vectors lie inside both.
            *sum = unsafe { product(*sum, w, x, (block * SUMS + i) * V::LEN) };
        }
    }
    for i in blocks * SUMS..whole {
        // SAFETY: as above.
        sums[0] = unsafe { product(sums[0], w, x, i * V::LEN) };
    }
    if rest > 0 && whole > 0 {
        // The last vector, but for what was multiplied already.
        let (at, keep) = (x.len() - V::LEN, &LAST[WIDEST + rest - V::LEN..]);
        // SAFETY: it lies inside both; as many words follow in `LAST` as it has elements.
        unsafe {
            let [w, x] = [w, x].map(|v| V::load(v.as_ptr().add(at)).keep(keep.as_ptr()));
            sums[1] = sums[1].add_product(w, x);
        }
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3]))
}

/// Adds the products of a vector from `at` on.
///
/// # Safety
/// It must lie inside both.
#[inline(always)]
unsafe fn product<V: Vector>(sum: V, w: &[f32], x: &[f32], at: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { sum.add_product(V::load(w.as_ptr().add(at)), V::load(x.as_ptr().add(at))) }
}

/// No bits for the elements before, all for the last ones: where it begins decides how many.
static LAST: [u32; 2 * WIDEST] = {
    let mut bits = [0; 2 * WIDEST];
    let mut i = WIDEST;
    while i < 2 * WIDEST {
        bits[i] = u32::MAX;
        i += 1;
    }
    bits
};

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
        let _same = crate::isa::forced::none();
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
