//! The live elements: signed levels by sign and size, or 32 bits each.
//!
//! A level's chance comes from the levels before it and from the last one of its column.
//!
//! Not here: which elements live (`mask`), what a level stands for (`levels`).

use super::grid::Grid;
use super::predict::{Predictor, Stretch};
use super::range::Coder;

/// Sizes up to here are counted up bit by bit; what is beyond takes twice the digits of a number.
const COUNTED: u32 = 20;
/// Digits of the largest size.
const DIGITS: u32 = 16;

/// Whether a live element may have level 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Zeros {
    Live,
    Dead,
}

/// Writes or reads the levels of live elements, which are of less than 17 digits.
pub(super) fn code_levels(
    coder: &mut impl Coder,
    levels: &mut [i32],
    (live, grid): (&[bool], &Grid),
    zeros: Zeros,
    stretch: &Stretch,
) {
    let least = u32::from(zeros == Zeros::Dead);
    let mut signs = Predictor::new([1, 9, 3], 1, stretch);
    let bins = COUNTED as usize + 1;
    let mut sizes = Predictor::new([bins, 8 * bins, 4 * bins, 3 * bins], 1, stretch);
    let mut last = [0_i32; 2];
    let mut columns = vec![0_i32; grid.columns];
    visit(live, grid, |at, column| {
        let near = last.map(|x| (x.signum() + 1) as usize);
        let over = (columns[column].signum() + 1) as usize;
        let size = levels[at].unsigned_abs();
        let given = levels[at] < 0;
        let average = (last[0].unsigned_abs() + last[1].unsigned_abs()).min(7) as usize;
        let above = columns[column].unsigned_abs().min(3) as usize;
        // The sign comes first: sizes of either sign differ in how they are spread.
        let negative = signs.code(coder, given, [0, near[0] + 3 * near[1], over], 0);
        let mut found = least;
        while found < COUNTED + least {
            let bin = (found - least) as usize;
            let contexts =
                [bin, 8 * bin + average, 4 * bin + above, 3 * bin + usize::from(negative)];
            if !sizes.code(coder, size > found, contexts, 0) {
                break;
            }
            found += 1;
        }
        if found == COUNTED + least {
            found += beyond(coder, size.saturating_sub(found));
        }
        let level = found as i32;
        levels[at] = if negative { -level } else { level };
        last = [levels[at], last[0]];
        columns[column] = levels[at];
    });
}

/// A number of at most 16 digits: how many follow the first 1 of one more, then these.
fn beyond(coder: &mut impl Coder, number: u32) -> u32 {
    let digits = (number + 1).ilog2();
    let mut found = 0;
    while found < DIGITS && coder.code(digits > found, 1 << 15) {
        found += 1;
    }
    (1 << found | coder.plain(number + 1, found) & ((1 << found) - 1)) - 1
}

/// Writes or reads the bits of live elements: exponent and first digit as often as they come, the sign and the next
/// `digits`, at most 22, as they are; the rest is 0.
pub(super) fn code_floats(
    coder: &mut impl Coder,
    (bits, digits): (&mut [u32], u32),
    (live, grid): (&[bool], &Grid),
    stretch: &Stretch,
) {
    let mut exponents = Predictor::new([512, 512 * 2], 1, stretch);
    visit(live, grid, |at, _| {
        let given = bits[at];
        let mut node = 1_usize;
        let negative = given >> 31;
        for place in (22..31).rev() {
            let contexts = [node, 2 * node + (node >> 4 & 1)];
            let bit = exponents.code(coder, given >> place & 1 == 1, contexts, 0);
            node = node << 1 | usize::from(bit);
        }
        let top = (node & 511) as u32;
        let sign = coder.plain(negative, 1);
        let rest = coder.plain(given >> (22 - digits) & ((1 << digits) - 1), digits);
        bits[at] = sign << 31 | top << 22 | rest << (22 - digits);
    });
}

/// Live elements in order, with their columns.
fn visit(live: &[bool], grid: &Grid, mut each: impl FnMut(usize, usize)) {
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let at = grid.at(row, column);
            if live[at] {
                each(at, column);
            }
        }
    }
}
