//! A small matrix, packed or where it lies, times vectors of pixels that are read where they lie.
//!
//! ```text
//! out[m][to_v .. to_v + 8] = bias[m] + Σ_k A[m][k] · input[from_v + offset_k ..][.. 8]
//! ```
//! Rows are taken in panels of six, so that six rows times two vectors fill the registers; fewer rows take more vectors.
//! Invariant: [`Places::check`] held before the unsafe loops run, so every access lies inside its slice.

use crate::lanes::{LANES, Lanes, Loop};

/// Rows of a panel.
pub(crate) const PANEL: usize = 6;

/// Vectors that all panels see before the next ones are read: few enough to stay in the first cache.
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

/// Where vectors of eight pixels are read and written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    from: Vec<usize>,
    to: Vec<usize>,
    offsets: Vec<usize>,
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
        Self { from, to, offsets, reach_in, reach_out }
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

/// Starts of vectors that cover `0..pixels`, the last one moved back to end with it.
pub(crate) fn row_starts(pixels: usize) -> impl Iterator<Item = usize> {
    (0..pixels).step_by(LANES).map(move |start| start.min(pixels - LANES))
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
    // SAFETY: the accesses were checked above.
    unsafe { crate::lanes::run(Panels { product, places, input, out }) };
}

/// All panels over all vectors. Every access must lie inside its slice.
struct Panels<'a> {
    product: &'a Product<'a>,
    places: &'a Places,
    input: &'a [f32],
    out: &'a mut [f32],
}

impl Loop for Panels<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let vectors = self.places.from.len();
        for first in (0..vectors).step_by(BLOCK) {
            for row in (0..self.product.rows).step_by(PANEL) {
                let panel = &self.product.small.data[row / PANEL * self.product.small.panel..];
                let Self { product, places, input, .. } = self;
                let tile = Tile { panel, row, product, places, input };
                let block = first..vectors.min(first + BLOCK);
                // SAFETY: the caller's promise is passed on.
                unsafe {
                    match self.product.rows - row {
                        1 => tile.rows::<L, 1>([8, 4], block, &mut *self.out),
                        2 => tile.rows::<L, 2>([4, 2], block, &mut *self.out),
                        3 => tile.rows::<L, 3>([4, 2], block, &mut *self.out),
                        4 => tile.rows::<L, 4>([2, 2], block, &mut *self.out),
                        5 => tile.rows::<L, 5>([2, 2], block, &mut *self.out),
                        _ => tile.rows::<L, PANEL>([2, 2], block, &mut *self.out),
                    }
                }
            }
        }
    }
}

struct Tile<'a> {
    panel: &'a [f32],
    row: usize,
    product: &'a Product<'a>,
    places: &'a Places,
    input: &'a [f32],
}

impl Tile<'_> {
    /// A block of vectors, by as many at a time as the first of `widths` while there are so many, then the second, then one.
    ///
    /// # Safety
    /// As [`Panels`]; the block must lie inside the places.
    #[inline(always)]
    unsafe fn rows<L: Lanes, const R: usize>(
        &self,
        widths: [usize; 2],
        block: std::ops::Range<usize>,
        out: &mut [f32],
    ) {
        let mut v = block.start;
        while v < block.end {
            let left = block.end - v;
            let width = widths.into_iter().find(|width| *width <= left).unwrap_or(1);
            // SAFETY: `v + width` does not pass the block's end; else the caller's promise is passed on.
            unsafe {
                match width {
                    8 => self.compute::<L, R, 8>(v, out),
                    4 => self.compute::<L, R, 4>(v, out),
                    2 => self.compute::<L, R, 2>(v, out),
                    _ => self.compute::<L, R, 1>(v, out),
                }
            }
            v += width;
        }
    }

    /// # Safety
    /// As [`Panels`].
    #[inline(always)]
    unsafe fn compute<L: Lanes, const R: usize, const V: usize>(&self, v: usize, out: &mut [f32]) {
        let mut sums = [[L::splat(0.0); V]; R];
        let Small { row, term, .. } = self.product.small;
        // SAFETY: the caller checked that all rows of the panel, with all terms, lie in its slice, and the vectors.
        unsafe {
            let a: [*const f32; R] = std::array::from_fn(|r| self.panel.as_ptr().add(r * row));
            let from: [*const f32; V] =
                std::array::from_fn(|i| self.input.as_ptr().add(self.places.from[v + i]));
            for (k, &offset) in self.places.offsets.iter().enumerate() {
                let x: [L; V] = std::array::from_fn(|i| L::load(from[i].add(offset)));
                for (sums, a) in sums.iter_mut().zip(a) {
                    let w = L::splat(*a.add(k * term));
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = sum.add_product(w, x);
                    }
                }
            }
            self.finish(v, &sums, out);
        }
    }

    /// # Safety
    /// As [`Panels`].
    #[inline(always)]
    unsafe fn finish<L: Lanes, const R: usize, const V: usize>(
        &self,
        v: usize,
        sums: &[[L; V]; R],
        out: &mut [f32],
    ) {
        let Finish { bias, floor } = self.product.finish;
        let is_nothing = bias.is_none() && floor == f32::NEG_INFINITY;
        for (r, row) in sums.iter().enumerate() {
            let bias = L::splat(bias.map_or(0.0, |bias| bias[self.row + r]));
            let start = (self.row + r) * self.product.row_stride;
            for (i, sum) in row.iter().enumerate() {
                let y = if is_nothing { *sum } else { sum.add(bias).max(L::splat(floor)) };
                // SAFETY: the vectors were checked by the caller.
                unsafe { y.store(out.as_mut_ptr().add(start + self.places.to[v + i])) };
            }
        }
    }
}
