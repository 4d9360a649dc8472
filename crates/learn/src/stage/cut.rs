//! The stage that prunes once, and the search for the largest threshold that keeps the accuracy.
//!
//! Every candidate is one cut of the same sorted list and one look at the validation data; nothing is trained.

use hoyer_graph::Param;

use super::Run;
use crate::Result;
use crate::recipe::{Cut, Rule};
use crate::snapshot::{mask, prunable};
use crate::threshold::{Mask, Ranking, Scale};
use crate::trainer::Score;

impl Run<'_> {
    pub(super) fn cut(&mut self, cut: &Cut) -> Result<Score> {
        self.check_stop()?;
        let rule = cut.rule(self.setup.recipe.promise)?;
        let places = prunable(&self.graph.params, self.biases());
        let layers: Vec<&[f32]> =
            places.iter().map(|i| self.graph.params[*i].tensor.data()).collect();
        let masks = match rule {
            Rule::Threshold(threshold) => threshold.masks(&layers)?,
            Rule::Weights(weights) => Ranking::new(&layers, Scale::Magnitude)?.masks(kept(weights)),
            Rule::Channels(rule) => return self.cut_channels(rule, cut.round_to),
            Rule::Auto { accuracy, scale } => {
                let ranking = Ranking::new(&layers, scale)?;
                self.largest(&ranking, accuracy)?
            }
        };
        apply(&mut self.graph.params, &places, &masks);
        self.units.remove_dead(&mut self.graph.params);
        self.score()
    }

    /// The masks of the smallest number of weights that keeps `accuracy`, found by bisection; all weights if even
    /// those do not.
    fn largest(&mut self, ranking: &Ranking, accuracy: f64) -> Result<Vec<Mask>> {
        let places = prunable(&self.graph.params, self.biases());
        let enough = search(ranking.living(), |candidate| {
            self.check_stop()?;
            let mut params = self.graph.params.clone();
            apply(&mut params, &places, &ranking.masks(candidate));
            let score = self.evaluator.score(&mut params, self.setup.data.validation)?;
            Ok(score.accuracy >= accuracy)
        })?;
        let text = format!("auto keeps {enough} of {} weights", ranking.total());
        self.setup.observer.message(&text);
        Ok(ranking.masks(enough))
    }
}

/// The smallest number up to `all` that is enough, found by bisection; `all` if no smaller one is.
pub(super) fn search(
    all: usize,
    mut is_enough: impl FnMut(usize) -> Result<bool>,
) -> Result<usize> {
    let (mut too_few, mut enough) = (0, all);
    while enough > too_few + 1 {
        let candidate = usize::midpoint(too_few, enough);
        if is_enough(candidate)? { enough = candidate } else { too_few = candidate }
    }
    Ok(enough)
}

/// Masks the parameters at these places.
pub(super) fn apply(params: &mut [Param], places: &[usize], masks: &[Mask]) {
    for (place, keep) in places.iter().zip(masks) {
        mask(&mut params[*place], &keep.keep);
    }
}

/// A number of weights as a length; more than fits means all.
pub(super) fn kept(weights: u64) -> usize {
    usize::try_from(weights).unwrap_or(usize::MAX)
}
