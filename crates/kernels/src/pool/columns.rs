//! A matrix cut in groups of columns, so that a task owns a part of every row.

use super::Parts;
use std::marker::PhantomData;

/// A row-major matrix cut in groups of `width` columns (the last may be narrower), one per task.
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
        Self { start: matrix.as_mut_ptr(), rows, cols, width, life: PhantomData }
    }
}

// SAFETY: group `task` holds the columns `[task · width, (task + 1) · width)` cut at the last: disjoint.
unsafe impl<'a, T: Send> Parts for Columns<'a, T> {
    type Part = ColumnPart<'a, T>;

    fn covers(&self, tasks: usize) -> bool {
        tasks == 0 || (tasks - 1).checked_mul(self.width).is_some_and(|first| first < self.cols)
    }

    unsafe fn part(&self, task: usize) -> ColumnPart<'a, T> {
        let first = task * self.width;
        let width = self.width.min(self.cols - first);
        // Of a matrix without rows not even the first element exists, so nothing is added to its start.
        let first = if self.rows == 0 { 0 } else { first };
        // SAFETY: `covers` held, so the first row has an element at `first`.
        let start = unsafe { self.start.add(first) };
        ColumnPart { start, rows: self.rows, stride: self.cols, width, life: PhantomData }
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
