//! Turning, scaling and moving an image by parts of a pixel.
//!
//! ```text
//! (y, x) = center + R(angle) / scale · ((r, c) − center) + (dy, dx)
//! warped[r][c] = the four pixels around (y, x), weighted by how near they are; 0 where that is outside
//! ```
//! Not here: what is drawn ([`super::augment`]).

use super::normalize::Affine;
use hoyer_kernels::warp::{FRACTION, Walk, fits, warp};

/// What pixels are stored as.
pub(crate) trait Pixel: Copy + Into<f32> {
    /// The same, if they are bytes.
    fn bytes(plane: &[Self]) -> Option<&[u8]>;
}

impl Pixel for u8 {
    fn bytes(plane: &[Self]) -> Option<&[u8]> {
        Some(plane)
    }
}

impl Pixel for f32 {
    fn bytes(_: &[Self]) -> Option<&[u8]> {
        None
    }
}

/// One move of the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Warp {
    /// `cos(angle) / scale` and `sin(angle) / scale`.
    pub(crate) along: f32,
    pub(crate) across: f32,
    /// In pixels.
    pub(crate) dy: f32,
    pub(crate) dx: f32,
}

impl Warp {
    /// Converts a plane of `columns` columns to inputs, moved.
    pub(crate) fn convert<T: Pixel>(
        self,
        plane: &[T],
        columns: usize,
        map: Affine,
        out: &mut [f32],
    ) {
        let rows = plane.len() / columns;
        let (cy, cx) = ((rows as f32 - 1.0) / 2.0, (columns as f32 - 1.0) / 2.0);
        let start = |r: usize| {
            let (v, u) = (r as f32 - cy, -cx);
            let y = fixed(cy + self.along * v - self.across * u + self.dy);
            let x = fixed(cx + self.across * v + self.along * u + self.dx);
            [y, x]
        };
        let step = [fixed(-self.across), fixed(self.along)];
        let walk = Walk { start, step, map: [map.factor, map.offset] };
        match T::bytes(plane) {
            Some(bytes) if fits(rows, columns) => warp(bytes, columns, &walk, out),
            _ => resample(plane, columns, &walk, out),
        }
    }
}

/// The walk over any plane, pixel by pixel.
fn resample<T: Pixel>(
    plane: &[T],
    columns: usize,
    walk: &Walk<impl Fn(usize) -> [i64; 2]>,
    out: &mut [f32],
) {
    let rows = plane.len() / columns;
    let at = |y: i32, x: i32| -> f32 {
        let inside = (0..rows as i32).contains(&y) && (0..columns as i32).contains(&x);
        if inside { plane[y as usize * columns + x as usize].into() } else { 0.0 }
    };
    for (r, out) in out.chunks_exact_mut(columns).enumerate() {
        let [mut y, mut x] = (walk.start)(r);
        for input in out {
            let (t, l) = ((y >> FRACTION) as i32, (x >> FRACTION) as i32);
            let (down, right) = (fraction(y), fraction(x));
            let is_inside = (t as u32) < rows as u32 - 1 && (l as u32) < columns as u32 - 1;
            let [a, b, c, d] = if is_inside {
                let first = t as usize * columns + l as usize;
                let (upper, lower) = (&plane[first..][..2], &plane[first + columns..][..2]);
                [upper[0].into(), upper[1].into(), lower[0].into(), lower[1].into()]
            } else {
                let (below, after) = (t.wrapping_add(1), l.wrapping_add(1));
                [at(t, l), at(t, after), at(below, l), at(below, after)]
            };
            let upper = a + (b - a) * right;
            let lower = c + (d - c) * right;
            *input = (upper + (lower - upper) * down) * walk.map[0] + walk.map[1];
            (y, x) = (y.wrapping_add(walk.step[0]), x.wrapping_add(walk.step[1]));
        }
    }
}

/// Places between pixels are whole numbers of 2⁻³² of one: their floor is a shift, where a float's may be a call.
fn fixed(pixels: f32) -> i64 {
    (f64::from(pixels) * (1_u64 << FRACTION) as f64) as i64
}

/// What lies behind the whole pixel, in [0, 1).
fn fraction(place: i64) -> f32 {
    const BITS: u32 = 24;
    let high = (place as u32 >> (FRACTION - BITS)) as i32;
    high as f32 * (1.0 / (1 << BITS) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: Affine = Affine { factor: 0.5, offset: -3.0 };
    const STILL: Warp = Warp { along: 1.0, across: 0.0, dy: 0.0, dx: 0.0 };

    fn warped(warp: Warp, plane: &[f32], columns: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; plane.len()];
        warp.convert(plane, columns, MAP, &mut out);
        out.iter().map(|x| (x - MAP.offset) / MAP.factor).collect()
    }

    #[test]
    fn whole_pixels_move_as_they_are_and_halves_are_means() {
        let plane = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(warped(STILL, &plane, 3), plane);
        let down = Warp { dy: 1.0, ..STILL };
        assert_eq!(warped(down, &plane, 3), [4.0, 5.0, 6.0, 0.0, 0.0, 0.0]);
        let half = Warp { dx: 0.5, ..STILL };
        assert_eq!(warped(half, &plane, 3), [1.5, 2.5, 1.5, 4.5, 5.5, 3.0]);
    }

    #[test]
    fn a_quarter_turn_and_a_half_size_are_those() {
        let turn = Warp { along: 0.0, across: 1.0, ..STILL };
        // Row r, column c of the turned one is what lay at (cy - u, cx + v).
        assert_eq!(warped(turn, &[1.0, 2.0, 3.0, 4.0], 2), [3.0, 1.0, 4.0, 2.0]);
        let small = Warp { along: 2.0, ..STILL };
        let plane: Vec<f32> = (0..9).map(|i| i as f32).collect();
        assert_eq!(warped(small, &plane, 3), [0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn bytes_move_as_numbers_do_to_the_last_bit() {
        let bytes: Vec<u8> = (0..28 * 28).map(|i| (i * 37 + 11) as u8).collect();
        let numbers: Vec<f32> = bytes.iter().map(|x| f32::from(*x)).collect();
        let (sin, cos) = 0.3_f32.sin_cos();
        for warp in [STILL, Warp { along: cos, across: sin, dy: 0.3, dx: -4.6 }] {
            let mut out = [(); 2].map(|()| vec![f32::NAN; bytes.len()]);
            warp.convert(&bytes, 28, MAP, &mut out[0]);
            warp.convert(&numbers, 28, MAP, &mut out[1]);
            assert_eq!(out[0], out[1]);
        }
    }

    #[test]
    fn the_sum_stays_when_nothing_leaves_the_image() {
        let mut plane = vec![0.0; 15 * 15];
        (5..10).for_each(|r| (5..10).for_each(|c| plane[r * 15 + c] = (r * c) as f32));
        let (sin, cos) = 0.2_f32.sin_cos();
        let warp = Warp { along: cos, across: sin, dy: 0.3, dx: -0.6 };
        let (before, after): (f32, f32) =
            (plane.iter().sum(), warped(warp, &plane, 15).iter().sum());
        assert!((after / before - 1.0).abs() < 0.01, "{before} {after}");
    }
}
