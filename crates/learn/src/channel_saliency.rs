//! How much the loss would lose with a channel.
//!
//! ```text
//! t = Σ w g          over all that reads the channel: the slope of the loss by a factor of it that is 1; one batch
//! v <- memory · v + (1 - memory) · t²
//! ```
//!
//! Weights of a channel push the loss together or against each other; `Σ w² g²` (`saliency`) does not know which.
//! What makes the channel has no say: in front of a batch normalization, `Σ w g` is 0 there.
//!
//! Source: Molchanov et al. (2019), "Importance Estimation for Neural Network Pruning", arXiv 1906.10771, equation 8, with a
//! gate in front of the readers, which residual channels need: several layers make them.

use std::collections::BTreeSet;

use hoyer_graph::groups::{ChannelGroup, Member, reading_axes};
use hoyer_graph::{Graph, ParamId, Role};
use hoyer_kernels::isa::vectorize;

use crate::Result;

/// Running means of `t²`, for every channel of every group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChannelSaliency {
    memory: f32,
    groups: Vec<Group>,
}

/// The channels of a group, and what reads them.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    means: Vec<f32>,
    /// `t` of the batch.
    sums: Vec<f32>,
    readers: Vec<Reader>,
}

/// An axis of a weight, seen as `[outer, size, inner]`.
#[derive(Debug, Clone, PartialEq)]
struct Reader {
    /// Its place among the trained tensors.
    tensor: usize,
    inner: usize,
    /// For every index of the axis, its channel.
    channels: Vec<Option<u32>>,
}

impl ChannelSaliency {
    /// Of a network whose `trained` parameters have gradients, in that order. What cannot be removed is not looked at.
    pub(crate) fn new(memory: f64, graph: &Graph, trained: &[ParamId]) -> Result<Self> {
        let found = hoyer_graph::groups::groups(graph)?.groups;
        let reading = reading_axes(graph);
        let groups = found.iter().map(|group| Group::of(group, graph, trained, &reading)).collect();
        Ok(Self { memory: memory as f32, groups })
    }

    /// One list for each group of the network.
    pub(crate) fn means(&self) -> Vec<Vec<f32>> {
        self.groups.iter().map(|group| group.means.clone()).collect()
    }

    /// Goes on from means of before, if there are any.
    pub(crate) fn restore(&mut self, means: &[Vec<f32>]) {
        for (group, means) in self.groups.iter_mut().zip(means) {
            group.means.clone_from(means);
        }
    }

    /// Takes in weights and gradients of one step; `of` gives both of a trained tensor.
    pub(crate) fn look_at<'t>(&mut self, of: impl Fn(usize) -> (&'t [f32], &'t [f32])) {
        for group in &mut self.groups {
            group.sums.fill(0.0);
            for reader in &group.readers {
                reader.add(of(reader.tensor), &mut group.sums);
            }
            for (v, t) in group.means.iter_mut().zip(&group.sums) {
                *v = self.memory * *v + (1.0 - self.memory) * t * t;
            }
        }
    }
}

impl Group {
    fn of(
        group: &ChannelGroup,
        graph: &Graph,
        trained: &[ParamId],
        reading: &BTreeSet<(ParamId, usize)>,
    ) -> Self {
        let weights = || {
            let members = group.members.iter().filter(|_| group.frozen.is_none());
            members.filter(|member| graph.param_at(member.param).role == Role::Weight)
        };
        let reads = |member: &&Member| reading.contains(&(member.param, member.axis));
        // Where nothing reads, what makes them has to do.
        let is_read = weights().any(|member| reads(&member));
        let readers = weights().filter(|member| !is_read || reads(member)).filter_map(|member| {
            let shape = graph.param_at(member.param).tensor.shape();
            let mut channels = vec![None; shape[member.axis]];
            for (channel, places) in member.places.iter().enumerate() {
                places.iter().for_each(|at| channels[*at] = u32::try_from(channel).ok());
            }
            let tensor = trained.iter().position(|id| *id == member.param)?;
            Some(Reader { tensor, inner: shape[member.axis + 1..].iter().product(), channels })
        });
        let zeros = vec![0.0; group.channels];
        Self { means: zeros.clone(), sums: zeros, readers: readers.collect() }
    }
}

impl Reader {
    /// Adds `Σ w g` of each channel.
    fn add(&self, (weights, gradients): (&[f32], &[f32]), sums: &mut [f32]) {
        let lines = weights.chunks_exact(self.inner).zip(gradients.chunks_exact(self.inner));
        vectorize(
            #[inline(always)]
            || {
                for ((w, g), channel) in lines.zip(self.channels.iter().cycle()) {
                    if let Some(channel) = channel {
                        sums[*channel as usize] += w.iter().zip(g).map(|(w, g)| w * g).sum::<f32>();
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::{Add, Gemm, Relu, Tensor, Type};

    /// Two layers make the same channels (a sum), two read them; inputs belong to no one.
    fn net() -> (Graph, Vec<ParamId>) {
        let mut g = Graph::new("g");
        let x = g.input("x", Type::f32([1, 3]));
        let mut layer = |name: &str, shape: [usize; 2], input| {
            let numbers = (0..shape[0] * shape[1]).map(|i| i as f32 - 2.0).collect();
            let w = g.param(name, Role::Weight, Tensor::new(&shape, numbers).unwrap()).unwrap();
            g.add(&format!("{name}.layer"), Gemm::linear(), &[input, w]).unwrap()
        };
        let made = ["make1", "make2"].map(|name| layer(name, [2, 3], x));
        let sum = g.add("sum", Add, &made).unwrap();
        let sum = g.add("relu", Relu, &[sum]).unwrap();
        let mut layer = |name: &str, shape: [usize; 2]| {
            let numbers = (0..shape[0] * shape[1]).map(|i| i as f32 - 2.0).collect();
            let w = g.param(name, Role::Weight, Tensor::new(&shape, numbers).unwrap()).unwrap();
            let y = g.add(&format!("{name}.layer"), Gemm::linear(), &[sum, w]).unwrap();
            g.outputs.push(y);
        };
        layer("read1", [2, 2]);
        layer("read2", [3, 2]);
        let trained = (0..g.params.len()).map(ParamId).collect();
        (g, trained)
    }

    #[test]
    fn a_channel_is_what_its_readers_say_together() {
        let (g, trained) = net();
        let mut seen = ChannelSaliency::new(0.5, &g, &trained).unwrap();
        let gradients: Vec<Vec<f32>> = g
            .params
            .iter()
            .map(|param| (0..param.tensor.data().len()).map(|i| 1.0 + i as f32).collect())
            .collect();
        let both = |at: usize| (g.params[at].tensor.data(), gradients[at].as_slice());
        for _ in 0..2 {
            seen.look_at(both);
        }
        // Columns of the readers: -2 · 1 + 0 · 3 and -2 · 1 + 0 · 3 + 2 · 5; -1 · 2 + 1 · 4 and -1 · 2 + 1 · 4 + 3 · 6.
        let t = [-2.0 + 8.0, 2.0 + 20.0_f32];
        let expected = t.map(|t| 0.5 * (0.5 * t * t) + 0.5 * t * t);
        let own = seen.means().into_iter().find(|means| means.iter().any(|v| *v != 0.0)).unwrap();
        assert_eq!(own, expected);
    }

    #[test]
    fn means_come_back() {
        let (g, trained) = net();
        let mut seen = ChannelSaliency::new(0.5, &g, &trained).unwrap();
        let mut means = seen.means();
        means[0][0] = 7.0;
        seen.restore(&means);
        assert_eq!(seen.means(), means);
        seen.restore(&[]);
        assert_eq!(seen.means(), means);
    }
}
