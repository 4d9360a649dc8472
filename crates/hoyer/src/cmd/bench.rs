//! `hoyer bench`: how fast a model answers, and why; beside itself with all weights multiplied, and beside onnxruntime.
//!
//! All contenders take turns in blocks of a few hundredths of a second, so that whatever else the machine does meets all
//! of them. Not here: the plan (`hoyer_run`), the other process (`rival`), medians (`timing`).

mod rival;
mod timing;

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, ensure};
use hoyer_graph::{Bindings, DType, Graph};
use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Inference};
use serde_json::{Value, json};

use super::table::{row, table, thousands};
use rival::Rival;
use timing::{Contender, Times, take_turns};

/// Measure how fast a model answers, against its dense self and onnxruntime
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Model file, .hoyer or .onnx
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Samples that are answered at once; several numbers are measured one after the other
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1",
          value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: Vec<u32>,
    /// Threads to compute on
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// Time for each contender and batch, in seconds
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// Print the plan: what each layer runs as, what was predicted, what was measured, and why
    #[arg(long)]
    explain: bool,
    /// Try both kernels of each layer here instead of asking the cost model
    #[arg(long)]
    tune: bool,
    /// Another runtime that answers too, with the same weights and threads
    #[arg(long, value_enum, value_name = "RUNTIME")]
    against: Option<Against>,
    /// Python with that runtime's package
    #[arg(long, value_name = "PY", default_value = "python3")]
    python: PathBuf,
    /// The dense original, .onnx or .hoyer: the other runtime answers with it as well
    #[arg(long, value_name = "FILE", requires = "against")]
    dense: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Against {
    Onnxruntime,
}

/// Outputs of two runtimes may differ by so much, relative to numbers above 1.
const AGREE: f64 = 1e-4;

/// A batch size's results.
struct Measured {
    batch: usize,
    times: Vec<(String, Times)>,
    /// Largest difference between outputs that should be equal.
    gap: f64,
    overhead_us: Option<f64>,
    net: Inference,
}

impl Bench {
    /// # Errors
    /// If a model cannot be read or run, the other runtime cannot be started or answers otherwise, or `out` cannot be
    /// written.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        let (graph, metadata) = hoyer::model_file::load(&self.model)?;
        let of = self.model.display();
        ensure!(graph.inputs.len() == 1, "{of}: {} inputs, need one", graph.inputs.len());
        let is_f32 = |id: &hoyer_graph::ValueId| graph.value(*id).kind.dtype == DType::F32;
        ensure!(
            graph.inputs.iter().chain(&graph.outputs).all(is_f32),
            "{of}: need f32 inputs and outputs"
        );
        let pool = Arc::new(Pool::new(self.threads as usize));
        let onnx = match self.against {
            Some(_) => self.files(&graph, &metadata)?,
            None => Vec::new(),
        };
        let mut all = Vec::new();
        for &batch in &self.batch {
            all.push(self.measure(&graph, batch as usize, &onnx, &pool)?);
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

    /// The networks that the other runtime answers with, by name: these weights, and the dense original.
    fn files(
        &self,
        graph: &Graph,
        metadata: &hoyer_graph::container::Metadata,
    ) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let same = hoyer_graph::onnx::export(graph, metadata)?;
        let mut files = vec![("onnxruntime, same weights".to_owned(), same)];
        if let Some(dense) = &self.dense {
            let bytes = if dense.extension().is_some_and(|ending| ending == "onnx") {
                std::fs::read(dense).with_context(|| format!("cannot read {}", dense.display()))?
            } else {
                let (graph, metadata) = hoyer::model_file::load(dense)?;
                hoyer_graph::onnx::export(&graph, &metadata)?
            };
            files.push(("onnxruntime, dense original".to_owned(), bytes));
        }
        Ok(files)
    }

    fn measure(
        &self,
        graph: &Graph,
        batch: usize,
        onnx: &[(String, Vec<u8>)],
        pool: &Arc<Pool>,
    ) -> anyhow::Result<Measured> {
        let sizes = Bindings::from([("batch".to_owned(), batch)]);
        let choice = if self.tune { Choice::Measure(clock) } else { Choice::Model };
        let mut net = Inference::compile(graph, &sizes, pool, choice)?;
        let mut dense = Inference::compile(graph, &sizes, pool, Choice::Dense)?;
        let x = numbers(net.input_mut(0).len());
        for net in [&mut net, &mut dense] {
            net.input_mut(0).copy_from_slice(&x);
            net.run();
        }
        let mut gap = largest_gap(net.output(0), dense.output(0));
        let shape = hoyer_graph::bound(graph, graph.inputs[0], &sizes)?;
        let start = |bytes: &[u8]| Rival::start(&self.python, bytes, self.threads, (&x, &shape));
        let mut rivals = Vec::new();
        for (i, (name, bytes)) in onnx.iter().enumerate() {
            let mut rival = start(bytes)?;
            if i == 0 {
                gap = gap.max(largest_gap(net.output(0), &rival.output()?));
            }
            rivals.push((name.clone(), rival));
        }
        ensure!(gap <= AGREE, "outputs differ by {gap:.1e}, need at most {AGREE:.0e}");
        let overhead_us = match self.against {
            Some(_) => Some(rival::call_overhead_us(&self.python)?),
            None => None,
        };
        let mut times = {
            let mut contenders: Vec<(String, &mut dyn Contender)> = vec![
                ("hoyer".into(), &mut net),
                ("hoyer, all weights multiplied".into(), &mut dense),
            ];
            contenders.extend(rivals.iter_mut().map(|(name, rival)| {
                let rival: &mut dyn Contender = rival;
                (name.clone(), rival)
            }));
            take_turns(&mut contenders, self.seconds)?
        };
        times.iter_mut().for_each(|(_, times)| times.sort());
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
        let threads = self.threads;
        let title =
            format!("batch {batch}, {threads} thread{}", if threads == 1 { "" } else { "s" });
        let mut rows = vec![row([&title, "median µs", "p99 µs", "samples/s", "takes"])];
        let ours = times[0].1.median();
        for (name, times) in times {
            rows.push(vec![
                name.clone(),
                format!("{:.1}", times.median()),
                format!("{:.1}", times.p99()),
                thousands((*batch as f64 / times.median() * 1e6) as u64),
                format!("{:.2}x", times.median() / ours),
            ]);
        }
        write!(out, "{}", table(&rows))?;
        if *gap == 0.0 {
            writeln!(out, "outputs are equal")?;
        } else {
            writeln!(out, "outputs agree within {gap:.1e}")?;
        }
        if let Some(overhead) = overhead_us {
            writeln!(
                out,
                "a call of onnxruntime with next to no work takes {overhead:.1} µs of that"
            )?;
        }
        Ok(())
    }

    fn as_json(&self, all: &[Measured]) -> Value {
        let one = |measured: &Measured| {
            let contender = |(name, times): &(String, Times)| {
                json!({
                    "name": name, "median_us": times.median(), "p99_us": times.p99(), "runs": times.len(),
                    "samples_per_second": measured.batch as f64 / times.median() * 1e6,
                })
            };
            let step = |step: &hoyer_run::PlanStep| {
                json!({
                    "name": step.name, "ops": step.ops, "format": step.format.to_string(),
                    "weights": step.weights, "nonzero": step.nonzero, "dense_us": step.dense_us,
                    "sparse_us": step.sparse_us, "measured_us": step.measured_us, "why": step.why,
                })
            };
            json!({
                "batch": measured.batch,
                "contenders": measured.times.iter().map(contender).collect::<Vec<_>>(),
                "largest_gap": measured.gap,
                "call_overhead_us": measured.overhead_us,
                "plan": measured.net.plan().steps.iter().map(step).collect::<Vec<_>>(),
            })
        };
        json!({
            "model": self.model, "threads": self.threads,
            "batches": all.iter().map(one).collect::<Vec<_>>(),
        })
    }
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
