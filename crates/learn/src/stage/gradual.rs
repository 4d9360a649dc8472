//! Pruning while a stage trains: a little every so many steps.
//!
//! ```text
//! n(q) = n₀ (n₁ / n₀)^q        q = steps done / steps until the last cut, at most 1
//! ```
//!
//! Dead units are removed after every cut, so that fewer than `n(q)` weights may be left.

use super::cut::{apply, kept};
use crate::Result;
use crate::recipe::{Gradual, Score};
use crate::snapshot::{Biases, prunable};
use crate::threshold::{Ranking, Scale};
use crate::trainer::Trainer;
use crate::units::Units;

/// The plan of a stage's cuts.
pub(super) struct Pruner {
    gradual: Gradual,
    places: Vec<usize>,
    from: u64,
    /// The step after which the last cut comes.
    last: u64,
}

impl Pruner {
    /// Plans the cuts of a stage of `total` steps; `from` is what a resumed stage began with.
    pub(super) fn new(
        gradual: Gradual,
        total: u64,
        biases: Biases,
        (trainer, from): (&mut Trainer, Option<u64>),
    ) -> Self {
        let places = prunable(trainer.params(), biases);
        let living = || places.iter().map(|i| trainer.params()[*i].nonzero() as u64).sum();
        let from = from.unwrap_or_else(living);
        if gradual.score == Score::Fisher {
            trainer.watch(gradual.memory);
        }
        let last = ((gradual.until * total as f64).round() as u64).clamp(1, total.max(1));
        Self { gradual, places, from, last }
    }

    /// How many weights there were when the stage began.
    pub(super) fn from(&self) -> u64 {
        self.from
    }

    /// Whether all cuts are made once so many steps are done.
    pub(super) fn is_done(&self, done: u64) -> bool {
        done >= self.last
    }

    /// How many weights are kept after so many steps.
    fn target(&self, done: u64) -> u64 {
        let (from, to) = (self.from as f64, self.gradual.weights as f64);
        let q = done.min(self.last) as f64 / self.last as f64;
        if q >= 1.0 || to >= from {
            return self.gradual.weights;
        }
        (from * (to / from).powf(q)).round() as u64
    }

    /// Cuts, if it is time after so many steps of the stage.
    pub(super) fn after(&mut self, done: u64, trainer: &mut Trainer, units: &Units) -> Result<()> {
        let is_time = done.is_multiple_of(self.gradual.every) || done == self.last;
        if done > self.last || !is_time {
            return Ok(());
        }
        let scores = self.scores(trainer);
        let layers: Vec<&[f32]> = scores.iter().map(Vec::as_slice).collect();
        let masks = Ranking::new(&layers, Scale::Magnitude)?.masks(kept(self.target(done)));
        apply(trainer.params_mut(), &self.places, &masks);
        units.remove_dead(trainer.params_mut());
        trainer.masks_changed()
    }

    fn scores(&self, trainer: &mut Trainer) -> Vec<Vec<f32>> {
        let values = |trainer: &Trainer, i: usize| trainer.params()[i].tensor.data().to_vec();
        let all = self.places.iter().map(|i| values(trainer, *i));
        let mut scores: Vec<Vec<f32>> = all.collect();
        if let Some(saliency) = trainer.saliency() {
            for (at, scores) in scores.iter_mut().enumerate() {
                *scores = saliency.scores(at, scores);
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_falls_by_a_constant_share_and_reaches_its_target() {
        let gradual =
            Gradual { weights: 100, every: 1, until: 0.5, score: Score::Magnitude, memory: 0.9 };
        let pruner = Pruner { gradual, places: vec![], from: 10_000, last: 4 };
        let counts: Vec<u64> = (0..6).map(|step| pruner.target(step)).collect();
        assert_eq!(counts, [10_000, 3_162, 1_000, 316, 100, 100]);
        assert!(!pruner.is_done(3) && pruner.is_done(4));
    }
}
