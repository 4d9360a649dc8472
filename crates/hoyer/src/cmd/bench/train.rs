//! Steps of training: forward, backward and the optimizer's pass, with masked weights skipped where that is faster.
//!
//! The learning rate is 0, so that every step does the same work over the same numbers.
//! Not here: learning itself (`hoyer train`, `hoyer compress`).

use std::io::Write;
use std::sync::Arc;

use hoyer_graph::Graph;
use hoyer_kernels::pool::Pool;
use hoyer_learn::optimizer::{Config, Pace};
use hoyer_learn::step::{Goal, Setup, Step};
use hoyer_run::{Choice, Profile};
use serde_json::{Value, json};

use super::timing::{Contender, Times, again, take_turns};
use super::{Bench, clock, contenders, numbers};

/// Runs whose median is the time of a kernel.
const PROFILED: usize = 21;
const BATCH: usize = 64;
const STILL: Pace = Pace { lr: 0.0, lambda: 0.0, gradient_scale: 1.0 };

/// A batch size's results.
struct Measured {
    batch: usize,
    times: Vec<(String, Times)>,
    profile: Option<Profile>,
    /// How the layers with masks run, if there are any.
    masked: Option<String>,
}

impl Contender for Step {
    fn turn(&mut self, seconds: f64) -> anyhow::Result<Vec<f64>> {
        again(seconds, || Ok(self.take(STILL).map(|_| ())?))
    }
}

impl Bench {
    pub(super) fn training(
        &self,
        graph: &Graph,
        pool: &Arc<Pool>,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let batches = self.batches(BATCH).into_iter();
        let all = batches.map(|batch| self.measure_steps(graph, batch, pool));
        let all = all.collect::<anyhow::Result<Vec<_>>>()?;
        if self.json {
            let batches: Vec<Value> = all.iter().map(as_json).collect();
            let (model, threads) = (self.model.display().to_string(), self.threads);
            let text = json!({ "model": model, "threads": threads, "training": batches });
            writeln!(out, "{text:#}")?;
            return Ok(());
        }
        for measured in &all {
            if let Some(profile) = measured.profile.as_ref().filter(|_| self.explain) {
                writeln!(out, "{profile}")?;
            }
            self.print_times("training, batch", measured.batch, &measured.times, out)?;
            if let Some(text) = &measured.masked {
                writeln!(out, "{text}")?;
            }
        }
        Ok(())
    }

    fn measure_steps(
        &self,
        graph: &Graph,
        batch: usize,
        pool: &Arc<Pool>,
    ) -> anyhow::Result<Measured> {
        let choice = if self.tune { Choice::Measure(clock) } else { Choice::Model };
        let mut step = ready(graph, batch, pool, choice)?;
        let masked = Some(step.plan()).filter(|plan| !plan.steps.is_empty());
        let masked = masked.map(hoyer_run::Plan::summary);
        let mut dense = match masked {
            Some(_) => Some(ready(graph, batch, pool, Choice::Dense)?),
            None => None,
        };
        let times = {
            let mut contenders: Vec<(String, &mut dyn Contender)> =
                vec![("hoyer".into(), &mut step)];
            if let Some(dense) = &mut dense {
                contenders.push(("hoyer, all weights multiplied".into(), dense));
            }
            take_turns(&mut contenders, self.seconds)?
        };
        let is_profiled = self.explain || self.json;
        let profile = if is_profiled { Some(step.profile(PROFILED, clock)?) } else { None };
        Ok(Measured { batch, times, profile, masked })
    }
}

/// A step over made-up samples.
fn ready(graph: &Graph, batch: usize, pool: &Arc<Pool>, choice: Choice) -> anyhow::Result<Step> {
    let optimizer = Config::default();
    let setup = Setup { goal: Goal::Classes, batch, optimizer, penalty: None, pool, choice };
    let mut step = Step::new(graph, &setup)?;
    let x = numbers(step.input_mut().len());
    step.input_mut().copy_from_slice(&x);
    let classes = step.classes().unwrap_or(1);
    step.labels_mut().iter_mut().enumerate().for_each(|(i, label)| *label = (i % classes) as i64);
    Ok(step)
}

fn as_json(measured: &Measured) -> Value {
    let peak = measured.profile.as_ref().map(|profile| profile.peak_gflops);
    let step = |step: &hoyer_run::ProfileStep| {
        let share = step.gflops().zip(peak).map(|(gflops, peak)| gflops / peak);
        json!({
            "layer": step.layer, "op": step.op, "pass": step.pass.map(hoyer_run::Pass::name), "way": step.way,
            "predicted_us": step.predicted_us, "measured_us": step.measured_us, "macs": step.macs,
            "gflops": step.gflops(), "peak_share": share,
        })
    };
    let steps = measured.profile.iter().flat_map(|profile| &profile.steps);
    json!({
        "batch": measured.batch,
        "contenders": contenders(measured.batch, &measured.times),
        "masked_layers": measured.masked,
        "peak_gflops": peak,
        "steps": steps.map(step).collect::<Vec<_>>(),
    })
}
