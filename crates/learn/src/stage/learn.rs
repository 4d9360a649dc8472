//! A stage that trains, epoch by epoch.
//!
//! The best epoch by validation accuracy (then loss, then the earlier) is kept; while pruning goes on, only
//! epochs after the last cut count. Sparsifying with a penalty alone keeps its last epoch, the sparsest; so does `choose = "last"`.

use std::time::{Duration, Instant};

use hoyer_run::Choice;

use super::Run;
use super::gradual::Pruner;
use crate::ahead::{Batch, ahead};
use crate::average::Average;
use crate::checkpoint::Best;
use crate::observer::Progress;
use crate::optimizer::Pace;
use crate::recipe::{self, Choose, Learn, Narrow};
use crate::record::{EpochRecord, StageKind};
use crate::schedule::Schedule;
use crate::snapshot::{Snapshot, weights_left};
use crate::trainer::{Found, Score, Settings, Teaching, Trainer};
use crate::{Error, Result};

/// A stage under way.
struct Course<'l> {
    learn: &'l Learn,
    trainer: Trainer,
    pruner: Option<Pruner>,
    average: Option<Average>,
    rate: Schedule,
    strength: Schedule,
    lr: f64,
    /// Steps of an epoch and of the stage.
    steps: usize,
    total: u64,
    choose: Choose,
}

/// What the steps of an epoch found.
#[derive(Default)]
struct Taken {
    /// The sum over the steps.
    loss: f64,
    correct: usize,
    /// After the last step, without lambda.
    penalty: f64,
    /// Time in which a step waited for its samples.
    waited: Duration,
}

impl Run<'_> {
    pub(super) fn learn(&mut self, learn: &Learn, kind: StageKind) -> Result<Score> {
        let mut course = self.course(learn, kind)?;
        while self.state.epoch < learn.epochs {
            let record = self.epoch(&mut course)?;
            self.setup.observer.epoch_done(self.state.stage, &record);
            self.state.current.epochs.push(record);
            if let Some((narrow, macs)) = self.narrows_to(learn) {
                self.narrow(narrow, macs)?;
                course = self.course(learn, kind)?;
                if self.state.epoch == learn.epochs {
                    self.judge_cut(course.average.as_ref())?;
                }
            }
            if self.state.epoch < learn.epochs {
                self.write_if_due()?;
            }
        }
        self.state.current.masked_layers = course.trainer.masked_layers();
        self.keep_chosen(course.choose)
    }

    fn course<'l>(&mut self, learn: &'l Learn, kind: StageKind) -> Result<Course<'l>> {
        let given = self.setup.teachers;
        let needs_dense = given.is_empty() && learn.distill.is_some();
        let dense = needs_dense.then(|| self.state.dense.in_graph(self.setup.graph));
        let teachers = if given.is_empty() { dense.as_slice() } else { given };
        let teaching = learn.distill.map(|distill| Teaching { teachers, distill });
        let recipe = self.setup.recipe;
        let settings = Settings {
            batch: recipe.batch,
            seed: recipe.seed,
            biases: self.biases(),
            pool: self.setup.pool,
            choice: Choice::Model,
        };
        let mut trainer = Trainer::new(&self.graph, teaching, learn, settings)?;
        trainer.check(self.setup.data.training)?;
        if let Some(text) = trainer.masked_layers() {
            self.setup.observer.message(&text);
        }
        let steps = self.setup.data.training.len() / recipe.batch;
        let total = steps as u64 * u64::from(learn.epochs);
        let pruner = learn.gradual.map(|gradual| {
            let from = (self.state.epoch > 0).then_some(self.state.pruned_from);
            Pruner::new(gradual, total, (&self.graph, self.biases()), (&mut trainer, from))
        });
        let pruner = pruner.transpose()?;
        match learn.narrow.map(|narrow| narrow.score) {
            Some(recipe::Score::Fisher) => trainer.watch(recipe::long()),
            Some(recipe::Score::Taylor) => trainer.watch_channels(&self.graph, recipe::long())?,
            Some(recipe::Score::Magnitude) | None => {}
        }
        self.state.pruned_from = match &pruner {
            Some(pruner) => pruner.from(),
            None if self.state.epoch > 0 => self.state.pruned_from,
            None => learn.narrow.map_or(Ok(0), |_| self.macs())?,
        };
        let mut average = learn.average.map(|memory| Average::new(memory, &self.graph.params));
        if self.state.epoch > 0 {
            self.restore(&mut trainer, average.as_mut())?;
        }
        let last = kind == StageKind::Sparsify && !learn.cuts();
        Ok(Course {
            learn,
            pruner,
            average,
            rate: learn.schedule.clone().build()?,
            strength: learn.lambda_schedule.clone().build()?,
            lr: trainer.optimizer().method().lr(),
            trainer,
            steps,
            total,
            choose: if last { Choose::Last } else { learn.choose },
        })
    }

    /// Goes on from the state.
    fn restore(&mut self, trainer: &mut Trainer, average: Option<&mut Average>) -> Result<()> {
        if let Some(optimizer) = &self.state.optimizer {
            trainer.optimizer().restore(optimizer.clone())?;
        }
        trainer.restore_means(&self.state.saliency);
        if let Some(average) = average {
            average.means.clone_from(&self.state.average);
        }
        Ok(())
    }

    fn epoch(&mut self, course: &mut Course<'_>) -> Result<EpochRecord> {
        let clock = Instant::now();
        self.setup.data.training.start_epoch(self.state.epochs);
        let shuffled = clock.elapsed();
        let taken = match self.steps(course) {
            Err(Error::Interrupted { step }) => {
                self.write()?;
                return Err(Error::Interrupted { step });
            }
            taken => taken?,
        };
        let Taken { loss, correct, penalty, waited } = taken;
        let seconds = clock.elapsed().as_secs_f64();
        let samples = (course.steps * self.setup.recipe.batch) as f64;
        let score = self.close(course)?;
        let pace = course.pace(u64::from(self.state.epoch) * course.steps as u64 - 1);
        let penalty = course.learn.penalty.map(|_| pace.lambda * penalty);
        Ok(EpochRecord {
            epoch: self.state.epoch,
            seconds: clock.elapsed().as_secs_f64(),
            learning_rate: Some(pace.lr),
            lambda: course.learn.penalty.map(|_| pace.lambda),
            train_loss: Some(loss / course.steps as f64),
            penalty,
            train_accuracy: Some(correct as f64 / samples),
            validation_loss: Some(score.loss),
            validation_accuracy: Some(score.accuracy),
            weights_nonzero: Some(weights_left(&self.graph.params)),
            weights_small_share: self.small_share()?,
            samples_per_second: Some(samples / seconds),
            data_share: Some((shuffled + waited).as_secs_f64() / seconds),
        })
    }

    /// The steps of an epoch, whose order is drawn.
    fn steps(&self, course: &mut Course<'_>) -> Result<Taken> {
        let (samples, size) = (&*self.setup.data.training, course.trainer.size());
        ahead(samples, size, self.setup.pool, |ahead| {
            let mut taken = Taken::default();
            for step in 0..course.steps {
                if self.is_stopped() {
                    return Err(Error::Interrupted { step: self.state.step + step as u64 });
                }
                let mut batch = ahead.next();
                let found = self.step(course, step, &mut batch)?;
                ahead.give_back(batch);
                taken.loss += found.loss;
                taken.correct += found.correct;
                taken.penalty = found.penalty;
            }
            Ok(Taken { waited: ahead.waited(), ..taken })
        })
    }

    fn step(&self, course: &mut Course<'_>, step: usize, batch: &mut Batch) -> Result<Found> {
        let done = u64::from(self.state.epoch) * course.steps as u64 + step as u64;
        let (samples, pace) = (&*self.setup.data.training, course.pace(done));
        let found = course.trainer.step(samples, batch, self.state.step + step as u64, pace)?;
        if let Some(pruner) = &mut course.pruner {
            let average = course.average.as_mut();
            pruner.after(done + 1, &mut course.trainer, (&self.units, average))?;
        }
        if let Some(average) = &mut course.average {
            average.take_in(done, course.trainer.params(), self.setup.pool);
        }
        self.setup.observer.step(Progress {
            stage: self.state.stage,
            epoch: self.state.epoch + 1,
            step: step + 1,
            steps: course.steps,
            loss: found.loss,
        });
        Ok(found)
    }

    /// Makes the state that of the end of an epoch, and judges it.
    fn close(&mut self, course: &mut Course<'_>) -> Result<Score> {
        let state = &mut self.state;
        let trainer = &mut course.trainer;
        state.params = Snapshot::of(trainer.params(), self.graph.params.len());
        state.params.put(&mut self.graph.params);
        if let Some(average) = &course.average {
            state.average.clone_from(&average.means);
            average.put(&mut self.graph.params);
        }
        state.optimizer = Some(trainer.optimizer().state());
        state.saliency = trainer.means();
        state.epoch += 1;
        state.epochs += 1;
        state.step += course.steps as u64;
        let score = self.finite_score()?;
        let state = &mut self.state;
        let done = u64::from(state.epoch) * course.steps as u64;
        let narrow = course.learn.narrow;
        let counts = course.pruner.as_ref().is_none_or(|pruner| pruner.is_done(done))
            && narrow.is_none_or(|narrow| state.epoch > narrow.last(course.learn.epochs));
        if counts && state.best.as_ref().is_none_or(|best| best.is_beaten_by(score)) {
            let params = Snapshot::of(&self.graph.params, self.graph.params.len());
            state.best = Some(Best { epoch: state.epoch, score, params });
        }
        state.last_loss = score.loss;
        state.last = score.accuracy;
        Ok(score)
    }

    fn finite_score(&mut self) -> Result<Score> {
        let score = self.score()?;
        if score.loss.is_finite() {
            return Ok(score);
        }
        let at = "the validation loss, after an epoch whose batches were finite".into();
        Err(Error::Diverged { step: self.state.step, at })
    }

    /// Judges what a cut left that no epoch follows.
    fn judge_cut(&mut self, average: Option<&Average>) -> Result<()> {
        if let Some(average) = average {
            average.put(&mut self.graph.params);
        }
        let score = self.finite_score()?;
        (self.state.last, self.state.last_loss) = (score.accuracy, score.loss);
        Ok(())
    }

    /// How far the network is to be narrowed now, at the end of an epoch.
    fn narrows_to(&self, learn: &Learn) -> Option<(Narrow, u64)> {
        let narrow = learn.narrow?;
        Some((narrow, narrow.after(self.state.epoch, learn.epochs, self.state.pruned_from)?))
    }

    /// Takes the epoch that the stage keeps.
    fn keep_chosen(&mut self, choose: Choose) -> Result<Score> {
        let state = &mut self.state;
        let last = Score { loss: state.last_loss, accuracy: state.last };
        let score = match state.best.take().filter(|_| choose == Choose::Best) {
            Some(best) => {
                best.params.put(&mut self.graph.params);
                state.current.chosen_epoch = Some(best.epoch);
                best.score
            }
            None => {
                state.current.chosen_epoch = Some(state.epoch);
                last
            }
        };
        Ok(score)
    }
}

impl Course<'_> {
    /// What holds in a step of the stage.
    fn pace(&self, step: u64) -> Pace {
        Pace {
            lr: self.lr * self.rate.factor(step, self.total),
            lambda: self.learn.lambda * self.strength.factor(step, self.total),
            gradient_scale: 1.0,
        }
    }
}
