//! What a product of dense kernels computes, and how long that is expected to take, before it has run.
//!
//! ```text
//! conv    samples · (products / e + elements moved · f)      as the kernel of the way that was chosen counts them
//! linear  MACs / e                                           samples in whole vectors
//! ```
//! The constants, in ns on one thread, were fitted to one core of an EPYC 9004 with AVX-512 (see `records/`). Not here: zeros that
//! are skipped (`inference::cost`, `masked::cost`).

use hoyer_kernels::conv::Work;

/// Multiply-adds of a nanosecond.
const PACE: f64 = 45.0;
/// What it takes to copy or transform an element.
const MOVE: f64 = 0.07;
/// Pixels or samples of a vector.
const VECTOR: usize = 16;

/// A step of products.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Forecast {
    /// The way that was chosen, in a word.
    pub(crate) way: &'static str,
    /// Multiply-adds of the layer as it is defined, whatever the way.
    pub(crate) macs: usize,
    /// Expected time of a run on one thread.
    pub(crate) us: f64,
}

/// A convolution or one of its gradients over so many samples.
pub(crate) fn conv_us(samples: usize, work: Work) -> f64 {
    samples as f64 * (work.products as f64 / PACE + work.moved as f64 * MOVE) / 1000.0
}

/// A product of `[m, k]` and `[k, n]`.
pub(crate) fn linear_us([m, k, n]: [usize; 3]) -> f64 {
    (m.next_multiple_of(VECTOR) * k * n) as f64 / PACE / 1000.0
}
