//! Runs a generic loop with the widest vector instructions this processor has.
//!
//! A loop is compiled once for each instruction set, and the processor is asked at run time, so a
//! build without flags is as fast as any.
//!
//! Not here: the loops (`update`), the vectors (`vector`).

#[cfg(target_arch = "x86_64")]
use super::vector::{Avx2, Avx512};
use super::vector::{Portable, Vector};

/// A loop over plain slices; `run` must be `#[inline(always)]`, so that it takes on the
/// instruction set of its caller.
pub(super) trait Loop {
    /// What the loop returns.
    type Out;
    /// Runs it with vectors of one kind.
    fn run<V: Vector>(self) -> Self::Out;
}

/// The instruction sets a loop is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isa {
    /// What the target promises: on x86-64 this is SSE2.
    Portable,
    /// 256-bit vectors with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit vectors with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// Every variant, narrowest first.
    const ALL: &[Self] = &[
        Self::Portable,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
    ];

    /// Whether this processor has it; the standard library asks the processor once.
    #[inline]
    fn is_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => std::arch::is_x86_feature_detected!("avx512f"),
        }
    }

    /// What this processor can run, narrowest first.
    pub(super) fn here() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.iter().copied().filter(|isa| isa.is_here())
    }

    /// The widest that this processor can run, or portable code where `crate::isa` was told so.
    #[inline]
    pub(super) fn best() -> Self {
        if crate::isa::isa() == crate::isa::Isa::Portable {
            return Self::Portable;
        }
        Self::here().next_back().expect("portable code runs everywhere")
    }

    /// Runs `body` as compiled for this instruction set.
    #[inline]
    pub(super) fn run<L: Loop>(self, body: L) -> L::Out {
        assert!(self.is_here(), "this processor has no {self:?}");
        match self {
            Self::Portable => body.run::<Portable>(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the assertion has found AVX2 and FMA.
            Self::Avx2 => unsafe { avx2(body) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the assertion has found AVX-512F.
            Self::Avx512 => unsafe { avx512(body) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<L: Loop>(body: L) -> L::Out {
    body.run::<Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512<L: Loop>(body: L) -> L::Out {
    body.run::<Avx512>()
}
