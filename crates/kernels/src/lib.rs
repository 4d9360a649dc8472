//! CPU kernels of hoyer over plain slices: the only crate with unsafe code; it knows no graph.
//!
//! - [`isa`] chooses AVX2 or portable code when the program runs.
//! - [`pool`] splits a call over threads, with results that do not depend on their number.
//! - [`gemm`] and [`conv`] are the products; [`update`] is the optimizer's one pass over the weights.
//!
//! Not here: which kernel runs when (crate `hoyer-run`).

pub mod conv;
pub mod gemm;
pub mod isa;
mod lanes;
pub mod matrix;
pub mod max_pool;
mod plane_product;
pub mod pool;
pub mod update;
