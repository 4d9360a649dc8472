//! Max pooling over windows of 2 x 2 side by side, and its gradient.
//!
//! ```text
//! y[p]  = max over the window of x
//! dx[i] = dy[p] if the first maximum (row-major) of the window p is i, else 0
//! ```
//! A NaN counts as largest. Not here: all other windows (`window`).

use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};

/// The numbers of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Samples times channels.
    pub planes: usize,
    /// Input height and width.
    pub input: [usize; 2],
    /// Output height and width: half the input's, rounded down.
    pub output: [usize; 2],
}

/// Planes of a task.
const PLANES: usize = 8;

impl Geometry {
    fn sizes(&self) -> (usize, usize) {
        (self.input[0] * self.input[1], self.output[0] * self.output[1])
    }
}

/// `y = maxpool(x)`.
///
/// # Panics
/// If a slice does not fill its shape.
pub fn forward(pool: &Pool, g: &Geometry, x: &[f32], y: &mut [f32]) {
    let (inputs, outputs) = g.sizes();
    assert_eq!(x.len(), g.planes * inputs, "the input fills its shape");
    assert_eq!(y.len(), g.planes * outputs, "the output fills its shape");
    let tasks = g.planes.div_ceil(PLANES);
    pool.for_each(tasks, Chunks::new(y, PLANES * outputs), |task, y| {
        let x = &x[task * PLANES * inputs..];
        vectorize(|| {
            for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
                forward_plane(g, x, y);
            }
        });
    });
}

#[inline(always)]
fn forward_plane(g: &Geometry, x: &[f32], y: &mut [f32]) {
    for (oy, y) in y.chunks_exact_mut(g.output[1]).enumerate() {
        let above = &x[2 * oy * g.input[1]..][..g.input[1]];
        let below = &x[(2 * oy + 1) * g.input[1]..][..g.input[1]];
        for ((y, a), b) in y.iter_mut().zip(above.chunks_exact(2)).zip(below.chunks_exact(2)) {
            *y = larger(larger(a[0], a[1]), larger(b[0], b[1]));
        }
    }
}

/// The larger of two; a NaN is larger than any number.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if (b > a) | b.is_nan() { b } else { a }
}

/// `dx` from `(dy, x, y)`.
///
/// # Panics
/// If a slice does not fill its shape.
pub fn gradient(pool: &Pool, g: &Geometry, (dy, x, y): (&[f32], &[f32], &[f32]), dx: &mut [f32]) {
    let (inputs, outputs) = g.sizes();
    assert!(x.len() == g.planes * inputs && dx.len() == x.len(), "the input fills its shape");
    assert!(dy.len() == g.planes * outputs && y.len() == dy.len(), "the output fills its shape");
    let tasks = g.planes.div_ceil(PLANES);
    pool.for_each(tasks, Chunks::new(dx, PLANES * inputs), |task, dx| {
        let (from, to) = (task * PLANES * inputs, task * PLANES * outputs);
        vectorize(|| {
            let planes = x[from..].chunks_exact(inputs).zip(dx.chunks_exact_mut(inputs));
            let windows = dy[to..].chunks_exact(outputs).zip(y[to..].chunks_exact(outputs));
            for ((x, dx), (dy, y)) in planes.zip(windows) {
                gradient_plane(g, (dy, x, y), dx);
            }
        });
    });
}

#[inline(always)]
fn gradient_plane(g: &Geometry, (dy, x, y): (&[f32], &[f32], &[f32]), dx: &mut [f32]) {
    let width = g.input[1];
    // What no window covers, in odd sizes.
    dx[2 * g.output[0] * width..].fill(0.0);
    for oy in 0..g.output[0] {
        let (above, below) = x[2 * oy * width..][..2 * width].split_at(width);
        let (to_above, to_below) = dx[2 * oy * width..][..2 * width].split_at_mut(width);
        if !width.is_multiple_of(2) {
            (to_above[width - 1], to_below[width - 1]) = (0.0, 0.0);
        }
        let row = oy * g.output[1]..(oy + 1) * g.output[1];
        let inputs = above.chunks_exact(2).zip(below.chunks_exact(2));
        let gradients = to_above.chunks_exact_mut(2).zip(to_below.chunks_exact_mut(2));
        let windows = dy[row.clone()].iter().zip(&y[row]);
        for (((a, b), (da, db)), (&dy, &y)) in inputs.zip(gradients).zip(windows) {
            // Whole words of ones and zeros instead of branches, so that the compiler makes vectors of them.
            let hit = [a[0], a[1], b[0]].map(|x| u32::from(x == y).wrapping_neg());
            let free = [!hit[0], !hit[0] & !hit[1], !hit[0] & !hit[1] & !hit[2]];
            let to = |chosen: u32| f32::from_bits(dy.to_bits() & chosen);
            (da[0], da[1]) = (to(hit[0]), to(hit[1] & free[0]));
            (db[0], db[1]) = (to(hit[2] & free[1]), to(free[2]));
        }
    }
}
