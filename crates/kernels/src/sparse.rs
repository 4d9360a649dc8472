//! Products with weights that are mostly zero: a weight times a run of pixels, and nothing for a zero.
//!
//! ```text
//! y[o, q] = act( b[o] + r[o, q] + Σ_{t : w[o,t] ≠ 0} w[o, t] · x[offset(t) + q] )       for a whole plane of q at once
//! ```
//! Activations lie in [`Planes`], one channel after the other with zeros around it, so that a tap of a convolution is
//! nothing but an offset: 1x1, k x k and linear layers over many samples are one loop ([`Rows`] says which weights live
//! and where they read). It pays whether or not anything is sparse; its time is that of the weights that are left.
//!
//! - [`SparseConv`] is a convolution with any stride, padding, dilation and groups.
//! - [`SparseLinear`] is a linear layer; one sample goes through the list of weights, many through the loop above.
//! - [`SparseConvGradient`] and [`SparseLinearGradient`] are their gradients: by the input, and by the weights that are left.
//! - [`Pick`] is a convolution that only moves pixels.
//! - [`mean`] and [`max_2x2`] are the pools between them.
//! - [`Planes`] and [`Rows`] are the two layouts.
//!
//! Source of the scheme: Park et al. (2017), <https://arxiv.org/abs/1608.01409> (offsets instead of copies of the input);
//! Elsen et al. (2020), <https://arxiv.org/abs/1911.09723> (channels outside, a vector of pixels in registers).
//! Not here: whether a layer should run so (crate `hoyer-run`), dense products (`conv`, `gemm`).

mod bands;
mod conv;
mod conv_gradient;
mod dots;
mod linear;
mod linear_gradient;
mod lines;
mod pick;
mod planes;
mod pooling;
mod rows;
mod shifts;
mod spmm;

pub use conv::{ConvIo, Ends, Layout, SparseConv};
pub use conv_gradient::{ConvGradientIo, SparseConvGradient, Wanted};
pub use linear::SparseLinear;
pub use linear_gradient::{LinearGradientIo, SparseLinearGradient};
pub use pick::Pick;
pub use planes::Planes;
pub use pooling::{max_2x2, mean};
pub use rows::Rows;

#[cfg(test)]
mod tests;
