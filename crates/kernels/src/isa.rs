//! The instruction set, chosen when the program runs: AVX-512, AVX2 with FMA, or whatever the build assumes.
//!
//! A loop handed to [`vectorize`] is compiled twice, once with AVX2 and FMA switched on, and the machine decides
//! which copy runs. So a release binary built without flags is fast, and both copies pass the same tests.
//! Not here: hand-written kernels (they use the same test, [`has_avx2`]).

use std::sync::atomic::{AtomicU8, Ordering};

/// What [`vectorize`] and the hand-written kernels may use, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust, compiled for the build's target.
    Portable,
    /// AArch64, which always has NEON.
    Neon,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX2, FMA and the foundation of AVX-512.
    Avx512,
}

/// 0 = not looked up yet, 1 = portable, 2 = NEON, 3 = AVX2, 4 = AVX-512.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// The instruction set in use.
#[inline]
pub fn isa() -> Isa {
    match CHOSEN.load(Ordering::Relaxed) {
        0 => detect(),
        1 => Isa::Portable,
        2 => Isa::Neon,
        3 => Isa::Avx2,
        _ => Isa::Avx512,
    }
}

#[cold]
fn detect() -> Isa {
    force(Isa::Avx512);
    isa()
}

fn machine_has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

fn machine_has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    return machine_has_avx2() && std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Makes every later call use `isa`, or the best below it that the machine has; for tests and comparisons.
pub fn force(isa: Isa) {
    let chosen = match isa {
        Isa::Avx512 if machine_has_avx512() => 4,
        Isa::Avx512 | Isa::Avx2 if machine_has_avx2() => 3,
        Isa::Portable => 1,
        _ if cfg!(target_arch = "aarch64") => 2,
        _ => 1,
    };
    CHOSEN.store(chosen, Ordering::Relaxed);
}

/// Whether AVX2 and FMA are in use.
#[inline]
pub fn has_avx2() -> bool {
    isa() >= Isa::Avx2
}

/// Whether AVX-512 is in use, beside AVX2 and FMA.
#[inline]
pub fn has_avx512() -> bool {
    isa() == Isa::Avx512
}

/// Runs `f`, compiled for the best instruction set of this machine. Whatever `f` calls must be inlined into
/// it to profit, and `f` itself, too: a longer closure needs `#[inline(always)]`.
///
/// # Example
/// ```
/// let x = vec![1.0_f32; 1000];
/// let sum = hoyer_kernels::isa::vectorize(|| x.iter().map(|v| v * 2.0).sum::<f32>());
/// assert_eq!(sum, 2000.0);
/// ```
#[inline(always)]
pub fn vectorize<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: `has_avx2` is true only on a machine that has AVX2 and FMA.
        return unsafe { with_avx2(f) };
    }
    f()
}

/// As [`vectorize`], with AVX-512 too: for loops over so much arithmetic that wide vectors pay.
#[inline(always)]
pub fn vectorize_wide<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if has_avx512() {
        // SAFETY: `has_avx512` is true only on a machine that has AVX-512.
        return unsafe { with_avx512(f) };
    }
    vectorize(f)
}

/// # Safety
/// The machine must have AVX2, FMA and the foundation of AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f")]
unsafe fn with_avx512<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// # Safety
/// The machine must have AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// For tests, which run side by side.
#[cfg(test)]
pub(crate) mod forced {
    use super::{Isa, force};
    use std::sync::{PoisonError, RwLock, RwLockReadGuard};

    static FORCED: RwLock<()> = RwLock::new(());

    /// Until the guard goes, no test forces an instruction set: for tests that compare the bits of two runs.
    pub(crate) fn none() -> RwLockReadGuard<'static, ()> {
        FORCED.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a test with every instruction set in turn, and leaves the best one.
    pub(crate) fn all(test: impl Fn()) {
        let _alone = FORCED.write().unwrap_or_else(PoisonError::into_inner);
        for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
            force(isa);
            test();
        }
    }
}
