//! Ctrl-C: the first one asks the run to stop at a good place, the second ends it at once.
//!
//! Not here: what is saved then (the trainer), what the user is told (the verbs).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Exit code of a process ended by Ctrl-C, as shells give it.
const INTERRUPTED: i32 = 130;

/// A flag that Ctrl-C sets.
///
/// # Errors
/// If the system does not let signals be handled.
pub(crate) fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let on_signal = move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
    };
    ctrlc::set_handler(on_signal).context("cannot listen for Ctrl-C")?;
    Ok(stop)
}
