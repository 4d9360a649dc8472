//! To be written.
#![forbid(unsafe_code)]

pub mod check;
mod error;
pub mod optimizer;
pub mod penalty;
pub mod record;

pub use error::{Error, Result};
