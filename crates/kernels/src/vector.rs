//! Some f32 side by side, as wide as the machine has them: what hand-written loops are written over.
//!
//! A loop is generic over [`Vector`], and inlined into one entry per instruction set ([`over_vectors`]); what counts in eights
//! is written over `lanes`. Invariant: the types of an instruction set are made and used only inside functions compiled for it.

use crate::max_pool::larger;

/// [`Vector::LEN`] f32.
pub(crate) trait Vector: Copy {
    /// How many there are.
    const LEN: usize;

    /// Eight f32 that the same machine has: for what is left over.
    type Eight: Vector;

    /// All equal to `x`.
    fn splat(x: f32) -> Self;

    /// The elements from `from` on.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes the elements from `to` on.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store(self, to: *mut f32);

    /// `self + a · b`, rounded once where the machine can.
    fn add_product(self, a: Self, b: Self) -> Self;

    /// `self + other`.
    fn add(self, other: Self) -> Self;

    /// The larger of each two; what is not a number is larger than any.
    fn larger(self, other: Self) -> Self;

    /// At least `low`; what is not a number stays so.
    fn at_least(self, low: Self) -> Self;

    /// At least `low` and at most `high`; what is not a number stays so.
    fn clamp(self, low: Self, high: Self) -> Self;

    /// The elements whose bits are set from `bits` on; zeros for the others, whatever they are.
    ///
    /// # Safety
    /// So many words must be readable, each with no bit set or all.
    unsafe fn keep(self, bits: *const u32) -> Self;

    /// Of `self` and what follows it, the elements at even places.
    fn evens(self, next: Self) -> Self;

    /// Of `self` and what follows it, the elements at odd places.
    fn odds(self, next: Self) -> Self;
}

/// Defines a function that runs a loop with the vectors of an instruction set, or the best below it that the machine has:
/// `over_vectors!(unsafe fn name(x: X, …) = body)` runs `body::<V>(x, …)`, which must be `#[inline(always)]`.
///
/// A macro, since the loop keeps its arguments as such: out of a structure, the compiler no longer knows that slices lie apart, and sparse
/// loops took 1.5 % longer, up to 15 % where few weights are left.
macro_rules! over_vectors {
    ($(#[$meta:meta])* $vis:vis unsafe fn $name:ident($($arg:ident: $Arg:ty),+ $(,)?) = $body:ident) => {
        $(#[$meta])*
        $vis unsafe fn $name(with: $crate::isa::Isa, $($arg: $Arg),+) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            unsafe fn with_avx512($($arg: $Arg),+) {
                // SAFETY: the machine has AVX-512; the rest is passed on.
                unsafe { $body::<$crate::vector::Avx512>($($arg),+) };
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn with_avx2($($arg: $Arg),+) {
                // SAFETY: the machine has AVX2 and FMA; the rest is passed on.
                unsafe { $body::<$crate::vector::Avx2>($($arg),+) };
            }
            #[cfg(target_arch = "x86_64")]
            if with == $crate::isa::Isa::Avx512 && $crate::isa::has_avx512() {
                // SAFETY: the machine has AVX-512; the rest is passed on.
                return unsafe { with_avx512($($arg),+) };
            }
            #[cfg(target_arch = "x86_64")]
            if with != $crate::isa::Isa::Portable && $crate::isa::has_avx2() {
                // SAFETY: the machine has AVX2 and FMA; the rest is passed on.
                return unsafe { with_avx2($($arg),+) };
            }
            #[cfg(target_arch = "aarch64")]
            if with != $crate::isa::Isa::Portable {
                // SAFETY: every such machine has NEON; the rest is passed on.
                return unsafe { $body::<$crate::vector::Neon>($($arg),+) };
            }
            // SAFETY: plain Rust runs anywhere; the rest is passed on.
            unsafe { $body::<$crate::vector::Portable>($($arg),+) };
        }
    };
}
pub(crate) use over_vectors;

/// The sum of a widest vector, half onto half.
#[inline(always)]
pub(crate) fn halved(lanes: &[f32; WIDEST]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// The widest vector there is; slices that the loops read past their last element have so much more.
pub(crate) const WIDEST: usize = 16;

/// Eight f32 in plain Rust.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable(pub(crate) [f32; 8]);

impl Vector for Portable {
    const LEN: usize = 8;
    type Eight = Self;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises eight readable elements; the read needs no alignment.
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises eight writable elements; the write needs no alignment.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) };
    }

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| larger(self.0[i], other.0[i])))
    }

    #[inline(always)]
    fn at_least(self, low: Self) -> Self {
        let limit = |x: f32, low: f32| if x < low { low } else { x };
        Self(std::array::from_fn(|i| limit(self.0[i], low.0[i])))
    }

    #[inline(always)]
    fn clamp(self, low: Self, high: Self) -> Self {
        let limit = |x: f32, low: f32, high: f32| {
            let x = if x < low { low } else { x };
            if x > high { high } else { x }
        };
        Self(std::array::from_fn(|i| limit(self.0[i], low.0[i], high.0[i])))
    }

    #[inline(always)]
    unsafe fn keep(self, bits: *const u32) -> Self {
        // SAFETY: the caller promises eight readable words; the read needs no alignment.
        let bits = unsafe { bits.cast::<[u32; 8]>().read_unaligned() };
        Self(std::array::from_fn(|i| f32::from_bits(self.0[i].to_bits() & bits[i])))
    }

    #[inline(always)]
    fn evens(self, next: Self) -> Self {
        Self(std::array::from_fn(|i| if i < 4 { self.0[2 * i] } else { next.0[2 * i - 8] }))
    }

    #[inline(always)]
    fn odds(self, next: Self) -> Self {
        Self(std::array::from_fn(|i| if i < 4 { self.0[2 * i + 1] } else { next.0[2 * i - 7] }))
    }
}

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    macro_rules! vector {
        ($Name:ident, $len:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident,
         $min:ident, $max:ident, $to_bits:ident, $of_bits:ident, $load_bits:ident, $and:ident, $larger:ident, $evens:ident, $odds:ident) => {
            impl Vector for $Name {
                const LEN: usize = $len;
                type Eight = Avx2;

                #[inline(always)]
                fn splat(x: f32) -> Self {
                    // SAFETY: this type is used only where its instruction set is on; so in all that follow.
                    Self(unsafe { $splat(x) })
                }

                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    // SAFETY: the caller promises readable elements.
                    Self(unsafe { $load(from) })
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    // SAFETY: the caller promises writable elements.
                    unsafe { $store(to, self.0) };
                }

                #[inline(always)]
                fn add_product(self, a: Self, b: Self) -> Self {
                    // SAFETY: as in `splat`.
                    Self(unsafe { $fma(a.0, b.0, self.0) })
                }

                #[inline(always)]
                fn add(self, other: Self) -> Self {
                    // SAFETY: as in `splat`.
                    Self(unsafe { $add(self.0, other.0) })
                }

                #[inline(always)]
                fn larger(self, other: Self) -> Self {
                    // SAFETY: as in `splat`.
                    Self(unsafe { $larger(self.0, other.0) })
                }

                #[inline(always)]
                fn at_least(self, low: Self) -> Self {
                    // This instruction gives its second operand where one is not a number.
                    // SAFETY: as in `splat`.
                    Self(unsafe { $max(low.0, self.0) })
                }

                #[inline(always)]
                fn clamp(self, low: Self, high: Self) -> Self {
                    // As in `at_least`.
                    // SAFETY: as in `splat`.
                    Self(unsafe { $min(high.0, $max(low.0, self.0)) })
                }

                #[inline(always)]
                unsafe fn keep(self, bits: *const u32) -> Self {
                    // SAFETY: the caller promises readable words.
                    Self(unsafe { $of_bits($and($to_bits(self.0), $load_bits(bits.cast()))) })
                }

                #[inline(always)]
                fn evens(self, next: Self) -> Self {
                    // SAFETY: as in `splat`.
                    Self(unsafe { $evens(self.0, next.0) })
                }

                #[inline(always)]
                fn odds(self, next: Self) -> Self {
                    // SAFETY: as in `splat`.
                    Self(unsafe { $odds(self.0, next.0) })
                }
            }
        };
    }

    /// Eight f32 in one AVX2 register.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx2(pub(crate) __m256);

    /// Sixteen f32 in one AVX-512 register.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    /// # Safety
    /// AVX2 must be on; so in what follows, or AVX-512.
    #[inline(always)]
    unsafe fn larger_of_eight(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's promise. The maximum is its second operand where one is not a number: right if that is `a`.
        unsafe {
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(b, b);
            _mm256_blendv_ps(_mm256_max_ps(b, a), b, nan)
        }
    }

    /// # Safety
    /// As `larger_of_eight`.
    #[inline(always)]
    unsafe fn larger_of_sixteen(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as in `larger_of_eight`.
        unsafe {
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(b, b);
            _mm512_mask_mov_ps(_mm512_max_ps(b, a), nan, b)
        }
    }

    /// # Safety
    /// As `larger_of_eight`.
    #[inline(always)]
    unsafe fn evens_of_eight(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's promise. Pairs of `a`, `b`, `a`, `b` come to stand in order.
        unsafe {
            let pairs = _mm256_castps_pd(_mm256_shuffle_ps::<0x88>(a, b));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0xD8>(pairs))
        }
    }

    /// # Safety
    /// As `larger_of_eight`.
    #[inline(always)]
    unsafe fn odds_of_eight(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as in `evens_of_eight`.
        unsafe {
            let pairs = _mm256_castps_pd(_mm256_shuffle_ps::<0xDD>(a, b));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0xD8>(pairs))
        }
    }

    /// # Safety
    /// As `larger_of_eight`.
    #[inline(always)]
    unsafe fn evens_of_sixteen(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's promise. Places from 16 on are those of `b`.
        unsafe {
            let at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            _mm512_permutex2var_ps(a, at, b)
        }
    }

    /// # Safety
    /// As `larger_of_eight`.
    #[inline(always)]
    unsafe fn odds_of_sixteen(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as in `evens_of_sixteen`.
        unsafe {
            let at = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            _mm512_permutex2var_ps(a, at, b)
        }
    }

    vector!(
        Avx2,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_min_ps,
        _mm256_max_ps,
        _mm256_castps_si256,
        _mm256_castsi256_ps,
        _mm256_loadu_si256,
        _mm256_and_si256,
        larger_of_eight,
        evens_of_eight,
        odds_of_eight
    );
    vector!(
        Avx512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_min_ps,
        _mm512_max_ps,
        _mm512_castps_si512,
        _mm512_castsi512_ps,
        _mm512_loadu_si512,
        _mm512_and_si512,
        larger_of_sixteen,
        evens_of_sixteen,
        odds_of_sixteen
    );
}
