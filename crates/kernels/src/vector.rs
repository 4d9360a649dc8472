//! Some f32 side by side, as wide as the machine has them: what hand-written loops are written over.
//!
//! A loop is a generic function over [`Vector`], inlined into one entry per instruction set; what counts in eights
//! is written over `lanes`. Invariant: the types of an instruction set are made and used only inside functions compiled for it.

/// [`Vector::LEN`] f32.
pub(crate) trait Vector: Copy {
    /// How many there are.
    const LEN: usize;

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

    /// At least `low` and at most `high`; what is not a number stays so.
    fn clamp(self, low: Self, high: Self) -> Self;
}

/// The widest vector there is; slices that the loops read past their last element have so much more.
pub(crate) const WIDEST: usize = 16;

/// Eight f32 in plain Rust.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable(pub(crate) [f32; 8]);

impl Vector for Portable {
    const LEN: usize = 8;

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
    fn clamp(self, low: Self, high: Self) -> Self {
        let limit = |x: f32, low: f32, high: f32| {
            let x = if x < low { low } else { x };
            if x > high { high } else { x }
        };
        Self(std::array::from_fn(|i| limit(self.0[i], low.0[i], high.0[i])))
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    macro_rules! vector {
        ($Name:ident, $len:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident,
         $min:ident, $max:ident) => {
            impl Vector for $Name {
                const LEN: usize = $len;

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
                fn clamp(self, low: Self, high: Self) -> Self {
                    // These instructions give their second operand where one is not a number.
                    // SAFETY: as in `splat`.
                    Self(unsafe { $min(high.0, $max(low.0, self.0)) })
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

    vector!(
        Avx2,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_min_ps,
        _mm256_max_ps
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
        _mm512_max_ps
    );
}
