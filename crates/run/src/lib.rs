//! Runs hoyer graphs: [`Program::compile`] chooses kernels and memory once, [`Program::run`] only computes.
//!
//! Inference and training graphs run alike; a training graph only has more nodes. [`Inference::compile`] makes more of a
//! network whose weights stay: zeros are skipped, layers melt into one another, and a [`Plan`] says why. [`Program::masked`] skips what
//! masks hold at zero while a network learns.
//! Not here: what ops mean (`hoyer-graph`), the kernels themselves (`hoyer-kernels`), learning
//! (`hoyer-learn`).
#![forbid(unsafe_code)]

mod compile;
mod error;
mod forecast;
mod fuse;
mod inference;
mod kernel;
mod masked;
mod memory;
mod op;
mod profile;
mod program;

pub use error::{Error, Result};
pub use inference::{Choice, Format, Inference, Plan, PlanStep};
pub use masked::Wanted;
pub use profile::{Pass, Profile, ProfileStep};
pub use program::Program;
