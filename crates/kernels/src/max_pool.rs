//! Max pooling over windows of 2 x 2 side by side, and its gradient.
//!
//! ```text
//! y[p]  = max over the window of x
//! dx[i] = dy[p] if the first maximum (row-major) of the window p is i, else 0
//! ```
//! A ReLU before the pool is part of the gradient if asked: what passes it is what passes where `y > 0`.
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
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if (b > a) | b.is_nan() { b } else { a }
}

/// What stands before the pool, whose gradient is part of the pool's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// A ReLU, which gave `x`.
    Relu,
}

/// `dx` from `(dy, x, y)`: the gradient by what stands before the pool.
///
/// # Panics
/// If a slice does not fill its shape.
pub fn gradient(
    pool: &Pool,
    (g, before): (&Geometry, Before),
    (dy, x, y): (&[f32], &[f32], &[f32]),
    dx: &mut [f32],
) {
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
                match before {
                    Before::Nothing => gradient_plane(g, (dy, x, y), dx, |_| true),
                    Before::Relu => gradient_plane(g, (dy, x, y), dx, |y| y > 0.0),
                }
            }
        });
    });
}

#[inline(always)]
fn gradient_plane(
    g: &Geometry,
    (dy, x, y): (&[f32], &[f32], &[f32]),
    dx: &mut [f32],
    passes: impl Fn(f32) -> bool,
) {
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
        let (dy, y) = (&dy[row.clone()], &y[row]);
        let done = windows::<4, 8>(([above, below], [dy, y]), [to_above, to_below], &passes);
        let rest = ([above, below].map(|x| &x[2 * done..]), [&dy[done..], &y[done..]]);
        let to = [&mut to_above[2 * done..], &mut to_below[2 * done..]];
        windows::<1, 2>(rest, to, &passes);
    }
}

/// `N` windows at a time, as long as there are so many, each line of which is `M = 2 N` long; gives how many were done.
#[inline(always)]
fn windows<const N: usize, const M: usize>(
    ([above, below], [dy, y]): ([&[f32]; 2], [&[f32]; 2]),
    [to_above, to_below]: [&mut [f32]; 2],
    passes: &impl Fn(f32) -> bool,
) -> usize {
    let (dy, y) = (dy.as_chunks::<N>().0, y.as_chunks::<N>().0);
    let inputs = above.as_chunks::<M>().0.iter().zip(below.as_chunks::<M>().0);
    let to = to_above.as_chunks_mut::<M>().0.iter_mut().zip(to_below.as_chunks_mut::<M>().0);
    for (((a, b), (to_a, to_b)), (dy, y)) in inputs.zip(to).zip(dy.iter().zip(y)) {
        // Whole words of ones and zeros instead of branches, so that the compiler makes vectors of them.
        let word = |is: bool| u32::from(is).wrapping_neg();
        let hit = |line: &[f32; M], side: usize| -> [u32; N] {
            std::array::from_fn(|i| word(line[2 * i + side] == y[i]))
        };
        let hits = [hit(a, 0), hit(a, 1), hit(b, 0)];
        let dy: [u32; N] = std::array::from_fn(|i| dy[i].to_bits() & word(passes(y[i])));
        let first: [u32; N] = std::array::from_fn(|i| dy[i] & hits[0][i]);
        let dy: [u32; N] = std::array::from_fn(|i| dy[i] & !hits[0][i]);
        let second: [u32; N] = std::array::from_fn(|i| dy[i] & hits[1][i]);
        let dy: [u32; N] = std::array::from_fn(|i| dy[i] & !hits[1][i]);
        let third: [u32; N] = std::array::from_fn(|i| dy[i] & hits[2][i]);
        let fourth: [u32; N] = std::array::from_fn(|i| dy[i] & !hits[2][i]);
        let pairs = |even: [u32; N], odd: [u32; N]| -> [f32; M] {
            std::array::from_fn(|i| {
                f32::from_bits(if i % 2 == 0 { even[i / 2] } else { odd[i / 2] })
            })
        };
        (*to_a, *to_b) = (pairs(first, second), pairs(third, fourth));
    }
    dy.len() * N
}
