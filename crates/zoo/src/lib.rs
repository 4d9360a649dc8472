//! Data sets and model families of hoyer.
//!
//! Not here: training ([`hoyer-learn`](https://docs.rs/hoyer-learn)), the command that prints
//! what is found ([`hoyer`](https://docs.rs/hoyer)).
#![forbid(unsafe_code)]

pub mod data;
mod error;
pub mod init;
pub mod model;

pub use data::Dataset;
pub use error::{Error, Result};
