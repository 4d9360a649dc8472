//! A cut of whole channels: the network is rebuilt without them, and is smaller and faster everywhere.
//!
//! The channels that score least ([`score`]) go first, until the rule is met.

use std::collections::BTreeMap;

use hoyer_graph::groups::{Channel, Groups, dead, groups};
use hoyer_graph::{Graph, cost};

use super::cut::{apply, search};
use super::{Run, Setup, one_sample};
use crate::Result;
use crate::optimizer::Moments;
use crate::recipe::{self, ChannelRule, Narrow, Promise, Rule, Stage};
use crate::snapshot::{Snapshot, prunable};
use crate::threshold::Threshold;
use crate::trainer::{Evaluator, Score};

mod candidates;
mod round;
mod score;

use candidates::{Branches, Candidates};
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
        let round_to = narrow.round_to;
        let candidates =
            Candidates::of(&self.graph, Price::Macs, measure, round_to, narrow.into())?;
        let gone = candidates.fewest(&self.graph, Price::Macs, macs)?;
        let without = Without { graph: &self.graph, candidates: &candidates, gone: &gone };
        let all: Vec<usize> = (0..self.graph.params.len()).collect();
        let is_trained = |i: &usize| self.graph.params[*i].role.is_trained();
        let trained: Vec<usize> = all.iter().copied().filter(is_trained).collect();
        if let Some(optimizer) = &mut self.state.optimizer {
            let moments = std::mem::take(&mut optimizer.moments).into_iter();
            let (first, second) = moments.map(|both| (both.first, both.second)).unzip();
            let both =
                without.cut(&trained, first)?.into_iter().zip(without.cut(&trained, second)?);
            optimizer.moments = both.map(|(first, second)| Moments { first, second }).collect();
        }
        self.state.average = without.cut(&all, std::mem::take(&mut self.state.average))?;
        let saliency = std::mem::take(&mut self.state.saliency);
        if narrow.score != recipe::Score::Taylor {
            self.state.saliency = without.cut(&pruned, saliency)?;
        } // Else other groups are left, so channels are seen anew.
        let small = candidates.without(&self.graph, &gone)?;
        self.rebuild(small)?;
        self.state.params = Snapshot::of(&self.graph.params, self.graph.params.len());
        Ok(())
    }

    /// Says which of the recipe's targets cannot be reached by removing channels, and what stays.
    pub(super) fn warn_of_targets(&self) -> Result<()> {
        let Setup { recipe, observer, .. } = self.setup;
        for stage in &recipe.stage {
            let Some(target) = Target::of(stage, recipe.promise)? else { continue };
            let Target { price, most, round_to, branches } = target;
            let candidates =
                Candidates::of(&self.graph, price, Measure::Share, round_to, branches)?;
            let (least, unit) = (candidates.least(&self.graph, price)?, price.unit());
            if least > most {
                let text = format!("{most} {unit} cannot be reached, {least} are the least");
                let why = candidates.what_stays(&self.graph).into_iter();
                let text = std::iter::once(text).chain(why).collect::<Vec<_>>().join("; ");
                observer.message(&text);
            }
        }
        Ok(())
    }

    pub(super) fn cut_channels(&mut self, rule: ChannelRule, round_to: usize) -> Result<Score> {
        let price = match rule {
            ChannelRule::Macs(_) | ChannelRule::Auto { .. } => Price::Macs,
            ChannelRule::Parameters(_) => Price::Parameters,
            ChannelRule::Share(_) | ChannelRule::Norm(_) | ChannelRule::Elements(_) => Price::Same,
        };
        let mut candidates =
            Candidates::of(&self.graph, price, Measure::Share, round_to, Branches::Stay)?;
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
        let small = candidates.without(&self.graph, &gone)?;
        let left = removable(&groups(&small)?);
        let macs = cost(&small, &one_sample())?.macs;
        self.rebuild(small)?;
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
            let mut small = candidates.without(&self.graph, &gone)?;
            let validation = self.setup.data.validation;
            let mut evaluator = Evaluator::new(&small, validation, self.setup.pool)?;
            Ok(evaluator.score(&mut small.params, validation)?.accuracy >= accuracy)
        })?;
        Ok(candidates.first(all - kept))
    }
}

/// How many channels a network has that can be removed.
fn removable(found: &Groups) -> usize {
    let free = found.groups.iter().filter(|group| group.frozen.is_none());
    free.map(|group| group.channels).sum()
}

/// How little a stage is to leave of a network by removing channels, and how they go.
struct Target {
    price: Price,
    most: u64,
    round_to: usize,
    branches: Branches,
}

impl Target {
    fn of(stage: &Stage, promise: Promise) -> Result<Option<Self>> {
        if let Some(narrow) = stage.learn().and_then(|learn| learn.narrow) {
            let Narrow { macs: most, round_to, .. } = narrow;
            return Ok(Some(Self { price: Price::Macs, most, round_to, branches: narrow.into() }));
        }
        let Stage::Prune(cut) = stage else { return Ok(None) };
        let (price, most) = match cut.rule(promise)? {
            Rule::Channels(ChannelRule::Macs(most)) => (Price::Macs, most),
            Rule::Channels(ChannelRule::Parameters(most)) => (Price::Parameters, most),
            _ => return Ok(None),
        };
        let (round_to, branches) = (cut.round_to, Branches::Stay);
        Ok(Some(Self { price, most, round_to, branches }))
    }
}

/// A network and the channels it loses.
struct Without<'a> {
    graph: &'a Graph,
    candidates: &'a Candidates,
    gone: &'a [Channel],
}

impl Without<'_> {
    /// Cuts numbers that lie as the parameters at these places do; an empty list stays empty, that of a parameter that goes does
    /// not stay.
    fn cut(&self, places: &[usize], lists: Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>> {
        let mut graph = self.graph.clone();
        for (place, list) in places.iter().zip(&lists).filter(|(_, list)| !list.is_empty()) {
            graph.params[*place].tensor.data_mut().copy_from_slice(list);
        }
        let small = self.candidates.without(&graph, self.gone)?;
        let left = |(place, list): (&usize, Vec<f32>)| {
            let name = &graph.params[*place].name;
            let param = small.params.iter().find(|param| param.name == *name)?;
            Some(if list.is_empty() { list } else { param.tensor.data().to_vec() })
        };
        Ok(places.iter().zip(lists).filter_map(left).collect())
    }
}
