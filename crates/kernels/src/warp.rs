//! An image of bytes read between its pixels, eight places at a time.
//!
//! ```text
//! (y, x)  = start of the row + k · step                                whole numbers of 2⁻³² pixels, for pixel k of a row
//! out[k]  = (upper + (lower − upper) · down) · factor + offset        upper = a + (b − a) · right, lower = c + (d − c) · right
//! ```
//! where `a b / c d` are the four pixels around `(y, x)`, 0 outside, and `down`, `right` how far it lies behind `a`. The four are put side by
//! side in one number first, for every place between pixels, so that a place is one look.
//! Invariant: nothing is rounded otherwise than written here, so the result is the same on every instruction set.
//! Not here: where rows start (crate `hoyer-zoo`), resampling to other sizes (`resample`).

#[cfg(target_arch = "x86_64")]
mod avx2;

#[cfg(target_arch = "x86_64")]
use crate::isa::has_avx2;
use crate::isa::vectorize;

/// Places that a plane has at most; a power of two, so that a masked index is one.
const PLACES: usize = 2048;
/// Pixels that are made at once.
const WIDE: usize = 8;
/// Rows and columns of zeros before the places of a plane, so that all that is outside looks at one of them.
const BEFORE: i32 = 2;
/// Rows or columns more than pixels: two of zeros, and the place before the first pixel.
const MORE: usize = 3;
/// Bits behind the point of a place.
pub const FRACTION: u32 = 32;
/// Bits of a fraction that an f32 holds exactly.
const BITS: u32 = 24;

/// Where the pixels of an output are read.
#[derive(Debug, Clone, Copy)]
pub struct Walk<F> {
    /// The place of the first pixel of a row, `[y, x]`.
    pub start: F,
    /// From one pixel to the next.
    pub step: [i64; 2],
    /// Factor and offset.
    pub map: [f32; 2],
}

/// Whether a plane is small enough.
pub fn fits(rows: usize, columns: usize) -> bool {
    (rows + MORE).saturating_mul(columns + MORE) <= PLACES
}

/// Reads a plane of rows of `columns` pixels along a walk, into as many.
///
/// # Panics
/// If the plane does not fit ([`fits`]) or has no whole rows, or the output is not as long.
///
/// # Example
/// ```
/// use hoyer_kernels::warp::{FRACTION, Walk, warp};
///
/// let half = 1 << (FRACTION - 1);
/// let walk = Walk { start: |_| [0, half], step: [0, 1 << FRACTION], map: [1.0, 0.5] };
/// let mut out = [0.0; 3];
/// warp(&[10, 20, 30], 3, &walk, &mut out);
/// assert_eq!(out, [15.5, 25.5, 15.5]);
/// ```
pub fn warp(
    plane: &[u8],
    columns: usize,
    walk: &Walk<impl Fn(usize) -> [i64; 2]>,
    out: &mut [f32],
) {
    let rows = plane.len() / columns.max(1);
    assert!(columns > 0 && fits(rows, columns), "{rows} x {columns} pixels are too many");
    assert!(plane.len() == rows * columns && out.len() == plane.len(), "whole rows, in and out");
    let mut places = [0; PLACES];
    vectorize(
        #[inline(always)]
        || put_places(plane, columns, &mut places),
    );
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the machine has AVX2.
        return unsafe { avx2::read(&places, [rows, columns], walk, out) };
    }
    read(&places, [rows, columns], walk, out);
}

/// Reads all rows in plain Rust.
fn read(
    places: &[u32; PLACES],
    size: [usize; 2],
    walk: &Walk<impl Fn(usize) -> [i64; 2]>,
    out: &mut [f32],
) {
    let steps = walk.step.map(multiples);
    for (r, out) in out.chunks_exact_mut(size[1]).enumerate() {
        let mut at = (walk.start)(r);
        for out in out.chunks_mut(WIDE) {
            let found = look(places, size, at, &steps);
            let read = weigh(&found, at, &steps, walk.map);
            out.copy_from_slice(&read[..out.len()]);
            at = [0, 1].map(|i| at[i].wrapping_add(walk.step[i].wrapping_mul(WIDE as i64)));
        }
    }
}

/// `k · step` for the pixels that are made at once.
fn multiples(step: i64) -> [i64; WIDE] {
    std::array::from_fn(|k| step.wrapping_mul(k as i64))
}

/// The four pixels around every place between pixels, the first in the lowest byte.
#[inline(always)]
fn put_places(plane: &[u8], columns: usize, places: &mut [u32; PLACES]) {
    // The plane with zeros around it.
    let mut framed = [0; PLACES];
    let (frame, stride) = (columns + 2, columns + MORE);
    for (row, to) in plane.chunks_exact(columns).zip(framed[frame..].chunks_exact_mut(frame)) {
        to[1..=columns].copy_from_slice(row);
    }
    for t in 0..=plane.len() / columns {
        let [upper, lower] = [t, t + 1].map(|row| &framed[row * frame..][..frame]);
        let to = &mut places[(t + 1) * stride + 1..][..columns + 1];
        for (l, to) in to.iter_mut().enumerate() {
            let [a, b, c, d] = [upper[l], upper[l + 1], lower[l], lower[l + 1]].map(u32::from);
            *to = a | b << 8 | c << 16 | d << 24;
        }
    }
}

/// The four pixels around each of eight places.
fn look(
    places: &[u32; PLACES],
    [rows, columns]: [usize; 2],
    at: [i64; 2],
    steps: &[[i64; WIDE]; 2],
) -> [u32; WIDE] {
    let stride = (columns + MORE) as i32;
    let mut found = [0; WIDE];
    for k in 0..WIDE {
        let whole = |i: usize| (at[i].wrapping_add(steps[i][k]) >> FRACTION) as i32;
        let row = whole(0).clamp(-BEFORE, rows as i32) + BEFORE;
        let column = whole(1).clamp(-BEFORE, columns as i32) + BEFORE;
        found[k] = (row * stride + column) as u32;
    }
    for k in 0..WIDE {
        found[k] = places[found[k] as usize % PLACES];
    }
    found
}

/// Four pixels each, weighted by how near they are.
fn weigh(
    found: &[u32; WIDE],
    at: [i64; 2],
    steps: &[[i64; WIDE]; 2],
    [factor, offset]: [f32; 2],
) -> [f32; WIDE] {
    let mut read = [0.0; WIDE];
    for k in 0..WIDE {
        let fraction = |i: usize| {
            let behind = at[i].wrapping_add(steps[i][k]) as u32 >> (FRACTION - BITS);
            behind as i32 as f32 * (1.0 / (1 << BITS) as f32)
        };
        let pixel = |shift: u32| (found[k] >> shift & 0xff) as i32 as f32;
        let (a, b, c, d) = (pixel(0), pixel(8), pixel(16), pixel(24));
        let (down, right) = (fraction(0), fraction(1));
        let upper = a + (b - a) * right;
        let lower = c + (d - c) * right;
        read[k] = (upper + (lower - upper) * down) * factor + offset;
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{forced, isa};

    /// The definition, pixel by pixel.
    fn by_definition(
        plane: &[u8],
        columns: usize,
        walk: &Walk<impl Fn(usize) -> [i64; 2]>,
    ) -> Vec<f32> {
        let rows = plane.len() / columns;
        let at = |y: i64, x: i64| {
            let inside = (0..rows as i64).contains(&y) && (0..columns as i64).contains(&x);
            if inside { f32::from(plane[y as usize * columns + x as usize]) } else { 0.0 }
        };
        let one = |i: usize| {
            let (start, k) = ((walk.start)(i / columns), (i % columns) as i64);
            let [y, x] = [0, 1].map(|i| start[i] + k * walk.step[i]);
            let (t, l) = (y >> FRACTION, x >> FRACTION);
            let [down, right] = [y, x].map(|place| (place as u32 >> 8) as f32 / (1 << BITS) as f32);
            let upper = at(t, l) + (at(t, l + 1) - at(t, l)) * right;
            let lower = at(t + 1, l) + (at(t + 1, l + 1) - at(t + 1, l)) * right;
            (upper + (lower - upper) * down) * walk.map[0] + walk.map[1]
        };
        (0..plane.len()).map(one).collect()
    }

    #[test]
    fn warps_match_the_scalar_twin_to_the_last_bit_on_every_instruction_set() {
        let pixel = |share: f64| (share * (1_u64 << FRACTION) as f64) as i64;
        for [rows, columns] in [[1, 1], [3, 15], [28, 28], [32, 32], [5, 17], [7, 200]] {
            let plane: Vec<u8> = (0..rows * columns).map(|i| (i * 37 + 11) as u8).collect();
            for [dy, dx, along, across] in [
                [0.0, 0.0, 1.0, 0.0],
                [-0.5, 0.25, 0.99, 0.13],
                [5.7, -9.1, -1.3, 0.4],
                [1e6, -1e6, 0.7, -0.7],
                [0.1, 0.2, 100.0, 3000.0],
            ] {
                let start = |r: usize| {
                    let r = r as f64;
                    [pixel(dy + r * along), pixel(dx + r * across)]
                };
                let step = [pixel(-across), pixel(along)];
                let walk = Walk { start, step, map: [0.013, -0.42] };
                let want = by_definition(&plane, columns, &walk);
                forced::all(|| {
                    let mut out = vec![f32::NAN; plane.len()];
                    warp(&plane, columns, &walk, &mut out);
                    assert_eq!(out, want, "{rows} x {columns}, {dy} {dx}, {:?}", isa());
                });
            }
        }
    }

    #[test]
    #[should_panic(expected = "too many")]
    fn a_plane_that_does_not_fit_is_refused() {
        let walk = Walk { start: |_| [0, 0], step: [0, 0], map: [1.0, 0.0] };
        warp(&[0; 2048], 32, &walk, &mut [0.0; 2048]);
    }
}
