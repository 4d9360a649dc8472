//! The command as a user meets it, from a folder of its own.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod bench;
mod command;
mod export;
mod given_network;
mod residual;
mod shell;
mod teacher;
