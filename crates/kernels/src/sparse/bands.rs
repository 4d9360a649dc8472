//! Whether the input channels of a product are taken in bands, so that more of what a tile reads of them stays in the nearest cache.
//!
//! ```text
//! one band:   a weight reads a tile of its channel, from the second cache if the tiles of all channels do not stay in the first
//! B bands:    narrower tiles of fewer channels do, mostly; but a row's sums are written and read again B - 1 times
//! ```
//! The numbers were found with `sparse_speed` and a MobileNetV1 (`records/2026-11-24_sparse-inference.md`): bands that fit in
//! 32 KiB are slower than fewer ones that do not quite. Not here: the loops (`spmm`).

use super::spmm::TILE;
use crate::vector::WIDEST;

/// Vectors of a tile if there are several bands.
const NARROWER: usize = 5;
/// Elements that the tiles of a band have.
const NEAR: usize = 14_000;
/// Weights that a row must have in each band on average to be worth it.
const WEIGHTS: usize = 8;

/// How a product over planes is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bands {
    /// Into how many bands the input channels are cut.
    pub(crate) count: usize,
    /// Most vectors of a tile.
    pub(crate) tile: usize,
}

/// What a product reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reads {
    pub(crate) channels: usize,
    /// Pixels of a channel, without those that only a window reaches.
    pub(crate) pixels: usize,
    /// What a window reaches beside the pixel of its first tap.
    pub(crate) beside: usize,
    pub(crate) rows: usize,
    /// In all rows.
    pub(crate) weights: usize,
}

impl Bands {
    /// All channels at once.
    pub(crate) const ONE: Self = Self { count: 1, tile: TILE };

    /// What takes least time.
    pub(crate) fn new(reads: &Reads) -> Self {
        let pixels = reads.pixels.next_multiple_of(WIDEST).min(NARROWER * WIDEST);
        let count = (reads.channels * (pixels + reads.beside)).div_ceil(NEAR);
        let pays = count > 1 && reads.weights >= count * reads.rows * WEIGHTS;
        if pays { Self { count, tile: NARROWER } } else { Self::ONE }
    }

    /// Which band one of so many channels belongs to.
    pub(crate) fn of(&self, channel: usize, channels: usize) -> usize {
        channel / channels.div_ceil(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_channels_with_enough_weights_are_cut_and_none_else() {
        let wide =
            Reads { channels: 512, pixels: 210, beside: 0, rows: 512, weights: 512 * 512 / 10 };
        let bands = Bands::new(&wide);
        assert_eq!(bands, Bands { count: 3, tile: NARROWER });
        assert_eq!([0, 170, 171, 511].map(|c| bands.of(c, 512)), [0, 0, 1, 2]);
        assert_eq!(Bands::new(&Reads { weights: 512 * 512 / 50, ..wide }), Bands::ONE);
        let near = Reads { channels: 64, rows: 64, weights: 64 * 64, ..wide };
        assert_eq!(Bands::new(&near), Bands::ONE);
    }
}
