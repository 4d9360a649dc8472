//! How long a layer takes, before it has run.
//!
//! ```text
//! sparse conv    nnz · tiles · a + nnz · vectors · b + rows · (vectors · c + d)  [+ copy]     vectors of 16 f32
//! dense conv     as `forecast` says
//! sparse linear  nnz · g + rows · h           many samples: as a sparse conv, and the turning of samples into pixels
//! dense linear   likewise, or weights · i for one sample
//! ```
//! The constants, in ns, were fitted to `sparse_speed` of the kernels crate on one core of an EPYC 9004 with AVX-512 (see
//! `records/`). Another machine is faster or slower, but it is the comparison that counts, and it holds better than either
//! side. Not here: measuring instead (`tune`).

use super::layers::Shape;
use crate::forecast::{conv_us, linear_us};
use hoyer_kernels::conv::{Forward, Geometry};
use hoyer_kernels::sparse::{Planes, SparseConv};

/// A layer with so many weights left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) shape: Shape,
    pub(crate) nonzero: usize,
}

/// Pixels of a vector.
const VECTOR: usize = 16;
/// Vectors of a tile.
const TILE: usize = 12;
/// What a tile may read and stay in the nearest cache, in elements.
const NEAR: f64 = 8192.0;

/// What the layer takes with the sparse kernels.
pub(crate) fn sparse_us(work: &Work) -> f64 {
    let nonzero = work.nonzero as f64;
    let ns = match work.shape {
        Shape::Conv(g) => g.batch as f64 * sparse_sample(&g, nonzero),
        Shape::Linear([batch, inputs, outputs]) if batch >= 8 => {
            let turned = (inputs + outputs) as f64 * batch as f64 * 0.33;
            turned + product(nonzero, outputs as f64, batch.div_ceil(VECTOR), 0.6)
        }
        Shape::Linear([batch, _, outputs]) => {
            batch as f64 * (0.36 * nonzero + 1.5 * outputs as f64)
        }
    };
    ns / 1000.0
}

/// A sample of a convolution.
fn sparse_sample(g: &Geometry, nonzero: f64) -> f64 {
    let in_place = SparseConv::reads_in_place(g);
    let pad = in_place.unwrap_or(0);
    let planes = Planes::new(g.channels_in, g.input, pad);
    let row = if in_place.is_some() { planes.row() } else { g.input[1].div_ceil(g.stride[1]) + 1 };
    let vectors = ((g.output[0] - 1) * row + g.output[1]).div_ceil(VECTOR);
    let reads = vectors.min(TILE) * VECTOR + (g.kernel[0] - 1) * row;
    let near = ((g.group_in() * reads) as f64) < NEAR;
    let copy = if in_place.is_some() { 0.0 } else { 0.15 * g.sample_in() as f64 };
    copy + product(nonzero, g.channels_out as f64, vectors, if near { 0.4 } else { 0.5 })
}

/// Rows of weights over so many vectors of pixels.
fn product(nonzero: f64, rows: f64, vectors: usize, per_vector: f64) -> f64 {
    let tiles = vectors.div_ceil(TILE) as f64;
    let vectors = vectors as f64;
    nonzero * (0.6 * tiles + per_vector * vectors) + rows * (0.9 * vectors + 7.0)
}

/// What the layer takes with the dense kernels.
pub(crate) fn dense_us(work: &Work) -> f64 {
    match work.shape {
        Shape::Conv(g) => conv_us(g.batch, Forward::new(g).work()),
        Shape::Linear([1, inputs, outputs]) => (inputs * outputs) as f64 * 0.055 / 1000.0,
        Shape::Linear(sizes) => linear_us(sizes),
    }
}
