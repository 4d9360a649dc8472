//! Sixteen floats at a time: one interface, a type for each instruction set.
//!
//! Every operation rounds each lane correctly and on its own, so all types give the same bits, but
//! for [`Vector::mul_add`]: plain arrays round it twice, because a fused one that the processor
//! does not have would be a hundred times slower.
//!
//! Not here: which type runs (`isa`), horizontal sums (`term::fold`).

use std::ops::{Add, Div, Mul, Sub};

use super::{Block, LANES};

/// `LANES` floats with arithmetic lane by lane.
pub(super) trait Vector:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// A choice of lanes.
    type Alive: Copy;
    /// The same number in every lane.
    fn splat(x: f32) -> Self;
    /// The numbers of a block.
    fn load(from: &Block) -> Self;
    /// Writes all lanes to a block.
    fn store(self, to: &mut Block);
    /// The numbers of a slice shorter than a block, and zeros.
    fn load_part(from: &[f32]) -> Self;
    /// Writes the first lanes to a slice shorter than a block.
    fn store_part(self, to: &mut [f32]);
    /// `self · factor + summand`, rounded once where the processor can.
    fn mul_add(self, factor: Self, summand: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// `self · sign(w)` with `sign(±0) = 0`.
    fn with_sign_of(self, w: Self) -> Self;
    /// `self` in the lanes of `alive`, else 0. A select and not a product: NaN dies too.
    fn keep(self, alive: Self::Alive) -> Self;
    /// The lanes where `mask` is true.
    fn alive(mask: &[bool; LANES]) -> Self::Alive;
}

/// A mask of `len` living lanes and dead ones behind them.
///
/// # Panics
/// If `len` exceeds [`LANES`].
#[inline(always)]
pub(super) fn first(len: usize) -> &'static [bool; LANES] {
    static STEP: [bool; 2 * LANES] = {
        let mut step = [false; 2 * LANES];
        let mut i = 0;
        while i < LANES {
            step[i] = true;
            i += 1;
        }
        step
    };
    STEP[LANES - len..].first_chunk().expect("a block is left behind any start")
}

/// Plain arrays, for any processor.
#[derive(Clone, Copy)]
pub(super) struct Portable(Block);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, op: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = self.0;
        for l in 0..LANES {
            out[l] = op(self.0[l], other.0[l]);
        }
        Self(out)
    }
}

impl Add for Portable {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |x, y| x + y)
    }
}

impl Sub for Portable {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |x, y| x - y)
    }
}

impl Mul for Portable {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |x, y| x * y)
    }
}

impl Div for Portable {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |x, y| x / y)
    }
}

impl Vector for Portable {
    type Alive = [bool; LANES];

    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; LANES])
    }

    #[inline(always)]
    fn load(from: &Block) -> Self {
        Self(*from)
    }

    #[inline(always)]
    fn store(self, to: &mut Block) {
        *to = self.0;
    }

    #[inline(always)]
    fn load_part(from: &[f32]) -> Self {
        let mut lanes = [0.0; LANES];
        lanes[..from.len()].copy_from_slice(from);
        Self(lanes)
    }

    #[inline(always)]
    fn store_part(self, to: &mut [f32]) {
        to.copy_from_slice(&self.0[..to.len()]);
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, summand: Self) -> Self {
        self * factor + summand
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.zip(self, |x, _| x.sqrt())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.zip(self, |x, _| x.abs())
    }

    #[inline(always)]
    fn with_sign_of(self, w: Self) -> Self {
        self.zip(w, |x, w| {
            let signed = f32::from_bits(x.to_bits() ^ (w.to_bits() & SIGN));
            if w == 0.0 { 0.0 } else { signed }
        })
    }

    #[inline(always)]
    fn keep(self, alive: Self::Alive) -> Self {
        let mut out = self.0;
        for l in 0..LANES {
            out[l] = if alive[l] { self.0[l] } else { 0.0 };
        }
        Self(out)
    }

    #[inline(always)]
    fn alive(mask: &[bool; LANES]) -> Self::Alive {
        *mask
    }
}

/// The sign bit of an `f32`.
const SIGN: u32 = 0x8000_0000;

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// Types that hold machine vectors. Only `Isa::run` names them, in functions compiled for the
/// instruction set and entered after the processor was asked for it: the reason why every `unsafe`
/// block below is sound.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::ops::{Add, Div, Mul, Sub};

    use super::{Block, LANES, SIGN, Vector, first};

    /// Two 256-bit vectors.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256, __m256);

    /// One 512-bit vector.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    /// An operator of both types from its intrinsics.
    macro_rules! operator {
        ($trait:ident, $name:ident, $avx2:ident, $avx512:ident) => {
            impl $trait for Avx2 {
                type Output = Self;
                #[inline(always)]
                fn $name(self, other: Self) -> Self {
                    // SAFETY: a value of this type exists, so the processor has AVX2.
                    unsafe { Self($avx2(self.0, other.0), $avx2(self.1, other.1)) }
                }
            }
            impl $trait for Avx512 {
                type Output = Self;
                #[inline(always)]
                fn $name(self, other: Self) -> Self {
                    // SAFETY: a value of this type exists, so the processor has AVX-512F.
                    unsafe { Self($avx512(self.0, other.0)) }
                }
            }
        };
    }

    operator!(Add, add, _mm256_add_ps, _mm512_add_ps);
    operator!(Sub, sub, _mm256_sub_ps, _mm512_sub_ps);
    operator!(Mul, mul, _mm256_mul_ps, _mm512_mul_ps);
    operator!(Div, div, _mm256_div_ps, _mm512_div_ps);

    impl Vector for Avx2 {
        /// All bits of a lane, or none.
        type Alive = Self;

        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: called under AVX2 and FMA only (see the module).
            unsafe { Self(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
        }

        #[inline(always)]
        fn load(from: &Block) -> Self {
            // SAFETY: called under AVX2 and FMA only; a block holds twice the 8 floats of a load.
            unsafe { Self(_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))) }
        }

        #[inline(always)]
        fn store(self, to: &mut Block) {
            // SAFETY: called under AVX2 and FMA only; a block holds twice the 8 floats of a store.
            unsafe {
                _mm256_storeu_ps(to.as_mut_ptr(), self.0);
                _mm256_storeu_ps(to.as_mut_ptr().add(8), self.1);
            }
        }

        #[inline(always)]
        fn load_part(from: &[f32]) -> Self {
            let Self(low, high) = Self::alive(first(from.len()));
            let from = from.as_ptr();
            // SAFETY: called under AVX2 and FMA only; lanes are read as far as the slice goes.
            unsafe {
                Self(
                    _mm256_maskload_ps(from, _mm256_castps_si256(low)),
                    _mm256_maskload_ps(from.wrapping_add(8), _mm256_castps_si256(high)),
                )
            }
        }

        #[inline(always)]
        fn store_part(self, to: &mut [f32]) {
            let Self(low, high) = Self::alive(first(to.len()));
            let to = to.as_mut_ptr();
            // SAFETY: called under AVX2 and FMA only; lanes are written as far as the slice goes.
            unsafe {
                _mm256_maskstore_ps(to, _mm256_castps_si256(low), self.0);
                _mm256_maskstore_ps(to.wrapping_add(8), _mm256_castps_si256(high), self.1);
            }
        }

        #[inline(always)]
        fn mul_add(self, x: Self, y: Self) -> Self {
            // SAFETY: called under AVX2 and FMA only (see the module).
            unsafe { Self(_mm256_fmadd_ps(self.0, x.0, y.0), _mm256_fmadd_ps(self.1, x.1, y.1)) }
        }

        #[inline(always)]
        fn sqrt(self) -> Self {
            // SAFETY: called under AVX2 and FMA only (see the module).
            unsafe { Self(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)) }
        }

        #[inline(always)]
        fn abs(self) -> Self {
            // SAFETY: called under AVX2 and FMA only (see the module).
            unsafe {
                let sign = _mm256_set1_ps(f32::from_bits(SIGN));
                Self(_mm256_andnot_ps(sign, self.0), _mm256_andnot_ps(sign, self.1))
            }
        }

        #[inline(always)]
        fn with_sign_of(self, w: Self) -> Self {
            // SAFETY: called under AVX2 and FMA only (see the module).
            let half = |x, w| unsafe {
                let signs = _mm256_and_ps(w, _mm256_set1_ps(f32::from_bits(SIGN)));
                let nonzero = _mm256_cmp_ps::<_CMP_NEQ_UQ>(w, _mm256_setzero_ps());
                _mm256_and_ps(_mm256_xor_ps(x, signs), nonzero)
            };
            Self(half(self.0, w.0), half(self.1, w.1))
        }

        #[inline(always)]
        fn keep(self, alive: Self) -> Self {
            // SAFETY: called under AVX2 and FMA only (see the module).
            unsafe { Self(_mm256_and_ps(self.0, alive.0), _mm256_and_ps(self.1, alive.1)) }
        }

        #[inline(always)]
        fn alive(mask: &[bool; LANES]) -> Self {
            // SAFETY: called under AVX2 and FMA only; the mask holds the 16 bytes of the load.
            unsafe {
                let bytes = _mm_loadu_si128(mask.as_ptr().cast());
                let low = _mm256_cvtepu8_epi32(bytes);
                let high = _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes));
                let zero = _mm256_setzero_si256();
                Self(
                    _mm256_castsi256_ps(_mm256_sub_epi32(zero, low)),
                    _mm256_castsi256_ps(_mm256_sub_epi32(zero, high)),
                )
            }
        }
    }

    impl Vector for Avx512 {
        type Alive = __mmask16;

        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: called under AVX-512F only (see the module).
            unsafe { Self(_mm512_set1_ps(x)) }
        }

        #[inline(always)]
        fn load(from: &Block) -> Self {
            // SAFETY: called under AVX-512F only; a block holds the 16 floats of a load.
            unsafe { Self(_mm512_loadu_ps(from.as_ptr())) }
        }

        #[inline(always)]
        fn store(self, to: &mut Block) {
            // SAFETY: called under AVX-512F only; a block holds the 16 floats of a store.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
        }

        #[inline(always)]
        fn load_part(from: &[f32]) -> Self {
            let lanes = Self::alive(first(from.len()));
            // SAFETY: called under AVX-512F only; lanes are read as far as the slice goes.
            unsafe { Self(_mm512_maskz_loadu_ps(lanes, from.as_ptr())) }
        }

        #[inline(always)]
        fn store_part(self, to: &mut [f32]) {
            let lanes = Self::alive(first(to.len()));
            // SAFETY: called under AVX-512F only; lanes are written as far as the slice goes.
            unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), lanes, self.0) }
        }

        #[inline(always)]
        fn mul_add(self, x: Self, y: Self) -> Self {
            // SAFETY: called under AVX-512F only (see the module).
            unsafe { Self(_mm512_fmadd_ps(self.0, x.0, y.0)) }
        }

        #[inline(always)]
        fn sqrt(self) -> Self {
            // SAFETY: called under AVX-512F only (see the module).
            unsafe { Self(_mm512_sqrt_ps(self.0)) }
        }

        #[inline(always)]
        fn abs(self) -> Self {
            // SAFETY: called under AVX-512F only (see the module).
            unsafe { Self(_mm512_abs_ps(self.0)) }
        }

        #[inline(always)]
        fn with_sign_of(self, w: Self) -> Self {
            // SAFETY: called under AVX-512F only (see the module).
            unsafe {
                let bits = _mm512_castps_si512(w.0);
                let signs = _mm512_and_si512(bits, _mm512_set1_epi32(SIGN.cast_signed()));
                let signed = _mm512_xor_si512(_mm512_castps_si512(self.0), signs);
                let nonzero = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(w.0, _mm512_setzero_ps());
                Self(_mm512_maskz_mov_ps(nonzero, _mm512_castsi512_ps(signed)))
            }
        }

        #[inline(always)]
        fn keep(self, alive: __mmask16) -> Self {
            // SAFETY: called under AVX-512F only (see the module).
            unsafe { Self(_mm512_maskz_mov_ps(alive, self.0)) }
        }

        #[inline(always)]
        fn alive(mask: &[bool; LANES]) -> __mmask16 {
            // SAFETY: called under AVX-512F only; the mask holds the 16 bytes of the load.
            unsafe {
                let lanes = _mm512_cvtepu8_epi32(_mm_loadu_si128(mask.as_ptr().cast()));
                _mm512_test_epi32_mask(lanes, lanes)
            }
        }
    }
}
