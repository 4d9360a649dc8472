//! Pruning while a stage trains: a little every so many steps.
//!
//! ```text
//! n(q) = n₀ (n₁ / n₀)^q        q = steps done / steps until the last cut, at most 1
//! ```
//!
//! A weight's score is its worth over its price, `|w| / √p` or `|w| √(v / p)`, with `p = 1` or the multiply-accumulates that it
//! takes part in. Dead units are removed after every cut, so that fewer than `n(q)` weights may be left.

use hoyer_graph::{Graph, cost};

use super::cut::{apply, kept};
use super::one_sample;
use crate::Result;
use crate::average::Average;
use crate::recipe::{Gradual, Price, Score};
use crate::snapshot::{Biases, prunable};
use crate::threshold::{Ranking, Scale};
use crate::trainer::Trainer;
use crate::units::Units;

/// The plan of a stage's cuts.
pub(super) struct Pruner {
    gradual: Gradual,
    places: Vec<usize>,
    /// For every place, what the scores of its weights are multiplied by: `1 / √price`.
    factors: Vec<f32>,
    from: u64,
    /// The step after which the last cut comes.
    last: u64,
}

impl Pruner {
    /// Plans the cuts of a stage of `total` steps; `from` is what a resumed stage began with.
    pub(super) fn new(
        gradual: Gradual,
        total: u64,
        (graph, biases): (&Graph, Biases),
        (trainer, from): (&mut Trainer, Option<u64>),
    ) -> Result<Self> {
        let places = prunable(trainer.params(), biases);
        let living = || places.iter().map(|i| trainer.params()[*i].nonzero() as u64).sum();
        let from = from.unwrap_or_else(living);
        if gradual.score == Score::Fisher {
            trainer.watch(gradual.memory);
        }
        let last = ((gradual.until * total as f64).round() as u64).clamp(1, total.max(1));
        let factors = match gradual.price {
            Price::Same => vec![1.0; places.len()],
            Price::Macs => per_mac(graph, &places)?,
        };
        Ok(Self { gradual, places, factors, from, last })
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
    pub(super) fn after(
        &mut self,
        done: u64,
        trainer: &mut Trainer,
        (units, average): (&Units, Option<&mut Average>),
    ) -> Result<()> {
        let is_time = done.is_multiple_of(self.gradual.every) || done == self.last;
        if done > self.last || !is_time {
            return Ok(());
        }
        let scores = self.scores(trainer);
        let layers: Vec<&[f32]> = scores.iter().map(Vec::as_slice).collect();
        let masks = Ranking::new(&layers, Scale::Magnitude)?.masks(kept(self.target(done)));
        apply(trainer.params_mut(), &self.places, &masks);
        let biases = average.as_ref().map(|_| units.biases(trainer.params()));
        units.remove_dead(trainer.params_mut());
        if let (Some(average), Some(before)) = (average, biases) {
            average.shift(&before, trainer.params());
        }
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
        for (scores, factor) in scores.iter_mut().zip(&self.factors) {
            scores.iter_mut().for_each(|score| *score *= factor);
        }
        scores
    }
}

/// For every parameter, one over the square root of how many multiply-accumulates of one sample a weight of it takes part in; 1 if
/// no layer multiplies with it.
fn per_mac(graph: &Graph, places: &[usize]) -> Result<Vec<f32>> {
    let layers = cost(graph, &one_sample())?.layers;
    let uses = |place: &usize| {
        let layer = layers.iter().find(|layer| layer.name == graph.params[*place].name)?;
        Some(layer.macs as f64 / layer.total as f64)
    };
    let factor = |place| uses(place).map_or(1.0, |uses| uses.max(1.0).sqrt().recip() as f32);
    Ok(places.iter().map(factor).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::{Add, Conv, Role, Tensor, Type, Window};

    #[test]
    fn the_count_falls_by_a_constant_share_and_reaches_its_target() {
        let gradual = Gradual {
            weights: 100,
            every: 1,
            until: 0.5,
            score: Score::Magnitude,
            price: Price::Same,
            memory: 0.9,
        };
        let pruner = Pruner { gradual, places: vec![], factors: vec![], from: 10_000, last: 4 };
        let counts: Vec<u64> = (0..6).map(|step| pruner.target(step)).collect();
        assert_eq!(counts, [10_000, 3_162, 1_000, 316, 100, 100]);
        assert!(!pruner.is_done(3) && pruner.is_done(4));
    }

    #[test]
    fn a_weight_is_judged_for_each_of_its_multiply_accumulates() {
        let mut g = Graph::new("g");
        let mut value = g.input("x", Type::f32([1, 2, 6, 6]));
        for (name, stride) in [("1", 1), ("2", 3)] {
            let w = g.param(name, Role::Weight, Tensor::full(&[2, 2, 1, 1], 1.0)).unwrap();
            let op = Conv::new(Window::square(1, stride, 0));
            value = g.add(&format!("conv{name}"), op, &[value, w]).unwrap();
        }
        let bias = g.param("bias", Role::Bias, Tensor::full(&[1], 1.0)).unwrap();
        value = g.add("add", Add, &[value, bias]).unwrap();
        g.outputs.push(value);
        // 6 x 6 and 2 x 2 pixels; no layer multiplies with the bias.
        assert_eq!(per_mac(&g, &[0, 1, 2]).unwrap(), [1.0 / 6.0, 1.0 / 2.0, 1.0]);
    }
}
