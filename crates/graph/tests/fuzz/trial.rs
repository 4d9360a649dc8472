//! What a damaged file may do to whoever reads it: be refused in one line, or be a network that can be counted and written.
//!
//! Anything else is a finding: a panic, more than [`MOST_BYTES`] of memory beyond the file's own size (all allocations
//! added up), more than [`MOST_TIME`], a message of several lines, a network that cannot be read back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use hoyer_graph::container::Metadata;
use hoyer_graph::onnx::{Batch, export, import};
use hoyer_graph::{Bindings, Error, Graph, cost};
use stats_alloc::{Region, StatsAlloc};

/// Memory that reading a file may take beyond its size.
pub(crate) const MOST_BYTES: usize = 64 << 20;
/// Time that reading a file may take.
pub(crate) const MOST_TIME: Duration = Duration::from_secs(1);

/// How a file was taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It is a network, of so many nodes.
    Read(usize),
    /// It is none that can be used.
    Refused(String),
    /// Something that must not happen.
    Finding(String),
}

/// Reads a file under watch.
pub(crate) fn trial(bytes: &[u8], allocator: &StatsAlloc<std::alloc::System>) -> Verdict {
    let (region, start) = (Region::new(allocator), Instant::now());
    let read = catch_unwind(AssertUnwindSafe(|| import(bytes, None, Batch::Symbolic)));
    let (memory, time) = (region.change().bytes_allocated, start.elapsed());
    let Ok(read) = read else { return Verdict::Finding("panic".into()) };
    if memory > MOST_BYTES + bytes.len() {
        return Verdict::Finding(format!("{memory} bytes of memory for {} bytes", bytes.len()));
    }
    if time > MOST_TIME {
        return Verdict::Finding(format!("{} ms", time.as_millis()));
    }
    match read {
        Ok(graph) => used(&graph),
        Err(error) => refused(&error),
    }
}

/// What messages say with their causes: one line of sensible length.
fn refused(error: &Error) -> Verdict {
    let (mut text, mut cause) = (error.to_string(), std::error::Error::source(error));
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    match text.lines().count() {
        1 => Verdict::Refused(text),
        _ => Verdict::Finding(format!("a message of several lines: {text:?}")),
    }
}

/// A network that was read can be counted, and read back once it is written.
fn used(graph: &Graph) -> Verdict {
    let again = catch_unwind(AssertUnwindSafe(|| {
        let _ = cost(graph, &Bindings::from([("batch".to_owned(), 1)]));
        match export(graph, &Metadata::default()) {
            Ok(bytes) => import(&bytes, None, Batch::AsStored).map(|_| ()),
            Err(Error::NotOnnx { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }));
    match again {
        Ok(Ok(())) => Verdict::Read(graph.nodes.len()),
        Ok(Err(error)) => match refused(&error) {
            Verdict::Refused(text) => Verdict::Finding(format!("read, but not again: {text}")),
            other => other,
        },
        Err(_) => Verdict::Finding("panic in what was read".into()),
    }
}
