//! A cut of whole channels: the network is rebuilt without them, and is smaller and faster everywhere.
//!
//! The channels that score least ([`score`]) go first, until the rule is met.

use std::collections::BTreeMap;

use hoyer_graph::groups::{Channel, Groups, cut, dead, groups};
use hoyer_graph::{Graph, cost};

use super::Run;
use super::cut::{apply, search};
use crate::Result;
use crate::optimizer::Moments;
use crate::recipe::{self, ChannelRule, Narrow};
use crate::snapshot::{Snapshot, prunable};
use crate::threshold::Threshold;
use crate::trainer::{Evaluator, Score};

mod round;
mod score;

use round::rounded;
use score::{Measure, Price, Scored, one, order};

/// The channels of a network in the order they should go, and how many of a layer's must be a multiple of what.
struct Candidates {
    found: Groups,
    order: Vec<Scored>,
    multiple: usize,
}

impl Candidates {
    fn of(graph: &Graph, price: Price, measure: Measure<'_>, multiple: usize) -> Result<Self> {
        let found = groups(graph)?;
        let order = order(graph, &found, price, measure)?;
        Ok(Self { found, order, multiple })
    }

    /// The first `count`, without those that must stay for a round number.
    fn gone(&self, count: usize) -> Vec<Channel> {
        rounded(&self.found, &self.order[..count], self.multiple)
    }

    /// How many must go until at most so much is left; all of them if that is not enough.
    fn fewest(&self, graph: &Graph, price: Price, most: u64) -> Result<usize> {
        let left = |graph: &Graph| -> Result<u64> {
            let cost = cost(graph, &one())?;
            Ok(if price == Price::Macs { cost.macs } else { cost.parameters })
        };
        let (mut enough, mut too_few) = (self.order.len(), 0);
        if left(graph)? <= most {
            return Ok(0);
        }
        while enough - too_few > 1 {
            let middle = usize::midpoint(enough, too_few);
            let small = cut(graph, &self.found, &self.gone(middle))?.graph;
            if left(&small)? <= most { enough = middle } else { too_few = middle }
        }
        Ok(enough)
    }
}

impl Run<'_> {
    /// Multiply-accumulates of one sample.
    pub(super) fn macs(&self) -> Result<u64> {
        Ok(cost(&self.graph, &one())?.macs)
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
        };
        let candidates = Candidates::of(&self.graph, Price::Macs, measure, narrow.round_to)?;
        let gone = candidates.gone(candidates.fewest(&self.graph, Price::Macs, macs)?);
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
        without.cut(&pruned, self.state.saliency.iter_mut())?;
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
        let count = match rule {
            ChannelRule::Macs(most) | ChannelRule::Parameters(most) => {
                candidates.fewest(&self.graph, price, most)?
            }
            ChannelRule::Share(share) => (share * all as f64).round() as usize,
            ChannelRule::Norm(least) => {
                candidates.order.iter().take_while(|c| c.score.sqrt() < least).count()
            }
            ChannelRule::Elements(share) => {
                let small = self.with_small_elements(share, &candidates.found)?;
                let is_small = |scored: &Scored| small.contains(&scored.channel);
                candidates.order.sort_by_key(|scored| !is_small(scored));
                small.len()
            }
            ChannelRule::Auto { accuracy } => self.most_that_keep(accuracy, &candidates)?,
        };
        let gone = candidates.gone(count);
        let small = cut(&self.graph, &candidates.found, &gone)?;
        let left = all - (gone.len() - small.stayed.len());
        let macs = cost(&small.graph, &one())?.macs;
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

    /// The largest number of channels without which the validation accuracy is still as good, found by bisection.
    fn most_that_keep(&mut self, accuracy: f64, candidates: &Candidates) -> Result<usize> {
        let all = candidates.order.len();
        let kept = search(all, |left| {
            self.check_stop()?;
            let gone = candidates.gone(all - left);
            let mut small = cut(&self.graph, &candidates.found, &gone)?.graph;
            let validation = self.setup.data.validation;
            let mut evaluator = Evaluator::new(&small, validation, self.setup.pool)?;
            Ok(evaluator.score(&mut small.params, validation)?.accuracy >= accuracy)
        })?;
        Ok(all - kept)
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
