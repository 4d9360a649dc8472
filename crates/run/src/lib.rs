//! Runs hoyer graphs: [`Program::compile`] chooses kernels and memory once, [`Program::run`] only computes.
//!
//! Inference and training graphs run alike; a training graph only has more nodes.
//! Not here: what ops mean (`hoyer-graph`), the kernels themselves (`hoyer-kernels`), learning
//! (`hoyer-learn`).
#![forbid(unsafe_code)]

mod compile;
mod error;
mod fuse;
mod kernel;
mod memory;
mod op;
mod program;

pub use error::{Error, Result};
pub use program::Program;
