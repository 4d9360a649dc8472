//! What a damaged `.hoyer` file may do to whoever reads it: be refused in one line, or be a sound network that can be written
//! and read back.
//!
//! Anything else is a finding: a panic, more than [`MOST_BYTES`] of memory (all allocations added up), more than
//! [`MOST_TIME`], a message of several lines, a network that comes back different.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use hoyer_graph::container::{from_bytes, to_bytes};
use stats_alloc::{Region, StatsAlloc};

/// Memory that reading a file of at most 8 KiB may take.
pub(crate) const MOST_BYTES: usize = 64 << 20;
/// Time that reading a file may take.
pub(crate) const MOST_TIME: Duration = Duration::from_secs(2);

/// How a file was taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It is a network.
    Read,
    /// It is none that can be used.
    Refused(String),
    /// Something that must not happen.
    Finding(String),
}

/// Reads a file under watch.
pub(crate) fn trial(bytes: &[u8], allocator: &StatsAlloc<std::alloc::System>) -> Verdict {
    let (region, start) = (Region::new(allocator), Instant::now());
    let read = catch_unwind(AssertUnwindSafe(|| from_bytes(bytes)));
    let (memory, time) = (region.change().bytes_allocated, start.elapsed());
    let Ok(read) = read else { return Verdict::Finding("panic".into()) };
    if memory > MOST_BYTES {
        return Verdict::Finding(format!("{memory} bytes of memory for {} bytes", bytes.len()));
    }
    // Once more: the machine may have been busy with something else.
    if time > MOST_TIME && time_of(bytes) > MOST_TIME {
        return Verdict::Finding(format!("{} ms", time.as_millis()));
    }
    let (graph, metadata) = match read {
        Ok(read) => read,
        Err(error) => {
            let text = error.to_string();
            return match text.lines().count() {
                1 => Verdict::Refused(text),
                _ => Verdict::Finding(format!("a message of several lines: {text:?}")),
            };
        }
    };
    let again = catch_unwind(AssertUnwindSafe(|| {
        let first = to_bytes(&graph, &metadata).map_err(|error| error.to_string())?;
        let (graph, metadata) = from_bytes(&first).map_err(|error| error.to_string())?;
        let second = to_bytes(&graph, &metadata).map_err(|error| error.to_string())?;
        if first == second { Ok(()) } else { Err("it is written differently again".to_owned()) }
    }));
    match again {
        Ok(Ok(())) => Verdict::Read,
        Ok(Err(why)) => Verdict::Finding(format!("read, but {why}")),
        Err(_) => Verdict::Finding("panic in what was read".into()),
    }
}

fn time_of(bytes: &[u8]) -> Duration {
    let start = Instant::now();
    let _ = from_bytes(bytes);
    start.elapsed()
}
