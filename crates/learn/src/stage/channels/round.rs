//! Counts of channels that are a multiple of a number, as vector units and accelerators like them: channels go in blocks.

use std::collections::BTreeMap;

use hoyer_graph::groups::{Channel, Groups};

use super::score::Scored;

/// Channels of a group that go together, so that a round number is left; the last one matters most.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block(pub(super) Vec<Scored>);

impl Block {
    pub(super) fn group(&self) -> usize {
        self.0[0].channel.group
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = Channel> {
        self.0.iter().map(|scored| scored.channel)
    }

    fn mean(&self) -> f64 {
        self.0.iter().map(|scored| scored.score).sum::<f64>() / self.0.len() as f64
    }
}

/// The blocks that channels in this order (within a group) make, those with the smallest mean score first. A group without
/// its first blocks has a multiple of `multiple` channels, and never fewer, unless it `may_go` whole; one with fewer from the
/// start keeps them all.
pub(super) fn blocks(
    found: &Groups,
    order: &[Scored],
    multiple: usize,
    may_go: impl Fn(usize) -> bool,
) -> Vec<Block> {
    let multiple = multiple.max(1);
    let mut by_group: BTreeMap<usize, Vec<Scored>> = BTreeMap::new();
    for scored in order {
        by_group.entry(scored.channel.group).or_default().push(*scored);
    }
    let mut blocks = Vec::new();
    for (group, scored) in by_group {
        let all = found.groups[group].channels;
        // The first takes what is over.
        let first = (all - 1) % multiple + 1;
        let mut from = 0;
        let stays = if may_go(group) { 0 } else { multiple };
        while all - from > stays {
            let to = if from == 0 { first } else { from + multiple };
            blocks.push(Block(scored[from..to].to_vec()));
            from = to;
        }
    }
    blocks.sort_by(|a, b| a.mean().total_cmp(&b.mean()));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::groups::groups;
    use hoyer_graph::{Gemm, Graph, Relu, Role, Tensor, Type};

    #[test]
    fn groups_without_their_first_blocks_have_round_numbers_of_channels() {
        let mut g = Graph::new("g");
        let mut value = g.input("x", Type::f32([1, 2]));
        for (name, shape) in [("1", [20, 2]), ("2", [3, 20]), ("3", [1, 3])] {
            let w = g.param(name, Role::Weight, Tensor::full(&shape, 1.0)).unwrap();
            value = g.add(&format!("fc{name}"), Gemm::linear(), &[value, w]).unwrap();
            value = g.add(&format!("relu{name}"), Relu, &[value]).unwrap();
        }
        g.outputs.push(value);
        let found = groups(&g).unwrap();
        let scored = |(group, index): (usize, usize)| Scored {
            score: (10 * group + index) as f64,
            channel: Channel { group, index },
        };
        let all = (0..20).map(|i| (0, i)).chain((0..3).map(|i| (1, i)));
        let all: Vec<Scored> = all.map(scored).collect();
        let sizes = |multiple: usize| -> Vec<(usize, usize)> {
            let blocks = blocks(&found, &all, multiple, |_| false);
            for group in [0, 1] {
                let own = blocks.iter().filter(|block| block.group() == group);
                assert!(own.flat_map(Block::channels).enumerate().all(|(at, c)| c.index == at));
            }
            blocks.iter().map(|block| (block.group(), block.0.len())).collect()
        };
        assert_eq!(sizes(8), [(0, 4), (0, 8)]);
        // Channels 4 and 5 of the first group, 6 and 7 and so on, and one of three with 10.
        assert_eq!(sizes(2)[..6], [(0, 2), (0, 2), (0, 2), (0, 2), (0, 2), (1, 1)]);
        assert_eq!(sizes(1).len(), 19 + 2);
        assert_eq!(sizes(100), []);
        let whole = blocks(&found, &all, 8, |group| group == 0);
        assert_eq!(whole.iter().map(|block| block.0.len()).collect::<Vec<_>>(), [4, 8, 8]);
    }
}
