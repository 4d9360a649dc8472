//! A tensor as rows and columns, and the order in which they are visited.
//!
//! A row is what belongs to one output (the first axis), or, turned around, one column of these. `width` says how
//! far back in a row the element lies that is above in an image: 28 for rows that are images of 28 by 28.

/// How elements are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// 0: nothing is above.
    pub(super) width: usize,
    pub(super) turned: bool,
}

impl Grid {
    /// Without elements there is one empty row, however many the shape speaks of: nothing is kept for rows without bytes.
    pub(super) fn new(shape: &[usize], width: usize, turned: bool) -> Self {
        let first = if shape.len() > 1 && !shape.contains(&0) { shape[0] } else { 1 };
        let rest = if shape.contains(&0) { 0 } else { shape.iter().product::<usize>() / first };
        let (rows, columns) = if turned { (rest, first) } else { (first, rest) };
        Self { rows, columns, width, turned }
    }

    /// Where the element lies in memory.
    pub(super) fn at(&self, row: usize, column: usize) -> usize {
        if self.turned { column * self.rows + row } else { row * self.columns + column }
    }

    /// The orders worth trying for a tensor of this shape.
    pub(super) fn candidates(shape: &[usize]) -> Vec<Self> {
        let plain = Self::new(shape, 0, false);
        if plain.rows < 2 || plain.columns < 2 {
            return vec![plain];
        }
        let mut widths = vec![0];
        if let [_, _, inner @ ..] = shape {
            widths.extend(inner.last().copied());
            widths.push(inner.iter().product());
        } else {
            widths.extend([plain.columns.isqrt()].into_iter().filter(|w| w * w == plain.columns));
            widths
                .extend([16, 25, 49, 64].into_iter().filter(|w| plain.columns.is_multiple_of(*w)));
        }
        widths.retain(|&width| width < plain.columns && width != 1);
        widths.sort_unstable();
        widths.dedup();
        let mut all: Vec<Self> = widths.iter().map(|&w| Self::new(shape, w, false)).collect();
        all.push(Self::new(shape, 0, true));
        all
    }
}
