//! How rows and planes must lie so that they do not fight for the same sets of the first cache.
//!
//! The numbers are those of today's machines (32 KiB, eight ways, lines of 64 bytes); where they differ, only speed does.

use crate::aligned::LINE;

/// Lines after which addresses fall on the same sets again, and lines that a set holds.
const SETS: usize = 64;
const WAYS: usize = 8;

/// From one plane to the next: enough for `plane` elements, and an odd number of lines, so that planes are spread over all sets.
pub(crate) fn spaced(plane: usize) -> usize {
    (plane.div_ceil(LINE) | 1) * LINE
}

/// Whether so many planes, one after the other, do not all find room: they share few sets.
pub(crate) fn collide(planes: usize, plane: usize) -> bool {
    let shared = 1 << (plane / LINE).trailing_zeros().min(SETS.ilog2());
    plane.is_multiple_of(LINE) && shared >= SETS / 4 && planes * shared > SETS * WAYS
}

/// Begins to fetch the line of an address into all caches; the address need not be valid.
#[inline(always)]
pub(crate) fn prefetch(at: *const f32) {
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and fetching ahead reads nothing: an address that is not mapped is ignored.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_of_whole_pages_collide_and_spaced_ones_do_not() {
        assert!(collide(16, 1024) && collide(512, 512));
        assert!(!collide(8, 1024) && !collide(1000, 784));
        for plane in 1..3000 {
            assert!(spaced(plane) >= plane && !collide(10_000, spaced(plane)), "{plane}");
        }
    }
}
