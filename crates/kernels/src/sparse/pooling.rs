//! Pools that read planes where they lie: the mean of a channel, and maxima of 2 x 2.
//!
//! ```text
//! mean[n, c] = Σ over a plane, its zeros among them, / (height · width)
//! ```
//! Not here: pools over row-major values (`reduce`, `max_pool`, `window`).

use super::conv::Layout;
use super::planes::Planes;
use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};

/// Partial sums that do not wait for one another.
const PARTS: usize = 32;

/// The mean of every channel.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]` in planes
/// - `y`: `[batch, channels]`
///
/// # Panics
/// If a slice has another length.
pub fn mean(planes: &Planes, batch: usize, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), planes.len(batch), "the input fills its planes");
    assert_eq!(y.len() * planes.plane(), batch * planes.sample(), "one mean per channel");
    let count: usize = planes.size().iter().product();
    vectorize(
        #[inline(always)]
        || {
            for (x, y) in x.chunks_exact(planes.plane()).zip(y) {
                let mut parts = [0.0_f32; PARTS];
                let chunks = x[planes.lead()..].chunks_exact(PARTS);
                let rest: f32 = chunks.remainder().iter().sum();
                for chunk in chunks {
                    parts.iter_mut().zip(chunk).for_each(|(part, x)| *part += x);
                }
                *y = (parts.iter().sum::<f32>() + rest) / count as f32;
            }
        },
    );
}

/// The largest of each 2 x 2 elements side by side; a NaN counts as largest.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]` in planes
/// - `y`: `[batch, channels, height / 2, width / 2]` in its layout
///
/// # Panics
/// If a slice has another length, or the output's planes another size.
pub fn max_2x2(pool: &Pool, (from, to): (&Planes, Layout), batch: usize, x: &[f32], y: &mut [f32]) {
    let size = from.size().map(|n| n / 2);
    let channels = from.sample() / from.plane();
    assert_eq!(x.len(), from.len(batch), "the input fills its planes");
    assert_eq!(y.len(), to.len(batch, channels * size[0] * size[1]), "so does the output");
    assert!(to.planes().is_none_or(|planes| planes.size() == size), "half as high and wide");
    let view = to.view(size);
    let parts = Chunks::new(y, channels * view.plane);
    pool.for_each(batch, parts, |n, y| {
        let x = &x[n * from.sample()..];
        vectorize(
            #[inline(always)]
            || {
                for (x, y) in x.chunks_exact(from.plane()).zip(y.chunks_exact_mut(view.plane)) {
                    if let Layout::Planes(planes) = &to {
                        planes.clear_around(y);
                    }
                    let lines = y[view.start..].chunks_mut(view.row).take(size[0]);
                    for (i, y) in lines.enumerate() {
                        let above = &x[from.lead() + 2 * i * from.row()..];
                        largest(above, &above[from.row()..], &mut y[..size[1]]);
                    }
                }
            },
        );
    });
}

/// One line of maxima.
#[inline(always)]
fn largest(above: &[f32], below: &[f32], y: &mut [f32]) {
    let larger = |a: f32, b: f32| if a > b || a.is_nan() { a } else { b };
    let largest = |a: [f32; 2], b: [f32; 2]| larger(larger(a[0], b[0]), larger(a[1], b[1]));
    // Eight at a time, so that the loop becomes vectors.
    let (eights, rest) = y.as_chunks_mut::<8>();
    let done = 16 * eights.len();
    let lines = above.as_chunks::<16>().0.iter().zip(below.as_chunks::<16>().0);
    for (y, (above, below)) in eights.iter_mut().zip(lines) {
        let both: [f32; 16] = std::array::from_fn(|i| larger(above[i], below[i]));
        *y = std::array::from_fn(|i| larger(both[2 * i], both[2 * i + 1]));
    }
    let pairs = above[done..].as_chunks::<2>().0.iter().zip(below[done..].as_chunks::<2>().0);
    for (y, (a, b)) in rest.iter_mut().zip(pairs) {
        *y = largest(*a, *b);
    }
}
