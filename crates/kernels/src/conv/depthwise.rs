//! Depthwise convolutions: every channel by itself, eight channels side by side in a vector.
//!
//! ```text
//! y[p]  = b + Σ_t w[t] · x[p · stride + t]        one vector is a pixel of eight channels
//! dx[q] = Σ_t w[t] · dy[(q − t) / stride]         over the taps t where that is whole
//! dw[t] = Σ_p dy[p] · x[p · stride + t]
//! ```
//! Eight planes are transposed on their way into the first cache, with zeros around them, so that a small plane fills its vectors as
//! well as a large one, and a stride is nothing but a distance. The first two are one loop (`gather`), the third another (`products`);
//! which pixel reads which is a table (`runs`). Lines that fill vectors by themselves go forward channel by channel (`planar`).
//! Not here: groups of more than one channel, and fewer than eight channels (the ways of the other files).

mod gather;
mod planar;
mod products;
mod runs;

pub(super) use gather::Gather;
pub(super) use planar::Planar;
pub(super) use products::Products;

use super::Geometry;
use crate::lanes::{LANES, Lanes};

/// Whether a convolution is one for these kernels.
pub(super) fn suits(g: &Geometry) -> bool {
    g.group_in() == 1 && g.group_out() == 1 && g.groups >= LANES
}

/// First channels of blocks of eight; the last block is moved back to end with the channels.
fn blocks(channels: usize) -> impl Iterator<Item = usize> {
    crate::plane_product::row_starts(channels)
}

/// Up to eight pixels of eight planes that lie `plane` elements apart, a vector for each pixel; the rest is zero.
///
/// # Safety
/// The pixels must be readable, and the machine must have the lanes.
#[inline(always)]
unsafe fn load_pixels<L: Lanes>(from: *const f32, plane: usize, count: usize) -> [L; LANES] {
    // SAFETY: the caller's promise is passed on; the block is as large as what is read of it.
    unsafe {
        if count >= LANES {
            return L::transpose(std::array::from_fn(|c| L::load(from.add(c * plane))));
        }
        let mut block = [[0.0_f32; LANES]; LANES];
        for (c, row) in block.iter_mut().enumerate() {
            row.iter_mut().take(count).enumerate().for_each(|(p, x)| *x = *from.add(c * plane + p));
        }
        L::transpose(std::array::from_fn(|c| L::load(block[c].as_ptr())))
    }
}

/// The opposite of [`load_pixels`].
///
/// # Safety
/// The pixels must be writable, and the machine must have the lanes.
#[inline(always)]
unsafe fn store_pixels<L: Lanes>(pixels: [L; LANES], to: *mut f32, plane: usize, count: usize) {
    // SAFETY: the caller's promise is passed on; the row is as large as what is written to it.
    unsafe {
        for (c, row) in L::transpose(pixels).into_iter().enumerate() {
            if count >= LANES {
                row.store(to.add(c * plane));
                continue;
            }
            let mut whole = [0.0_f32; LANES];
            row.store(whole.as_mut_ptr());
            whole.iter().take(count).enumerate().for_each(|(p, y)| *to.add(c * plane + p) = *y);
        }
    }
}
