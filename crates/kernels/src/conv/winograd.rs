//! 3x3 kernels of stride 1 with fewer products: Winograd's F(2x2, 3x3), 16 products for 4 results where a sum over taps has 36.
//!
//! ```text
//! y = Aᵀ [ Σ_c (G w_oc Gᵀ) ⊙ (Bᵀ d_c B) ] A      for every tile of 2 x 2 results; d are the 4 x 4 pixels it reads
//! ```
//! The sum over channels is, for each of the 16 places of a tile, a product of a small matrix with vectors of tiles.
//! Tiles are taken by fours from a row; two such quads are a vector. Source: Lavin and Gray, Fast Algorithms for Convolutional
//! Neural Networks (CVPR 2016), §4.1. The input gradient is the same with turned kernels; the weight gradient is the transpose
//! of all (`gradient`).

mod gradient;
mod pixels;
mod product;
mod results;
mod weights;

pub(super) use gradient::Gradient;
pub(super) use weights::Kernels;

use super::Geometry;
use super::forward::Work;
use super::phases::{Phases, View};
use crate::lanes::LANES;
use crate::plane_product::Finish;
use crate::vector::WIDEST;
use product::{PANEL, Product, Strides};

/// Places of a tile as it is multiplied.
const PLACES: usize = 16;
/// Tiles side by side that are taken at once.
const QUAD: usize = 4;
/// Vectors of eight in one of the widest kind.
const PAIR: usize = WIDEST / LANES;
/// Transformed pixels and results that are at work at a time, in elements: what the second cache holds with room to spare.
const NEAR: usize = 32 * 1024;

/// The tiles of a plane of results.
#[derive(Debug, Clone)]
struct Tiles {
    /// For every vector, where its two quads start in a phase of the input.
    from: Vec<[usize; 2]>,
    /// Likewise in a plane of results.
    to: Vec<[usize; 2]>,
    /// Of a row of results.
    width: usize,
    /// For every quad, whether its tiles come for the first time: a row's last quad may be moved back to end with it.
    is_first: Vec<[bool; QUAD]>,
    /// Whether every vector reads eight elements that lie side by side.
    is_whole: bool,
}

impl Tiles {
    /// Tiles of results of this height and width, read from phases.
    fn new([height, width]: [usize; 2]) -> Self {
        let (down, right) = (height / 2, width / 2);
        let quads = (0..down).flat_map(|y| {
            (0..right).step_by(QUAD).map(move |x| {
                let start = x.min(right - QUAD);
                ([y, start], std::array::from_fn(|i| start + i >= x))
            })
        });
        let mut quads: Vec<([usize; 2], [bool; QUAD])> = quads.collect();
        // The last one again until the products have whole vectors, also of the widest kind.
        let (whole, last) = (quads.len().next_multiple_of(WIDEST / QUAD), quads[quads.len() - 1].0);
        quads.resize(whole, (last, [false; QUAD]));
        let pitch = right + 1;
        let both = |place: &dyn Fn([usize; 2]) -> usize| {
            quads.as_chunks::<2>().0.iter().map(|pair| pair.map(|(at, _)| place(at))).collect()
        };
        let from: Vec<[usize; 2]> = both(&|[y, x]| y * pitch + x);
        Self {
            is_whole: from.iter().all(|[low, high]| high - low == QUAD),
            from,
            to: both(&|[y, x]| 2 * y * width + 2 * x),
            width,
            is_first: quads.iter().map(|(_, first)| *first).collect(),
        }
    }

    fn vectors(&self) -> usize {
        self.from.len()
    }
}

/// Some vectors of tiles of all channels: `[place][channel][tile]`, places spread over the sets of the cache.
#[derive(Debug, Clone, Copy)]
struct Block {
    channels: usize,
    vectors: usize,
}

impl Block {
    /// From one channel to the next.
    fn row(&self) -> usize {
        self.vectors * LANES
    }

    /// From one place to the next.
    fn place(&self) -> usize {
        self.channels * self.row() + 2 * LANES
    }

    fn len(&self) -> usize {
        PLACES * self.place()
    }

    fn strides(&self) -> Strides {
        Strides::rows(self.place(), self.row())
    }
}

/// The input made ready: phases of stride 2, and the 4 x 4 pixels of tiles.
#[derive(Debug, Clone)]
struct Input {
    size: [usize; 2],
    phases: Phases,
    /// Where each of a tile's pixels is read, from where its quad starts.
    pixels: [usize; PLACES],
    /// From one channel to the next.
    plane: usize,
}

impl Input {
    fn new(g: &Geometry) -> Self {
        let output = g.output.map(|n| n / 2);
        let phases = Phases::new(Geometry { kernel: [4; 2], stride: [2; 2], output, ..*g }, 0);
        let pixels = std::array::from_fn(|i| phases.offset(0, i / 4, i % 4));
        let plane = phases.plane();
        Self { size: g.input, phases, pixels, plane }
    }

    fn copy_len(&self) -> usize {
        self.phases.copy_len()
    }

    fn fill(&self, sample: &[f32], copy: &mut [f32]) {
        self.phases.fill(sample, View::plain(self.size), copy);
    }
}

/// Whether a convolution can be computed so, and whether it takes less time: where few channels meet, the transforms take more
/// than they save.
pub(super) fn suits(g: &Geometry) -> bool {
    let ones = g.groups == 1 && g.stride == [1; 2] && g.dilation == [1; 2] && g.kernel == [3; 2];
    let even = g.output.iter().all(|n| n.is_multiple_of(2)) && g.output[1] >= 2 * QUAD;
    ones && even && g.channels_in >= 8 && g.channels_out >= 8
}

/// A convolution, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Winograd {
    channels: [usize; 2],
    pixels: usize,
    input: Input,
    tiles: Tiles,
    /// Vectors of a block.
    vectors: usize,
}

impl Winograd {
    /// Prepares a convolution that [`suits`].
    pub(super) fn new(g: &Geometry) -> Self {
        let tiles = Tiles::new(g.output);
        let channels = [g.channels_in, g.channels_out];
        let of_vector = PLACES * LANES * (g.channels_in + g.channels_out);
        let vectors = (NEAR / of_vector / PAIR * PAIR).clamp(PAIR, tiles.vectors());
        Self { channels, pixels: g.pixels(), input: Input::new(g), tiles, vectors }
    }

    /// Elements of the packed kernels.
    pub(super) fn packed_len(&self) -> usize {
        let [terms, rows] = self.channels;
        PLACES * Strides::packed(rows, terms).place
    }

    /// Transforms and packs the kernels.
    pub(super) fn pack(&self, kernels: Kernels<'_>, packed: &mut [f32]) {
        weights::pack(kernels, self.channels, packed);
    }

    pub(super) fn work(&self) -> Work {
        let (tiles, [terms, rows]) = (self.tiles.vectors() * LANES, self.channels);
        let moved = self.input.copy_len() + PLACES * tiles * (terms + rows);
        Work { products: PLACES * tiles * terms * rows.next_multiple_of(PANEL), moved }
    }

    fn block(&self, channels: usize) -> Block {
        Block { channels, vectors: self.vectors }
    }

    /// Scratch memory of a thread, in elements.
    pub(super) fn scratch_len(&self) -> usize {
        let blocks: usize = self.channels.map(|channels| self.block(channels).len()).iter().sum();
        self.input.copy_len() + blocks
    }

    /// Computes one sample.
    pub(super) fn sample(
        &self,
        x: &[f32],
        packed: &[f32],
        finish: &Finish<'_>,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        let [terms, rows] = self.channels;
        let (copy, scratch) = scratch.split_at_mut(self.input.copy_len());
        self.input.fill(x, copy);
        for first in (0..self.tiles.vectors()).step_by(self.vectors) {
            let vectors = self.vectors.min(self.tiles.vectors() - first);
            let [from, to] = self.channels.map(|channels| Block { channels, vectors });
            let (input, results) = scratch.split_at_mut(self.block(terms).len());
            pixels::transform(&self.input, copy, &self.tiles, first, (from, &mut *input));
            let product = Product {
                rows,
                terms,
                columns: from.row(),
                a: Strides::packed(rows, terms),
                b: from.strides(),
                c: to.strides(),
                adds: false,
            };
            product.run(packed, input, results);
            results::transform((to, &*results), &self.tiles, first, finish, (self.pixels, &mut *y));
        }
    }
}
