//! Every pixel the sum of the taps it reads: forward, and the gradient by the input.

use super::runs::{self, Padded, Phase};
use super::{blocks, load_pixels, store_pixels};
use crate::conv::{Geometry, Work};
use crate::lanes::{self, LANES, Lanes, Loop};
use crate::plane_product::Finish;

/// The sums, ready to run.
#[derive(Debug, Clone)]
pub(in crate::conv) struct Gather {
    channels: usize,
    /// Weights of a channel.
    taps: usize,
    padded: Padded,
    places: Vec<usize>,
    /// Pixels of a plane that is written.
    pixels: usize,
    phases: Vec<Phase>,
    /// Whether the only phase is the plane itself.
    is_plain: bool,
}

impl Gather {
    /// From the input to the output.
    pub(in crate::conv) fn forward(g: &Geometry) -> Self {
        Self::new(g, runs::forward(g), g.output)
    }

    /// From the output's gradient to that of the input.
    pub(in crate::conv) fn backward(g: &Geometry) -> Self {
        Self::new(g, runs::backward(g), g.input)
    }

    fn new(g: &Geometry, (padded, phases): (Padded, Vec<Phase>), to: [usize; 2]) -> Self {
        let (places, pixels) = (padded.places(), to[0] * to[1]);
        let is_plain = phases.len() == 1 && phases[0].is_plain();
        assert!(
            phases.iter().all(|phase| phase.reach() <= padded.len())
                && places.iter().all(|at| at + LANES <= padded.len())
                && phases.iter().flat_map(|phase| &phase.to).all(|to| *to < pixels),
            "every pixel lies inside its plane"
        );
        Self { channels: g.groups, taps: g.taps(), padded, places, pixels, phases, is_plain }
    }

    /// Elements of the packed weights.
    pub(in crate::conv) fn packed_len(&self) -> usize {
        self.channels.div_ceil(LANES) * self.taps * LANES
    }

    /// `packed[block][tap][channel of block]`.
    pub(in crate::conv) fn pack(&self, w: &[f32], packed: &mut [f32]) {
        let packed = packed.chunks_exact_mut(self.taps * LANES);
        for (first, packed) in blocks(self.channels).zip(packed) {
            let w = &w[first * self.taps..];
            for (t, packed) in packed.chunks_exact_mut(LANES).enumerate() {
                packed.iter_mut().enumerate().for_each(|(c, to)| *to = w[c * self.taps + t]);
            }
        }
    }

    /// What a sample takes: all that is read and written is transposed.
    pub(in crate::conv) fn work(&self) -> Work {
        let channels = self.channels.next_multiple_of(LANES);
        let products: usize =
            self.phases.iter().map(|phase| phase.from.len() * LANES * phase.taps.len()).sum();
        let moved = channels * (self.padded.pixels() + self.pixels);
        Work { products: channels * products, moved }
    }

    /// Scratch memory of a thread, in elements.
    pub(in crate::conv) fn scratch_len(&self) -> usize {
        self.padded.len() + if self.is_plain { 0 } else { self.pixels * LANES }
    }

    /// One sample.
    pub(in crate::conv) fn sample(
        &self,
        from: &[f32],
        packed: &[f32],
        finish: &Finish<'_>,
        to: &mut [f32],
        scratch: &mut [f32],
    ) {
        assert!(
            from.len() == self.channels * self.padded.pixels()
                && to.len() == self.channels * self.pixels
                && packed.len() >= self.packed_len()
                && finish.bias.is_none_or(|bias| bias.len() == self.channels),
            "a sample fills its shape"
        );
        let (padded, wide) = scratch[..self.scratch_len()].split_at_mut(self.padded.len());
        padded.fill(0.0);
        // SAFETY: the slices were checked here, the tables when they were made.
        unsafe { lanes::run(Sample { of: self, from, packed, finish, to, padded, wide }) };
    }
}

/// All channels of one sample. Every access must lie inside its slice.
struct Sample<'a> {
    of: &'a Gather,
    from: &'a [f32],
    packed: &'a [f32],
    finish: &'a Finish<'a>,
    to: &'a mut [f32],
    padded: &'a mut [f32],
    wide: &'a mut [f32],
}

impl Loop for Sample<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { of, from, packed, finish, to, padded, wide } = self;
        let floor = L::splat(finish.floor);
        for (block, first) in blocks(of.channels).enumerate() {
            // SAFETY: a block's channels lie in the sample; the rest is the caller's promise.
            unsafe {
                let planes = from.as_ptr().add(first * of.padded.pixels());
                fill::<L>(planes, &of.places, padded.as_mut_ptr());
                let weights = packed.as_ptr().add(block * of.taps * LANES);
                let bias = finish.bias.map_or(L::splat(0.0), |b| L::load(b.as_ptr().add(first)));
                let planes = to.as_mut_ptr().add(first * of.pixels);
                for phase in &of.phases {
                    for (i, at) in phase.from.iter().enumerate() {
                        let sums = sums(padded.as_ptr(), at, (weights, phase), bias);
                        let sums = sums.map(|sum| sum.at_least(floor));
                        let left = phase.to.len() - i * LANES;
                        if of.is_plain {
                            store_pixels(sums, planes.add(i * LANES), of.pixels, left);
                            continue;
                        }
                        for (sum, to) in sums.into_iter().zip(&phase.to[i * LANES..]) {
                            sum.store(wide.as_mut_ptr().add(to * LANES));
                        }
                    }
                }
                if !of.is_plain {
                    unfold::<L>(wide.as_ptr(), planes, of.pixels);
                }
            }
        }
    }
}

/// Transposes eight planes into one of vectors, each pixel to its place.
///
/// # Safety
/// There must be eight planes with as many pixels as places, all of which lie in `padded`; the machine must have the lanes.
#[inline(always)]
pub(super) unsafe fn fill<L: Lanes>(planes: *const f32, places: &[usize], padded: *mut f32) {
    for (i, chunk) in places.chunks(LANES).enumerate() {
        // SAFETY: the caller's promise is passed on.
        unsafe {
            let pixels = load_pixels::<L>(planes.add(i * LANES), places.len(), chunk.len());
            for (pixel, at) in pixels.into_iter().zip(chunk) {
                pixel.store(padded.add(*at));
            }
        }
    }
}

/// Transposes a plane of vectors into eight planes.
///
/// # Safety
/// Both must hold `pixels` pixels of eight planes; the machine must have the lanes.
#[inline(always)]
unsafe fn unfold<L: Lanes>(wide: *const f32, planes: *mut f32, pixels: usize) {
    for first in (0..pixels).step_by(LANES) {
        let count = LANES.min(pixels - first);
        // SAFETY: the caller's promise is passed on; a missing pixel repeats the last one and is not stored.
        unsafe {
            let load = |i: usize| L::load(wide.add((first + i.min(count - 1)) * LANES));
            store_pixels(
                std::array::from_fn::<L, LANES, _>(load),
                planes.add(first),
                pixels,
                count,
            );
        }
    }
}

/// The sums of eight pixels.
///
/// # Safety
/// All that the phase reads must lie in `padded`, its weights at `weights`; the machine must have the lanes.
#[inline(always)]
unsafe fn sums<L: Lanes>(
    padded: *const f32,
    at: &[usize; LANES],
    (weights, phase): (*const f32, &Phase),
    bias: L,
) -> [L; LANES] {
    // SAFETY: the caller's promise is passed on.
    unsafe {
        let at = at.map(|at| padded.add(at));
        let mut sums = [bias; LANES];
        for tap in &phase.taps {
            let w = L::load(weights.add(tap.index * LANES));
            for (sum, at) in sums.iter_mut().zip(at) {
                *sum = sum.add_product(w, L::load(at.add(tap.offset)));
            }
        }
        sums
    }
}
