//! Turning, scaling and moving an image by parts of a pixel.
//!
//! ```text
//! (y, x) = center + R(angle) / scale · ((r, c) − center) + (dy, dx)
//! warped[r][c] = the four pixels around (y, x), weighted by how near they are; 0 where that is outside
//! ```
//! Not here: what is drawn ([`super::augment`]).

use super::normalize::Affine;

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
    pub(crate) fn convert<T: Copy + Into<f32>>(
        self,
        plane: &[T],
        columns: usize,
        map: Affine,
        out: &mut [f32],
    ) {
        let rows = plane.len() / columns;
        let (cy, cx) = ((rows as f32 - 1.0) / 2.0, (columns as f32 - 1.0) / 2.0);
        let at = |y: isize, x: isize| -> f32 {
            let inside = (0..rows as isize).contains(&y) && (0..columns as isize).contains(&x);
            if inside { plane[y as usize * columns + x as usize].into() } else { 0.0 }
        };
        for (r, out) in out.chunks_exact_mut(columns).enumerate() {
            let v = r as f32 - cy;
            for (c, input) in out.iter_mut().enumerate() {
                let u = c as f32 - cx;
                let y = cy + self.along * v - self.across * u + self.dy;
                let x = cx + self.across * v + self.along * u + self.dx;
                let (top, left) = (y.floor(), x.floor());
                let (down, right) = (y - top, x - left);
                let (t, l) = (top as isize, left as isize);
                let upper = at(t, l) * (1.0 - right) + at(t, l + 1) * right;
                let lower = at(t + 1, l) * (1.0 - right) + at(t + 1, l + 1) * right;
                *input = (upper * (1.0 - down) + lower * down) * map.factor + map.offset;
            }
        }
    }
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
