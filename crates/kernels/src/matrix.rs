//! Matrices over plain slices: a start, two sizes and two strides.
//!
//! Invariants: every element of the matrix lies inside the slice; checked when the view is made.

/// A matrix that is read: element `(i, j)` is `data[i · row_stride + j · col_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The row-major matrix `[rows, cols]`.
    ///
    /// # Panics
    /// If the slice is too short.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert!(
            rows.checked_mul(cols).is_some_and(|need| need <= data.len()),
            "a {rows} x {cols} matrix needs more than {} elements",
            data.len()
        );
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        let Self { data, rows, cols, row_stride, col_stride } = self;
        Self { data, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// The transpose if `yes`.
    pub fn transposed_if(self, yes: bool) -> Self {
        if yes { self.transposed() } else { self }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Distance from one row to the next, in elements.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// Distance from one column to the next, in elements.
    pub fn col_stride(&self) -> usize {
        self.col_stride
    }

    /// The slice under the matrix.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Element `(row, col)`.
    ///
    /// # Panics
    /// If the matrix has no such element.
    pub fn at(&self, row: usize, col: usize) -> f32 {
        assert!(row < self.rows && col < self.cols, "({row}, {col}) lies outside the matrix");
        self.data[row * self.row_stride + col * self.col_stride]
    }
}
