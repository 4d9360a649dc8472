//! `Bᵀ d B`: the pixels of tiles as they are multiplied.
//!
//! ```text
//!      ⎡ 1  0 −1  0 ⎤
//! Bᵀ = ⎢ 0  1  1  0 ⎥
//!      ⎢ 0 −1  1  0 ⎥
//!      ⎣ 0  1  0 −1 ⎦
//! ```

use super::{Block, Input, Tiles};
use crate::lanes::{self, LANES, Lanes, Loop};

/// Transforms vectors of tiles from `first` on, as many as the block has, of all channels.
///
/// # Panics
/// If a slice is too short.
pub(super) fn transform(
    input: &Input,
    copy: &[f32],
    tiles: &Tiles,
    first: usize,
    (block, out): (Block, &mut [f32]),
) {
    let from = &tiles.from[first..first + block.vectors];
    let farthest = from.iter().flatten().max().copied().unwrap_or(0) + LANES / 2;
    let pixel = input.pixels.iter().max().copied().unwrap_or(0);
    let last = block.channels.saturating_sub(1) * input.plane;
    assert!(last + farthest + pixel <= copy.len(), "all tiles lie inside their planes");
    assert!(out.len() >= block.len(), "the block fills its shape");
    let is_whole = tiles.is_whole;
    // SAFETY: the accesses were checked above; a whole vector ends where its second quad does.
    unsafe { lanes::run(Pixels { input, copy, from, is_whole, block, out }) };
}

struct Pixels<'a> {
    input: &'a Input,
    copy: &'a [f32],
    from: &'a [[usize; 2]],
    is_whole: bool,
    block: Block,
    out: &'a mut [f32],
}

impl Loop for Pixels<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for channel in 0..self.block.channels {
            // SAFETY: the caller promises that all channels and all vectors lie inside the slices.
            unsafe {
                let copy = self.copy.as_ptr().add(channel * self.input.plane);
                let out = self.out.as_mut_ptr().add(channel * self.block.row());
                for (v, from) in self.from.iter().enumerate() {
                    let out = out.add(v * LANES);
                    if self.is_whole {
                        self.tile::<L>(|pixel| L::load(copy.add(from[0] + pixel)), out);
                    } else {
                        let both = |pixel| from.map(|start| copy.add(start + pixel));
                        self.tile::<L>(|pixel| L::load_halves(both(pixel)), out);
                    }
                }
            }
        }
    }
}

impl Pixels<'_> {
    /// A vector of tiles.
    ///
    /// # Safety
    /// All places of `out` must be writable.
    #[inline(always)]
    unsafe fn tile<L: Lanes>(&self, load: impl Fn(usize) -> L, out: *mut f32) {
        let row = |y: usize| {
            let d: [L; 4] = std::array::from_fn(|x| load(self.input.pixels[4 * y + x]));
            [d[0].sub(d[2]), d[1].add(d[2]), d[2].sub(d[1]), d[1].sub(d[3])]
        };
        let store = |y: usize, row: [L; 4]| {
            for (x, value) in row.into_iter().enumerate() {
                // SAFETY: passed on.
                unsafe { value.store(out.add((4 * y + x) * self.block.place())) };
            }
        };
        let each = |f: fn(L, L) -> L, a: [L; 4], b: [L; 4]| std::array::from_fn(|i| f(a[i], b[i]));
        let [first, third] = [row(0), row(2)];
        store(0, each(L::sub, first, third));
        let second = row(1);
        store(1, each(L::add, second, third));
        store(2, each(L::sub, third, second));
        store(3, each(L::sub, second, row(3)));
    }
}
