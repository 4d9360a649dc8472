//! One network ready to train: programs compiled once, batches filled by all threads, one step.
//!
//! Invariants: a step allocates nothing; its result is a function of weights, samples and step, whatever the
//! number of threads.
//! Not here: what is done in which epoch (`stage`), the update (`optimizer`).

use std::sync::Arc;

use hoyer_graph::{Bindings, Graph, Param, ParamId};
use hoyer_kernels::pool::{Chunks, Pool};
use hoyer_run::{Choice, Plan, Program};

use crate::optimizer::{Optimizer, Pace, Parameter, Tensor, on};
use crate::penalty::{Penalty, View};
use crate::recipe::Learn;
use crate::saliency::Saliency;
use crate::samples::Samples;
use crate::snapshot::{Biases, prunable};
use crate::{Error, Result, clip};

mod coupled;
mod divergence;
mod evaluation;
mod network;

pub(crate) use evaluation::{Evaluator, Score};
pub(crate) use network::Teacher;
use network::{Training, training_graph};

/// A network in training.
pub(crate) struct Trainer {
    training: Training,
    /// Those of the inference graph, then constants.
    pub(crate) params: Vec<Param>,
    program: Program,
    /// How the layers that have masks run.
    plan: Plan,
    choice: Choice,
    trained: Vec<ParamId>,
    optimizer: Optimizer,
    clip: Option<clip::Config>,
    saliency: Option<Saliency>,
    /// Place among the trained of each tensor that saliency looks at.
    watched: Vec<usize>,
    batch: usize,
    pool: Arc<Pool>,
}

/// What is the same for all stages of a run.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) batch: usize,
    pub(crate) seed: u64,
    pub(crate) biases: Biases,
    pub(crate) pool: &'a Arc<Pool>,
    /// How layers with masks run; the gradients by dead weights are known only if all run dense.
    pub(crate) choice: Choice,
}

/// What a step found; loss and answers are those before it changed the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) loss: f64,
    pub(crate) correct: usize,
    /// Without lambda, of the weights after the step.
    pub(crate) penalty: f64,
}

impl Trainer {
    pub(crate) fn new(
        graph: &Graph,
        teacher: Option<Teacher<'_>>,
        learn: &Learn,
        settings: Settings<'_>,
    ) -> Result<Self> {
        let mut training = training_graph(graph, teacher, settings.seed)?;
        let Settings { batch, choice, .. } = settings;
        let (program, plan) = training.compile(batch, settings.pool, choice)?;
        let params = std::mem::take(&mut training.graph.params);
        let trained = trained_params(&params);
        let pruned = prunable(&params, settings.biases);
        let penalty = learn.penalty.map(|penalty| penalty.0);
        let parameters: Vec<Parameter> =
            trained.iter().map(|id| parameter(id.0, &params, &pruned, penalty)).collect();
        let method = learn.optimizer.build()?;
        let optimizer = if learn.coupled {
            let coupled = coupled::groups_of(graph, &trained, &parameters)?;
            Optimizer::coupled(method, &parameters, coupled)?
        } else {
            Optimizer::new(method, &parameters)
        };
        let place = |i: &usize| trained.iter().position(|id| id.0 == *i);
        let watched: Vec<usize> = pruned.iter().filter_map(place).collect();
        let pool = Arc::clone(settings.pool);
        let (clip, saliency) = (learn.clip, None);
        Ok(Self {
            training,
            params,
            program,
            plan,
            choice,
            trained,
            optimizer,
            clip,
            saliency,
            watched,
            batch,
            pool,
        })
    }

    /// From now on looks at gradients, for scores.
    pub(crate) fn watch(&mut self, memory: f64) {
        let len = |at: &usize| self.params[self.trained[*at].0].tensor.data().len();
        self.saliency = Some(Saliency::new(memory, self.watched.iter().map(len)));
    }

    pub(crate) fn saliency(&mut self) -> Option<&mut Saliency> {
        self.saliency.as_mut()
    }

    pub(crate) fn optimizer(&mut self) -> &mut Optimizer {
        &mut self.optimizer
    }

    /// How the layers with masks run, in a line; none if no layer has a mask.
    pub(crate) fn masked_layers(&self) -> Option<String> {
        (!self.plan.steps.is_empty()).then(|| self.plan.summary())
    }

    /// Takes note of weights that do not live any more: what follows is what would follow had training begun with these masks.
    pub(crate) fn masks_changed(&mut self) -> Result<()> {
        self.optimizer.weights_changed();
        // The old memory goes before new memory is asked for.
        self.program = Program::compile(&Graph::new(""), &Bindings::new(), &[], &self.pool)?;
        std::mem::swap(&mut self.training.graph.params, &mut self.params);
        let compiled = self.training.compile(self.batch, &self.pool, self.choice);
        std::mem::swap(&mut self.training.graph.params, &mut self.params);
        (self.program, self.plan) = compiled?;
        Ok(())
    }

    /// Checks that these samples can be learned by this network.
    pub(crate) fn check(&mut self, samples: &dyn Samples) -> Result<()> {
        let need = self.program.input_mut(self.training.input).len() / self.batch;
        check_sample_len(samples, need)?;
        if samples.len() < self.batch {
            let need = format!("at least one batch of {}", self.batch);
            return Err(Error::Data { what: "training samples", got: samples.len(), need });
        }
        Ok(())
    }

    /// Computes loss and gradients of a batch that begins with sample `first`, and takes a step.
    pub(crate) fn step(
        &mut self,
        samples: &dyn Samples,
        first: usize,
        step: u64,
        mut pace: Pace,
    ) -> Result<Found> {
        let classes = self.training.classes;
        let input = self.program.input_mut(self.training.input);
        fill(samples, first, input, &self.pool);
        let labels = self.program.labels_mut(self.training.labels);
        fill_labels(samples, first, labels, classes)?;
        self.program.run(&mut self.params, step);
        let loss = f64::from(self.program.value(self.training.loss)[0]);
        if !loss.is_finite() {
            return Err(Error::Diverged { step, at: self.culprit(samples, first, step)? });
        }
        let correct = self.correct(samples, first);
        let gradients = &self.training.gradients;
        if let (Some(saliency), program) = (&mut self.saliency, &self.program) {
            let watched = self.watched.iter().map(|at| program.value(gradients[*at]));
            saliency.look_at(watched, &self.pool);
        }
        let living = gradients
            .iter()
            .zip(&self.trained)
            .map(|(id, param)| (self.program.value(*id), self.params[param.0].mask.as_deref()));
        let Ok(norm) = clip::norm_of_living(living) else {
            return Err(Error::Diverged { step, at: self.culprit(samples, first, step)? });
        };
        if let Some(clip::Config::Norm(limit)) = self.clip {
            pace.gradient_scale *= (limit / (norm + 1e-6)).min(1.0);
        }
        self.update(pace)?;
        Ok(Found { loss, correct, penalty: self.optimizer.penalty() })
    }

    /// Computes the gradients of a batch for scores, and changes no weight.
    pub(crate) fn look(&mut self, samples: &dyn Samples, first: usize, step: u64) -> Result<()> {
        fill(samples, first, self.program.input_mut(self.training.input), &self.pool);
        let labels = self.program.labels_mut(self.training.labels);
        fill_labels(samples, first, labels, self.training.classes)?;
        self.program.run(&mut self.params, step);
        let (watched, program) = (&self.watched, &self.program);
        if let Some(saliency) = &mut self.saliency {
            let gradients = watched.iter().map(|at| program.value(self.training.gradients[*at]));
            saliency.look_at(gradients, &self.pool);
        }
        Ok(())
    }

    fn update(&mut self, pace: Pace) -> Result<()> {
        let Self { params, trained, training, program, optimizer, pool, .. } = self;
        if optimizer.must_look() {
            optimizer.look(trained.iter().map(|id| params[id.0].tensor.data()));
        }
        let mut at = 0;
        let tensors = params.iter_mut().enumerate().filter_map(|(i, param)| {
            if trained.get(at).is_none_or(|id| id.0 != i) {
                return None;
            }
            let gradient = program.value(training.gradients[at]);
            at += 1;
            let mask = param.mask.as_deref();
            Some(Tensor { weights: param.tensor.data_mut(), gradient, mask })
        });
        optimizer.step(pace, tensors, on(pool))
    }

    /// How many answers of the last run are right.
    fn correct(&self, samples: &dyn Samples, first: usize) -> usize {
        let rows = self.program.value(self.training.logits).chunks_exact(self.training.classes);
        evaluation::count_correct(rows, |i| samples.label(first + i))
    }

    /// The first number of the batch that is not finite.
    fn culprit(&mut self, samples: &dyn Samples, first: usize, step: u64) -> Result<String> {
        let mut graph = self.training.graph.clone();
        graph.params.clone_from(&self.params);
        let training = &self.training;
        divergence::culprit(&graph, self.batch, step, |program| {
            fill(samples, first, program.input_mut(training.input), &self.pool);
            fill_labels(samples, first, program.labels_mut(training.labels), training.classes)
        })
    }
}

fn trained_params(params: &[Param]) -> Vec<ParamId> {
    (0..params.len()).filter(|&i| params[i].role.is_trained()).map(ParamId).collect()
}

fn parameter(
    i: usize,
    params: &[Param],
    pruned: &[usize],
    penalty: Option<&'static dyn Penalty>,
) -> Parameter {
    let penalty = penalty.filter(|_| pruned.contains(&i));
    Parameter { view: View::of(params[i].tensor.shape()), role: params[i].role, penalty }
}

/// Fills the batch that begins with sample `first`, on all threads.
pub(crate) fn fill(samples: &dyn Samples, first: usize, input: &mut [f32], pool: &Pool) {
    let len = samples.sample_len();
    let batch = input.len() / len.max(1);
    pool.for_each(batch, Chunks::new(input, len), |i, part| samples.fill(first + i, part));
}

fn fill_labels(
    samples: &dyn Samples,
    first: usize,
    labels: &mut [i64],
    classes: usize,
) -> Result<()> {
    for (i, label) in labels.iter_mut().enumerate() {
        *label = samples.label(first + i);
        if usize::try_from(*label).is_ok_and(|label| label < classes) {
            continue;
        }
        let got = usize::try_from(*label).unwrap_or(usize::MAX);
        return Err(Error::Data { what: "a label", got, need: format!("below {classes}") });
    }
    Ok(())
}

fn check_sample_len(samples: &dyn Samples, need: usize) -> Result<()> {
    let got = samples.sample_len();
    if got == need {
        return Ok(());
    }
    let need = format!("{need}, as the network's input");
    Err(Error::Data { what: "numbers in a sample", got, need })
}
