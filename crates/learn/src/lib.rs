//! How networks learn to be small: penalties, optimizers, and the stages that a recipe is made of.
//!
//! [`run`] takes a [`recipe`], a graph and [`samples`] and gives the dense and the sparse network with the
//! [`record`] of every stage.
//! Not here: graphs and gradients (`hoyer-graph`), running them (`hoyer-run`), models and data (`hoyer-zoo`).
#![forbid(unsafe_code)]

mod ahead;
mod average;
mod channel_saliency;
pub mod check;
mod checkpoint;
pub mod clip;
mod error;
pub mod observer;
pub mod optimizer;
pub mod penalty;
pub mod quantize;
pub mod recipe;
pub mod record;
mod saliency;
pub mod samples;
pub mod schedule;
mod snapshot;
mod stage;
pub mod step;
pub mod threshold;
mod trainer;
pub mod units;

pub use error::{Error, Result};
pub use stage::{Outcome, Setup, run};
pub use step::network::check_can_learn;
