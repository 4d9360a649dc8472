//! To be written.
#![forbid(unsafe_code)]

pub mod error;
pub mod report;
pub mod result;

pub use error::{Error, Result};
