//! How long a layer and both its gradients take in a training step, before it has run.
//!
//! ```text
//! conv    copies of elements · a + nnz · (b + vectors · c)                        vectors of 16 f32
//! linear  turned elements · g + weights · h + k + nnz · (i + vectors · j)
//! dense   as `forecast` says of all three kernels
//! ```
//! The constants, in ns, were fitted to `sparse_speed training` of the kernels crate on one core of an EPYC 9004 with AVX-512 (see
//! `records/`). It is the comparison that counts. Not here: layers of a network that only answers (`inference::cost`).

use crate::forecast::{conv_us, linear_us};
use crate::inference::cost::Work;
use crate::inference::layers::Shape;
use hoyer_kernels::conv::{Forward, Geometry, InputGradient, WeightGradient};

/// Pixels of a vector.
const VECTOR: usize = 16;

/// What the layer takes dense.
pub(super) fn dense_us(work: &Work) -> f64 {
    match work.shape {
        Shape::Conv(g) => {
            let forward = Forward::new(g).work();
            let (by_input, by_weight) =
                (InputGradient::new(g).work(), WeightGradient::new(g).work());
            [forward, by_input, by_weight].map(|work| conv_us(g.batch, work)).iter().sum()
        }
        Shape::Linear(sizes) => 3.0 * linear_us(sizes),
    }
}

/// What the layer takes sparse: forward, and both gradients, which are one step.
pub(super) fn sparse_us(work: &Work) -> [f64; 2] {
    let nonzero = work.nonzero as f64;
    let ns = match work.shape {
        Shape::Conv(g) => {
            let [weights, copied] = [weight(&g), copies(&g)];
            [0, 1].map(|i| g.batch as f64 * (copied[i] + nonzero * weights[i]))
        }
        Shape::Linear([batch, inputs, outputs]) => {
            let turned = 0.7 * (batch * (inputs + outputs)) as f64;
            let weight = 8.0 + 0.6 * (3 * batch.div_ceil(VECTOR)) as f64;
            let all = turned + 0.05 * (inputs * outputs) as f64 + 3000.0 + nonzero * weight;
            [all / 3.0, all * 2.0 / 3.0]
        }
    };
    ns.map(|ns| ns / 1000.0)
}

/// The input is copied in either step, the output's gradient in the second; each writes what it gives.
fn copies(g: &Geometry) -> [f64; 2] {
    const COPY: f64 = 0.08;
    let (input, output) = (g.sample_in() as f64, g.sample_out() as f64);
    // Phases are taken apart and put together again.
    let strided = if g.stride == [1, 1] { 0.0 } else { 0.2 * input };
    [COPY * (input + output) + strided, COPY * (2.0 * input + output) + strided]
}

/// A weight over a sample: its share of the output; its own sum and its share of the input's gradient.
fn weight(g: &Geometry) -> [f64; 2] {
    const READ: f64 = 4.0 / 3.0;
    const PRODUCT: f64 = 0.57;
    let pitch = g.output[1] + (g.kernel[1] - 1) * g.dilation[1] / g.stride[1];
    let vectors =
        |[height, width]: [usize; 2]| ((height - 1) * pitch + width).div_ceil(VECTOR) as f64;
    let phase = [0, 1].map(|i| g.input[i].div_ceil(g.stride[i]));
    let (output, input) = (vectors(g.output), vectors(phase));
    [READ + PRODUCT * output, 2.0 * READ + PRODUCT * (output + input)]
}
