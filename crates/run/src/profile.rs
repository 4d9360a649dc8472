//! Where the time of a run goes, step by step, beside what was expected: to be read by people and programs.
//!
//! Invariant: shares are of the peak that was measured in the same minute, on as many threads.
//! Not here: why a layer is dense or sparse (`Plan`), the expectation itself (`forecast`).

use crate::program::{Program, Step};
use hoyer_graph::{Graph, Node, Op, Param};
use hoyer_kernels::peak::multiply_adds;
use std::collections::BTreeMap;
use std::fmt;

/// What a step is to its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// From input to output.
    Forward,
    /// The gradient by the input.
    InputGradient,
    /// The gradient by the weight.
    WeightGradient,
    /// Both at once.
    BothGradients,
}

/// A step of a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileStep {
    /// The layer: the node's name, without what gradients add to it.
    pub layer: String,
    /// The op.
    pub op: &'static str,
    /// What it is to its layer; products only.
    pub pass: Option<Pass>,
    /// The kernel's way, and what is expected of it on one thread; products only.
    pub way: Option<&'static str>,
    /// See `way`.
    pub predicted_us: Option<f64>,
    /// Multiply-adds that the layer asks for, whatever the way; 0 for what is no product.
    pub macs: usize,
    /// Median time.
    pub measured_us: f64,
}

/// What every step of a program takes. Its `Display` is a table of 80 columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The steps, in order.
    pub steps: Vec<ProfileStep>,
    /// What these threads compute in registers alone.
    pub peak_gflops: f64,
}

/// Runs of the loop that tells the peak.
const PEAK_RUNS: usize = 15;

impl Program {
    /// Runs so many times over these parameters, which no run changes, and gives the median time of each step; `clock` tells the
    /// time in seconds. `graph` is the one that was compiled.
    ///
    /// # Panics
    /// As [`Program::run`].
    pub fn profile(
        &mut self,
        graph: &Graph,
        params: &[Param],
        runs: usize,
        clock: impl Fn() -> f64,
    ) -> Profile {
        let peak = median(&mut (0..PEAK_RUNS).map(|_| peak_gflops(&clock)).collect::<Vec<_>>());
        let times = self.times(params, runs, &clock);
        let steps = self.steps.iter().zip(times);
        Profile {
            steps: steps.map(|(step, time)| of_step(graph.node(step.node), step, time)).collect(),
            peak_gflops: peak * self.pool.threads() as f64,
        }
    }

    /// Median time of each step in microseconds. Reading the clock takes time too, about 20 ns a step.
    pub(crate) fn times(
        &mut self,
        params: &[Param],
        runs: usize,
        clock: impl Fn() -> f64,
    ) -> Vec<f64> {
        let mut times = vec![Vec::with_capacity(runs); self.steps.len()];
        for _ in 0..runs {
            let mut before = clock();
            for (i, times) in times.iter_mut().enumerate() {
                self.run_step(i, params, 0);
                let now = clock();
                times.push((now - before) * 1e6);
                before = now;
            }
        }
        times.iter_mut().map(|times| median(times)).collect()
    }
}

fn peak_gflops(clock: impl Fn() -> f64) -> f64 {
    let before = clock();
    let flops = multiply_adds() as f64;
    flops / (clock() - before).max(1e-9) / 1e9
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

fn of_step(node: &Node, step: &Step, measured_us: f64) -> ProfileStep {
    let forecast = step.kernel.forecast();
    let (layer, is_backward) = match node.name.split_once(".back") {
        Some((layer, _)) => (layer, true),
        None => (node.name.as_str(), false),
    };
    ProfileStep {
        layer: layer.to_owned(),
        op: node.op.name(),
        pass: forecast.map(|_| pass(&node.op, is_backward, step.outputs.len())),
        way: forecast.map(|forecast| forecast.way),
        predicted_us: forecast.map(|forecast| forecast.us),
        macs: forecast.map_or(0, |forecast| forecast.macs),
        measured_us,
    }
}

fn pass(op: &Op, is_backward: bool, outputs: usize) -> Pass {
    match op {
        _ if outputs == 2 => Pass::BothGradients,
        Op::ConvInputGradient(_) => Pass::InputGradient,
        Op::ConvWeightGradient(_) => Pass::WeightGradient,
        // A linear layer's weight comes second; its gradient sums over samples, which come first in both factors.
        Op::Gemm(gemm) if is_backward && gemm.trans_a => Pass::WeightGradient,
        _ if is_backward => Pass::InputGradient,
        _ => Pass::Forward,
    }
}

impl ProfileStep {
    /// Floating-point operations of a nanosecond; none for what is no product.
    pub fn gflops(&self) -> Option<f64> {
        (self.macs > 0).then(|| 2e-3 * self.macs as f64 / self.measured_us.max(1e-3))
    }
}

impl Profile {
    /// All steps together, in microseconds.
    pub fn total_us(&self) -> f64 {
        self.steps.iter().map(|step| step.measured_us).sum()
    }

    /// What is no product: for each op, how often it runs and the time of all its runs; longest first.
    pub fn others(&self) -> Vec<(&'static str, usize, f64)> {
        let mut sums = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.way.is_none()) {
            let (count, time) = sums.entry(step.op).or_insert((0, 0.0));
            (*count, *time) = (*count + 1, *time + step.measured_us);
        }
        let mut list: Vec<_> = sums.into_iter().map(|(op, (n, time))| (op, n, time)).collect();
        list.sort_by(|a, b| b.2.total_cmp(&a.2));
        list
    }
}

impl Pass {
    /// A word for tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::InputGradient => "dx",
            Self::WeightGradient => "dw",
            Self::BothGradients => "dx, dw",
        }
    }
}

/// Columns of names.
const NAME: usize = 26;

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:NAME$} {:7} {:9} {:>9} {:>8} {:>7} {:>5}",
            "layer (times in µs)", "pass", "way", "predicted", "measured", "GFLOP/s", "peak"
        )?;
        let mut products: Vec<&ProfileStep> =
            self.steps.iter().filter(|step| step.way.is_some()).collect();
        // Passes of a layer side by side, layers in the order in which they first run.
        let place = |step: &ProfileStep| self.steps.iter().position(|s| s.layer == step.layer);
        products.sort_by_key(|step| place(step));
        let mut last = "";
        for step in products {
            let name = if step.layer == last { "" } else { step.layer.as_str() };
            last = &step.layer;
            let gflops = step.gflops().unwrap_or(0.0);
            let line = format!(
                "{:NAME$} {:7} {:9} {:>9.1} {:>8.1} {:>7.1} {:>3.0} %",
                shortened(name),
                step.pass.map_or("", Pass::name),
                step.way.unwrap_or_default(),
                step.predicted_us.unwrap_or(f64::NAN),
                step.measured_us,
                gflops,
                100.0 * gflops / self.peak_gflops
            );
            writeln!(f, "{line}")?;
        }
        for (op, count, time) in self.others() {
            writeln!(f, "{:54} {time:>8.1}", format!("{op}, {count}x"))?;
        }
        let peak = format!("the peak is {:.1} GFLOP/s", self.peak_gflops);
        writeln!(f, "{:NAME$} {peak:27} {:>8.1}", "all", self.total_us())
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 1).chain(['…']).collect()
}
