//! To be written.
#![forbid(unsafe_code)]

pub mod check;
pub mod clip;
mod error;
pub mod optimizer;
pub mod penalty;
pub mod record;
pub mod schedule;
pub mod threshold;

pub use error::{Error, Result};
