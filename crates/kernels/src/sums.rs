//! Sums of long rows: f32 lanes over short stretches, stretches in f64.
//!
//! Invariant: the order depends on the length alone.

use crate::cache::prefetch;
use crate::isa::vectorize;

/// Elements whose sum is kept in f32.
const STRETCH: usize = 1024;
const LANES: usize = 16;

/// `Σ term(a)`.
#[inline(always)]
pub(crate) fn sum(a: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    vectorize(|| a.chunks(STRETCH).map(|a| stretch(a, &term)).sum())
}

#[inline(always)]
fn stretch(a: &[f32], term: &impl Fn(f32) -> f32) -> f64 {
    let mut lanes = [0.0_f32; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|a| term(*a)).sum();
    for a in chunks {
        lanes.iter_mut().zip(a).for_each(|(lane, a)| *lane += term(*a));
    }
    f64::from(lanes.iter().sum::<f32>() + rest)
}

/// Two sums over rows of equal length, `term` giving what an element of each row adds to both. What lies `ahead` elements after
/// each row is fetched on the way.
#[inline(always)]
pub(crate) fn sums<const N: usize>(
    rows: [&[f32]; N],
    ahead: usize,
    term: impl Fn([f32; N]) -> [f32; 2],
) -> [f64; 2] {
    vectorize(|| {
        let len = rows[0].len();
        let mut total = [0.0; 2];
        for start in (0..len).step_by(STRETCH) {
            let rows = rows.map(|row| &row[start..len.min(start + STRETCH)]);
            let rest = rows.map(|row| row.as_chunks::<LANES>().1);
            let (mut first, mut second) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            let rows = rows.map(|row| row.as_chunks::<LANES>().0);
            for at in 0..rows[0].len() {
                let rows = rows.map(|row| &row[at]);
                rows.iter().for_each(|row| prefetch(row.as_ptr().wrapping_add(ahead)));
                for i in 0..LANES {
                    let [a, b] = term(rows.map(|row| row[i]));
                    first[i] += a;
                    second[i] += b;
                }
            }
            for i in 0..rest[0].len() {
                let [a, b] = term(rest.map(|row| row[i]));
                first[i] += a;
                second[i] += b;
            }
            total[0] += f64::from(first.iter().sum::<f32>());
            total[1] += f64::from(second.iter().sum::<f32>());
        }
        total
    })
}
