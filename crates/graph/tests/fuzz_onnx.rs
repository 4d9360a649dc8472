//! A short run of the ONNX fuzzer; the long one is `examples/fuzz_onnx.rs`.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/seeds.rs"]
mod seeds;
#[path = "fuzz/trial.rs"]
mod trial;
#[path = "fuzz/words.rs"]
mod words;
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
    let seeds = seeds::nasty();
    let (mut read, mut refused) = (0, 0);
    for i in 0..20_000 {
        let bytes = mutate::damaged(&seeds, &mut Numbers(i));
        match trial(&bytes, ALLOCATOR) {
            Verdict::Read(_) => read += 1,
            Verdict::Refused(_) => refused += 1,
            Verdict::Finding(what) => panic!("input {i}: {what}"),
        }
    }
    assert!(read > 1_000 && refused > 10_000, "{read} were read, {refused} refused");
}
