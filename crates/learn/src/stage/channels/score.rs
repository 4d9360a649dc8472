//! How much a channel matters.
//!
//! ```text
//! score(channel) = mean over the layers it runs through of |w_c|² / mean over channels of |w|²
//! ```
//! `w_c` are a layer's weights of channel `c`, made by it or read from it. A layer's own mean makes layers comparable, as in
//! Fang et al. (2023), "DepGraph", arXiv 2301.12900, section 3.4. Or what the loss would lose: `Σ w² v` over its layers, with `v`
//! the running mean of `g²` (see `saliency`). A channel is gone if all that makes it is zero, or all that reads it; each side
//! is an estimate, and their mean is taken. Or what is known of the channel itself (see `channel_saliency`). Under a budget, a channel's score counts for each unit that it takes of it.

use std::collections::{BTreeMap, BTreeSet};

use hoyer_graph::groups::{Channel, ChannelGroup, Groups, Member, reading_axes};
use hoyer_graph::{Graph, ParamId, Role, cost, strides};

use crate::Result;
use crate::stage::one_sample;

/// What a channel costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Price {
    Same,
    /// Its part of the multiply-accumulates of the layers it runs through.
    Macs,
    /// Its part of their weights.
    Parameters,
}

impl Price {
    /// What a network costs.
    pub(super) fn of(self, graph: &Graph) -> Result<u64> {
        let cost = cost(graph, &one_sample())?;
        Ok(if self == Self::Macs { cost.macs } else { cost.parameters })
    }

    /// What it counts.
    pub(super) fn unit(self) -> &'static str {
        if self == Self::Macs { "multiply-accumulates" } else { "parameters" }
    }
}

/// What a weight is worth.
#[derive(Debug, Clone, Copy)]
pub(super) enum Measure<'a> {
    /// `w²` against the layer's mean.
    Share,
    /// `w² v`, with `v` of each parameter by its place.
    Fisher(&'a BTreeMap<usize, &'a [f32]>),
    /// What is known of each channel of each group itself (see `channel_saliency`).
    Taylor(&'a [Vec<f32>]),
}

/// A channel and how much it matters for its price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    pub(super) score: f64,
    pub(super) channel: Channel,
}

/// All channels that may go, those that matter least for their price first.
pub(super) fn order(
    graph: &Graph,
    found: &Groups,
    price: Price,
    measure: Measure<'_>,
) -> Result<Vec<Scored>> {
    let layers = cost(graph, &one_sample())?.layers;
    let amount = |member: &Member| {
        let name = &graph.param_at(member.param).name;
        let layer = layers.iter().find(|layer| layer.name == *name);
        layer.map_or(0.0, |layer| match price {
            Price::Same => 1.0,
            Price::Macs => layer.macs as f64,
            Price::Parameters => layer.total as f64,
        })
    };
    let reading = reading_axes(graph);
    let mut scored = Vec::new();
    for (group, channels) in found.groups.iter().enumerate().filter(|(_, g)| g.frozen.is_none()) {
        let price = match price {
            Price::Same => 1.0,
            Price::Macs | Price::Parameters => {
                let all: f64 = channels.members.iter().map(amount).sum();
                all.max(1.0) / channels.channels as f64
            }
        };
        let worth = match measure {
            Measure::Taylor(means) => means[group].iter().map(|v| f64::from(*v)).collect(),
            Measure::Share | Measure::Fisher(_) => worth(graph, channels, measure, &reading),
        };
        let score =
            |(index, worth)| Scored { score: worth / price, channel: Channel { group, index } };
        scored.extend(worth.into_iter().enumerate().map(score));
    }
    scored.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.channel.cmp(&b.channel)));
    Ok(scored)
}

/// What the channels of a group are worth by their weights: a mean over layers or over sides.
fn worth(
    graph: &Graph,
    channels: &ChannelGroup,
    measure: Measure<'_>,
    reading: &BTreeSet<(ParamId, usize)>,
) -> Vec<f64> {
    let weighed = channels.members.iter().filter_map(|member| {
        let reads = reading.contains(&(member.param, member.axis));
        energies_of(graph, member, measure).map(|energies| (reads, energies))
    });
    let (sides, energies): (BTreeSet<bool>, Vec<Vec<f64>>) = weighed.unzip();
    let parts = if matches!(measure, Measure::Share) { energies.len() } else { sides.len() };
    let sum = |index: usize| energies.iter().map(|layer| layer[index]).sum::<f64>();
    (0..channels.channels).map(|index| sum(index) / parts.max(1) as f64).collect()
}

/// For every channel of a layer's weight, what its weights are worth together; none for other parameters.
fn energies_of(graph: &Graph, member: &Member, measure: Measure<'_>) -> Option<Vec<f64>> {
    let param = graph.param_at(member.param);
    if param.role != Role::Weight {
        return None;
    }
    let tensor = &param.tensor;
    let (stride, size) = (strides(tensor.shape())[member.axis], tensor.shape()[member.axis]);
    let mut sums = vec![0.0; size];
    let means = match measure {
        Measure::Share | Measure::Taylor(_) => None,
        Measure::Fisher(means) => Some(*means.get(&member.param.0)?),
    };
    for (i, w) in tensor.data().iter().enumerate() {
        let v = means.map_or(1.0, |means| f64::from(means[i]));
        sums[i / stride % size] += f64::from(*w).powi(2) * v;
    }
    let own = |places: &Vec<usize>| places.iter().map(|at| sums[*at]).sum::<f64>();
    let energies: Vec<f64> = member.places.iter().map(own).collect();
    if means.is_some() {
        return Some(energies);
    }
    let mean = energies.iter().sum::<f64>() / energies.len().max(1) as f64;
    Some(energies.into_iter().map(|x| if mean > 0.0 { x / mean } else { 0.0 }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::groups::groups;
    use hoyer_graph::{Gemm, Relu, Tensor, Type};

    #[test]
    fn under_a_budget_a_dear_channel_goes_before_a_cheap_one() {
        let mut g = Graph::new("g");
        let mut value = g.input("x", Type::f32([1, 100]));
        for (name, shape) in [("1", [2, 100]), ("2", [2, 2]), ("3", [1, 2])] {
            let weight = (0..shape[0] * shape[1]).map(|i| 1.0 + i as f32 * 1e-3).collect();
            let weight = Tensor::new(&shape, weight).unwrap();
            let w = g.param(&format!("{name}.w"), Role::Weight, weight).unwrap();
            value = g.add(name, Gemm::linear(), &[value, w]).unwrap();
        }
        g.outputs.push(value);
        let found = groups(&g).unwrap();
        let order = order(&g, &found, Price::Macs, Measure::Share).unwrap();
        assert_eq!(order.iter().map(|c| c.channel.group).collect::<Vec<_>>(), [0, 0, 1, 1]);
    }

    #[test]
    fn a_loss_is_the_sum_over_the_layers_of_a_side_and_the_mean_over_both_sides() {
        let mut g = Graph::new("g");
        let x = g.input("x", Type::f32([1, 1]));
        let mut layer = |name: &str, shape: [usize; 2], input| {
            let w = g.param(name, Role::Weight, Tensor::full(&shape, 1.0)).unwrap();
            g.add(&format!("{name}.layer"), Gemm::linear(), &[input, w]).unwrap()
        };
        let y = layer("make", [2, 1], x);
        let readers = ["read1", "read2"].map(|name| layer(name, [3, 2], y));
        let sum = g.add("sum", hoyer_graph::Add, &readers).unwrap();
        g.outputs.push(sum);
        let found = groups(&g).unwrap();
        let means = [[1.0; 2].as_slice(), &[4.0; 6], &[2.0; 6]];
        let means = means.into_iter().enumerate().collect();
        let order = order(&g, &found, Price::Same, Measure::Fisher(&means)).unwrap();
        // Made with 1, read with 3 · 4 + 3 · 2.
        assert_eq!(order.iter().map(|c| c.score).collect::<Vec<_>>(), [9.5, 9.5]);
    }

    #[test]
    fn a_side_is_what_an_op_does_with_an_axis_not_the_number_of_the_axis() {
        let mut g = Graph::new("g");
        let x = g.input("x", Type::f32([1, 1]));
        let make = g.param("make", Role::Weight, Tensor::full(&[2, 1], 1.0)).unwrap();
        let y = g.add("make.layer", Gemm::linear(), &[x, make]).unwrap();
        // Its inputs come first.
        let read = g.param("read", Role::Weight, Tensor::full(&[2, 3], 1.0)).unwrap();
        let y = g.add("read.layer", hoyer_graph::MatMul, &[y, read]).unwrap();
        g.outputs.push(y);
        let found = groups(&g).unwrap();
        let means = [[1.0; 2].as_slice(), &[4.0; 6]].into_iter().enumerate().collect();
        let order = order(&g, &found, Price::Same, Measure::Fisher(&means)).unwrap();
        // Made with 1, read with 3 · 4.
        assert_eq!(order.iter().map(|c| c.score).collect::<Vec<_>>(), [6.5, 6.5]);
    }

    #[test]
    fn the_channel_with_the_smallest_weights_on_both_sides_goes_first() {
        let mut g = Graph::new("g");
        let x = g.input("x", Type::f32([1, 2]));
        let w = Tensor::new(&[3, 2], vec![1.0, 1.0, 3.0, 0.0, 2.0, 0.0]).unwrap();
        let w = g.param("1.w", Role::Weight, w).unwrap();
        let y = g.add("1", Gemm::linear(), &[x, w]).unwrap();
        let y = g.add("relu", Relu, &[y]).unwrap();
        // Ten times as large, which must not count more.
        let w = Tensor::new(&[1, 3], vec![30.0, 10.0, 10.0]).unwrap();
        let w = g.param("2.w", Role::Weight, w).unwrap();
        let y = g.add("2", Gemm::linear(), &[y, w]).unwrap();
        g.outputs.push(y);
        // Squares: 2, 9, 4 of mean 5; 900, 100, 100 of mean 1100 / 3.
        let found = groups(&g).unwrap();
        for price in [Price::Same, Price::Macs] {
            let order = order(&g, &found, price, Measure::Share).unwrap();
            let indices: Vec<usize> = order.iter().map(|c| c.channel.index).collect();
            assert_eq!(indices, [2, 1, 0], "{price:?}");
        }
    }
}
