//! One network ready to train: programs compiled once, batches filled by all threads, one step.
//!
//! Invariants: a step allocates nothing; its result is a function of weights, samples and step, whatever the
//! number of threads.
//! Not here: what is done in which epoch (`stage`), the update (`optimizer`).

use std::sync::Arc;

use hoyer_graph::{Graph, Param};
use hoyer_kernels::pool::{Chunks, Pool};
use hoyer_run::Choice;

use crate::ahead::{self, Batch};
use crate::channel_saliency::ChannelSaliency;
use crate::optimizer::{Optimizer, Pace, Parameter};
use crate::penalty::{Penalty, View};
use crate::recipe::Learn;
use crate::saliency::Saliency;
use crate::samples::Samples;
use crate::snapshot::{Biases, prunable};
use crate::step::network::training_graph;
use crate::step::{Goal, Step, check_label};
use crate::{Error, Result, clip};

mod coupled;
mod divergence;
mod evaluation;

pub(crate) use crate::step::network::Teaching;
pub(crate) use evaluation::{Evaluator, Score};

/// A network in training.
pub(crate) struct Trainer {
    step: Step,
    classes: usize,
    clip: Option<clip::Config>,
    saliency: Option<Saliency>,
    channels: Option<ChannelSaliency>,
    /// Place among the trained of each tensor that saliency looks at.
    watched: Vec<usize>,
    batch: usize,
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
        teaching: Option<Teaching<'_>>,
        learn: &Learn,
        settings: Settings<'_>,
    ) -> Result<Self> {
        let training =
            training_graph(graph, Goal::Classes, teaching, settings.seed, settings.batch)?;
        let classes = training.classes.expect("the goal is classes");
        let Settings { batch, pool, choice, .. } = settings;
        let step = Step::of(training, batch, (pool, choice), |params, trained| {
            let pruned = prunable(params, settings.biases);
            let penalty = learn.penalty.map(|penalty| penalty.0);
            let parameters: Vec<Parameter> =
                trained.iter().map(|id| parameter(id.0, params, &pruned, penalty)).collect();
            let method = learn.optimizer.build()?;
            if learn.coupled {
                let coupled = coupled::groups_of(graph, trained, &parameters)?;
                return Optimizer::coupled(method, &parameters, coupled);
            }
            Ok(Optimizer::new(method, &parameters))
        })?;
        let place = |i: &usize| step.trained.iter().position(|id| id.0 == *i);
        let watched = prunable(&step.params, settings.biases).iter().filter_map(place).collect();
        let clip = learn.clip;
        Ok(Self { step, classes, clip, saliency: None, channels: None, watched, batch })
    }

    /// Those of the inference graph, then constants.
    pub(crate) fn params(&self) -> &[Param] {
        &self.step.params
    }

    /// As [`Self::params`], to be changed.
    pub(crate) fn params_mut(&mut self) -> &mut Vec<Param> {
        &mut self.step.params
    }

    /// From now on looks at gradients, for scores.
    pub(crate) fn watch(&mut self, memory: f64) {
        let len = |at: &usize| self.step.params[self.step.trained[*at].0].tensor.data().len();
        self.saliency = Some(Saliency::new(memory, self.watched.iter().map(len)));
    }

    pub(crate) fn saliency(&mut self) -> Option<&mut Saliency> {
        self.saliency.as_mut()
    }

    /// From now on looks at the channels of this network, which is the one in training, for scores.
    pub(crate) fn watch_channels(&mut self, graph: &Graph, memory: f64) -> Result<()> {
        self.channels = Some(ChannelSaliency::new(memory, graph, &self.step.trained)?);
        Ok(())
    }

    /// What was seen for scores, of weights or channels.
    pub(crate) fn means(&self) -> Vec<Vec<f32>> {
        let of_weights = self.saliency.as_ref().map(|found| found.means.clone());
        let of_channels = || self.channels.as_ref().map(ChannelSaliency::means);
        of_weights.or_else(of_channels).unwrap_or_default()
    }

    /// Goes on from what was seen.
    pub(crate) fn restore_means(&mut self, means: &[Vec<f32>]) {
        if let Some(saliency) = &mut self.saliency {
            saliency.means.clone_from_slice(means);
        }
        if let Some(channels) = &mut self.channels {
            channels.restore(means);
        }
    }

    pub(crate) fn optimizer(&mut self) -> &mut Optimizer {
        &mut self.step.optimizer
    }

    /// How the layers with masks run, in a line; none if no layer has a mask.
    pub(crate) fn masked_layers(&self) -> Option<String> {
        let plan = self.step.plan();
        (!plan.steps.is_empty()).then(|| plan.summary())
    }

    /// Takes note of weights that do not live any more: what follows is what would follow had training begun with these masks.
    pub(crate) fn masks_changed(&mut self) -> Result<()> {
        self.step.masks_changed()
    }

    /// How large batches are that are made ahead.
    pub(crate) fn size(&self) -> ahead::Size {
        let Step { training, program, .. } = &self.step;
        ahead::Size { batch: self.batch, buffer: program.input_buffer_len(training.input) }
    }

    /// Checks that these samples can be learned by this network.
    pub(crate) fn check(&mut self, samples: &dyn Samples) -> Result<()> {
        let need = self.step.input_mut().len() / self.batch;
        check_sample_len(samples, need)?;
        if samples.len() < self.batch {
            let need = format!("at least one batch of {}", self.batch);
            return Err(Error::Data { what: "training samples", got: samples.len(), need });
        }
        Ok(())
    }

    /// Computes loss and gradients of a batch, and takes a step; the batch's memory may be another afterwards.
    pub(crate) fn step(
        &mut self,
        samples: &dyn Samples,
        batch: &mut Batch,
        step: u64,
        mut pace: Pace,
    ) -> Result<Found> {
        let first = batch.first;
        self.step.swap_input(&mut batch.input);
        self.step.labels_mut().copy_from_slice(&batch.labels);
        self.step.check_labels()?;
        self.step.compute(step);
        let loss = f64::from(self.step.loss());
        if !loss.is_finite() {
            return Err(Error::Diverged { step, at: self.culprit(samples, first, step)? });
        }
        let correct = self.correct(&batch.labels);
        let gradients = &self.step.training.gradients;
        if let (Some(saliency), program) = (&mut self.saliency, &self.step.program) {
            let watched = self.watched.iter().map(|at| program.value(gradients[*at]));
            saliency.look_at(watched, &self.step.pool);
        }
        let net = &self.step;
        if let Some(channels) = &mut self.channels {
            let weights = |at: usize| net.params[net.trained[at].0].tensor.data();
            let both = |at: usize| (weights(at), net.program.value(gradients[at]));
            channels.look_at(both);
        }
        let living = gradients
            .iter()
            .zip(&net.trained)
            .map(|(id, param)| (net.program.value(*id), net.params[param.0].mask.as_deref()));
        let Ok(norm) = clip::norm_of_living(living) else {
            return Err(Error::Diverged { step, at: self.culprit(samples, first, step)? });
        };
        if let Some(clip::Config::Norm(limit)) = self.clip {
            pace.gradient_scale *= (limit / (norm + 1e-6)).min(1.0);
        }
        self.step.update(pace)?;
        Ok(Found { loss, correct, penalty: self.step.optimizer.penalty() })
    }

    /// Computes the gradients of a batch for scores, and changes no weight.
    pub(crate) fn look(&mut self, samples: &dyn Samples, first: usize, step: u64) -> Result<()> {
        let pool = Arc::clone(&self.step.pool);
        fill(samples, first, self.step.input_mut(), &pool);
        fill_labels(samples, first, self.step.labels_mut(), self.classes)?;
        self.step.compute(step);
        let net = &self.step;
        if let Some(saliency) = &mut self.saliency {
            let gradient = |at: &usize| net.program.value(net.training.gradients[*at]);
            saliency.look_at(self.watched.iter().map(gradient), &net.pool);
        }
        Ok(())
    }

    /// How many answers of the last run are right.
    fn correct(&self, labels: &[i64]) -> usize {
        let answers = self.step.program.value(self.step.training.answer);
        evaluation::count_correct(answers.chunks_exact(self.classes), |i| labels[i])
    }

    /// The first number of the batch that is not finite.
    fn culprit(&mut self, samples: &dyn Samples, first: usize, step: u64) -> Result<String> {
        let Step { training, params, pool, .. } = &self.step;
        let mut graph = training.graph.clone();
        graph.params.clone_from(params);
        divergence::culprit(&graph, self.batch, step, |program| {
            fill(samples, first, program.input_mut(training.input), pool);
            fill_labels(samples, first, program.labels_mut(training.wanted), self.classes)
        })
    }
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
        check_label(*label, classes)?;
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
