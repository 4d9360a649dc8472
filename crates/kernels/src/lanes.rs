//! Eight f32 side by side: what kernels are written over whose layout counts in eights.
//!
//! A [`Vector`] that always has eight elements, and what only such a one can do. Not here: loops that the compiler vectorizes by
//! itself (`isa::vectorize`), and those that do not care how wide a vector is (`vector`).

use crate::vector::{Portable, Vector};

/// Eight f32.
pub(crate) trait Lanes: Vector {
    /// `self - other`.
    fn sub(self, other: Self) -> Self;

    /// Four elements from each place.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_halves(from: [*const f32; 2]) -> Self;

    /// Elements of `self` and `odd` in turns: sixteen, the first eight first.
    fn zip(self, odd: Self) -> [Self; 2];

    /// Of `self` and what follows it, the elements at even places and those at odd ones.
    #[inline(always)]
    fn unzip(self, next: Self) -> [Self; 2] {
        [self.evens(next), self.odds(next)]
    }

    /// The sum of all eight, always in the same order: halves, quarters, eighths.
    fn sum(self) -> f32;

    /// Element `i` of vector `j` becomes element `j` of vector `i`.
    fn transpose(rows: [Self; LANES]) -> [Self; LANES];
}

/// How many elements a [`Lanes`] holds.
pub(crate) const LANES: usize = 8;

/// A loop over vectors of eight; `run` must be `#[inline(always)]`, to take on the instruction set of its caller.
pub(crate) trait Loop {
    /// Runs it.
    ///
    /// # Safety
    /// What the loop asks of its slices must hold, and the machine must have the vectors.
    unsafe fn run<L: Lanes>(self);
}

/// Runs a loop with AVX2 or NEON if the machine has it and `isa` allows, else in plain Rust.
///
/// # Safety
/// What the loop asks of its slices must hold.
pub(crate) unsafe fn run(body: impl Loop) {
    #[cfg(target_arch = "x86_64")]
    if crate::isa::has_avx2() {
        // SAFETY: the machine has AVX2 and FMA; the rest is passed on.
        return unsafe { with_avx2(body) };
    }
    #[cfg(target_arch = "aarch64")]
    if crate::isa::isa() != crate::isa::Isa::Portable {
        // SAFETY: every such machine has NEON; the rest is passed on.
        return unsafe { body.run::<crate::vector::Neon>() };
    }
    // SAFETY: plain Rust runs anywhere; the rest is passed on.
    unsafe { body.run::<Portable>() };
}

/// # Safety
/// The machine must have AVX2 and FMA; otherwise as [`run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2(body: impl Loop) {
    // SAFETY: the caller's promise is passed on.
    unsafe { body.run::<crate::vector::Avx2>() };
}

impl Lanes for Portable {
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    unsafe fn load_halves(from: [*const f32; 2]) -> Self {
        // SAFETY: the caller promises four readable elements at each place; the reads need no alignment.
        let [low, high] = from.map(|from| unsafe { from.cast::<[f32; 4]>().read_unaligned() });
        Self(std::array::from_fn(|i| if i < 4 { low[i] } else { high[i - 4] }))
    }

    #[inline(always)]
    fn zip(self, odd: Self) -> [Self; 2] {
        [0, 4].map(|first| {
            let at = |i: usize| if i.is_multiple_of(2) { self.0 } else { odd.0 }[first + i / 2];
            Self(std::array::from_fn(at))
        })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let halves: [f32; 4] = std::array::from_fn(|i| self.0[i] + self.0[i + 4]);
        (halves[0] + halves[2]) + (halves[1] + halves[3])
    }

    #[inline(always)]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        std::array::from_fn(|i| Self(std::array::from_fn(|j| rows[j].0[i])))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Lanes;
    use crate::vector::Avx2;
    use std::arch::x86_64::{
        _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_loadu_ps, _mm_movehl_ps, _mm_shuffle_ps,
        _mm256_castps128_ps256, _mm256_castps256_ps128, _mm256_extractf128_ps,
        _mm256_insertf128_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_sub_ps,
        _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };

    impl Lanes for Avx2 {
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: this type is used only where AVX2 is on.
            Self(unsafe { _mm256_sub_ps(self.0, other.0) })
        }

        #[inline(always)]
        unsafe fn load_halves(from: [*const f32; 2]) -> Self {
            // SAFETY: the caller promises four readable elements at each place; AVX2 is on as above.
            unsafe {
                let [low, high] = from.map(|from| _mm_loadu_ps(from));
                Self(_mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high))
            }
        }

        #[inline(always)]
        fn zip(self, odd: Self) -> [Self; 2] {
            // SAFETY: this type is used only where AVX2 is on.
            unsafe {
                let outer = _mm256_unpacklo_ps(self.0, odd.0);
                let inner = _mm256_unpackhi_ps(self.0, odd.0);
                [
                    Self(_mm256_permute2f128_ps::<0x20>(outer, inner)),
                    Self(_mm256_permute2f128_ps::<0x31>(outer, inner)),
                ]
            }
        }

        #[inline(always)]
        fn sum(self) -> f32 {
            // SAFETY: this type is used only where AVX2 is on.
            unsafe {
                let halves =
                    _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
                let quarters = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
                _mm_cvtss_f32(_mm_add_ss(quarters, _mm_shuffle_ps::<1>(quarters, quarters)))
            }
        }

        #[inline(always)]
        fn transpose(rows: [Self; 8]) -> [Self; 8] {
            let [a, b, c, d, e, f, g, h] = rows.map(|row| row.0);
            // SAFETY: this type is used only where AVX2 is on.
            unsafe {
                // Pairs, then fours within halves of 128 bits, then the halves.
                let pairs = [
                    (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)),
                    (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d)),
                    (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f)),
                    (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h)),
                ];
                let fours = |first: usize| {
                    let ((low0, high0), (low1, high1)) = (pairs[first], pairs[first + 1]);
                    [
                        _mm256_shuffle_ps::<0x44>(low0, low1),
                        _mm256_shuffle_ps::<0xEE>(low0, low1),
                        _mm256_shuffle_ps::<0x44>(high0, high1),
                        _mm256_shuffle_ps::<0xEE>(high0, high1),
                    ]
                };
                let (left, right) = (fours(0), fours(2));
                std::array::from_fn(|i| {
                    Self(if i < 4 {
                        _mm256_permute2f128_ps::<0x20>(left[i], right[i])
                    } else {
                        _mm256_permute2f128_ps::<0x31>(left[i - 4], right[i - 4])
                    })
                })
            }
        }
    }
}
