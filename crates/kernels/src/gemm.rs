//! Dense matrix products, split over threads in pieces that depend on the shape alone.
//!
//! ```text
//! C = A · B  [+ C]          [+ bias per column]          [then ReLU]
//! ```
//! The products themselves are the `gemm` crate's; here are the cut and what follows while a piece is still
//! in the cache. A piece is computed by one thread in a fixed order, so the result does not depend on the
//! number of threads.
//! Not here: convolutions (`conv`).

use crate::matrix::Matrix;
use crate::pool::Pool;
use gemm::Parallelism;

/// What is done to a piece of the product before it leaves the cache.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added to every row: one number per column.
    pub bias: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
}

/// An element-wise function that ends a kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
}

/// What the product does with the numbers that lie in the output before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// They are overwritten.
    Fresh,
    /// The product is added to them.
    Accumulate,
}

/// Work below which a product is not cut: about 10 µs.
const MIN_MACS_PER_PIECE: usize = 250_000;
/// Columns of a piece are a multiple of this, so that register tiles stay full.
const COLUMN_GRAIN: usize = 16;
/// Rows of a piece are a multiple of this.
const ROW_GRAIN: usize = 6;
/// More pieces than this only pack the operands more often.
const MAX_PIECES: usize = 8;

/// A piece of the output: rows `row..row + rows`, columns `col..col + cols`.
#[derive(Debug, Clone, Copy)]
struct Piece {
    row: usize,
    rows: usize,
    col: usize,
    cols: usize,
}

/// `out = a · b`, row-major `[a.rows, b.cols]`.
///
/// # Panics
/// If the sizes do not fit each other.
///
/// # Example
/// ```
/// use hoyer_kernels::{gemm, matrix::Matrix, pool::Pool};
///
/// let a = Matrix::new(&[1.0, 2.0, 3.0, 4.0], 2, 2);
/// let mut out = [0.0; 4];
/// gemm::product(&Pool::new(1), &mut out, a, a.transposed(), gemm::Output::Fresh, &Default::default());
/// assert_eq!(out, [5.0, 11.0, 11.0, 25.0]);
/// ```
pub fn product(
    pool: &Pool,
    out: &mut [f32],
    a: Matrix<'_>,
    b: Matrix<'_>,
    output: Output,
    epilogue: &Epilogue<'_>,
) {
    let (m, n, k) = (a.rows(), b.cols(), a.cols());
    assert_eq!(k, b.rows(), "the inner sizes of a product agree");
    assert_eq!(out.len(), m * n, "the output is {m} x {n}");
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == n), "one bias per column");
    if m == 0 || n == 0 {
        return;
    }
    let pieces = cut(m, n, m * n * k);
    let start = Start(out.as_mut_ptr());
    pool.for_each(pieces.count, (), |task, ()| {
        let piece = pieces.piece(task, m, n);
        // SAFETY: pieces are disjoint parts of `out`, which is borrowed mutably for the whole call, and
        // `product_piece` touches only its piece.
        unsafe { product_piece(&start, n, piece, (a, b), output) };
        // SAFETY: as above; the rows of a piece lie inside `out`.
        unsafe { finish(&start, n, piece, epilogue) };
    });
}

struct Start(*mut f32);
// SAFETY: the pointer is used only for disjoint pieces of one mutable borrow.
unsafe impl Sync for Start {}

struct Cut {
    count: usize,
    by_columns: bool,
    size: usize,
}

impl Cut {
    fn piece(&self, task: usize, m: usize, n: usize) -> Piece {
        let from = task * self.size;
        match self.by_columns {
            true => Piece { row: 0, rows: m, col: from, cols: self.size.min(n - from) },
            false => Piece { row: from, rows: self.size.min(m - from), col: 0, cols: n },
        }
    }
}

/// Cuts the longer side of the output; depends on the shape alone.
fn cut(m: usize, n: usize, macs: usize) -> Cut {
    let by_columns = n > m;
    let (side, grain) = if by_columns { (n, COLUMN_GRAIN) } else { (m, ROW_GRAIN) };
    let wanted = (macs / MIN_MACS_PER_PIECE).clamp(1, MAX_PIECES);
    let size = side.div_ceil(wanted).next_multiple_of(grain);
    Cut { count: side.div_ceil(size), by_columns, size }
}

/// # Safety
/// `start` points at a row-major matrix of `n` columns that contains `piece`, and nobody else touches the piece.
unsafe fn product_piece(
    start: &Start,
    n: usize,
    piece: Piece,
    (a, b): (Matrix<'_>, Matrix<'_>),
    output: Output,
) {
    let a_start = a.data()[piece.row * a.row_stride()..].as_ptr();
    let b_start = b.data()[piece.col * b.col_stride()..].as_ptr();
    // SAFETY: the views keep all elements of `a` and `b` inside their slices, the piece lies inside the output.
    unsafe {
        gemm::gemm(
            piece.rows,
            piece.cols,
            a.cols(),
            start.0.add(piece.row * n + piece.col),
            1,
            n as isize,
            output == Output::Accumulate,
            a_start,
            a.col_stride() as isize,
            a.row_stride() as isize,
            b_start,
            b.col_stride() as isize,
            b.row_stride() as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// # Safety
/// As [`product_piece`].
unsafe fn finish(start: &Start, n: usize, piece: Piece, epilogue: &Epilogue<'_>) {
    if epilogue.bias.is_none() && epilogue.activation == Activation::None {
        return;
    }
    for row in piece.row..piece.row + piece.rows {
        // SAFETY: the row of the piece lies inside the output and belongs to this task.
        let row =
            unsafe { std::slice::from_raw_parts_mut(start.0.add(row * n + piece.col), piece.cols) };
        let bias = epilogue.bias.map(|bias| &bias[piece.col..piece.col + piece.cols]);
        crate::isa::vectorize(|| match (bias, epilogue.activation) {
            (Some(bias), Activation::Relu) => {
                row.iter_mut().zip(bias).for_each(|(y, b)| *y = (*y + b).max(0.0));
            }
            (Some(bias), Activation::None) => row.iter_mut().zip(bias).for_each(|(y, b)| *y += b),
            (None, _) => row.iter_mut().for_each(|y| *y = y.max(0.0)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 101) % 19) as f32 / 8.0 - 1.0).collect()
    }

    fn reference(a: Matrix<'_>, b: Matrix<'_>) -> Vec<f32> {
        let element = |i: usize, j: usize| {
            (0..a.cols()).map(|l| f64::from(a.at(i, l)) * f64::from(b.at(l, j))).sum::<f64>() as f32
        };
        (0..a.rows() * b.cols()).map(|at| element(at / b.cols(), at % b.cols())).collect()
    }

    #[test]
    fn products_match_the_scalar_twin_in_all_transposes_and_odd_sizes() {
        let pool = Pool::new(2);
        for (m, n, k) in [(1, 1, 1), (7, 5, 3), (64, 300, 784), (65, 10, 100), (300, 784, 63)] {
            for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
                let shape = |rows, cols, t| if t { (cols, rows) } else { (rows, cols) };
                let ((ar, ac), (br, bc)) = (shape(m, k, ta), shape(k, n, tb));
                let a = Matrix::new(&a, ar, ac).transposed_if(ta);
                let b = Matrix::new(&b, br, bc).transposed_if(tb);
                let bias = numbers(n, 3);
                let mut out = vec![1.0; m * n];
                let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu };
                product(&pool, &mut out, a, b, Output::Accumulate, &epilogue);
                for (i, (y, want)) in out.iter().zip(reference(a, b)).enumerate() {
                    let want = (want + 1.0 + bias[i % n]).max(0.0);
                    assert!((y - want).abs() < 1e-3, "{m}x{n}x{k} {ta} {tb} at {i}: {y} {want}");
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let (a, b) = (numbers(64 * 784, 1), numbers(300 * 784, 2));
        let run = |threads| {
            let mut out = vec![0.0; 64 * 300];
            let (a, b) = (Matrix::new(&a, 64, 784), Matrix::new(&b, 300, 784).transposed());
            product(&Pool::new(threads), &mut out, a, b, Output::Fresh, &Epilogue::default());
            out
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }
}
