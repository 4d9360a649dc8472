//! Eight f32 in two NEON registers, for AArch64. Tested under emulation (`docs/aarch64.md`), **not yet on such a machine**.
//!
//! Every AArch64 machine has NEON, so nothing is looked up.

use std::arch::aarch64::*;

use super::Vector;
use crate::lanes::{LANES, Lanes};

/// Eight f32: the first four, then the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon([float32x4_t; 2]);

impl Neon {
    #[inline(always)]
    fn of(numbers: [f32; 8]) -> Self {
        // SAFETY: an array of eight is readable.
        unsafe { Self::load(numbers.as_ptr()) }
    }

    #[inline(always)]
    fn numbers(self) -> [f32; 8] {
        let mut numbers = [0.0; 8];
        // SAFETY: an array of eight is writable.
        unsafe { self.store(numbers.as_mut_ptr()) };
        numbers
    }

    /// Both halves of `self` with those of `other`.
    #[inline(always)]
    fn with(self, other: Self, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Self {
        Self([f(self.0[0], other.0[0]), f(self.0[1], other.0[1])])
    }
}

impl Vector for Neon {
    const LEN: usize = 8;
    type Eight = Self;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: the target has NEON; so in all that follow.
        Self([unsafe { vdupq_n_f32(x) }; 2])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises eight readable elements.
        Self(unsafe { [vld1q_f32(from), vld1q_f32(from.add(4))] })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises eight writable elements.
        unsafe {
            vst1q_f32(to, self.0[0]);
            vst1q_f32(to.add(4), self.0[1]);
        }
    }

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(std::array::from_fn(|i| unsafe { vfmaq_f32(self.0[i], a.0[i], b.0[i]) }))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        self.with(other, |a, b| unsafe { vaddq_f32(a, b) })
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        // SAFETY: as in `splat`. What equals itself is a number.
        self.with(other, |a, b| unsafe {
            let takes = vorrq_u32(vcgtq_f32(b, a), vmvnq_u32(vceqq_f32(b, b)));
            vbslq_f32(takes, b, a)
        })
    }

    #[inline(always)]
    fn at_least(self, low: Self) -> Self {
        // Gives what is not a number where either operand is not.
        // SAFETY: as in `splat`.
        self.with(low, |a, b| unsafe { vmaxq_f32(a, b) })
    }

    #[inline(always)]
    fn clamp(self, low: Self, high: Self) -> Self {
        // SAFETY: as in `splat`.
        self.at_least(low).with(high, |a, b| unsafe { vminq_f32(a, b) })
    }

    #[inline(always)]
    unsafe fn keep(self, bits: *const u32) -> Self {
        // SAFETY: the caller promises eight readable words.
        let and = |x, bits| unsafe { vandq_u32(vreinterpretq_u32_f32(x), vld1q_u32(bits)) };
        // SAFETY: as in `splat`; the second four of the eight words begin at the fourth.
        Self(unsafe {
            [
                vreinterpretq_f32_u32(and(self.0[0], bits)),
                vreinterpretq_f32_u32(and(self.0[1], bits.add(4))),
            ]
        })
    }

    #[inline(always)]
    fn evens(self, next: Self) -> Self {
        // SAFETY: as in `splat`.
        Self([self, next].map(|x| unsafe { vuzp1q_f32(x.0[0], x.0[1]) }))
    }

    #[inline(always)]
    fn odds(self, next: Self) -> Self {
        // SAFETY: as in `splat`.
        Self([self, next].map(|x| unsafe { vuzp2q_f32(x.0[0], x.0[1]) }))
    }
}

impl Lanes for Neon {
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        self.with(other, |a, b| unsafe { vsubq_f32(a, b) })
    }

    #[inline(always)]
    unsafe fn load_halves(from: [*const f32; 2]) -> Self {
        // SAFETY: the caller promises four readable elements at each place.
        Self(from.map(|from| unsafe { vld1q_f32(from) }))
    }

    #[inline(always)]
    fn zip(self, odd: Self) -> [Self; 2] {
        // SAFETY: as in `splat`.
        [0, 1].map(|i| unsafe {
            Self([vzip1q_f32(self.0[i], odd.0[i]), vzip2q_f32(self.0[i], odd.0[i])])
        })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let x = self.numbers();
        let halves: [f32; 4] = std::array::from_fn(|i| x[i] + x[i + 4]);
        (halves[0] + halves[2]) + (halves[1] + halves[3])
    }

    #[inline(always)]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let rows = rows.map(Self::numbers);
        std::array::from_fn(|i| Self::of(std::array::from_fn(|j| rows[j][i])))
    }
}
