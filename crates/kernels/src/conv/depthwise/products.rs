//! Sums of products of the output's gradient with what each tap read: the gradient by the weights.

use super::blocks;
use super::gather::fill;
use super::runs::{self, Padded, Phase};
use crate::conv::{Geometry, Work};
use crate::lanes::{self, LANES, Lanes, Loop};

/// Taps that are summed at a time.
const TAPS: usize = 9;

/// The products, ready to run.
#[derive(Debug, Clone)]
pub(in crate::conv) struct Products {
    channels: usize,
    padded: Padded,
    /// Where pixels of the input lie between zeros, and where those of the output lie.
    places: [Vec<usize>; 2],
    phase: Phase,
}

impl Products {
    pub(in crate::conv) fn new(g: &Geometry) -> Self {
        let (padded, mut phases) = runs::forward(g);
        let phase = phases.swap_remove(0);
        let places = [padded.places(), (0..g.pixels()).map(|p| p * LANES).collect()];
        assert!(
            phase.reach() <= padded.len()
                && places[0].iter().all(|at| at + LANES <= padded.len())
                && phase.to.len() == g.pixels(),
            "every pixel lies inside its plane"
        );
        Self { channels: g.groups, padded, places, phase }
    }

    /// Elements of the sums: `[block][tap][channel of block]`.
    pub(in crate::conv) fn sums_len(&self) -> usize {
        self.channels.div_ceil(LANES) * self.phase.taps.len() * LANES
    }

    /// What a sample takes: all that is read is transposed.
    pub(in crate::conv) fn work(&self) -> Work {
        let (channels, pixels) = (self.channels.next_multiple_of(LANES), self.phase.to.len());
        let products = channels * self.phase.taps.len() * pixels;
        Work { products, moved: channels * (self.padded.pixels() + pixels) }
    }

    /// Scratch memory of a thread, in elements.
    pub(in crate::conv) fn scratch_len(&self) -> usize {
        self.padded.len() + self.phase.to.len() * LANES
    }

    /// Adds the products of a sample to `sums`.
    pub(in crate::conv) fn accumulate(
        &self,
        dy: &[f32],
        x: &[f32],
        sums: &mut [f32],
        scratch: &mut [f32],
    ) {
        assert!(
            x.len() == self.channels * self.padded.pixels()
                && dy.len() == self.channels * self.phase.to.len()
                && sums.len() == self.sums_len(),
            "a sample fills its shape"
        );
        let (padded, wide) = scratch[..self.scratch_len()].split_at_mut(self.padded.len());
        padded.fill(0.0);
        // SAFETY: the slices were checked here, the tables when they were made.
        unsafe { lanes::run(Sample { of: self, dy, x, sums, padded, wide }) };
    }

    /// Transposes the sums into the weights' layout.
    pub(in crate::conv) fn gather(&self, sums: &[f32], dw: &mut [f32]) {
        let taps = self.phase.taps.len();
        for (first, sums) in blocks(self.channels).zip(sums.chunks_exact(taps * LANES)) {
            for (c, dw) in dw[first * taps..].chunks_exact_mut(taps).take(LANES).enumerate() {
                dw.iter_mut().enumerate().for_each(|(t, to)| *to = sums[t * LANES + c]);
            }
        }
    }
}

/// All channels of one sample. Every access must lie inside its slice.
struct Sample<'a> {
    of: &'a Products,
    dy: &'a [f32],
    x: &'a [f32],
    sums: &'a mut [f32],
    padded: &'a mut [f32],
    wide: &'a mut [f32],
}

impl Loop for Sample<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { of, dy, x, sums, padded, wide } = self;
        let Products { places: [inputs, outputs], phase, .. } = of;
        let sums = sums.chunks_exact_mut(phase.taps.len() * LANES);
        for (first, sums) in blocks(of.channels).zip(sums) {
            // SAFETY: a block's channels lie in the sample; the rest is the caller's promise.
            unsafe {
                fill::<L>(x.as_ptr().add(first * inputs.len()), inputs, padded.as_mut_ptr());
                fill::<L>(dy.as_ptr().add(first * outputs.len()), outputs, wide.as_mut_ptr());
                for (i, taps) in phase.taps.chunks(TAPS).enumerate() {
                    // A missing tap repeats the last one and is not stored.
                    let offsets = std::array::from_fn(|t| taps[t.min(taps.len() - 1)].offset);
                    let found = products::<L>(phase, offsets, padded.as_ptr(), wide.as_ptr());
                    for (t, found) in found.into_iter().enumerate().take(taps.len()) {
                        let sum = sums.as_mut_ptr().add((i * TAPS + t) * LANES);
                        L::load(sum).add(found).store(sum);
                    }
                }
            }
        }
    }
}

/// The products of some taps over all pixels.
///
/// # Safety
/// All that the phase reads must lie in `padded`, its pixels in `wide`; the machine must have the lanes.
#[inline(always)]
unsafe fn products<L: Lanes>(
    phase: &Phase,
    offsets: [usize; TAPS],
    padded: *const f32,
    wide: *const f32,
) -> [L; TAPS] {
    let mut sums = [L::splat(0.0); TAPS];
    let from = phase.from.as_flattened().iter().take(phase.to.len());
    for (p, at) in from.enumerate() {
        // SAFETY: the caller's promise is passed on.
        unsafe {
            let (dy, x) = (L::load(wide.add(p * LANES)), padded.add(*at));
            for (sum, offset) in sums.iter_mut().zip(offsets) {
                *sum = sum.add_product(dy, L::load(x.add(offset)));
            }
        }
    }
    sums
}
