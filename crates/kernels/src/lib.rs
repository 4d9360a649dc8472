//! CPU kernels of hoyer over plain slices: the only crate with unsafe code; it knows no graph.
//!
//! - [`isa`] chooses AVX2 or portable code when the program runs.
//! - [`pool`] splits a call over threads, with results that do not depend on their number.
//! - [`elementwise`], [`broadcast`], [`places`], [`reduce`], [`resample`] and [`window`] cover most ops that are no product.
//! - [`gemm`] and [`conv`] are the products, [`sparse`] those with weights that are mostly zero, [`lstm`] and [`gru`] layers over time; [`update`] is the optimizer's one pass over the weights.
//!
//! Not here: which kernel runs when (crate `hoyer-run`).

pub mod aligned;
pub mod batch_norm;
pub mod broadcast;
mod cache;
pub mod conv;
pub mod elementwise;
pub mod erf;
pub mod exponential;
mod frame;
pub mod gemm;
pub mod gemv;
pub mod gru;
pub mod isa;
mod lanes;
pub mod lstm;
pub mod matrix;
pub mod max_pool;
pub mod peak;
pub mod places;
mod plane_product;
pub mod pool;
pub mod recurrent;
pub mod reduce;
pub mod resample;
pub mod softmax;
pub mod sparse;
mod sums;
mod transpose;
pub mod update;
mod vector;
pub mod warp;
pub mod window;
