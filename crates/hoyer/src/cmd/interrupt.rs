//! Ctrl-C, and what else asks a process to end: the first one asks the run to stop at a good place, the second ends it at once.
//!
//! Invariant: what the process was told to ignore when it was started (by `nohup`, or as a script's `&`) stays ignored.
//! Not here: what is saved then (the trainer), what the user is told (the verbs).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// What asks for a stop; SIGHUP is a terminal that was closed.
#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// A flag that any of the signals sets.
///
/// # Errors
/// If the system does not let signals be handled.
pub(crate) fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in SIGNALS.into_iter().filter(|signal| !is_ignored(*signal)) {
        // In this order, so that the first one does not end the process. Shells give this exit code.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .context("cannot listen for Ctrl-C")?;
    }
    Ok(stop)
}

/// Whether whoever started the process had it ignore a signal; known on Linux only.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
