//! Which elements live, bit by bit: first which rows and columns do at all, then each element of those.
//!
//! The chance that an element lives comes from how many lived in its row and in its column so far, and from its
//! neighbors: two before it, the same place in the two rows before, and three above it in an image.
//!
//! Not here: what live elements are (`values`).

use super::grid::Grid;
use super::predict::{Predictor, Stretch};
use super::range::Coder;

/// How many of how many: 16 classes of the one, 24 of the other.
const SHARES: usize = 16 * 24;

/// Writes or reads which elements live; what is read replaces `live`, which is all `false` before.
pub(super) fn code(coder: &mut impl Coder, live: &mut [bool], grid: &Grid, stretch: &Stretch) {
    let (rows, columns) = lines(coder, live, grid, stretch);
    let mut elements = Elements {
        grid: *grid,
        predictor: Predictor::new([1, SHARES, SHARES, 128, 64, 36, 45], 3, stretch),
        columns: vec![0; grid.columns],
        before: [None, None],
    };
    for (rows_done, row) in (0..grid.rows).filter(|&row| rows[row]).enumerate() {
        elements.row(coder, live, row, (&columns, rows_done));
    }
}

/// Which rows and columns have a live element; all, where there is only one row or column.
fn lines(
    coder: &mut impl Coder,
    live: &[bool],
    grid: &Grid,
    stretch: &Stretch,
) -> (Vec<bool>, Vec<bool>) {
    let (mut rows, mut columns) = (vec![false; grid.rows], vec![false; grid.columns]);
    if grid.rows < 2 || grid.columns < 2 {
        rows.fill(true);
        columns.fill(true);
        return (rows, columns);
    }
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let lives = live[grid.at(row, column)];
            rows[row] |= lives;
            columns[column] |= lives;
        }
    }
    for (flags, width) in [(&mut rows, 0), (&mut columns, grid.width)] {
        let mut predictor = Predictor::new([1, 4, 16], 1, stretch);
        for i in 0..flags.len() {
            let back = |by: usize| usize::from(by <= i && flags[i - by]);
            let above = if width > 0 { 4 * back(width) + 8 * back(width + 1) } else { 0 };
            let close = back(1) + 2 * back(2);
            flags[i] = predictor.code(coder, flags[i], [0, close, close + above], 0);
        }
    }
    (rows, columns)
}

/// The elements so far.
struct Elements {
    grid: Grid,
    predictor: Predictor<7>,
    /// Live ones by column.
    columns: Vec<usize>,
    /// The rows before this one, the nearer first.
    before: [Option<usize>; 2],
}

impl Elements {
    fn row(
        &mut self,
        coder: &mut impl Coder,
        live: &mut [bool],
        row: usize,
        (columns, rows_done): (&[bool], usize),
    ) {
        let (mut lived, mut seen) = (0, 0);
        for column in (0..self.grid.columns).filter(|&column| columns[column]) {
            let at = self.grid.at(row, column);
            let own = (self.columns[column], rows_done);
            let (contexts, set) = self.contexts(live, (row, column), [own, (lived, seen)]);
            live[at] = self.predictor.code(coder, live[at], contexts, set);
            self.columns[column] += usize::from(live[at]);
            lived += usize::from(live[at]);
            seen += 1;
        }
        self.before = [Some(row), self.before[0]];
    }

    fn contexts(
        &self,
        live: &[bool],
        (row, column): (usize, usize),
        [down, along]: [(usize, usize); 2],
    ) -> ([usize; 7], usize) {
        let is = |row: usize, column: usize| usize::from(live[self.grid.at(row, column)]);
        let back = |by: usize| if by > 0 && by <= column { is(row, column - by) } else { 0 };
        let above =
            |more: usize| if self.grid.width > 0 { back(self.grid.width + more) } else { 0 };
        let up = |i: usize| self.before[i].map_or(0, |row| is(row, column));
        let right = if self.grid.width > 1 { back(self.grid.width - 1) } else { 0 };
        let near = [back(1), back(2), up(0), up(1), above(0), above(1), right];
        let pattern = near.iter().fold(0, |all, bit| all << 1 | bit);
        let count: usize = near.iter().sum();
        let (d, a) = (density(down), density(along));
        let contexts = [
            0,
            share(down),
            share(along),
            pattern,
            8 * count.min(7) + d,
            6 * d.min(5) + a.min(5),
            9 * (back(1) + back(2) + back(3) + back(4))
                + up(0)
                + up(1)
                + above(0)
                + right
                + above(1).min(1),
        ];
        (contexts, count.min(2))
    }
}

/// The class of `lived` of `seen`.
fn share((lived, seen): (usize, usize)) -> usize {
    let class = |n: usize, most: usize| {
        let log = n.checked_ilog2().map_or(0, |log| log as usize);
        let half = if log > 0 { n >> (log - 1) & 1 } else { 0 };
        (if n < 2 { n } else { 2 * log + half }).min(most)
    };
    class(lived, 15) * 24 + class(seen, 23)
}

/// The class of `lived / seen`: 0 none, else by powers of two up to 1 / 64.
fn density((lived, seen): (usize, usize)) -> usize {
    if lived == 0 {
        return 0;
    }
    7 - (seen / lived).ilog2().min(6) as usize
}
