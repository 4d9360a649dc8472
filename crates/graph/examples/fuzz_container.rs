//! Damages `.hoyer` files, mostly behind a right checksum, and reads them: panics, hangs and hunger for memory are findings.
//!
//! ```text
//! fuzz_container inputs=1000000 seed=1
//! ```
//! Input number i depends on `seed` and i only; `first=` begins with another than 0. Every finding is printed; exits with 1 if there is one.
#![allow(clippy::unwrap_used, reason = "a measuring program may stop at the first surprise")]

#[path = "../tests/fuzz_container/damage.rs"]
mod damage;
#[path = "../tests/fuzz_container/trial.rs"]
mod trial;
#[path = "../tests/nasty/zoo.rs"]
mod zoo;

use hoyer_graph::check::Numbers;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::process::ExitCode;
use std::time::Instant;
use trial::{Verdict, trial};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let option = |key: &str, usual: u64| {
        let found = std::env::args().find_map(|text| text.strip_prefix(key)?.parse().ok());
        found.unwrap_or(usual)
    };
    let (inputs, seed, first) =
        (option("inputs=", 100_000), option("seed=", 1), option("first=", 0));
    let own = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (seeds, start) = (damage::seeds(), Instant::now());
    let (mut read, mut found, mut slowest) = (0, 0, 0);
    println!("{} files to damage, seed {seed}, {inputs} inputs from {first} on", seeds.len());
    std::panic::set_hook(Box::new(|info| println!("{info}")));
    for done in 0..inputs {
        let i = first + done;
        let mut numbers = Numbers(own ^ i.wrapping_mul(0xd1b5_4a32_d192_ed03));
        let (bytes, before) = (damage::damaged(&seeds, &mut numbers), Instant::now());
        match trial(&bytes, ALLOCATOR) {
            Verdict::Read => read += 1,
            Verdict::Refused(_) => {}
            Verdict::Finding(what) => {
                found += 1;
                println!("finding, input {i}: {what}");
            }
        }
        slowest = slowest.max(before.elapsed().as_millis());
        if (done + 1) % 500_000 == 0 || done + 1 == inputs {
            let seconds = start.elapsed().as_secs();
            println!(
                "{} inputs, {seconds} s, {read} read, slowest {slowest} ms, {found} findings",
                done + 1
            );
        }
    }
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
