//! How long a layer and both its gradients take in a training step, before it has run.
//!
//! ```text
//! conv    dense  MACs / e                  sparse  copies of elements · a + nnz · (b + vectors · c)      vectors of 16 f32
//! linear  dense  MACs / f                  sparse  turned elements · g + weights · h + k + nnz · (i + vectors · j)
//! ```
//! The constants, in ns, were fitted to `sparse_speed training` of the kernels crate on one core of an EPYC 9004 with AVX-512 (see
//! `records/`). It is the comparison that counts. Not here: layers of a network that only answers (`inference::cost`).

use crate::inference::cost::Work;
use crate::inference::layers::Shape;
use hoyer_kernels::conv::Geometry;

/// Pixels of a vector.
const VECTOR: usize = 16;

/// What the layer takes dense.
pub(super) fn dense_us(work: &Work) -> f64 {
    let ns = match work.shape {
        Shape::Conv(g) => {
            let macs = (3 * g.batch * g.channels_out * g.taps() * g.pixels()) as f64;
            // Winograd's convolution saves multiplications where it runs.
            let fewer = g.kernel == [3, 3]
                && g.stride == [1, 1]
                && g.dilation == [1, 1]
                && g.group_in().min(g.group_out()) >= VECTOR;
            macs / if fewer { 65.0 } else { 38.0 }
        }
        Shape::Linear([batch, inputs, outputs]) => (3 * batch * inputs * outputs) as f64 / 45.0,
    };
    ns / 1000.0
}

/// What the layer takes sparse.
pub(super) fn sparse_us(work: &Work) -> f64 {
    let nonzero = work.nonzero as f64;
    let ns = match work.shape {
        Shape::Conv(g) => g.batch as f64 * (copies(&g) + nonzero * weight(&g)),
        Shape::Linear([batch, inputs, outputs]) => {
            let turned = 0.7 * (batch * (inputs + outputs)) as f64;
            let weight = 8.0 + 0.6 * (3 * batch.div_ceil(VECTOR)) as f64;
            turned + 0.05 * (inputs * outputs) as f64 + 3000.0 + nonzero * weight
        }
    };
    ns / 1000.0
}

/// The input is copied twice and the output's gradient once; output and gradient are written.
fn copies(g: &Geometry) -> f64 {
    let plain = 0.08 * (3 * g.sample_in() + 2 * g.sample_out()) as f64;
    // Phases are taken apart and put together again.
    let strided = if g.stride == [1, 1] { 0.0 } else { 0.4 * g.sample_in() as f64 };
    plain + strided
}

/// A weight over a sample: its share of the output, of the input's gradient, and its own sum.
fn weight(g: &Geometry) -> f64 {
    let pitch = g.output[1] + (g.kernel[1] - 1) * g.dilation[1] / g.stride[1];
    let vectors =
        |[height, width]: [usize; 2]| ((height - 1) * pitch + width).div_ceil(VECTOR) as f64;
    let phase = [0, 1].map(|i| g.input[i].div_ceil(g.stride[i]));
    4.0 + 0.57 * (2.0 * vectors(g.output) + vectors(phase))
}
