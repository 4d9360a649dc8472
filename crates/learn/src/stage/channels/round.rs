//! Counts of channels that are a multiple of a number, as vector units and accelerators like them.

use std::collections::BTreeMap;

use hoyer_graph::groups::{Channel, Groups};

use super::score::Scored;

/// Those of `gone` that can go when every group is to keep a multiple of `multiple` channels (all of them, if it has fewer):
/// the ones that matter most come back.
pub(super) fn rounded(found: &Groups, gone: &[Scored], multiple: usize) -> Vec<Channel> {
    let mut by_group: BTreeMap<usize, Vec<Channel>> = BTreeMap::new();
    for scored in gone {
        by_group.entry(scored.channel.group).or_default().push(scored.channel);
    }
    for (group, gone) in &mut by_group {
        let all = found.groups[*group].channels;
        let kept = (all - gone.len()).max(1).next_multiple_of(multiple.max(1)).min(all);
        gone.truncate(all - kept);
    }
    by_group.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::groups::groups;
    use hoyer_graph::{Gemm, Graph, Relu, Role, Tensor, Type};

    #[test]
    fn groups_keep_multiples_and_the_best_come_back() {
        let mut g = Graph::new("g");
        let mut value = g.input("x", Type::f32([1, 2]));
        for (name, shape) in [("1", [20, 2]), ("2", [3, 20]), ("3", [1, 3])] {
            let w = g.param(name, Role::Weight, Tensor::full(&shape, 1.0)).unwrap();
            value = g.add(&format!("fc{name}"), Gemm::linear(), &[value, w]).unwrap();
            value = g.add(&format!("relu{name}"), Relu, &[value]).unwrap();
        }
        g.outputs.push(value);
        let found = groups(&g).unwrap();
        let scored =
            |(group, index)| Scored { score: index as f64, channel: Channel { group, index } };
        let gone: Vec<Scored> =
            (0..9).map(|i| (0, i)).chain([(1, 0), (1, 1), (1, 2)]).map(scored).collect();
        let count = |multiple: usize| {
            let gone = rounded(&found, &gone, multiple);
            assert!(gone.iter().enumerate().all(|(at, c)| c.group == 1 || c.index == at));
            [0, 1].map(|group| gone.iter().filter(|c| c.group == group).count())
        };
        assert_eq!(count(1), [9, 2]);
        assert_eq!(count(8), [4, 0]);
        assert_eq!(count(2), [8, 1]);
        assert_eq!(count(100), [0, 0]);
    }
}
