//! Eight places at a time, with AVX2.
//!
//! Not here: the same in plain Rust (`warp`), which says what this computes.

use super::{BEFORE, BITS, FRACTION, MORE, PLACES, WIDE, Walk};
use std::arch::x86_64::*;

/// Four places each, of which the first holds those of pixels 0, 1, 4 and 5: so [`halves`] come in order.
type Places = [__m256i; 2];

/// Reads all rows.
///
/// # Safety
/// The machine must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn read(
    places: &[u32; PLACES],
    [rows, columns]: [usize; 2],
    walk: &Walk<impl Fn(usize) -> [i64; 2]>,
    out: &mut [f32],
) {
    let multiples = |step: i64, ks: [i64; 4]| {
        let [a, b, c, d] = ks.map(|k| step.wrapping_mul(k));
        _mm256_setr_epi64x(a, b, c, d)
    };
    let steps = walk.step.map(|step| [[0, 1, 4, 5], [2, 3, 6, 7]].map(|ks| multiples(step, ks)));
    let ahead = walk.step.map(|step| _mm256_set1_epi64x(step.wrapping_mul(WIDE as i64)));
    for (r, out) in out.chunks_exact_mut(columns).enumerate() {
        let [y, x] = (walk.start)(r).map(|at| _mm256_set1_epi64x(at));
        let mut y = [_mm256_add_epi64(y, steps[0][0]), _mm256_add_epi64(y, steps[0][1])];
        let mut x = [_mm256_add_epi64(x, steps[1][0]), _mm256_add_epi64(x, steps[1][1])];
        for out in out.chunks_mut(WIDE) {
            // SAFETY: the machine has AVX2.
            let read = unsafe { weigh(look(places, [rows, columns], y, x), y, x, walk.map) };
            let mut eight = [0.0; WIDE];
            // SAFETY: there is room for eight.
            unsafe { _mm256_storeu_ps(eight.as_mut_ptr(), read) };
            match out.first_chunk_mut() {
                Some(all) => *all = eight,
                None => out.copy_from_slice(&eight[..out.len()]),
            }
            y = [_mm256_add_epi64(y[0], ahead[0]), _mm256_add_epi64(y[1], ahead[0])];
            x = [_mm256_add_epi64(x[0], ahead[1]), _mm256_add_epi64(x[1], ahead[1])];
        }
    }
}

/// Whole pixels and what is behind the point, of eight places.
///
/// # Safety
/// The machine must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn halves(places: Places) -> [__m256i; 2] {
    let [a, b] = places.map(|places| _mm256_castsi256_ps(places));
    let (high, low) = (_mm256_shuffle_ps::<0xdd>(a, b), _mm256_shuffle_ps::<0x88>(a, b));
    [_mm256_castps_si256(high), _mm256_castps_si256(low)]
}

/// The four pixels around each of eight places.
///
/// # Safety
/// The machine must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn look(
    places: &[u32; PLACES],
    [rows, columns]: [usize; 2],
    y: Places,
    x: Places,
) -> __m256i {
    let before = _mm256_set1_epi32(BEFORE);
    let clamp = |places: Places, most: usize| {
        // SAFETY: the machine has AVX2.
        let [whole, _] = unsafe { halves(places) };
        let least = _mm256_set1_epi32(-BEFORE);
        let whole = _mm256_max_epi32(whole, least);
        let whole = _mm256_min_epi32(whole, _mm256_set1_epi32(most as i32));
        _mm256_add_epi32(whole, before)
    };
    let stride = _mm256_set1_epi32((columns + MORE) as i32);
    let row = _mm256_mullo_epi32(clamp(y, rows), stride);
    let at = _mm256_add_epi32(row, clamp(x, columns));
    let mut found = [0_u32; WIDE];
    // SAFETY: there is room for eight.
    unsafe { _mm256_storeu_si256(found.as_mut_ptr().cast(), at) };
    // Eight loads take no longer than a gathering one, and are checked.
    let found = found.map(|at| places[at as usize % PLACES]);
    // SAFETY: there are eight.
    unsafe { _mm256_loadu_si256(found.as_ptr().cast()) }
}

/// Four pixels each, weighted by how near they are.
///
/// # Safety
/// The machine must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn weigh(found: __m256i, y: Places, x: Places, [factor, offset]: [f32; 2]) -> __m256 {
    let fraction = |places: Places| {
        // SAFETY: the machine has AVX2.
        let [_, behind] = unsafe { halves(places) };
        let behind = _mm256_srli_epi32::<{ (FRACTION - BITS) as i32 }>(behind);
        _mm256_mul_ps(_mm256_cvtepi32_ps(behind), _mm256_set1_ps(1.0 / (1 << BITS) as f32))
    };
    let byte = |x: __m256i| _mm256_cvtepi32_ps(_mm256_and_si256(x, _mm256_set1_epi32(0xff)));
    let a = byte(found);
    let b = byte(_mm256_srli_epi32::<8>(found));
    let c = byte(_mm256_srli_epi32::<16>(found));
    let d = byte(_mm256_srli_epi32::<24>(found));
    let between = |from: __m256, to: __m256, share: __m256| {
        _mm256_add_ps(from, _mm256_mul_ps(_mm256_sub_ps(to, from), share))
    };
    let right = fraction(x);
    let read = between(between(a, b, right), between(c, d, right), fraction(y));
    let read = _mm256_mul_ps(read, _mm256_set1_ps(factor));
    _mm256_add_ps(read, _mm256_set1_ps(offset))
}
