//! How fast hoyer trains: whole steps, and the kernels in them.
//!
//! ```text
//! cargo bench -p hoyer --bench training [-- CASE…] [OPTION…]
//! ```
//! A case is `MODEL-bBATCH`, or `MODEL-bBATCH-sparseN` for N percent of masked zeros: `lenet-5-b256`, `resnet-20-b128-sparse95`. Images are
//! like MNIST's or CIFAR-10's; `graph-lstm` takes series of numbers at the nodes of a graph. A step is forward, backward and the optimizer's
//! pass over a batch that is copied in. Printed are samples per second, median and range of alternating blocks with
//! and without a penalty, and for every product in a step its way, its time and its share of the peak, which is measured first.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `seconds=S` | 0.5 | length of a block |
//! | `blocks=N` | 5 | blocks, after one to warm up |
//! | `threads=T` | all cores | threads |
//! | `optimizer=adam\|sgd` | as in `benches/vs-torch` | SGD has Nesterov momentum |
//! | `lr=RATE` | 1e-3, 1e-2 | learning rate of Adam, of SGD |
//! | `penalties=LIST` | `none` | what is measured in turns |
//! | `layers=model\|dense\|sparse` | `model` | how masked layers run |
//! | `load=FOLDER` | made up | `weights.f32`, `images.f32`, and `labels.i64` or `targets.f32`: where another program starts, too |
//! | `json` | | prints the first losses and all blocks of one case as JSON |
//! | `memory` | | prints as JSON by how many bytes the process grew at most in ten steps of one case |
//! | `count` | | takes a few steps of one case with AVX2 on one thread, for `benches/instructions` |
//!
//! Not here: the comparison with PyTorch (`benches/vs-torch`), every shape of convolution (`cargo bench -p hoyer-kernels --bench conv`), every
//! penalty (`cargo bench -p hoyer-learn --bench update`).

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be made should say where and stop"
)]

#[path = "training/case.rs"]
mod case;
#[path = "training/memory.rs"]
mod memory;

use case::{Case, Settings, Trainer};
use hoyer_kernels::isa::{Isa, force};
use serde_json::json;
use std::time::{Duration, Instant};

const CASES: [&str; 9] = [
    "lenet-300-100-b64",
    "lenet-300-100-b256",
    "lenet-5-b64",
    "lenet-5-b256",
    "resnet-20-b128",
    "mobilenet-v2-b128",
    "graph-lstm-b64",
    "lenet-5-b64-sparse99",
    "resnet-20-b128-sparse95",
];
/// Losses to report: enough for another program to see that it does the same.
const LOSSES: usize = 10;
/// Steps that are counted, after as many that are not.
const COUNTED: usize = 1;
/// Runs that a step's kernels are timed over.
const PROFILED: usize = 15;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let run = Settings::new(&args);
    let is_asked = |word: &str| args.iter().any(|arg| arg == word);
    let only = || Case::parse(run.cases.first().expect("a case"));
    match () {
        () if is_asked("json") => println!("{}", as_json(&only(), &run)),
        () if is_asked("memory") => println!("{}", memory::growth(&only(), &run)),
        () if is_asked("count") => count(&only(), &run),
        () => {
            let all = CASES.map(str::to_owned);
            let cases = if run.cases.is_empty() { &all } else { run.cases.as_slice() };
            cases.iter().for_each(|name| report(name, &run));
        }
    }
}

/// Speeds and kernels of a case, to be read.
fn report(name: &str, run: &Settings) {
    let case = Case::parse(name);
    let mut trainers = trainers(&case, run);
    println!("{name}, {} thread(s), samples per second", run.pool.threads());
    for (penalty, speeds) in run.penalties.iter().zip(blocks(&mut trainers, run)) {
        let [least, median, most] = range(&speeds);
        println!("{penalty:<22}{median:>10.0}  ({least:.0} to {most:.0})");
    }
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    let step = &mut trainers[0].step;
    if case.sparsity > 0.0 {
        println!("{}", step.plan().summary());
    }
    println!("{}", step.profile(PROFILED, clock).unwrap());
}

fn trainers(case: &Case, run: &Settings) -> Vec<Trainer> {
    run.penalties.iter().map(|penalty| Trainer::new(case, run, penalty)).collect()
}

/// Samples per second of every block, for each trainer; the first block warms up.
fn blocks(trainers: &mut [Trainer], run: &Settings) -> Vec<Vec<f64>> {
    let mut speeds = vec![Vec::new(); trainers.len()];
    for block in 0..=run.blocks {
        for (trainer, speeds) in trainers.iter_mut().zip(&mut speeds) {
            let speed = samples_per_second(trainer, run.block);
            if block > 0 {
                speeds.push(speed);
            }
        }
    }
    speeds
}

fn samples_per_second(trainer: &mut Trainer, block: Duration) -> f64 {
    let (start, mut steps) = (Instant::now(), 0);
    while start.elapsed() < block {
        trainer.take();
        steps += 1;
    }
    (steps * trainer.batch) as f64 / start.elapsed().as_secs_f64()
}

fn range(speeds: &[f64]) -> [f64; 3] {
    let mut sorted = speeds.to_vec();
    sorted.sort_by(f64::total_cmp);
    [0, sorted.len() / 2, sorted.len() - 1].map(|i| sorted[i])
}

/// For each penalty the first losses, and samples per second; with zeros, what runs how.
fn as_json(case: &Case, run: &Settings) -> serde_json::Value {
    let mut trainers = trainers(case, run);
    let losses: Vec<Vec<f32>> =
        trainers.iter_mut().map(|trainer| (0..LOSSES).map(|_| trainer.take()).collect()).collect();
    let speeds = blocks(&mut trainers, run);
    let results = run.penalties.iter().zip(losses).zip(speeds);
    let results = results.map(|((penalty, losses), speeds)| {
        let [min, median, max] = range(&speeds);
        json!({
            "penalty": penalty, "losses": losses, "blocks": speeds,
            "samples_per_second": { "median": median, "min": min, "max": max },
        })
    });
    json!({
        "model": case.model, "batch": case.batch, "sparsity": case.sparsity, "threads": run.pool.threads(),
        "layers": trainers[0].step.plan().summary(), "runs": results.collect::<Vec<_>>(),
    })
}

/// A valgrind that knows AVX-512 would count other loops than one that does not.
fn count(case: &Case, run: &Settings) {
    force(Isa::Avx2);
    let mut trainer = Trainer::new(case, run, &run.penalties[0]);
    for _ in 0..COUNTED {
        trainer.take();
    }
    for _ in 0..COUNTED {
        counted_step(&mut trainer);
    }
}

/// Has a name by which instructions are counted.
#[inline(never)]
fn counted_step(trainer: &mut Trainer) {
    std::hint::black_box(trainer.take());
}
