//! Sums of long rows: f32 lanes over short stretches, stretches in f64.
//!
//! Invariant: the order depends on the length alone.

/// Elements whose sum is kept in f32.
const STRETCH: usize = 1024;
const LANES: usize = 16;

/// `Σ term(a)`.
#[inline(always)]
pub(crate) fn sum(a: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    a.chunks(STRETCH).map(|a| stretch(a, &term)).sum()
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

/// `Σ a` and `Σ a · (b − center)`.
#[inline(always)]
pub(crate) fn sum_and_product(a: &[f32], b: &[f32], center: f32) -> [f64; 2] {
    let mut total = [0.0; 2];
    for (a, b) in a.chunks(STRETCH).zip(b.chunks(STRETCH)) {
        let (mut sums, mut products) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let (mut left, mut right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        for (a, b) in left.by_ref().zip(right.by_ref()) {
            for i in 0..LANES {
                sums[i] += a[i];
                products[i] += a[i] * (b[i] - center);
            }
        }
        for (i, (a, b)) in left.remainder().iter().zip(right.remainder()).enumerate() {
            sums[i] += a;
            products[i] += a * (b - center);
        }
        total[0] += f64::from(sums.iter().sum::<f32>());
        total[1] += f64::from(products.iter().sum::<f32>());
    }
    total
}
