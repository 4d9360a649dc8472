//! A short run of the fuzzer of `.hoyer` files; the long one is `examples/fuzz_container.rs`.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "fuzz_container/damage.rs"]
mod damage;
#[path = "fuzz_container/trial.rs"]
mod trial;
#[path = "nasty/zoo.rs"]
mod zoo;

use hoyer_graph::check::Numbers;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use trial::{Verdict, trial};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test, as the allocator counts for all threads together.
#[test]
fn damaged_files_are_refused_or_read_within_time_and_memory() {
    let seeds = damage::seeds();
    let (mut read, mut refused) = (0, 0);
    for i in 0..20_000 {
        let bytes = damage::damaged(&seeds, &mut Numbers(i));
        match trial(&bytes, ALLOCATOR) {
            Verdict::Read => read += 1,
            Verdict::Refused(_) => refused += 1,
            Verdict::Finding(what) => panic!("input {i}: {what}"),
        }
    }
    assert!(read > 1_000 && refused > 5_000, "{read} were read, {refused} refused");
}
