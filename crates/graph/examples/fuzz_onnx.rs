//! Damages ONNX files field by field and reads them: panics, hangs and hunger for memory are findings.
//!
//! ```text
//! fuzz_onnx inputs=1000000 seed=1 [from=0] [files=FOLDER] [save=FOLDER]
//! ```
//! Input number i depends on `seed` and i only, and on `files`: a folder whose `.onnx` files of at most 64 KiB that hoyer
//! reads, found at any depth, are damaged beside the nasty zoo. Every new finding is printed and, with `save`, written to a file; exits with 1
//! if there is one. Where a run was aborted (no memory at all), the last line says where to go on with `from`.
#![allow(clippy::unwrap_used, reason = "a measuring program may stop at the first surprise")]

#[path = "../tests/fuzz/mutate.rs"]
mod mutate;
#[path = "../tests/fuzz/seeds.rs"]
mod seeds;
#[path = "../tests/fuzz/trial.rs"]
mod trial;
#[path = "../tests/fuzz/words.rs"]
mod words;
#[path = "../tests/nasty/zoo.rs"]
mod zoo;

use hoyer_graph::check::Numbers;
use hoyer_graph::onnx::messages::ModelProto;
use hoyer_graph::onnx::{Batch, import};
use prost::Message;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use trial::{Verdict, trial};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Where the last panic was.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Larger files would make a run slow and show nothing new.
const MOST_FILE_BYTES: u64 = 64 << 10;

fn main() -> ExitCode {
    let mut options = BTreeMap::new();
    for argument in std::env::args().skip(1) {
        let (key, value) = argument.split_once('=').expect("options are key=value");
        options.insert(key.to_owned(), value.to_owned());
    }
    let count = |key: &str, default: u64| options.get(key).map_or(default, |v| v.parse().unwrap());
    let (inputs, seed, from) = (count("inputs", 100_000), count("seed", 1), count("from", 0));
    let mut models = seeds::nasty();
    if let Some(folder) = options.get("files") {
        models.extend(files(Path::new(folder)));
    }
    println!("{} files to damage, seed {seed}, inputs {from} to {}", models.len(), from + inputs);
    std::panic::set_hook(Box::new(|info| *PANIC.lock().unwrap() = info.to_string()));
    let mut run = Run::new(seed, options.get("save").map(PathBuf::from));
    for i in from..from + inputs {
        run.one(i, &models);
        if run.done.is_multiple_of(100_000) {
            println!("{}", run.line());
        }
    }
    println!("done: {}", run.line());
    for (what, times) in &run.found {
        println!("finding, {times} times: {what}");
    }
    if run.found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// A run and what it has seen.
struct Run {
    seed: u64,
    save: Option<PathBuf>,
    start: Instant,
    done: u64,
    read: u64,
    slowest: Duration,
    reasons: BTreeSet<String>,
    found: BTreeMap<String, u64>,
}

impl Run {
    fn new(seed: u64, save: Option<PathBuf>) -> Self {
        let (start, slowest) = (Instant::now(), Duration::ZERO);
        let (reasons, found) = (BTreeSet::new(), BTreeMap::new());
        Self { seed, save, start, done: 0, read: 0, slowest, reasons, found }
    }

    fn one(&mut self, i: u64, models: &[ModelProto]) {
        let own = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes =
            mutate::damaged(models, &mut Numbers(own ^ i.wrapping_mul(0xd1b5_4a32_d192_ed03)));
        let before = Instant::now();
        match trial(&bytes, ALLOCATOR) {
            Verdict::Read(_) => self.read += 1,
            Verdict::Refused(why) => {
                self.reasons.insert(shape(&why));
            }
            Verdict::Finding(what) => self.found(i, &bytes, &what),
        }
        self.done += 1;
        self.slowest = self.slowest.max(before.elapsed());
    }

    fn found(&mut self, i: u64, bytes: &[u8], what: &str) {
        let what = format!("{what} {}", std::mem::take(&mut *PANIC.lock().unwrap()));
        let times = self.found.entry(shape(&what)).or_insert(0);
        *times += 1;
        if *times > 1 {
            return;
        }
        println!("input {i}, {} bytes: {}", bytes.len(), what.replace('\n', " "));
        if let Some(folder) = &self.save {
            std::fs::write(folder.join(format!("{}-{i}.onnx", self.seed)), bytes).unwrap();
        }
    }

    fn line(&self) -> String {
        let (done, seconds) = (self.done, self.start.elapsed().as_secs_f64());
        format!(
            "{done} inputs in {seconds:.0} s ({:.0} a second), {} read, {} kinds of refusal, slowest {} ms, {} findings",
            done as f64 / seconds,
            self.read,
            self.reasons.len(),
            self.slowest.as_millis(),
            self.found.len()
        )
    }
}

/// A message without what differs from case to case: names and numbers.
fn shape(text: &str) -> String {
    let mut quoted = false;
    let keep = |c: &char| {
        quoted ^= *c == '`';
        !quoted && !c.is_ascii_digit() && *c != '-'
    };
    text.replace('\n', " ").chars().filter(keep).take(160).collect()
}

/// The models in a folder and those below it, in the order of their names.
fn files(folder: &Path) -> Vec<ModelProto> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let mut models = Vec::new();
    for path in entries {
        if path.is_dir() {
            models.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "onnx")
            && path.metadata().unwrap().len() <= MOST_FILE_BYTES
        {
            let bytes = std::fs::read(&path).unwrap();
            if import(&bytes, None, Batch::Symbolic).is_ok() {
                models.push(ModelProto::decode(bytes.as_slice()).unwrap());
            }
        }
    }
    models
}
