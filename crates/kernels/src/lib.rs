//! To be written.

pub mod update;
