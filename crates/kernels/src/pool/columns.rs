//! A matrix cut in groups of columns, so that a task owns a part of every row, or of some.

use super::Parts;
use std::marker::PhantomData;

/// A row-major matrix cut in groups of `width` columns (the last may be narrower), one per task; with [`Self::of_rows`] each group is
/// cut in groups of rows, too, which tasks take one after the other.
///
/// # Example
/// ```
/// use hoyer_kernels::pool::{Columns, Pool};
///
/// let mut matrix = [0; 6];
/// Pool::new(2).for_each(2, Columns::new(&mut matrix, 3, 2), |task, mut part| {
///     (0..part.rows()).for_each(|row| part.row_mut(row).fill(task));
/// });
/// assert_eq!(matrix, [0, 0, 1, 0, 0, 1]);
/// ```
#[derive(Debug)]
pub struct Columns<'a, T> {
    start: *mut T,
    rows: usize,
    cols: usize,
    width: usize,
    height: usize,
    life: PhantomData<&'a mut [T]>,
}

/// The columns of one task.
#[derive(Debug)]
pub struct ColumnPart<'a, T> {
    start: *mut T,
    rows: usize,
    stride: usize,
    width: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: this is a `&mut [T]` cut in pieces; sharing it hands out disjoint pieces, which needs `T: Send`.
unsafe impl<T: Send> Sync for Columns<'_, T> {}

impl<'a, T> Columns<'a, T> {
    /// Cuts a matrix with rows of `cols` elements into groups of `width` columns; 0 counts as 1 in both.
    ///
    /// # Panics
    /// If the last row is not whole.
    pub fn new(matrix: &'a mut [T], cols: usize, width: usize) -> Self {
        let (cols, width) = (cols.max(1), width.max(1));
        assert!(matrix.len().is_multiple_of(cols), "the matrix has whole rows");
        let rows = matrix.len() / cols;
        let height = rows.max(1);
        Self { start: matrix.as_mut_ptr(), rows, cols, width, height, life: PhantomData }
    }

    /// Cuts every group of columns in groups of so many rows (the last may have fewer); 0 counts as 1.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::pool::{Columns, Pool};
    ///
    /// let mut matrix = [0; 6];
    /// Pool::new(2).for_each(4, Columns::new(&mut matrix, 2, 1).of_rows(2), |task, mut part| {
    ///     (0..part.rows()).for_each(|row| part.row_mut(row).fill(task));
    /// });
    /// assert_eq!(matrix, [0, 2, 0, 2, 1, 3]);
    /// ```
    #[must_use]
    pub fn of_rows(self, height: usize) -> Self {
        Self { height: height.max(1), ..self }
    }

    /// How many groups of rows there are in a group of columns.
    fn row_groups(&self) -> usize {
        self.rows.div_ceil(self.height).max(1)
    }
}

// SAFETY: with `n` groups of rows, task `i · n + j` holds the columns `[i · width, (i + 1) · width)` of the rows
// `[j · height, (j + 1) · height)`, both cut at the last: disjoint.
unsafe impl<'a, T: Send> Parts for Columns<'a, T> {
    type Part = ColumnPart<'a, T>;

    fn covers(&self, tasks: usize) -> bool {
        let last = tasks.saturating_sub(1) / self.row_groups();
        tasks == 0 || last.checked_mul(self.width).is_some_and(|first| first < self.cols)
    }

    unsafe fn part(&self, task: usize) -> ColumnPart<'a, T> {
        let (first, row) =
            (task / self.row_groups() * self.width, task % self.row_groups() * self.height);
        let width = self.width.min(self.cols - first);
        let rows = self.height.min(self.rows - row);
        // Of a matrix without rows not even the first element exists, so nothing is added to its start.
        let first = if self.rows == 0 { 0 } else { row * self.cols + first };
        // SAFETY: `covers` held, so there is such a row, and it has an element there.
        let start = unsafe { self.start.add(first) };
        ColumnPart { start, rows, stride: self.cols, width, life: PhantomData }
    }
}

impl<T> ColumnPart<'_, T> {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// This task's part of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn row(&self, row: usize) -> &[T] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: the row exists and holds `width` elements from `start + row · stride` on, which only this
        // part may touch.
        unsafe { std::slice::from_raw_parts(self.start.add(row * self.stride), self.width) }
    }

    /// This task's part of a row, to be changed.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: as in `row`; `&mut self` keeps other borrows of the part away.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.width) }
    }
}
