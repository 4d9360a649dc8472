//! `hoyer bench`: how fast a model answers or learns, and why; beside itself with all weights multiplied, and beside other runtimes.
//!
//! All contenders take turns in blocks of a few hundredths of a second, so that whatever else the machine does meets all
//! of them. Not here: the plan (`hoyer_run`), steps of training (`train`), other runtimes (`rival`), medians (`timing`).

mod rival;
mod timing;
mod train;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, ensure};
use hoyer::score::check_answers;
use hoyer_graph::container::Metadata;
use hoyer_graph::{Bindings, DType, Graph, ValueId};
use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Inference};
use serde_json::{Value, json};

use super::table::{row, table, thousands};
use rival::{Question, Rival, Runtime};
use timing::{Contender, Times, take_turns};

/// Measure how fast a model answers or learns, against its dense self and other runtimes
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Model file, .hoyer or .onnx
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Samples that are answered at once, 1 by default, or learned from, 64; several numbers are measured one after the other
    #[arg(long, value_name = "N,…", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: Vec<u32>,
    /// Threads to compute on
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// Time for each contender and batch, in seconds
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// Measure steps of training: forward, backward and Adam's pass, over made-up samples and classes
    #[arg(long, conflicts_with_all = ["against", "dense"])]
    train: bool,
    /// Print the plan: what each layer runs as, what was predicted, what was measured, and why
    #[arg(long)]
    explain: bool,
    /// Try both kernels of each layer here instead of asking the cost model
    #[arg(long)]
    tune: bool,
    /// Other runtimes that answer too, with the same weights and threads: onnxruntime, openvino, mnn, tract (Python
    /// packages), or the path of a program that speaks as they do
    #[arg(long, value_name = "RUNTIME,…", value_delimiter = ',', value_parser = Runtime::parse)]
    against: Vec<Runtime>,
    /// Python with those packages
    #[arg(long, value_name = "PY", default_value = "python3")]
    python: PathBuf,
    /// The dense original, .onnx or .hoyer: it answers as well, here and in the other runtimes
    #[arg(long, value_name = "FILE")]
    dense: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Outputs of two runtimes may differ by so much, relative to numbers above 1.
const AGREE: f64 = 1e-4;

/// A network that answers.
struct Network {
    graph: Graph,
    metadata: Metadata,
    /// What it is to the model that is measured.
    what: &'static str,
}

impl Network {
    fn load(path: &Path, what: &'static str) -> anyhow::Result<Self> {
        let (graph, metadata) = hoyer::model_file::load(path)?;
        check_answers(&graph).with_context(|| path.display().to_string())?;
        let is_f32 = |id: &ValueId| graph.value(*id).kind.dtype == DType::F32;
        ensure!(graph.outputs.iter().all(is_f32), "{}: need f32 outputs", path.display());
        Ok(Self { graph, metadata, what })
    }

    /// The network compiled, and its answer to `x` given.
    fn ready(
        &self,
        sizes: &Bindings,
        pool: &Arc<Pool>,
        choice: Choice,
        x: &[f32],
    ) -> anyhow::Result<Inference> {
        let mut net = Inference::compile(&self.graph, sizes, pool, choice)?;
        let need = net.input_mut(0).len();
        ensure!(x.len() == need, "{} numbers are asked, the {} takes {need}", x.len(), self.what);
        net.input_mut(0).copy_from_slice(x);
        net.run();
        Ok(net)
    }
}

/// A batch size's results.
struct Measured {
    batch: usize,
    times: Vec<(String, Times)>,
    /// Largest difference between outputs that should be equal.
    gap: f64,
    /// What a call with next to no work takes, by runtime.
    overhead_us: Vec<(String, f64)>,
    net: Inference,
}

impl Bench {
    /// # Errors
    /// If a model cannot be read or run, another runtime cannot be started or answers otherwise, or `out` cannot be
    /// written.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut networks = vec![Network::load(&self.model, "same weights")?];
        if let Some(dense) = &self.dense {
            networks.push(Network::load(dense, "dense original")?);
        }
        let pool = Arc::new(Pool::new(self.threads as usize));
        if self.train {
            return self.training(&networks[0].graph, &pool, out);
        }
        let mut all = Vec::new();
        for batch in self.batches(1) {
            all.push(self.measure(&networks, batch, &pool)?);
        }
        if self.json {
            writeln!(out, "{:#}", self.as_json(&all))?;
            return Ok(());
        }
        for measured in &all {
            self.print(measured, out)?;
        }
        Ok(())
    }

    fn batches(&self, default: usize) -> Vec<usize> {
        match self.batch.as_slice() {
            [] => vec![default],
            given => given.iter().map(|batch| *batch as usize).collect(),
        }
    }

    fn measure(
        &self,
        networks: &[Network],
        batch: usize,
        pool: &Arc<Pool>,
    ) -> anyhow::Result<Measured> {
        let sizes = Bindings::from([("batch".to_owned(), batch)]);
        let choice = if self.tune { Choice::Measure(clock) } else { Choice::Model };
        let shape = hoyer_graph::bound(&networks[0].graph, networks[0].graph.inputs[0], &sizes)?;
        let x = numbers(shape.iter().product());
        let mut own = vec![
            ("hoyer".to_owned(), networks[0].ready(&sizes, pool, choice, &x)?),
            (
                "hoyer, all weights multiplied".to_owned(),
                networks[0].ready(&sizes, pool, Choice::Dense, &x)?,
            ),
        ];
        for network in &networks[1..] {
            let net = network.ready(&sizes, pool, Choice::Dense, &x)?;
            own.push((format!("hoyer, {}", network.what), net));
        }
        let mut gap = agree(&own[0].0, own[0].1.output(0), own[1].1.output(0))?;
        let mut rivals = Vec::new();
        for (network, (_, net)) in networks.iter().zip(&own[1..]) {
            let onnx = hoyer_graph::onnx::export(&network.graph, &network.metadata)?;
            let question = Question { threads: self.threads, x: &x, shape: &shape };
            for runtime in &self.against {
                let mut rival = Rival::start(runtime, &self.python, &onnx, &question)?;
                let name = format!("{}, {}", runtime.name(), network.what);
                gap = gap.max(agree(&name, &rival.output()?, net.output(0))?);
                rivals.push((name, rival));
            }
        }
        let overhead = |runtime: &Runtime| {
            Ok((runtime.name(), rival::call_overhead_us(runtime, &self.python)?))
        };
        let overhead_us = self.against.iter().map(overhead).collect::<anyhow::Result<_>>()?;
        let times = {
            let mut contenders: Vec<(String, &mut dyn Contender)> = Vec::new();
            contenders.extend(own.iter_mut().map(|(name, net)| (name.clone(), net as _)));
            contenders.extend(rivals.iter_mut().map(|(name, rival)| (name.clone(), rival as _)));
            take_turns(&mut contenders, self.seconds)?
        };
        let (_, mut net) = own.swap_remove(0);
        if self.explain {
            net.measure(200, clock);
        }
        Ok(Measured { batch, times, gap, overhead_us, net })
    }

    fn print(&self, measured: &Measured, out: &mut impl Write) -> anyhow::Result<()> {
        let Measured { batch, times, gap, overhead_us, net } = measured;
        if self.explain {
            write!(out, "{}", net.plan())?;
            writeln!(out)?;
        }
        self.print_times("batch", *batch, times, out)?;
        if *gap == 0.0 {
            writeln!(out, "outputs are equal")?;
        } else {
            writeln!(out, "outputs agree within {gap:.1e}")?;
        }
        for (name, us) in overhead_us {
            writeln!(out, "a call of {name} with next to no work takes {us:.1} µs of that")?;
        }
        Ok(())
    }

    /// Everyone's times, and how they compare with those of the first.
    fn print_times(
        &self,
        what: &str,
        batch: usize,
        times: &[(String, Times)],
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let threads = self.threads;
        let title =
            format!("{what} {batch}, {threads} thread{}", if threads == 1 { "" } else { "s" });
        let mut rows = vec![row([&title, "median µs", "p99 µs", "samples/s", "takes"])];
        let ours = times[0].1.median();
        for (name, times) in times {
            rows.push(vec![
                name.clone(),
                format!("{:.1}", times.median()),
                format!("{:.1}", times.p99()),
                thousands((batch as f64 / times.median() * 1e6) as u64),
                format!("{:.2}x", times.median() / ours),
            ]);
        }
        write!(out, "{}", table(&rows))?;
        Ok(())
    }

    fn as_json(&self, all: &[Measured]) -> Value {
        let one = |measured: &Measured| {
            let step = |step: &hoyer_run::PlanStep| {
                json!({
                    "name": step.name, "ops": step.ops, "format": step.format.to_string(),
                    "weights": step.weights, "nonzero": step.nonzero, "dense_us": step.dense_us,
                    "sparse_us": step.sparse_us, "measured_us": step.measured_us, "why": step.why,
                })
            };
            json!({
                "batch": measured.batch,
                "contenders": contenders(measured.batch, &measured.times),
                "largest_gap": measured.gap,
                "call_overhead_us": measured.overhead_us.iter().cloned().collect::<BTreeMap<_, _>>(),
                "plan": measured.net.plan().steps.iter().map(step).collect::<Vec<_>>(),
            })
        };
        json!({
            "model": self.model.display().to_string(), "threads": self.threads,
            "batches": all.iter().map(one).collect::<Vec<_>>(),
        })
    }
}

fn contenders(batch: usize, times: &[(String, Times)]) -> Vec<Value> {
    let one = |(name, times): &(String, Times)| {
        json!({
            "name": name, "median_us": times.median(), "quartiles_us": times.quartiles(),
            "p99_us": times.p99(), "runs": times.len(),
            "samples_per_second": batch as f64 / times.median() * 1e6,
        })
    };
    times.iter().map(one).collect()
}

fn seconds(text: &str) -> Result<f64, String> {
    let need = || "need a number of seconds, above 0 and at most 3600".to_owned();
    let seconds: f64 = text.parse().map_err(|_| need())?;
    (seconds > 0.0 && seconds <= 3600.0).then_some(seconds).ok_or_else(need)
}

/// Seconds since the first call.
fn clock() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// Numbers in [-1, 1), the same every time.
fn numbers(len: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// The largest difference between two answers that should be one; an error if it is too large.
fn agree(name: &str, ours: &[f32], theirs: &[f32]) -> anyhow::Result<f64> {
    let gap = largest_gap(ours, theirs);
    ensure!(gap <= AGREE, "{name}: outputs differ by {gap:.1e}, need at most {AGREE:.0e}");
    Ok(gap)
}

/// The largest difference, relative to numbers above 1; infinite where a number is missing or none.
fn largest_gap(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return f64::INFINITY;
    }
    let gap = |(a, b): (&f32, &f32)| {
        let gap = f64::from(a - b).abs() / f64::from(b.abs().max(1.0));
        if gap.is_nan() { f64::INFINITY } else { gap }
    };
    a.iter().zip(b).map(gap).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_relative_above_one_and_see_what_is_no_number() {
        assert_eq!(largest_gap(&[1.0, 202.0], &[1.0, 200.0]), 0.01);
        assert_eq!(largest_gap(&[0.5], &[0.25]), 0.25);
        assert_eq!(largest_gap(&[f32::NAN], &[1.0]), f64::INFINITY);
        assert_eq!(largest_gap(&[1.0], &[1.0, 1.0]), f64::INFINITY);
    }
}
