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

    /// The sum of all eight, always in the same order: halves, quarters, eighths.
    fn sum(self) -> f32;

    /// Element `i` of vector `j` becomes element `j` of vector `i`.
    fn transpose(rows: [Self; LANES]) -> [Self; LANES];
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

/// Transposes `rows` rows of `columns` elements into `columns` rows of `width`, missing elements zero.
///
/// # Panics
/// If a slice is too short, or `width` is less than `rows` or not made of whole vectors.
pub(crate) fn transpose(from: &[f32], columns: usize, rows: usize, to: &mut [f32], width: usize) {
    assert!(from.len() >= rows * columns && to.len() >= columns * width, "both fill their shapes");
    assert!(rows <= width && width.is_multiple_of(LANES), "a row has whole vectors");
    let blocks = (rows / LANES * LANES, columns / LANES * LANES);
    #[cfg(target_arch = "x86_64")]
    if crate::isa::has_avx2() {
        // SAFETY: the machine has AVX2, and the blocks lie inside both shapes.
        unsafe { transpose_avx2(from, columns, blocks, to, width) };
        return transpose_rest(from, columns, rows, blocks, to, width);
    }
    // SAFETY: the blocks lie inside both shapes.
    unsafe { transpose_blocks::<Portable>(from, columns, blocks, to, width) };
    transpose_rest(from, columns, rows, blocks, to, width);
}

/// # Safety
/// The machine must have AVX2 and FMA; otherwise as [`transpose_blocks`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn transpose_avx2(
    from: &[f32],
    columns: usize,
    blocks: (usize, usize),
    to: &mut [f32],
    width: usize,
) {
    // SAFETY: the caller's promise is passed on.
    unsafe { transpose_blocks::<Avx2>(from, columns, blocks, to, width) };
}

/// # Safety
/// `from` must have as many rows as the blocks, `to` as many as their columns.
#[inline(always)]
unsafe fn transpose_blocks<L: Lanes>(
    from: &[f32],
    columns: usize,
    blocks: (usize, usize),
    to: &mut [f32],
    width: usize,
) {
    for j in (0..blocks.1).step_by(LANES) {
        for i in (0..blocks.0).step_by(LANES) {
            // SAFETY: the block lies inside both shapes, the caller promises.
            unsafe {
                let load = |r| L::load(from.as_ptr().add((i + r) * columns + j));
                let block = L::transpose(std::array::from_fn(load));
                for (r, row) in block.into_iter().enumerate() {
                    row.store(to.as_mut_ptr().add((j + r) * width + i));
                }
            }
        }
    }
}

/// What [`transpose_blocks`] leaves out.
fn transpose_rest(
    from: &[f32],
    columns: usize,
    rows: usize,
    blocks: (usize, usize),
    to: &mut [f32],
    width: usize,
) {
    for (j, to) in to.chunks_exact_mut(width).take(columns).enumerate() {
        let done = if j < blocks.1 { blocks.0 } else { 0 };
        for (i, to) in to.iter_mut().enumerate().skip(done) {
            *to = if i < rows { from[i * columns + j] } else { 0.0 };
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Lanes;
    use std::arch::x86_64::{
        __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_shuffle_ps,
        _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_max_ps, _mm256_permute2f128_ps, _mm256_set1_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_unpackhi_ps, _mm256_unpacklo_ps,
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
