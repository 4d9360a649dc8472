//! A cut of whole channels: the network is rebuilt without them, and is smaller and faster everywhere.
//!
//! The channels that score least ([`score`]) go first, until the rule is met.

use std::collections::BTreeMap;

use hoyer_graph::groups::{Channel, Groups, cut, dead};
use hoyer_graph::{Graph, cost};

use super::cut::{apply, search};
use super::{Run, one_sample};
use crate::Result;
use crate::optimizer::Moments;
use crate::recipe::{self, ChannelRule, Narrow};
use crate::snapshot::{Snapshot, prunable};
use crate::threshold::Threshold;
use crate::trainer::{Evaluator, Score};

mod candidates;
mod round;
mod score;

use candidates::Candidates;
use score::{Measure, Price, Scored};

impl Run<'_> {
    /// Multiply-accumulates of one sample.
    pub(super) fn macs(&self) -> Result<u64> {
        Ok(cost(&self.graph, &one_sample())?.macs)
    }

    /// Removes channels of the state's network until at most so many multiply-accumulates are left, and cuts what the
    /// stage remembers of them.
    pub(super) fn narrow(&mut self, narrow: Narrow, macs: u64) -> Result<()> {
        self.state.params.put(&mut self.graph.params);
        let pruned = prunable(&self.graph.params, self.biases());
        let fisher: BTreeMap<usize, &[f32]> =
            pruned.iter().copied().zip(self.state.saliency.iter().map(Vec::as_slice)).collect();
        let measure = match narrow.score {
            recipe::Score::Magnitude => Measure::Share,
            recipe::Score::Fisher => Measure::Fisher(&fisher),
            recipe::Score::Taylor => Measure::Taylor(&self.state.saliency),
        };
        let candidates = Candidates::of(&self.graph, Price::Macs, measure, narrow.round_to)?;
        let gone = candidates.fewest(&self.graph, Price::Macs, macs)?;
        let found = &candidates.found;
        let without = Without { graph: &self.graph, found, gone: &gone };
        let all: Vec<usize> = (0..self.graph.params.len()).collect();
        let is_trained = |i: &usize| self.graph.params[*i].role.is_trained();
        let trained: Vec<usize> = all.iter().copied().filter(is_trained).collect();
        if let Some(optimizer) = &mut self.state.optimizer {
            for part in [first as fn(&mut Moments) -> &mut Vec<f32>, second] {
                without.cut(&trained, optimizer.moments.iter_mut().map(part))?;
            }
        }
        without.cut(&all, self.state.average.iter_mut())?;
        match narrow.score {
            // Other groups are left, so channels are seen anew.
            recipe::Score::Taylor => self.state.saliency.clear(),
            _ => without.cut(&pruned, self.state.saliency.iter_mut())?,
        }
        let small = cut(&self.graph, found, &gone)?.graph;
        self.rebuild(small)?;
        self.state.params = Snapshot::of(&self.graph.params, self.graph.params.len());
        Ok(())
    }

    pub(super) fn cut_channels(&mut self, rule: ChannelRule, round_to: usize) -> Result<Score> {
        let price = match rule {
            ChannelRule::Macs(_) | ChannelRule::Auto { .. } => Price::Macs,
            ChannelRule::Parameters(_) => Price::Parameters,
            ChannelRule::Share(_) | ChannelRule::Norm(_) | ChannelRule::Elements(_) => Price::Same,
        };
        let mut candidates = Candidates::of(&self.graph, price, Measure::Share, round_to)?;
        let all = candidates.order.len();
        let gone = match rule {
            ChannelRule::Macs(most) | ChannelRule::Parameters(most) => {
                candidates.fewest(&self.graph, price, most)?
            }
            ChannelRule::Share(share) => candidates.at_most((share * all as f64).round() as usize),
            ChannelRule::Norm(least) => candidates.all(|scored| scored.score.sqrt() < least),
            ChannelRule::Elements(share) => {
                let small = self.with_small_elements(share, &candidates.found)?;
                let is_small = |scored: &Scored| small.contains(&scored.channel);
                candidates.let_first(is_small);
                candidates.all(is_small)
            }
            ChannelRule::Auto { accuracy } => self.most_that_keep(accuracy, &candidates)?,
        };
        let small = cut(&self.graph, &candidates.found, &gone)?;
        let left = all - (gone.len() - small.stayed.len());
        let macs = cost(&small.graph, &one_sample())?.macs;
        self.rebuild(small.graph)?;
        let text = format!("{left} of {all} channels left, {macs} multiply-accumulates");
        self.setup.observer.message(&text);
        self.score()
    }

    /// The channels of which a layer has only weights below so many standard deviations of it.
    fn with_small_elements(&self, share: f64, found: &Groups) -> Result<Vec<Channel>> {
        let mut graph = self.graph.clone();
        let places = prunable(&graph.params, self.biases());
        let layers: Vec<&[f32]> =
            places.iter().map(|i| self.graph.params[*i].tensor.data()).collect();
        apply(&mut graph.params, &places, &Threshold::Deviation(share).masks(&layers)?);
        Ok(dead(&graph, found))
    }

    /// The most channels without which the validation accuracy is still as good, found by bisection.
    fn most_that_keep(&mut self, accuracy: f64, candidates: &Candidates) -> Result<Vec<Channel>> {
        let all = candidates.blocks.len();
        let kept = search(all, |left| {
            self.check_stop()?;
            let gone = candidates.first(all - left);
            let mut small = cut(&self.graph, &candidates.found, &gone)?.graph;
            let validation = self.setup.data.validation;
            let mut evaluator = Evaluator::new(&small, validation, self.setup.pool)?;
            Ok(evaluator.score(&mut small.params, validation)?.accuracy >= accuracy)
        })?;
        Ok(candidates.first(all - kept))
    }
}

fn first(moments: &mut Moments) -> &mut Vec<f32> {
    &mut moments.first
}

fn second(moments: &mut Moments) -> &mut Vec<f32> {
    &mut moments.second
}

/// A network and the channels it loses.
struct Without<'a> {
    graph: &'a Graph,
    found: &'a Groups,
    gone: &'a [Channel],
}

impl Without<'_> {
    /// Cuts numbers that lie as the parameters at these places do; an empty list stays empty.
    fn cut<'n>(
        &self,
        places: &[usize],
        numbers: impl Iterator<Item = &'n mut Vec<f32>>,
    ) -> Result<()> {
        let mut lists: Vec<(usize, &mut Vec<f32>)> =
            places.iter().copied().zip(numbers).filter(|(_, list)| !list.is_empty()).collect();
        let mut graph = self.graph.clone();
        for (place, list) in &lists {
            graph.params[*place].tensor.data_mut().copy_from_slice(list);
        }
        let small = cut(&graph, self.found, self.gone)?.graph;
        for (place, list) in &mut lists {
            **list = small.params[*place].tensor.data().to_vec();
        }
        Ok(())
    }
}
