//! What a penalty and coupled weight decay add to the gradient, and the sums they need.
//!
//! ```text
//! Scale       b w                            weight decay alone
//! Sign        a sign(w) + b w                L1, Hoyer, Hoyer-Square
//! Saturating  a sign(w) / (1 + |w|)² + b w   transformed L1
//! Row         (row + column[i]) w            group lasso, group Hoyer-Square
//! ```
//!
//! Every lane of a block keeps its own `f32` sum; [`fold`] adds the lanes in `f64`. A sum over `n`
//! weights is off by at most `n / LANES` half-ulps, all terms being positive.
//!
//! Invariants: `sign(0)` is 0, so a zero weight gets no penalty gradient.
//! Not here: how `a`, `b`, `row` and `column` follow from the sums (`hoyer_learn::penalty`).

use super::vector::Vector;
use super::{Block, LANES, Sums};

/// A term of the gradient, block by block.
pub(super) trait Term<V> {
    /// The gradient of the loss plus that of this term at the weights of block `at`.
    fn add_gradient(&self, at: usize, w: V, loss: V) -> V;
    /// Takes the new weights of block `at` into the sums.
    fn gather(&mut self, at: usize, w: V);
}

/// `b w`, no sums.
pub(super) struct Scale {
    pub(super) scale: f32,
}

/// `a sign(w) + b w`, gathering `Σ|w|` and `Σw²`.
pub(super) struct Sign<V> {
    pub(super) sign: f32,
    pub(super) scale: f32,
    pub(super) lanes: Lanes<V>,
}

/// `a sign(w) / (1 + |w|)² + b w`, gathering `Σ |w| / (1 + |w|)` and `Σw²`.
pub(super) struct Saturating<V> {
    pub(super) sign: f32,
    pub(super) scale: f32,
    pub(super) lanes: Lanes<V>,
}

/// `(row + column[i]) w` within one row, gathering squares of the row and of each column.
pub(super) struct Row<'a, V> {
    pub(super) row: f32,
    pub(super) columns: &'a [Block],
    pub(super) squares: V,
    pub(super) column_squares: &'a mut [Block],
}

/// One running sum a lane.
pub(super) struct Lanes<V> {
    magnitude: V,
    squares: V,
}

impl<V: Vector> Lanes<V> {
    /// Nothing gathered yet.
    #[inline(always)]
    pub(super) fn zero() -> Self {
        Self { magnitude: V::splat(0.0), squares: V::splat(0.0) }
    }

    #[inline(always)]
    fn add(&mut self, magnitude: V, w: V) {
        self.magnitude = self.magnitude + magnitude;
        self.squares = w.mul_add(w, self.squares);
    }

    /// The sums over all lanes.
    #[inline(always)]
    pub(super) fn sums(&self) -> Sums {
        Sums { magnitude: fold(self.magnitude), squares: fold(self.squares) }
    }
}

/// Sum of the lanes in `f64`, first to last.
#[inline(always)]
pub(super) fn fold<V: Vector>(vector: V) -> f64 {
    let mut lanes = [0.0; LANES];
    vector.store(&mut lanes);
    let mut sum = 0.0;
    for lane in lanes {
        sum += f64::from(lane);
    }
    sum
}

impl<V: Vector> Term<V> for Scale {
    #[inline(always)]
    fn add_gradient(&self, _: usize, w: V, loss: V) -> V {
        V::splat(self.scale).mul_add(w, loss)
    }

    #[inline(always)]
    fn gather(&mut self, _: usize, _: V) {}
}

impl<V: Vector> Term<V> for Sign<V> {
    #[inline(always)]
    fn add_gradient(&self, _: usize, w: V, loss: V) -> V {
        V::splat(self.scale).mul_add(w, loss) + V::splat(self.sign).with_sign_of(w)
    }

    #[inline(always)]
    fn gather(&mut self, _: usize, w: V) {
        self.lanes.add(w.abs(), w);
    }
}

impl<V: Vector> Term<V> for Saturating<V> {
    #[inline(always)]
    fn add_gradient(&self, _: usize, w: V, loss: V) -> V {
        let reach = V::splat(1.0) + w.abs();
        let slope = V::splat(self.sign) / (reach * reach);
        V::splat(self.scale).mul_add(w, loss) + slope.with_sign_of(w)
    }

    #[inline(always)]
    fn gather(&mut self, _: usize, w: V) {
        let magnitude = w.abs();
        self.lanes.add(magnitude / (V::splat(1.0) + magnitude), w);
    }
}

impl<V: Vector> Term<V> for Row<'_, V> {
    #[inline(always)]
    fn add_gradient(&self, at: usize, w: V, loss: V) -> V {
        (V::splat(self.row) + V::load(&self.columns[at])).mul_add(w, loss)
    }

    #[inline(always)]
    fn gather(&mut self, at: usize, w: V) {
        self.squares = w.mul_add(w, self.squares);
        let column = &mut self.column_squares[at];
        w.mul_add(w, V::load(column)).store(column);
    }
}
