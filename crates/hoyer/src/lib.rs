//! Makes neural networks small and proves it: results, reports, and all crates below in one place.
//!
//! Not here: the `hoyer` command (`main.rs`, `cmd`).
#![forbid(unsafe_code)]

pub mod assemble;
pub mod compress;
pub mod error;
mod machine;
pub mod model_file;
mod probe;
pub mod report;
pub mod result;
pub mod samples;
mod samples_apart;
pub mod score;
pub mod without_dead;

pub use error::{Error, Result};
pub use hoyer_graph as graph;
pub use hoyer_kernels as kernels;
pub use hoyer_learn as learn;
pub use hoyer_run as run;
pub use hoyer_zoo as zoo;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
