//! Dense matrix products for fixed sizes, split over threads in pieces that depend on the sizes alone.
//!
//! ```text
//! C = A · B  [+ bias per column]  [then ReLU]
//! ```
//! Elements of one operand are broadcast from where they lie; the other is read where it lies too if its
//! columns stand side by side (`plane_product`) and its rows do not fight for the same sets of the cache; else it is copied.
//! Where columns do not stand side by side (a linear layer's forward pass), they are copied if they are few beside the rows; else the transposed
//! product is computed: `Cᵀ = Bᵀ · Aᵀ`, so that the small operand is the one that is copied.
//! A piece is computed by one thread in a fixed order, so the result does not depend on the number of threads,
//! and nothing is allocated in a run. One row times a transposed matrix has a kernel of its own (`gemv`).
//! Not here: convolutions (`conv`).

use crate::cache::collide;
use crate::isa::vectorize;
use crate::lanes::LANES;
use crate::matrix::Matrix;
use crate::plane_product::{
    Finish, PANEL, Places, Product, Small, pack_columns, packed_len, plane_product,
};
use crate::pool::{Chunks, Pool};
use crate::transpose::{transpose, transpose_padded};

/// What is done to the product before it leaves the cache.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added to every row: one number per column.
    pub bias: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
}

/// An element-wise function that ends a kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// Limits from below and above. Products do not take it; a normalization does.
    Clip([f32; 2]),
}

impl Activation {
    /// What no result falls below, and none exceeds.
    pub fn limits(self) -> [f32; 2] {
        match self {
            Self::None => [f32::NEG_INFINITY, f32::INFINITY],
            Self::Relu => [0.0, f32::INFINITY],
            Self::Clip(limits) => limits,
        }
    }

    /// What no result falls below.
    ///
    /// # Panics
    /// If there is a limit from above, too.
    pub(crate) fn floor(self) -> f32 {
        let [floor, ceiling] = self.limits();
        assert!(ceiling == f32::INFINITY, "a product ends with a limit from below at most");
        floor
    }
}

/// Work of a piece, about: 10 µs.
const MACS_PER_PIECE: usize = 300_000;

/// Pieces of a large product: enough for all threads, few enough that each reads much of what it has read before.
const PIECES: usize = 32;

/// From so many terms on, rows whose terms lie apart are copied: one line of the cache for each would push out all others.
const FAR_TERMS: usize = 512;

/// Columns of a strip of the copied operand: what a tile of the product reads, one term after the other.
const STRIP: usize = 2 * LANES;

/// Sizes of a product, and how its operands are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Rows of `A` and `C`.
    pub m: usize,
    /// Columns of `B` and `C`.
    pub n: usize,
    /// Columns of `A`, rows of `B`.
    pub k: usize,
    /// Whether `A` is stored as `[k, m]`.
    pub trans_a: bool,
    /// Whether `B` is stored as `[n, k]`.
    pub trans_b: bool,
}

/// A product, ready to run.
///
/// # Example
/// ```
/// use hoyer_kernels::{gemm::{Gemm, Sizes}, pool::Pool};
///
/// let square = Gemm::new(Sizes { m: 2, n: 2, k: 2, trans_a: false, trans_b: true });
/// let (a, mut c) = ([1.0, 2.0, 3.0, 4.0], [0.0; 4]);
/// let mut scratch = vec![0.0; square.scratch_len()];
/// square.run(&Pool::new(1), (&a, &a), &mut c, &Default::default(), &mut scratch);
/// assert_eq!(c, [5.0, 11.0, 11.0, 25.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Gemm {
    sizes: Sizes,
    /// Rows and columns of the product as computed: `(n, m)` if transposed.
    rows: usize,
    cols: usize,
    places: Places,
    way: Way,
    /// Whether pieces of the broadcast operand are copied.
    packs: bool,
    /// Columns of the read operand and the product in scratch memory: whole vectors.
    width: usize,
    /// Rows of a piece.
    piece: usize,
}

/// What is copied before and after a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing: `B` is read and `C` is written where they lie.
    InPlace,
    /// `B`; `C` is written where it lies.
    Columns,
    /// The read operand and the product: the transposed one if `B` is stored so.
    Both,
}

impl Way {
    fn of(sizes: Sizes) -> Self {
        let Sizes { m, n, k, trans_b, .. } = sizes;
        if !trans_b && n >= LANES && !collide(k, n) {
            Self::InPlace
        } else if trans_b && n >= STRIP && 2 * k * n < k * m + m * n {
            Self::Columns
        } else {
            Self::Both
        }
    }
}

impl Gemm {
    /// Prepares a product.
    pub fn new(sizes: Sizes) -> Self {
        let (Sizes { m, n, k, trans_a, trans_b }, way) = (sizes, Way::of(sizes));
        let (rows, cols) = if trans_b && way == Way::Both { (n, m) } else { (m, n) };
        let width = cols.next_multiple_of(STRIP).max(STRIP);
        let places = match way {
            Way::InPlace => Places::flat(cols, cols, k),
            Way::Columns => strips(width, k, cols),
            Way::Both => strips(width, k, width),
        };
        let packs = way != Way::Both && trans_a && k >= FAR_TERMS;
        let wanted = MACS_PER_PIECE.div_ceil((cols * k).max(1)).max(rows / PIECES);
        let piece = wanted.next_multiple_of(PANEL).min(rows.next_multiple_of(PANEL)).max(PANEL);
        Self { sizes, rows, cols, places, way, packs, width, piece }
    }

    /// How much scratch memory [`Self::run`] needs, in elements.
    pub fn scratch_len(&self) -> usize {
        if self.sizes.m == 1 && self.sizes.trans_b {
            return 0;
        }
        let packed = if self.packs { packed_len(self.rows, self.sizes.k) } else { 0 };
        match self.way {
            Way::InPlace => packed,
            Way::Columns => self.sizes.k * self.width + packed,
            Way::Both => (self.sizes.k + self.rows) * self.width,
        }
    }

    /// Computes `c = a · b`, then the epilogue.
    ///
    /// # Shapes
    /// - `a`, `b`: as [`Sizes`] says
    /// - `c`: `[m, n]`
    /// - `scratch`: [`Self::scratch_len`] or more
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn run(
        &self,
        pool: &Pool,
        (a, b): (&[f32], &[f32]),
        c: &mut [f32],
        epilogue: &Epilogue<'_>,
        scratch: &mut [f32],
    ) {
        let Sizes { m, n, k, trans_a, trans_b } = self.sizes;
        assert_eq!(c.len(), m * n, "the output is {m} x {n}");
        assert!(epilogue.bias.is_none_or(|bias| bias.len() == n), "one bias per column");
        let shape = |rows, cols, transposed| if transposed { (cols, rows) } else { (rows, cols) };
        let ((ar, ac), (br, bc)) = (shape(m, k, trans_a), shape(k, n, trans_b));
        let a = Matrix::new(a, ar, ac).transposed_if(trans_a);
        let b = Matrix::new(b, br, bc).transposed_if(trans_b);
        if m == 0 || n == 0 {
            return;
        }
        if k == 0 {
            c.fill(0.0);
            let floor = epilogue.activation.floor();
            c.chunks_exact_mut(n).for_each(|row| finish_row(row, epilogue.bias, floor));
            return;
        }
        if m == 1 && trans_b {
            crate::gemv::gemv(pool, &b.data()[..n * k], &a.data()[..k], c);
            finish_row(c, epilogue.bias, epilogue.activation.floor());
            return;
        }
        match self.way {
            Way::InPlace => self.in_place(pool, (a, b.data()), c, epilogue, scratch),
            Way::Columns => {
                let (copy, scratch) = scratch.split_at_mut(k * self.width);
                pool.for_each(self.width / STRIP, Chunks::new(copy, k * STRIP), |i, copy| {
                    // The last strip ends with the matrix.
                    copy_strip(b, (i * STRIP).min(n - STRIP), copy);
                });
                self.in_place(pool, (a, copy), c, epilogue, scratch);
            }
            Way::Both if trans_b => {
                let (left, right) = (b.transposed(), a.transposed());
                self.through_copies(pool, (left, right), c, epilogue, scratch);
            }
            Way::Both => self.through_copies(pool, (a, b), c, epilogue, scratch),
        }
    }

    /// Rows of a piece.
    fn rows_of(&self, i: usize) -> usize {
        self.piece.min(self.rows - i * self.piece)
    }

    /// The broadcast operand of a piece where it lies.
    fn small<'a>(&self, i: usize, left: Matrix<'a>) -> Small<'a> {
        let first = &left.data()[i * self.piece * left.row_stride()..];
        Small::strided(first, left.row_stride(), left.col_stride())
    }

    fn in_place(
        &self,
        pool: &Pool,
        (left, right): (Matrix<'_>, &[f32]),
        c: &mut [f32],
        epilogue: &Epilogue<'_>,
        scratch: &mut [f32],
    ) {
        let (tasks, k) = (self.rows.div_ceil(self.piece), self.sizes.k);
        let floor =
            if epilogue.bias.is_some() { f32::NEG_INFINITY } else { epilogue.activation.floor() };
        let multiply = |i: usize, small: Small<'_>, c: &mut [f32]| {
            let finish = Finish { bias: None, floor };
            let product = Product { small, rows: self.rows_of(i), row_stride: self.cols, finish };
            plane_product(&product, &self.places, right, c);
            if epilogue.bias.is_some() {
                let floor = epilogue.activation.floor();
                c.chunks_exact_mut(self.cols).for_each(|row| finish_row(row, epilogue.bias, floor));
            }
        };
        let pieces = Chunks::new(c, self.piece * self.cols);
        if !self.packs {
            return pool.for_each(tasks, pieces, |i, c| multiply(i, self.small(i, left), c));
        }
        let packed = &mut scratch[..packed_len(self.rows, k)];
        let parts = (pieces, Chunks::new(packed, packed_len(self.piece, k)));
        pool.for_each(tasks, parts, |i, (c, packed)| {
            let rows = i * self.piece..i * self.piece + self.rows_of(i);
            pack_columns(packed, (left.data(), left.col_stride()), rows, k);
            multiply(i, Small::packed(packed, k), c);
        });
    }

    fn through_copies(
        &self,
        pool: &Pool,
        (left, right): (Matrix<'_>, Matrix<'_>),
        c: &mut [f32],
        epilogue: &Epilogue<'_>,
        scratch: &mut [f32],
    ) {
        let (k, width, trans_b) = (self.sizes.k, self.width, self.sizes.trans_b);
        let (copy, scratch) = scratch.split_at_mut(k * width);
        let products = &mut scratch[..self.rows * width];
        pool.for_each(width / STRIP, Chunks::new(copy, k * STRIP), |i, copy| {
            copy_strip(right, i * STRIP, copy);
        });
        let copy = &*copy;
        let tasks = self.rows.div_ceil(self.piece);
        pool.for_each(tasks, Chunks::new(products, self.piece * width), |i, out| {
            let (small, rows) = (self.small(i, left), self.rows_of(i));
            let product = Product { small, rows, row_stride: width, finish: Finish::NOTHING };
            plane_product(&product, &self.places, copy, out);
        });
        let (products, n, floor) = (&*products, self.sizes.n, epilogue.activation.floor());
        pool.for_each(self.sizes.m.div_ceil(STRIP), Chunks::new(c, STRIP * n), |i, c| {
            let (first, rows) = (i * STRIP, c.len() / n);
            if trans_b {
                transpose((&products[first..], width), [n, rows], (&mut *c, n));
            } else {
                let from = products[first * width..].chunks_exact(width);
                c.chunks_exact_mut(n).zip(from).for_each(|(c, from)| c.copy_from_slice(&from[..n]));
            }
            c.chunks_exact_mut(n).for_each(|c| finish_row(c, epilogue.bias, floor));
        });
    }
}

/// Where the vectors of an operand lie that [`copy_strip`] copied, and where they are written: the last strip ends with the columns.
fn strips(width: usize, k: usize, cols: usize) -> Places {
    let starts = (0..width).step_by(LANES);
    let from = starts.clone().map(|j| j / STRIP * STRIP * k + j % STRIP).collect();
    let to = starts.map(|j| (j / STRIP * STRIP).min(cols - STRIP) + j % STRIP).collect();
    Places::new(from, to, (0..k).map(|term| term * STRIP).collect())
}

/// Copies the columns of a matrix from `first` on, row after row, filled up with zeros to a strip.
fn copy_strip(matrix: Matrix<'_>, first: usize, copy: &mut [f32]) {
    let (data, rs, cs) = (matrix.data(), matrix.row_stride(), matrix.col_stride());
    let columns = STRIP.min(matrix.cols() - first);
    let data = &data[first * cs..];
    if cs == 1 {
        // A single row may say that the next is nearer than its own end.
        for (r, to) in copy.chunks_exact_mut(STRIP).enumerate() {
            to[..columns].copy_from_slice(&data[r * rs..][..columns]);
            to[columns..].fill(0.0);
        }
    } else {
        transpose_padded(data, [columns, cs], (copy, STRIP));
    }
}

/// Adds the bias to a row; then nothing is less than `floor`, but what is not a number stays so.
fn finish_row(c: &mut [f32], bias: Option<&[f32]>, floor: f32) {
    let limit = |y: f32| if y < floor { floor } else { y };
    match bias {
        Some(bias) => vectorize(|| c.iter_mut().zip(bias).for_each(|(y, b)| *y = limit(*y + b))),
        None if floor == f32::NEG_INFINITY => {}
        None => vectorize(|| c.iter_mut().for_each(|y| *y = limit(*y))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 101) % 19) as f32 / 8.0 - 1.0).collect()
    }

    fn run(
        sizes: Sizes,
        a: &[f32],
        b: &[f32],
        epilogue: &Epilogue<'_>,
        threads: usize,
    ) -> Vec<f32> {
        let kernel = Gemm::new(sizes);
        let mut c = vec![f32::NAN; sizes.m * sizes.n];
        let mut scratch = vec![f32::NAN; kernel.scratch_len()];
        kernel.run(&Pool::new(threads), (a, b), &mut c, epilogue, &mut scratch);
        c
    }

    fn element(sizes: &Sizes, a: &[f32], b: &[f32], i: usize, j: usize) -> f64 {
        let Sizes { m, n, k, trans_a, trans_b } = *sizes;
        let a_at = |l: usize| f64::from(if trans_a { a[l * m + i] } else { a[i * k + l] });
        let b_at = |l: usize| f64::from(if trans_b { b[j * k + l] } else { b[l * n + j] });
        (0..k).map(|l| a_at(l) * b_at(l)).sum()
    }

    #[test]
    fn products_match_the_scalar_twin_in_all_transposes_and_odd_sizes() {
        let shapes = [
            (1, 1, 1),
            (7, 5, 3),
            (64, 300, 784),
            (65, 10, 100),
            (300, 784, 63),
            (9, 512, 40),
            (6, 8, 0),
            (20, 33, 1),
            (33, 20, 1),
            (70, 17, 600),
            (200, 48, 513),
        ];
        for (m, n, k) in shapes {
            for (trans_a, trans_b) in [(false, false), (false, true), (true, false), (true, true)] {
                let sizes = Sizes { m, n, k, trans_a, trans_b };
                let (a, b, bias) = (numbers(m * k, 1), numbers(k * n, 2), numbers(n, 3));
                for bias in [None, Some(bias.as_slice())] {
                    let epilogue = Epilogue { bias, activation: Activation::Relu };
                    for (at, y) in run(sizes, &a, &b, &epilogue, 2).iter().enumerate() {
                        let (i, j) = (at / n, at % n);
                        let shift = bias.map_or(0.0, |bias| f64::from(bias[j]));
                        let want = (element(&sizes, &a, &b, i, j) + shift).max(0.0);
                        assert!(
                            (f64::from(*y) - want).abs() < 1e-3,
                            "{sizes:?} at {at}: {y} {want}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let _same = crate::isa::forced::none();
        let (a, b) = (numbers(64 * 784, 1), numbers(300 * 784, 2));
        let sizes = Sizes { m: 64, n: 300, k: 784, trans_a: false, trans_b: true };
        let run = |threads| run(sizes, &a, &b, &Epilogue::default(), threads);
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }
}
