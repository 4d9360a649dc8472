//! `Aᵀ m A`: what was multiplied, as results, with bias and activation.
//!
//! ```text
//! Aᵀ = ⎡ 1  1  1  0 ⎤
//!      ⎣ 0  1 −1 −1 ⎦
//! ```

use super::{Block, Tiles};
use crate::lanes::{self, LANES, Lanes, Loop};
use crate::plane_product::Finish;

/// Transforms vectors of tiles from `first` on, as many as the block has, of all channels, into planes of so many pixels.
///
/// # Panics
/// If a slice is too short.
pub(super) fn transform(
    (block, products): (Block, &[f32]),
    tiles: &Tiles,
    first: usize,
    finish: &Finish<'_>,
    (pixels, y): (usize, &mut [f32]),
) {
    let to = &tiles.to[first..first + block.vectors];
    let farthest = to.iter().flatten().max().copied().unwrap_or(0) + tiles.width + LANES;
    assert!(products.len() >= block.len(), "the block fills its shape");
    assert!(farthest <= pixels && block.channels * pixels <= y.len(), "tiles lie in their planes");
    assert!(finish.bias.is_none_or(|bias| bias.len() == block.channels), "a bias per channel");
    // SAFETY: the accesses were checked above.
    unsafe { lanes::run(Results { block, products, to, width: tiles.width, finish, pixels, y }) };
}

struct Results<'a> {
    block: Block,
    products: &'a [f32],
    to: &'a [[usize; 2]],
    /// Of a row of results.
    width: usize,
    finish: &'a Finish<'a>,
    pixels: usize,
    y: &'a mut [f32],
}

impl Loop for Results<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let floor = L::splat(self.finish.floor);
        for channel in 0..self.block.channels {
            let bias = L::splat(self.finish.bias.map_or(0.0, |bias| bias[channel]));
            // SAFETY: the caller promises that all channels and all vectors lie inside the slices.
            unsafe {
                let products = self.products.as_ptr().add(channel * self.block.row());
                let y = self.y.as_mut_ptr().add(channel * self.pixels);
                for (v, to) in self.to.iter().enumerate() {
                    let m = products.add(v * LANES);
                    for (down, [even, odd]) in self.tile::<L>(m).into_iter().enumerate() {
                        let last = |y: L| y.add(bias).at_least(floor);
                        let quads = last(even).zip(last(odd));
                        for (to, quad) in to.iter().zip(quads) {
                            quad.store(y.add(to + down * self.width));
                        }
                    }
                }
            }
        }
    }
}

impl Results<'_> {
    /// The 2 x 2 results of a vector of tiles.
    ///
    /// # Safety
    /// All places of `m` must be readable.
    #[inline(always)]
    unsafe fn tile<L: Lanes>(&self, m: *const f32) -> [[L; 2]; 2] {
        let row = |y: usize| {
            let m: [L; 4] = std::array::from_fn(|x| {
                // SAFETY: passed on.
                unsafe { L::load(m.add((4 * y + x) * self.block.place())) }
            });
            [m[0].add(m[1]).add(m[2]), m[1].sub(m[2]).sub(m[3])]
        };
        let [second, third] = [row(1), row(2)];
        let [first, fourth] = [row(0), row(3)];
        [
            std::array::from_fn(|i| first[i].add(second[i]).add(third[i])),
            std::array::from_fn(|i| second[i].sub(third[i]).sub(fourth[i])),
        ]
    }
}
