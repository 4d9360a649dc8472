//! Eight f32 side by side: the one thing hand-written kernels are written over.
//!
//! A kernel is a generic function over [`Lanes`], inlined into one entry per instruction set. `Avx2` needs a
//! caller compiled for AVX2 and FMA; [`Portable`] runs anywhere and is what the tests compare with.
//! Not here: loops that the compiler vectorizes by itself (`isa::vectorize`).

/// Eight f32.
pub(crate) trait Lanes: Copy {
    /// All eight equal to `x`.
    fn splat(x: f32) -> Self;

    /// The eight elements from `from` on.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes the eight elements from `to` on.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store(self, to: *mut f32);

    /// `self + a · b`, rounded once where the machine can.
    fn add_product(self, a: Self, b: Self) -> Self;

    /// The larger of each pair.
    fn max(self, other: Self) -> Self;
}

/// How many elements a [`Lanes`] holds.
pub(crate) const LANES: usize = 8;

/// Eight f32 in plain Rust.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable([f32; LANES]);

impl Lanes for Portable {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises eight readable elements; the read needs no alignment.
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises eight writable elements; the write needs no alignment.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) };
    }

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].max(other.0[i])))
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Lanes;
    use std::arch::x86_64::{
        __m256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps, _mm256_storeu_ps,
    };

    /// Eight f32 in one AVX2 register. Made and used only inside functions compiled for AVX2 and FMA.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx2(__m256);

    impl Lanes for Avx2 {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: this type is used only where AVX2 is on.
            Self(unsafe { _mm256_set1_ps(x) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as above; the caller promises eight readable elements.
            Self(unsafe { _mm256_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above; the caller promises eight writable elements.
            unsafe { _mm256_storeu_ps(to, self.0) };
        }

        #[inline(always)]
        fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: this type is used only where AVX2 and FMA are on.
            Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
        }

        #[inline(always)]
        fn max(self, other: Self) -> Self {
            // SAFETY: this type is used only where AVX2 is on.
            Self(unsafe { _mm256_max_ps(self.0, other.0) })
        }
    }
}
