//! The gradient by the weights: Winograd's convolution, transposed.
//!
//! ```text
//! dw_oc = Gᵀ [ Σ_tiles (A dy Aᵀ) ⊙ (Bᵀ d_c B) ] G        A, B and G as in the other files
//! ```
//! The sum over tiles is, for each of the 16 places of a tile, a product as in `weight_gradient::outer`: tiles of the input are
//! broadcast against rows of output channels. So `dy` is transposed first, and its tiles are made of vectors of channels.

use super::product::{Product, Strides};
use super::{Block, Input, PLACES, QUAD, Tiles, pixels, weights};
use crate::conv::{Geometry, Work};
use crate::lanes::{self, LANES, Lanes, Loop};
use crate::pool::{Chunks, Pool};
use crate::transpose::transpose_padded;
use crate::vector::WIDEST;

/// Vectors of tiles whose products are summed in registers.
const VECTORS: usize = 8;

/// The gradient of a convolution that [`suits`](super::suits), ready to run.
#[derive(Debug, Clone)]
pub(in crate::conv) struct Gradient {
    channels: [usize; 2],
    pixels: usize,
    input: Input,
    tiles: Tiles,
    /// Vectors of a block.
    vectors: usize,
}

impl Gradient {
    pub(in crate::conv) fn new(g: &Geometry) -> Self {
        let tiles = Tiles::new(g.output);
        let vectors = VECTORS.min(tiles.vectors());
        Self {
            channels: [g.channels_in, g.channels_out],
            pixels: g.pixels(),
            input: Input::new(g),
            tiles,
            vectors,
        }
    }

    pub(in crate::conv) fn work(&self) -> Work {
        let (tiles, columns) = (self.tiles.vectors() * LANES, self.columns());
        let transposed = self.pixels * columns;
        let moved =
            self.input.copy_len() + transposed + PLACES * tiles * (self.channels[0] + columns);
        Work { products: PLACES * tiles * self.channels[0] * columns, moved }
    }

    fn columns(&self) -> usize {
        self.channels[1].next_multiple_of(WIDEST)
    }

    /// Elements of the sums: `[place][channel in][column]`.
    pub(in crate::conv) fn sums_len(&self) -> usize {
        PLACES * self.of_place()
    }

    fn of_place(&self) -> usize {
        self.channels[0] * self.columns()
    }

    /// Of the tiles of `dy`: from one place to the next, spread over the sets of the cache.
    fn place(&self) -> usize {
        self.vectors * LANES * self.columns() + 2 * LANES
    }

    fn block(&self, vectors: usize) -> Block {
        Block { channels: self.channels[0], vectors }
    }

    /// Scratch memory of a thread, in elements.
    pub(in crate::conv) fn scratch_len(&self) -> usize {
        let transposed = self.pixels * self.columns();
        let blocks = self.block(self.vectors).len() + PLACES * self.place();
        self.input.copy_len() + transposed + blocks
    }

    /// Adds the products of a sample to `sums`.
    pub(in crate::conv) fn accumulate(
        &self,
        dy: &[f32],
        x: &[f32],
        sums: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (copy, scratch) = scratch.split_at_mut(self.input.copy_len());
        let (rows, scratch) = scratch.split_at_mut(self.pixels * self.columns());
        let (input, results) = scratch.split_at_mut(self.block(self.vectors).len());
        self.input.fill(x, copy);
        transpose_padded(dy, [self.channels[1], self.pixels], (&mut *rows, self.columns()));
        for first in (0..self.tiles.vectors()).step_by(self.vectors) {
            let vectors = self.vectors.min(self.tiles.vectors() - first);
            let block = self.block(vectors);
            pixels::transform(&self.input, copy, &self.tiles, first, (block, &mut *input));
            self.spread(rows, first..first + vectors, results);
            let product = Product {
                rows: self.channels[0],
                terms: block.row(),
                columns: self.columns(),
                a: block.strides(),
                b: Strides::rows(self.place(), self.columns()),
                c: Strides::rows(self.of_place(), self.columns()),
                adds: true,
            };
            product.run(input, results, sums);
        }
    }

    /// `A dy Aᵀ` of some vectors of tiles: `[place][tile][channel]`.
    fn spread(&self, rows: &[f32], vectors: std::ops::Range<usize>, out: &mut [f32]) {
        let to = &self.tiles.to[vectors.clone()];
        let farthest =
            to.iter().flatten().max().copied().unwrap_or(0) + 2 * QUAD + self.tiles.width;
        assert!(farthest <= self.pixels && rows.len() >= self.pixels * self.columns());
        assert!(to.len() <= self.vectors && out.len() >= PLACES * self.place());
        let quads = &self.tiles.is_first[2 * vectors.start..2 * vectors.end];
        // SAFETY: the accesses were checked above.
        unsafe { lanes::run(Spread { of: self, rows, to, quads, out }) };
    }

    /// The gradient of the weights out of the sums of all samples.
    pub(in crate::conv) fn gather(&self, pool: &Pool, sums: &[f32], dw: &mut [f32]) {
        let ([channels, _], columns) = (self.channels, self.columns());
        let of_place = self.of_place();
        pool.for_each(self.channels[1], Chunks::new(dw, channels * 9), |o, dw| {
            for (c, dw) in dw.as_chunks_mut::<9>().0.iter_mut().enumerate() {
                let u = std::array::from_fn(|place| sums[place * of_place + c * columns + o]);
                *dw = weights::gradient(&u);
            }
        });
    }
}

struct Spread<'a> {
    of: &'a Gradient,
    rows: &'a [f32],
    to: &'a [[usize; 2]],
    quads: &'a [[bool; QUAD]],
    out: &'a mut [f32],
}

impl Loop for Spread<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let columns = self.of.columns();
        let quads = self.to.iter().flatten().zip(self.quads).enumerate();
        for (quad, (start, is_first)) in quads {
            for (i, is_first) in is_first.iter().enumerate() {
                for lane in (0..columns).step_by(LANES) {
                    // SAFETY: the caller promises that tiles lie in their planes and places in `out`.
                    unsafe {
                        let dy = self.rows.as_ptr().add((start + 2 * i) * columns + lane);
                        let out = self.out.as_mut_ptr().add((QUAD * quad + i) * columns + lane);
                        self.tile::<L>(dy, *is_first, out);
                    }
                }
            }
        }
    }
}

impl Spread<'_> {
    /// One tile of a vector of channels; zeros if another quad has it already.
    ///
    /// # Safety
    /// The tile's pixels must be readable, and all places of `out` writable.
    #[inline(always)]
    unsafe fn tile<L: Lanes>(&self, dy: *const f32, is_first: bool, out: *mut f32) {
        let width = self.of.columns();
        let below = self.of.tiles.width * width;
        let zero = L::splat(0.0);
        let load = |at: usize| {
            // SAFETY: passed on.
            if is_first { unsafe { L::load(dy.add(at)) } } else { zero }
        };
        let (upper, lower) = ([load(0), load(width)], [load(below), load(below + width)]);
        let place = self.of.place();
        let store = |y: usize, [a, b]: [L; 2]| {
            for (x, value) in [a, a.add(b), a.sub(b), zero.sub(b)].into_iter().enumerate() {
                // SAFETY: passed on.
                unsafe { value.store(out.add((4 * y + x) * place)) };
            }
        };
        store(0, upper);
        store(1, std::array::from_fn(|i| upper[i].add(lower[i])));
        store(2, std::array::from_fn(|i| upper[i].sub(lower[i])));
        store(3, lower.map(|y| zero.sub(y)));
    }
}
