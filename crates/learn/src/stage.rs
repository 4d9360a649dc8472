//! A whole run: the stages of a recipe one after the other, from a graph to a dense and a sparse network.
//!
//! Invariants: the networks are a function of recipe, graph, teacher and samples alone, for any number of threads, and
//! whether the run was stopped and resumed or not.
//! Not here: one step (`trainer`), what is written to disk (`checkpoint`).

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hoyer_graph::container::{self, Metadata};
use hoyer_graph::{Bindings, Graph};
use hoyer_kernels::pool::Pool;

use crate::checkpoint::{self, State};
use crate::observer::Observer;
use crate::recipe::{Recipe, Stage};
use crate::record::{StageKind, StageRecord};
use crate::samples::Data;
use crate::snapshot::{Biases, Snapshot, weights_left, weights_total};
use crate::step::network::check_can_learn;
use crate::trainer::{Evaluator, Score};
use crate::units::Units;
use crate::{Error, Result};

mod calibrate;
mod channels;
mod cut;
mod gradual;
mod learn;
mod quantize;
mod small;
#[cfg(test)]
mod tests;

/// Least time between two checkpoints within a stage.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(10);

/// What a run needs.
pub struct Setup<'a> {
    /// What to do.
    pub recipe: &'a Recipe,
    /// The network as it begins: one input, logits `[batch, classes]` as the only output.
    pub graph: &'a Graph,
    /// Who is learned from where a stage distills, if not the dense network: each one input of as many numbers, logits `[batch, classes]`.
    pub teachers: &'a [Graph],
    /// What it learns from.
    pub data: Data<'a>,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// The file that the state is kept in; if it exists, the run goes on from it.
    pub checkpoint: Option<&'a Path>,
    /// Stops the run at the next step once it is true.
    pub stop: &'a AtomicBool,
    /// Who computes.
    pub pool: &'a Arc<Pool>,
}

impl std::fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("graph", &self.graph.name)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// What a run leaves.
///
/// # Units
/// - accuracies: shares of validation samples answered correctly
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The network after the last `train` stage, or as it began.
    pub dense: Graph,
    /// The network after the last stage; its zeros are masked.
    pub network: Graph,
    /// One record a stage.
    pub records: Vec<StageRecord>,
    /// Of `dense`.
    pub dense_accuracy: f64,
    /// Of `network`.
    pub accuracy: f64,
}

/// Runs a recipe from its beginning, or from the checkpoint.
///
/// # Errors
/// - [`Error::Recipe`] or [`Error::Range`] if the recipe makes no sense
/// - [`Error::Data`] if samples do not fit the network or the batch
/// - [`Error::Diverged`] if the loss is no longer finite: where that began; the checkpoint stays as it was
/// - [`Error::Interrupted`] if it was stopped; the checkpoint holds the last whole epoch
/// - [`Error::OtherRun`], [`Error::Damaged`], [`Error::Read`], [`Error::Write`] about the checkpoint
/// - [`Error::Graph`] or [`Error::Run`] if the network cannot be trained or run
pub fn run(setup: Setup<'_>) -> Result<Outcome> {
    setup.recipe.check()?;
    let mut run = Run::new(setup)?;
    while let Some(stage) = run.setup.recipe.stage.get(run.state.stage) {
        run.stage(stage)?;
    }
    Ok(run.outcome())
}

/// The sizes of one sample, for counts of multiply-accumulates.
fn one_sample() -> Bindings {
    Bindings::from([("batch".to_owned(), 1)])
}

/// What a run is known by: its recipe, and checksums of teachers from elsewhere.
fn name(recipe: &Recipe, teachers: &[Graph]) -> Result<String> {
    let mut name = recipe.text();
    for teacher in teachers {
        let bytes = container::to_bytes(teacher, &Metadata::default())?;
        let _ = write!(name, "# teacher {:08x}", crc32fast::hash(&bytes));
    }
    Ok(name)
}

/// A run under way.
struct Run<'a> {
    setup: Setup<'a>,
    /// What a checkpoint knows it by.
    name: String,
    /// The network as the last whole epoch left it.
    graph: Graph,
    state: State,
    evaluator: Evaluator,
    units: Units,
    written: Instant,
}

impl<'a> Run<'a> {
    fn new(setup: Setup<'a>) -> Result<Self> {
        let Setup { recipe, graph, teachers, ref data, checkpoint, pool, .. } = setup;
        if data.validation.is_empty() {
            let need = "at least 1".into();
            return Err(Error::Data { what: "validation samples", got: 0, need });
        }
        if recipe.learns() {
            check_can_learn(graph, teachers, recipe.batch)?;
        }
        let mut run = Self {
            name: name(recipe, teachers)?,
            graph: graph.clone(),
            state: State::fresh(graph),
            evaluator: Evaluator::new(graph, data.validation, pool)?,
            units: Units::of(graph),
            written: Instant::now(),
            setup,
        };
        match checkpoint.filter(|path| path.exists()) {
            Some(path) => {
                run.state = checkpoint::read(path, &run.name, graph)?;
                if let Some(small) = run.state.network.clone() {
                    run.rebuild(small)?;
                }
                run.state.params.put(&mut run.graph.params);
            }
            None => {
                run.warn_of_targets()?;
                let score = run.score()?;
                run.state.dense_accuracy = score.accuracy;
                run.state.last = score.accuracy;
            }
        }
        Ok(run)
    }

    fn stage(&mut self, stage: &'a Stage) -> Result<()> {
        let (index, stages) = (self.state.stage, self.setup.recipe.stage.len());
        self.setup.observer.stage_started(index, stages, stage, self.state.epoch);
        if self.state.epoch == 0 {
            self.state.current = StageRecord {
                settings: stage.words(&self.setup.recipe.teacher),
                validation_metric_before: Some(self.state.last),
                ..StageRecord::new(stage.kind())
            };
        }
        let clock = Instant::now();
        let score = match stage {
            Stage::Prune(cut) => self.cut(cut)?,
            Stage::Calibrate(calibrate) => self.calibrate(calibrate)?,
            Stage::Quantize(quantize) => self.quantize(quantize)?,
            Stage::Train(learn) | Stage::Sparsify(learn) | Stage::Finetune(learn) => {
                self.learn(learn, stage.kind())?
            }
        };
        self.finish(stage, score, clock)
    }

    /// Closes the record of a stage and writes a checkpoint.
    fn finish(&mut self, stage: &Stage, score: Score, clock: Instant) -> Result<()> {
        let (state, params) = (&mut self.state, &self.graph.params);
        let mut record = std::mem::replace(&mut state.current, StageRecord::new(StageKind::Train));
        record.validation_metric = Some(score.accuracy);
        record.weights_nonzero = Some(weights_left(params));
        record.weights_total = Some(weights_total(&self.setup.graph.params));
        let epochs: f64 = record.epochs.iter().map(|epoch| epoch.seconds).sum();
        record.seconds =
            if record.epochs.is_empty() { clock.elapsed().as_secs_f64() } else { epochs };
        state.params = Snapshot::of(params, params.len());
        if stage.kind() == StageKind::Train {
            state.dense = state.params.clone();
            state.dense_accuracy = score.accuracy;
        }
        self.setup.observer.stage_done(state.stage, &record);
        state.records.push(record);
        state.next_stage(score.accuracy);
        self.write()
    }

    /// Goes on with another network for the same data.
    fn rebuild(&mut self, graph: Graph) -> Result<()> {
        let Setup { ref data, pool, .. } = self.setup;
        self.evaluator = Evaluator::new(&graph, data.validation, pool)?;
        self.units = Units::of(&graph);
        self.state.network = Some(graph.clone());
        self.graph = graph;
        Ok(())
    }

    fn score(&mut self) -> Result<Score> {
        self.evaluator.score(&mut self.graph.params, self.setup.data.validation)
    }

    fn biases(&self) -> Biases {
        if self.setup.recipe.biases { Biases::Included } else { Biases::LeftAlone }
    }

    fn write_if_due(&mut self) -> Result<()> {
        if self.written.elapsed() < BETWEEN_CHECKPOINTS { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<()> {
        if let Some(path) = self.setup.checkpoint {
            checkpoint::write(path, &self.name, &self.state)?;
        }
        self.written = Instant::now();
        Ok(())
    }

    /// Refuses to go on once the run is to stop.
    fn check_stop(&self) -> Result<()> {
        match self.is_stopped() {
            true => Err(Error::Interrupted { step: self.state.step }),
            false => Ok(()),
        }
    }

    fn is_stopped(&self) -> bool {
        self.setup.stop.load(Ordering::Relaxed)
    }

    fn outcome(self) -> Outcome {
        Outcome {
            dense: self.state.dense.in_graph(self.setup.graph),
            network: self.graph,
            records: self.state.records,
            dense_accuracy: self.state.dense_accuracy,
            accuracy: self.state.last,
        }
    }
}
