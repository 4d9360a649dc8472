//! How much memory steps take, as the system sees it; Linux only.
//!
//! The process's resident memory when network and batch are there but nothing is compiled, against the most it ever was after ten steps.

use crate::case::{Case, Settings, Trainer};
use serde_json::{Value, json};

const STEPS: usize = 10;

/// By how many bytes the process grew at most.
pub(crate) fn growth(case: &Case, run: &Settings) -> Value {
    let graph = case.graph(run);
    // From here on the peak counts anew.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux forgets the peak when asked");
    let before = status_bytes("VmRSS:");
    let mut trainer = Trainer::of(&graph, case, run, &run.penalties[0]);
    for _ in 0..STEPS {
        trainer.take();
    }
    let peak = status_bytes("VmHWM:");
    json!({
        "baseline_bytes": before, "peak_bytes": peak, "growth_bytes": peak - before,
        "planned_bytes": trainer.step.buffer_bytes(),
    })
}

/// A number of `/proc/self/status`.
fn status_bytes(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
