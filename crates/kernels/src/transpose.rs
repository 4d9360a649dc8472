//! Matrices transposed, eight by eight elements at a time.
//!
//! Not here: eight vectors in registers (`lanes`), elements from regular places (`places`).

use crate::lanes::{self, LANES, Lanes, Loop};

/// Writes `to[j · to_row + i] = from[i · from_row + j]` for all `i < rows`, `j < columns`; nothing else is touched.
///
/// # Panics
/// If a slice is too short, or a row shorter than what it holds.
pub(crate) fn transpose(
    (from, from_row): (&[f32], usize),
    [rows, columns]: [usize; 2],
    (to, to_row): (&mut [f32], usize),
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(
        from_row >= columns && (rows - 1) * from_row + columns <= from.len(),
        "rows lie inside"
    );
    assert!(to_row >= rows && (columns - 1) * to_row + rows <= to.len(), "columns lie inside");
    // SAFETY: whole blocks lie inside both matrices, which were checked above.
    unsafe { lanes::run(Blocks { from, from_row, size: [rows, columns], to: &mut *to, to_row }) };
    let whole = [rows, columns].map(|n| n / LANES * LANES);
    for i in 0..rows {
        let done = if i < whole[0] { whole[1] } else { 0 };
        (done..columns).for_each(|j| to[j * to_row + i] = from[i * from_row + j]);
    }
}

/// Transposes `rows` rows without gaps into `columns` rows of `width`, missing elements zero.
///
/// # Panics
/// If a slice is too short, or `width` is less than `rows`.
pub(crate) fn transpose_padded(
    from: &[f32],
    [rows, columns]: [usize; 2],
    (to, width): (&mut [f32], usize),
) {
    transpose((from, columns), [rows, columns], (&mut *to, width));
    if rows < width {
        to.chunks_exact_mut(width).take(columns).for_each(|to| to[rows..].fill(0.0));
    }
}

/// The whole blocks of eight by eight.
struct Blocks<'a> {
    from: &'a [f32],
    from_row: usize,
    size: [usize; 2],
    to: &'a mut [f32],
    to_row: usize,
}

impl Loop for Blocks<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let [rows, columns] = self.size;
        for i in (0..rows / LANES * LANES).step_by(LANES) {
            for j in (0..columns / LANES * LANES).step_by(LANES) {
                // SAFETY: the block lies inside both matrices, the caller promises.
                unsafe {
                    let load = |r| L::load(self.from.as_ptr().add((i + r) * self.from_row + j));
                    let block = L::transpose(std::array::from_fn(load));
                    for (r, row) in block.into_iter().enumerate() {
                        row.store(self.to.as_mut_ptr().add((j + r) * self.to_row + i));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{transpose, transpose_padded};

    #[test]
    fn every_element_finds_its_place_and_no_other_is_touched() {
        for [rows, columns] in [[0, 3], [1, 1], [8, 8], [7, 9], [16, 24], [19, 33], [64, 10]] {
            let (from_row, to_row) = (columns + 3, rows + 5);
            let from: Vec<f32> = (0..rows * from_row).map(|i| i as f32).collect();
            let mut to = vec![-1.0; columns * to_row];
            transpose((&from, from_row), [rows, columns], (&mut to, to_row));
            for (at, to) in to.iter().enumerate() {
                let (j, i) = (at / to_row, at % to_row);
                assert_eq!(*to, if i < rows { from[i * from_row + j] } else { -1.0 });
            }
        }
    }
    #[test]
    fn missing_elements_are_zero() {
        let from: Vec<f32> = (1..=9 * 20).map(|i| i as f32).collect();
        let mut to = vec![-1.0; 20 * 16];
        transpose_padded(&from, [9, 20], (&mut to, 16));
        for (at, to) in to.iter().enumerate() {
            let (j, i) = (at / 16, at % 16);
            assert_eq!(*to, if i < 9 { from[i * 20 + j] } else { 0.0 });
        }
    }
}
