//! For every place of a tile, a small matrix times rows of vectors.
//!
//! ```text
//! c[place][m][n] (+)= Σ_k a[place][m][k] · b[place][k][n]
//! ```
//! Invariant: [`Product::check`] held before the unsafe loops run, so every access lies inside its slice.

use super::PLACES;
use crate::isa::isa;
use crate::vector::{Vector, WIDEST, over_vectors};

/// Rows of a packed panel: what AVX-512 has registers for; with fewer registers half of it is taken at a time.
pub(super) const PANEL: usize = 8;

/// Where the elements of a matrix lie, in each place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strides {
    /// From one place to the next.
    pub(super) place: usize,
    /// From one row of the product's left side to the eighth after it.
    pub(super) panel: usize,
    /// From one row to the next.
    pub(super) row: usize,
    /// From one element of a row to the next.
    pub(super) column: usize,
}

impl Strides {
    /// Panels of packed rows.
    pub(super) fn packed(rows: usize, terms: usize) -> Self {
        let panel = PANEL * terms;
        // Spread over the sets of the cache.
        let place = rows.div_ceil(PANEL) * panel + WIDEST;
        Self { place, panel, row: 1, column: PANEL }
    }

    /// Rows of elements side by side.
    pub(super) fn rows(place: usize, row: usize) -> Self {
        Self { place, panel: PANEL * row, row, column: 1 }
    }

    /// Elements that so many rows and columns reach over.
    fn reach(&self, rows: usize, columns: usize) -> usize {
        let row = |m: usize| m / PANEL * self.panel + m % PANEL * self.row;
        // Where rows lie closer than panels, the last row of a whole panel may lie behind the last of all.
        let last = (0..rows).rev().take(PANEL).map(row).max().unwrap_or(0);
        (PLACES - 1) * self.place + last + (columns - 1) * self.column + 1
    }
}

/// The sizes of the products, and where everything lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub(super) rows: usize,
    pub(super) terms: usize,
    /// Whole vectors of the widest kind.
    pub(super) columns: usize,
    pub(super) a: Strides,
    pub(super) b: Strides,
    pub(super) c: Strides,
    /// Whether the products are added to what is there.
    pub(super) adds: bool,
}

impl Product {
    fn check(&self, a: usize, b: usize, c: usize) -> bool {
        let &Self { rows, terms, columns, .. } = self;
        let side_by_side = self.b.column == 1 && self.c.column == 1;
        rows > 0
            && terms > 0
            && columns > 0
            && columns.is_multiple_of(WIDEST)
            && side_by_side
            && self.a.reach(rows, terms) <= a
            && self.b.reach(terms, columns) <= b
            && self.c.reach(rows, columns) <= c
    }

    /// Computes the products.
    ///
    /// # Panics
    /// If an access lies outside a slice.
    pub(super) fn run(&self, a: &[f32], b: &[f32], c: &mut [f32]) {
        assert!(self.check(a.len(), b.len(), c.len()), "every matrix lies inside its slice");
        // SAFETY: the accesses were checked above.
        unsafe { run_on(isa(), self, a, b, c) };
    }
}

over_vectors! {
    /// # Safety
    /// `check` must hold.
    unsafe fn run_on(product: &Product, a: &[f32], b: &[f32], c: &mut [f32]) = places
}

/// # Safety
/// `check` must hold, and the machine must have the vectors.
#[inline(always)]
unsafe fn places<V: Vector>(product: &Product, a: &[f32], b: &[f32], c: &mut [f32]) {
    let most = if V::LEN == WIDEST { PANEL } else { PANEL / 2 };
    for place in 0..PLACES {
        let mut row = 0;
        while row < product.rows {
            let rows = (product.rows - row).min(most);
            let at = |strides: &Strides| {
                place * strides.place + row / PANEL * strides.panel + row % PANEL * strides.row
            };
            // SAFETY: `check` held.
            unsafe {
                let a = a.as_ptr().add(at(&product.a));
                let b = b.as_ptr().add(place * product.b.place);
                let c = c.as_mut_ptr().add(at(&product.c));
                match rows {
                    1 => strip::<V, 1>(product, a, b, c),
                    2 => strip::<V, 2>(product, a, b, c),
                    3 => strip::<V, 3>(product, a, b, c),
                    4 => strip::<V, 4>(product, a, b, c),
                    5 => strip::<V, 5>(product, a, b, c),
                    6 => strip::<V, 6>(product, a, b, c),
                    7 => strip::<V, 7>(product, a, b, c),
                    _ => strip::<V, PANEL>(product, a, b, c),
                }
            }
            row += rows;
        }
    }
}

/// Some rows of one place, all columns.
///
/// # Safety
/// As [`places`], from these pointers on.
#[inline(always)]
unsafe fn strip<V: Vector, const R: usize>(
    product: &Product,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
) {
    let mut n = 0;
    while n < product.columns {
        // SAFETY: passed on; whole vectors are left.
        unsafe {
            if product.columns - n >= 2 * V::LEN {
                tile::<V, R, 2>(product, a, b.add(n), c.add(n));
                n += 2 * V::LEN;
            } else {
                tile::<V, R, 1>(product, a, b.add(n), c.add(n));
                n += V::LEN;
            }
        }
    }
}

/// # Safety
/// As [`strip`].
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const W: usize>(
    product: &Product,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
) {
    let mut sums = [[V::splat(0.0); W]; R];
    // SAFETY: the caller promises that all these rows, terms and vectors lie inside the slices.
    unsafe {
        for k in 0..product.terms {
            let (a, b) = (a.add(k * product.a.column), b.add(k * product.b.row));
            let x: [V; W] = std::array::from_fn(|i| V::load(b.add(i * V::LEN)));
            for (r, sums) in sums.iter_mut().enumerate() {
                let w = V::splat(*a.add(r * product.a.row));
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum = sum.add_product(w, x);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (i, sum) in sums.iter().enumerate() {
                let to = c.add(r * product.c.row + i * V::LEN);
                let sum = if product.adds { V::load(to).add(*sum) } else { *sum };
                sum.store(to);
            }
        }
    }
}
