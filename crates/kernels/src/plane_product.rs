//! A small matrix, packed or where it lies, times vectors of pixels that are read where they lie.
//!
//! ```text
//! out[m][to_v .. to_v + 8] = bias[m] + Σ_k A[m][k] · input[from_v + offset_k ..][.. 8]
//! ```
//! Rows are taken in panels of six, so that six rows times two vectors fill the registers; fewer rows take more vectors. With AVX-512,
//! six rows times four vectors of sixteen do, where pairs of eights lie side by side.
//! Invariant: [`Places::check`] held before the unsafe loops run, so every access lies inside its slice.

use crate::isa::{Isa, isa};
use crate::lanes::LANES;
use crate::vector::{Vector, over_vectors};

/// Rows of a panel.
pub(crate) const PANEL: usize = 6;

/// Eights that all panels see before the next ones are read: few enough to stay near.
const BLOCK: usize = 12;

/// Elements of a packed matrix.
pub(crate) fn packed_len(rows: usize, terms: usize) -> usize {
    rows.div_ceil(PANEL) * terms * PANEL
}

/// Packs a matrix: `packed[panel][term][row of panel]`, missing rows zero.
pub(crate) fn pack(
    packed: &mut [f32],
    rows: usize,
    terms: usize,
    element: impl Fn(usize, usize) -> f32,
) {
    for (p, panel) in packed.chunks_exact_mut(terms * PANEL).enumerate() {
        for (term, column) in panel.chunks_exact_mut(PANEL).enumerate() {
            for (r, to) in column.iter_mut().enumerate() {
                let row = p * PANEL + r;
                *to = if row < rows { element(row, term) } else { 0.0 };
            }
        }
    }
}

/// Packs these rows of a matrix whose columns lie one after the other, `stride` apart.
///
/// # Panics
/// If an element lies outside the matrix, or `packed` is too short.
pub(crate) fn pack_columns(
    packed: &mut [f32],
    (columns, stride): (&[f32], usize),
    rows: std::ops::Range<usize>,
    terms: usize,
) {
    for term in 0..terms {
        let column = &columns[term * stride..][rows.clone()];
        let (whole, rest) = column.as_chunks::<PANEL>();
        let mut at = term * PANEL;
        for panel in whole {
            packed[at..at + PANEL].copy_from_slice(panel);
            at += terms * PANEL;
        }
        if !rest.is_empty() {
            packed[at..at + rest.len()].copy_from_slice(rest);
            packed[at + rest.len()..at + PANEL].fill(0.0);
        }
    }
}

/// Where vectors of eight pixels are read and written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    from: Vec<usize>,
    to: Vec<usize>,
    offsets: Vec<usize>,
    /// How many, from the first on, come in pairs that lie side by side.
    paired: usize,
    /// Elements that the input and the last output row must have.
    reach_in: usize,
    reach_out: usize,
}

impl Places {
    /// Vectors that start at `from` in the input, each term adding its offset, and at `to` in an output row.
    ///
    /// # Panics
    /// If the lists of starts are not equally long.
    pub(crate) fn new(from: Vec<usize>, to: Vec<usize>, offsets: Vec<usize>) -> Self {
        assert_eq!(from.len(), to.len(), "a vector is read and written");
        let max = |list: &[usize]| list.iter().copied().max().unwrap_or(0);
        let (reach_in, reach_out) = (max(&from) + max(&offsets) + LANES, max(&to) + LANES);
        let is_pair = |list: &[usize]| list[1] == list[0] + LANES;
        let pairs = from.chunks_exact(2).zip(to.chunks_exact(2));
        let paired = 2 * pairs.take_while(|(from, to)| is_pair(from) && is_pair(to)).count();
        Self { from, to, offsets, paired, reach_in, reach_out }
    }

    /// A plane read from front to back; the last vector overlaps the one before. Needs `pixels >= 8`.
    pub(crate) fn flat(pixels: usize, plane: usize, terms: usize) -> Self {
        let starts: Vec<usize> = row_starts(pixels).collect();
        Self::new(starts.clone(), starts, (0..terms).map(|k| k * plane).collect())
    }

    /// Whether every access lies inside `input` and `out`.
    fn check(&self, input: usize, out: usize, rows: usize, row_stride: usize) -> bool {
        self.reach_in <= input && (rows - 1) * row_stride + self.reach_out <= out
    }
}

/// Starts of vectors that cover `0..pixels`, at least one vector, the last one moved back to end with it.
#[inline(always)]
pub(crate) fn row_starts(pixels: usize) -> impl Iterator<Item = usize> {
    (0..pixels.div_ceil(LANES)).map(move |i| (i * LANES).min(pixels - LANES))
}

/// What a product does with its sums.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish<'a> {
    /// One number per row, added.
    pub(crate) bias: Option<&'a [f32]>,
    /// What no result falls below: 0 for ReLU, −∞ for nothing.
    pub(crate) floor: f32,
}

impl Finish<'_> {
    /// Sums as they are.
    pub(crate) const NOTHING: Self = Self { bias: None, floor: f32::NEG_INFINITY };
}

/// The small matrix: element `(m, k)` is `data[m / PANEL · panel + m % PANEL · row + k · term]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Small<'a> {
    data: &'a [f32],
    panel: usize,
    row: usize,
    term: usize,
}

impl<'a> Small<'a> {
    /// What [`pack`] wrote.
    pub(crate) fn packed(data: &'a [f32], terms: usize) -> Self {
        Self { data, panel: terms * PANEL, row: 1, term: PANEL }
    }

    /// A matrix where it lies: rows are `row` apart, terms `term`.
    pub(crate) fn strided(data: &'a [f32], row: usize, term: usize) -> Self {
        Self { data, panel: PANEL * row, row, term }
    }

    /// Whether the last row and the last row of the panel before lie inside `data`; then all do.
    fn check(&self, rows: usize, terms: usize) -> bool {
        let reach = |m: usize| m / PANEL * self.panel + m % PANEL * self.row + terms * self.term;
        let before = ((rows - 1) / PANEL * PANEL).saturating_sub(1);
        reach(rows - 1).max(reach(before)) < self.data.len() + self.term
    }
}

/// The small matrix, its rows, and where the output's lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) small: Small<'a>,
    pub(crate) rows: usize,
    pub(crate) row_stride: usize,
    pub(crate) finish: Finish<'a>,
}

/// Computes the product into `out`.
///
/// # Panics
/// If a vector lies outside a slice.
pub(crate) fn plane_product(
    product: &Product<'_>,
    places: &Places,
    input: &[f32],
    out: &mut [f32],
) {
    let terms = places.offsets.len();
    assert!(terms >= 1 && product.small.check(product.rows, terms), "the matrix fills its slice");
    assert!(product.finish.bias.is_none_or(|bias| bias.len() == product.rows), "a bias per row");
    assert!(
        places.check(input.len(), out.len(), product.rows, product.row_stride),
        "every vector lies inside its plane"
    );
    // Where eights lie apart, two loads a vector cost more than wide vectors give.
    let is_paired = 2 * places.paired > places.from.len();
    let with = if is_paired { isa() } else { isa().min(Isa::Avx2) };
    // SAFETY: the accesses were checked above.
    unsafe { run_on(with, product, places, input, out) };
}

over_vectors! {
    /// # Safety
    /// Every access must lie inside its slice.
    unsafe fn run_on(product: &Product<'_>, places: &Places, input: &[f32], out: &mut [f32]) = panels
}

/// All panels over all vectors: by the widest where pairs of eights lie side by side, by eights elsewhere.
///
/// # Safety
/// As [`run_on`], and the machine must have the vectors.
#[inline(always)]
unsafe fn panels<V: Vector>(
    product: &Product<'_>,
    places: &Places,
    input: &[f32],
    out: &mut [f32],
) {
    let eights = places.from.len();
    for first in (0..eights).step_by(BLOCK) {
        let end = eights.min(first + BLOCK);
        let wide = if V::LEN == LANES { end } else { places.paired.clamp(first, end) };
        for row in (0..product.rows).step_by(PANEL) {
            let tile = Tile { row, product, places, input };
            // SAFETY: the caller's promise is passed on.
            unsafe {
                tile.rows::<V>(first..wide, out);
                tile.rows::<V::Eight>(wide..end, out);
            }
        }
    }
}

struct Tile<'a> {
    row: usize,
    product: &'a Product<'a>,
    places: &'a Places,
    input: &'a [f32],
}

impl Tile<'_> {
    /// A panel over a block of eights, in as many vectors at a time as registers allow.
    ///
    /// # Safety
    /// As [`run_on`]; the block must lie inside the places.
    #[inline(always)]
    unsafe fn rows<V: Vector>(&self, block: std::ops::Range<usize>, out: &mut [f32]) {
        // SAFETY: the caller's promise is passed on.
        unsafe {
            match (self.product.rows - self.row, V::LEN / LANES) {
                (1, _) => self.vectors::<V, 1>(block, 6, out),
                (2, 2) => self.vectors::<V, 2>(block, 6, out),
                (3, 2) => self.vectors::<V, 3>(block, 6, out),
                (4, 2) => self.vectors::<V, 4>(block, 6, out),
                (5, 2) => self.vectors::<V, 5>(block, 4, out),
                (_, 2) => self.vectors::<V, PANEL>(block, 4, out),
                (2, _) => self.vectors::<V, 2>(block, 4, out),
                (3, _) => self.vectors::<V, 3>(block, 3, out),
                (4, _) => self.vectors::<V, 4>(block, 2, out),
                (5, _) => self.vectors::<V, 5>(block, 2, out),
                _ => self.vectors::<V, PANEL>(block, 2, out),
            }
        }
    }

    /// A block in parts of at most so many vectors, as even as can be.
    ///
    /// # Safety
    /// As [`Self::rows`].
    #[inline(always)]
    unsafe fn vectors<V: Vector, const R: usize>(
        &self,
        block: std::ops::Range<usize>,
        most: usize,
        out: &mut [f32],
    ) {
        let (eights, mut first) = (V::LEN / LANES, block.start);
        while first < block.end {
            let left = (block.end - first) / eights;
            let count = left.div_ceil(left.div_ceil(most));
            // SAFETY: so many vectors are left; else the caller's promise is passed on.
            unsafe {
                match count {
                    1 => self.compute::<V, R, 1>(first, out),
                    2 => self.compute::<V, R, 2>(first, out),
                    3 if most > 2 => self.compute::<V, R, 3>(first, out),
                    4 if most > 3 => self.compute::<V, R, 4>(first, out),
                    5 if most > 4 => self.compute::<V, R, 5>(first, out),
                    _ => self.compute::<V, R, 6>(first, out),
                }
            }
            first += count * eights;
        }
    }

    /// # Safety
    /// As [`Self::rows`].
    #[inline(always)]
    unsafe fn compute<V: Vector, const R: usize, const N: usize>(
        &self,
        first: usize,
        out: &mut [f32],
    ) {
        let mut sums = [[V::splat(0.0); N]; R];
        let Small { data, panel, row, term } = self.product.small;
        let Places { from, to, offsets, .. } = self.places;
        let place = |i: usize| first + i * (V::LEN / LANES);
        // SAFETY: the caller checked that all rows of the panel, with all terms, lie in its slice, and the vectors.
        unsafe {
            let start = data.as_ptr().add(self.row / PANEL * panel);
            let a: [*const f32; R] = std::array::from_fn(|r| start.add(r * row));
            let from: [*const f32; N] =
                std::array::from_fn(|i| self.input.as_ptr().add(*from.get_unchecked(place(i))));
            for (k, &offset) in offsets.iter().enumerate() {
                let x: [V; N] = std::array::from_fn(|i| V::load(from[i].add(offset)));
                for (sums, a) in sums.iter_mut().zip(a) {
                    let w = V::splat(*a.add(k * term));
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = sum.add_product(w, x);
                    }
                }
            }
        }
        let Finish { bias, floor } = self.product.finish;
        let is_nothing = bias.is_none() && floor == f32::NEG_INFINITY;
        for (r, sums) in sums.iter().enumerate() {
            let bias = V::splat(bias.map_or(0.0, |bias| bias[self.row + r]));
            let start = (self.row + r) * self.product.row_stride;
            for (i, sum) in sums.iter().enumerate() {
                let limit = || sum.add(bias).at_least(V::splat(floor));
                let y = if is_nothing { *sum } else { limit() };
                // SAFETY: the vectors were checked by the caller.
                unsafe { y.store(out.as_mut_ptr().add(start + *to.get_unchecked(place(i)))) };
            }
        }
    }
}
