//! Which channels go: in an order, in blocks, until a rule is met.

use std::collections::BTreeSet;

use hoyer_graph::Graph;
use hoyer_graph::groups::{
    Branch, Channel, ChannelGroup, Groups, branches, cut, groups, without_branches,
};

use super::round::{Block, blocks};
use super::score::{Measure, Price, Scored, order};
use crate::Result;
use crate::recipe::Narrow;

/// How many blocks are asked, at most, whether they can stay after all.
const SECOND_LOOKS: usize = 32;

/// How many layers that stay are named, at most.
const REASONS: usize = 3;

/// The channels of a network in the order they should go, one by one and in blocks.
pub(super) struct Candidates {
    pub(super) found: Groups,
    pub(super) order: Vec<Scored>,
    pub(super) blocks: Vec<Block>,
    multiple: usize,
    /// For every group, the branch that goes with the last of its channels.
    branches: Vec<Option<Branch>>,
}

/// Whether residual branches go whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branches {
    Stay,
    Go,
}

impl From<Narrow> for Branches {
    fn from(narrow: Narrow) -> Self {
        if narrow.branches { Self::Go } else { Self::Stay }
    }
}

impl Candidates {
    pub(super) fn of(
        graph: &Graph,
        price: Price,
        measure: Measure<'_>,
        multiple: usize,
        whole: Branches,
    ) -> Result<Self> {
        let found = groups(graph)?;
        let order = order(graph, &found, price, measure)?;
        let inside = if whole == Branches::Go { branches(graph) } else { Vec::new() };
        let branch_of =
            |group| inside.iter().find(|branch| branch.hangs_on(graph, &found, group)).cloned();
        let branches: Vec<Option<Branch>> = (0..found.groups.len()).map(branch_of).collect();
        let blocks = blocks(&found, &order, multiple, |group| branches[group].is_some());
        Ok(Self { found, order, blocks, multiple, branches })
    }

    /// The network without these channels, and without the branches of which all go.
    pub(super) fn without(&self, graph: &Graph, gone: &[Channel]) -> Result<Graph> {
        let small = cut(graph, &self.found, gone)?.graph;
        let mut counts = vec![0; self.branches.len()];
        gone.iter().for_each(|channel| counts[channel.group] += 1);
        let whole = self.branches.iter().zip(&self.found.groups).zip(counts);
        let whole = whole.filter(|((_, group), count)| *count == group.channels);
        let whole: Vec<Branch> = whole.filter_map(|((branch, _), _)| branch.clone()).collect();
        Ok(if whole.is_empty() { small } else { without_branches(&small, &whole)? })
    }

    /// What is left without all that may go.
    pub(super) fn least(&self, graph: &Graph, price: Price) -> Result<u64> {
        price.of(&self.without(graph, &self.first(self.blocks.len()))?)
    }

    /// Layers that cannot be cut and why, the first few; what the network says stays anyway.
    pub(super) fn what_stays(&self, graph: &Graph) -> Vec<String> {
        let stays = |group: &ChannelGroup| {
            let (why, member) = (group.frozen.as_ref()?, group.members.first()?);
            Some(format!("`{}` stays: {why}", graph.param_at(member.param).name))
        };
        let inner = self.found.groups.iter().filter(|group| !group.is_output());
        inner.filter_map(stays).take(REASONS).collect()
    }

    /// Puts channels with this property before all others.
    pub(super) fn let_first(&mut self, goes: impl Fn(&Scored) -> bool) {
        self.order.sort_by_key(|scored| !goes(scored));
        let may_go = |group: usize| self.branches[group].is_some();
        self.blocks = blocks(&self.found, &self.order, self.multiple, may_go);
    }

    /// Those of the first blocks.
    pub(super) fn first(&self, count: usize) -> Vec<Channel> {
        self.blocks[..count].iter().flat_map(Block::channels).collect()
    }

    /// Those of blocks of which every channel has this property.
    pub(super) fn all(&self, goes: impl Fn(&Scored) -> bool) -> Vec<Channel> {
        let blocks = self.blocks.iter().filter(|block| block.0.iter().all(&goes));
        blocks.flat_map(Block::channels).collect()
    }

    /// Those of the first blocks that together have at most so many.
    pub(super) fn at_most(&self, mut room: usize) -> Vec<Channel> {
        let fits = |block: &&Block| {
            let left = room.checked_sub(block.0.len());
            room = left.unwrap_or(0);
            left.is_some()
        };
        self.blocks.iter().take_while(fits).flat_map(Block::channels).collect()
    }

    /// Those without which at most so much is left: the fewest first blocks, and of these the ones come back, from the last on,
    /// for which there is room. All of them if that is not enough.
    pub(super) fn fewest(&self, graph: &Graph, price: Price, most: u64) -> Result<Vec<Channel>> {
        let left = |gone: &[Channel]| price.of(&self.without(graph, gone)?);
        if left(&[])? <= most {
            return Ok(Vec::new());
        }
        let (mut enough, mut too_few) = (self.blocks.len(), 0);
        while enough - too_few > 1 {
            let middle = usize::midpoint(enough, too_few);
            if left(&self.first(middle))? <= most { enough = middle } else { too_few = middle }
        }
        let (mut gone, mut settled) = (self.first(enough), BTreeSet::new());
        for block in self.blocks[..enough].iter().rev().take(SECOND_LOOKS) {
            // What matters less than a block that goes does not come back before it.
            if settled.contains(&block.group()) {
                continue;
            }
            let mut fewer = gone.clone();
            fewer.retain(|channel| !block.channels().any(|c| c == *channel));
            if left(&fewer)? <= most {
                gone = fewer;
            } else {
                settled.insert(block.group());
            }
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::one_sample;
    use hoyer_graph::{Gemm, Role, Tensor, Type, cost};

    /// Three layers of which the first two make channels; the weights of the first are smaller.
    fn net() -> Graph {
        let mut g = Graph::new("g");
        let mut value = g.input("x", Type::f32([1, 10]));
        for (name, shape) in [("1", [8, 10]), ("2", [4, 8]), ("3", [1, 4])] {
            let weight = (1..=shape[0] * shape[1]).map(|i| i as f32).collect();
            let weight = Tensor::new(&shape, weight).unwrap();
            let w = g.param(&format!("{name}.w"), Role::Weight, weight).unwrap();
            value = g.add(name, Gemm::linear(), &[value, w]).unwrap();
        }
        g.outputs.push(value);
        g
    }

    fn fewest(most: u64) -> (u64, [usize; 2]) {
        let g = net();
        let candidates =
            Candidates::of(&g, Price::Macs, Measure::Share, 2, Branches::Stay).unwrap();
        let gone = candidates.fewest(&g, Price::Macs, most).unwrap();
        let small = cut(&g, &candidates.found, &gone).unwrap().graph;
        let width = |at: usize| small.params[at].tensor.shape()[0];
        (cost(&small, &one_sample()).unwrap().macs, [width(0), width(1)])
    }

    #[test]
    fn blocks_go_until_there_is_room_and_what_there_is_room_for_comes_back() {
        // a b + b c + c with 10 inputs: 8 and 4 channels make 116.
        assert_eq!(fewest(116), (116, [8, 4]));
        for most in [115, 100, 80, 60, 40, 27] {
            let (macs, widths) = fewest(most);
            assert!(
                macs <= most && widths.iter().all(|width| width % 2 == 0),
                "{most}: {macs} {widths:?}"
            );
            // No group has room for two more.
            let more = [[widths[0] + 2, widths[1]], [widths[0], widths[1] + 2]];
            for [a, b] in more.into_iter().filter(|[a, b]| *a <= 8 && *b <= 4) {
                assert!(
                    (10 * a + a * b + b) as u64 > most,
                    "{most}: {widths:?} leaves room for {a}, {b}"
                );
            }
        }
        // Not even one block of each group is left to go.
        assert_eq!(fewest(1), (26, [2, 2]));
    }
}
