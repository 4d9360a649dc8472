//! A cut of whole channels: the network is rebuilt without them, and is smaller and faster everywhere.
//!
//! ```text
//! score(channel) = mean over the layers it runs through of |w_c|² / mean over channels of |w|²
//! ```
//! `w_c` are a layer's weights of channel `c`, made by it or read from it. A layer's own mean makes layers comparable, as in
//! Fang et al. (2023), "DepGraph", arXiv 2301.12900, section 3.4. The channels that score least go first; under a budget of
//! multiply-accumulates, those that score least for each one they take.

use hoyer_graph::groups::{Channel, Groups, Member, cut, groups};
use hoyer_graph::{Bindings, Graph, Role, cost, strides};

use super::Run;
use crate::Result;
use crate::optimizer::Moments;
use crate::recipe::Rule;
use crate::snapshot::Snapshot;
use crate::trainer::Score;

impl Run<'_> {
    /// Multiply-accumulates of one sample.
    pub(super) fn macs(&self) -> Result<u64> {
        Ok(cost(&self.graph, &one())?.macs)
    }

    /// Removes channels of the state's network until at most so many multiply-accumulates are left, and cuts what the
    /// stage remembers of them.
    pub(super) fn narrow(&mut self, macs: u64) -> Result<()> {
        self.state.params.put(&mut self.graph.params);
        let found = groups(&self.graph)?;
        let order = order(&self.graph, &found, Price::Macs)?;
        let gone = &order[..self.fewest(&found, &order, macs)?];
        let without = Without { graph: &self.graph, found: &found, gone };
        let all: Vec<usize> = (0..self.graph.params.len()).collect();
        let is_trained = |i: &usize| self.graph.params[*i].role.is_trained();
        let trained: Vec<usize> = all.iter().copied().filter(is_trained).collect();
        if let Some(optimizer) = &mut self.state.optimizer {
            for part in [first as fn(&mut Moments) -> &mut Vec<f32>, second] {
                without.cut(&trained, optimizer.moments.iter_mut().map(part))?;
            }
        }
        without.cut(&all, self.state.average.iter_mut())?;
        let small = cut(&self.graph, &found, gone)?.graph;
        self.rebuild(small)?;
        self.state.params = Snapshot::of(&self.graph.params, self.graph.params.len());
        Ok(())
    }

    pub(super) fn cut_channels(&mut self, rule: Rule) -> Result<Score> {
        let found = groups(&self.graph)?;
        let price = if matches!(rule, Rule::Macs(_)) { Price::Macs } else { Price::Same };
        let order = order(&self.graph, &found, price)?;
        let count = match rule {
            Rule::Macs(most) => self.fewest(&found, &order, most)?,
            Rule::Channels(share) => (share * order.len() as f64).round() as usize,
            _ => 0,
        };
        let small = cut(&self.graph, &found, &order[..count])?;
        let gone = count - small.stayed.len();
        let text = format!("removed {gone} of {} channels", order.len());
        self.setup.observer.message(&text);
        self.rebuild(small.graph)?;
        self.score()
    }

    /// How many channels must go, in this order, until at most so many multiply-accumulates are left; all of them
    /// if that is not enough.
    fn fewest(&self, found: &Groups, order: &[Channel], most: u64) -> Result<usize> {
        let sizes = one();
        let (mut enough, mut too_few) = (order.len(), 0);
        if cost(&self.graph, &sizes)?.macs <= most {
            return Ok(0);
        }
        while enough - too_few > 1 {
            let middle = usize::midpoint(enough, too_few);
            let small = cut(&self.graph, found, &order[..middle])?.graph;
            if cost(&small, &sizes)?.macs <= most { enough = middle } else { too_few = middle }
        }
        Ok(enough)
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

/// What a channel costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Price {
    Same,
    /// Its part of the multiply-accumulates of the layers it runs through.
    Macs,
}

fn one() -> Bindings {
    Bindings::from([("batch".to_owned(), 1)])
}

/// All channels that may go, those that matter least for their price first.
fn order(graph: &Graph, found: &Groups, price: Price) -> Result<Vec<Channel>> {
    let layers = cost(graph, &one())?.layers;
    let macs = |member: &Member| {
        let name = &graph.param_at(member.param).name;
        layers.iter().find(|layer| layer.name == *name).map_or(0.0, |layer| layer.macs as f64)
    };
    let mut scored = Vec::new();
    for (group, channels) in found.groups.iter().enumerate().filter(|(_, g)| g.frozen.is_none()) {
        let energies: Vec<Vec<f64>> =
            channels.members.iter().filter_map(|member| energies_of(graph, member)).collect();
        let price = match price {
            Price::Same => 1.0,
            Price::Macs => {
                let all: f64 = channels.members.iter().map(macs).sum();
                all.max(1.0) / channels.channels as f64
            }
        };
        for index in 0..channels.channels {
            let sum: f64 = energies.iter().map(|layer| layer[index]).sum();
            let score = sum / energies.len().max(1) as f64 / price;
            scored.push((score, Channel { group, index }));
        }
    }
    scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    Ok(scored.into_iter().map(|(_, channel)| channel).collect())
}

/// For every channel of a layer's weight, its squared norm against the mean of the layer; none for other parameters.
fn energies_of(graph: &Graph, member: &Member) -> Option<Vec<f64>> {
    let param = graph.param_at(member.param);
    if param.role != Role::Weight {
        return None;
    }
    let tensor = &param.tensor;
    let (stride, size) = (strides(tensor.shape())[member.axis], tensor.shape()[member.axis]);
    let mut sums = vec![0.0; size];
    for (i, w) in tensor.data().iter().enumerate() {
        sums[i / stride % size] += f64::from(*w).powi(2);
    }
    let own = |places: &Vec<usize>| places.iter().map(|at| sums[*at]).sum::<f64>();
    let energies: Vec<f64> = member.places.iter().map(own).collect();
    let mean = energies.iter().sum::<f64>() / energies.len().max(1) as f64;
    Some(energies.into_iter().map(|x| if mean > 0.0 { x / mean } else { 0.0 }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let order = order(&g, &found, Price::Macs).unwrap();
        assert_eq!(order.iter().map(|c| c.group).collect::<Vec<_>>(), [0, 0, 1, 1]);
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
            let order = order(&g, &found, price).unwrap();
            let indices: Vec<usize> = order.iter().map(|channel| channel.index).collect();
            assert_eq!(indices, [2, 1, 0], "{price:?}");
        }
    }
}
