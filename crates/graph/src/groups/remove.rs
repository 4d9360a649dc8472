//! Taking dead channels out of a network without changing what it says.
//!
//! ```text
//! a channel that always says v:   y = W x + b   becomes   y = W' x' + (b + v Σ W[:, c])
//! ```
//! A dead channel may still say something: the bias of a layer whose weights are zero, through batch norm and
//! activation. That constant is folded into the bias of what reads it. Where it cannot be (a convolution that pads its
//! input with zeros sees a border), the channel stays, with the reason.
//!
//! Invariant: ids keep their meaning, and the network's outputs stay the same up to rounding.

use std::collections::BTreeMap;

use super::constant::Probe;
use super::flow::ones;
use super::reader::{Reader, readers};
use super::{Channel, Groups, Kept, Line, Narrowing};
use crate::graph::{Graph, NodeId, ParamId, Role, ValueId};
use crate::shape::Bindings;
use crate::tensor::{for_each_index, offset, strides};
use crate::{Error, Result, Tensor};

/// A network without its dead channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Removed {
    /// What is left.
    pub graph: Graph,
    /// Channels that were to go and did not.
    pub stayed: Vec<Stayed>,
}

/// A channel that could not be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stayed {
    /// Which.
    pub channel: Channel,
    /// Why, in words that name the culprit.
    pub why: String,
}

/// Takes these channels out, as far as that does not change what the network says.
///
/// # Errors
/// - [`Error::Invalid`] if an op does not say rightly what becomes of it
/// - [`Error::Unbound`] if a shape has a symbol that no input has
///
/// # Panics
/// If `groups` are those of another network.
///
/// # Example
/// ```
/// use hoyer_graph::groups::{Channel, groups, remove};
/// use hoyer_graph::{Gemm, Graph, Relu, Role, Tensor, Type};
///
/// let mut g = Graph::new("two layers");
/// let x = g.input("x", Type::f32([1, 2]));
/// let w = g.param("1.w", Role::Weight, Tensor::new(&[2, 2], vec![1.0, 2.0, 0.0, 0.0])?)?;
/// let b = g.param("1.b", Role::Bias, Tensor::new(&[2], vec![0.0, 0.5])?)?;
/// let y = g.add("1", Gemm::linear(), &[x, w, b])?;
/// let y = g.add("relu", Relu, &[y])?;
/// let w = g.param("2.w", Role::Weight, Tensor::new(&[1, 2], vec![3.0, 4.0])?)?;
/// let b = g.param("2.b", Role::Bias, Tensor::new(&[1], vec![1.0])?)?;
/// let y = g.add("2", Gemm::linear(), &[y, w, b])?;
/// g.outputs.push(y);
///
/// // The second channel always says 0.5, which the last bias takes in: 1 + 4 · 0.5.
/// let small = remove(&g, &groups(&g)?, &[Channel { group: 0, index: 1 }])?.graph;
/// assert_eq!(small.params[2].tensor.shape(), [1, 1]);
/// assert_eq!(small.params[3].tensor.data(), [3.0]);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn remove(graph: &Graph, groups: &Groups, dead: &[Channel]) -> Result<Removed> {
    let mut plan = Plan { graph, groups, dead: dead.to_vec(), stayed: Vec::new() };
    plan.keep_frozen();
    let readers = readers(graph);
    let mut read: Vec<ValueId> = readers.iter().flat_map(|reader| reader.reads.to_vec()).collect();
    read.sort_unstable();
    read.dedup();
    let touched = |id: &ValueId| {
        let line = groups.lines[id.0].as_ref();
        line.is_some_and(|line| line.channels.iter().any(|channel| plan.dead.contains(channel)))
    };
    read.retain(touched);
    let probe = Probe::of(graph, &sizes(graph), &read)?;
    plan.keep_what_speaks(&readers, &probe);
    plan.keep_the_last();
    let mut small = graph.clone();
    for reader in &readers {
        plan.fold(reader, &probe, &mut small)?;
    }
    plan.narrow(&mut small)?;
    Ok(Removed { graph: small, stayed: plan.stayed })
}

/// Takes these channels out as if all that belongs to them were zero: a network with other outputs, but one that holds
/// together. At least one channel of every layer stays.
///
/// # Errors
/// As [`remove`].
///
/// # Panics
/// As [`remove`].
pub fn cut(graph: &Graph, groups: &Groups, channels: &[Channel]) -> Result<Removed> {
    let mut plan = Plan { graph, groups, dead: channels.to_vec(), stayed: Vec::new() };
    plan.keep_frozen();
    plan.keep_the_last();
    let mut small = graph.clone();
    plan.narrow(&mut small)?;
    Ok(Removed { graph: small, stayed: plan.stayed })
}

/// Elements along an axis of unknown size: a window has to find a middle and a border there, also behind strides.
const LONG: usize = 64;

/// One sample, and [`LONG`] for every other symbol.
fn sizes(graph: &Graph) -> Bindings {
    let mut sizes = ones(graph);
    for dim in graph.inputs.iter().flat_map(|id| graph.value(*id).kind.shape.0.iter().skip(1)) {
        sizes.entry(dim.to_string()).and_modify(|size| *size = LONG);
    }
    sizes
}

struct Plan<'a> {
    graph: &'a Graph,
    groups: &'a Groups,
    dead: Vec<Channel>,
    stayed: Vec<Stayed>,
}

impl Plan<'_> {
    fn keep(&mut self, channel: Channel, why: String) {
        self.dead.retain(|other| *other != channel);
        self.stayed.push(Stayed { channel, why });
    }

    fn keep_frozen(&mut self) {
        for channel in self.dead.clone() {
            if let Some(why) = &self.groups.groups[channel.group].frozen {
                self.keep(channel, why.clone());
            }
        }
    }

    /// Keeps a channel whose absence a reader would notice.
    fn keep_what_speaks(&mut self, readers: &[Reader], probe: &Probe) {
        for reader in readers {
            for (id, line) in self.lines(reader) {
                for (index, channel) in line.channels.iter().enumerate() {
                    if !self.dead.contains(channel) || reader.ignores(self.graph, index) {
                        continue;
                    }
                    let node = &self.graph.node(reader.node).name;
                    let why = match probe.constant(id, line.axis, index) {
                        Some(0.0) => continue,
                        None => {
                            Some(format!("`{node}` reads it, and it says more than a constant"))
                        }
                        Some(_) => reader.cannot_fold(self.graph),
                    };
                    if let Some(why) = why {
                        self.keep(*channel, why);
                    }
                }
            }
        }
    }

    /// The values that a reader sums over, with their channels, if it sums over those.
    fn lines(&self, reader: &Reader) -> Vec<(ValueId, Line)> {
        let on_it = |(id, axis): (&ValueId, &usize)| {
            let line = self.groups.lines[id.0].clone()?;
            (line.axis == *axis).then_some((*id, line))
        };
        let mut lines: Vec<_> = reader.reads.iter().zip(&reader.axes).filter_map(on_it).collect();
        // Of two factors, one that says nothing is enough; the second is as dead as the first.
        lines.truncate(1);
        lines
    }

    /// Keeps one channel wherever all would go.
    fn keep_the_last(&mut self) {
        let lines = self.groups.lines.iter().flatten().map(|line| line.channels.clone());
        let members = self.groups.groups.iter().enumerate().flat_map(|(group, found)| {
            let all = (0..found.channels).map(move |index| Channel { group, index }).collect();
            let alone = found.members.iter().any(|m| {
                let count: usize = m.places.iter().map(Vec::len).sum();
                self.graph.param_at(m.param).tensor.shape()[m.axis] == count
            });
            alone.then_some(all)
        });
        let all: Vec<Vec<Channel>> = lines.chain(members).collect();
        for channels in all {
            if let Some(first) = channels.first()
                && channels.iter().all(|channel| self.dead.contains(channel))
            {
                self.keep(*first, "it is the last of its layer".into());
            }
        }
    }

    /// Adds what dead channels say to the bias of what reads them.
    fn fold(&self, reader: &Reader, probe: &Probe, small: &mut Graph) -> Result<()> {
        let Some((id, line)) = self.lines(reader).pop() else { return Ok(()) };
        let mut sums: Option<Vec<f64>> = None;
        for (index, channel) in line.channels.iter().enumerate() {
            let says = || probe.constant(id, line.axis, index).filter(|says| *says != 0.0);
            if !self.dead.contains(channel) || reader.ignores(self.graph, index) {
                continue;
            }
            if let Some(says) = says() {
                reader.add(self.graph, index, says, &mut sums);
            }
        }
        let Some(sums) = sums else { return Ok(()) };
        match small.node(reader.node).inputs.get(2).and_then(|id| small.param_of(*id)) {
            Some(bias) => {
                let param = &mut small.params[bias.0];
                let biases = param.tensor.data_mut().iter_mut().zip(sums).enumerate();
                for (at, (bias, sum)) in biases.filter(|(_, (_, sum))| *sum != 0.0) {
                    *bias = (f64::from(*bias) + sum) as f32;
                    param.mask.iter_mut().for_each(|mask| mask[at] = true);
                }
                Ok(())
            }
            None => self.add_bias(reader.node, &sums, small),
        }
    }

    /// Gives a layer a bias, for the outputs that stay.
    fn add_bias(&self, node: NodeId, sums: &[f64], small: &mut Graph) -> Result<()> {
        let kept = self.kept_value(small.node(node).outputs[0]);
        let stays = |at: &usize| kept.as_ref().is_none_or(|kept| kept.keep[*at]);
        let numbers = (0..sums.len()).filter(stays).map(|at| sums[at] as f32).collect::<Vec<_>>();
        let name = format!("{}.folded", small.node(node).name);
        let bias = small.param(&name, Role::Bias, Tensor::new(&[numbers.len()], numbers)?)?;
        small.nodes[node.0].inputs.push(bias);
        Ok(())
    }

    /// Cuts parameters and attributes, and finds the new shapes.
    fn narrow(&self, small: &mut Graph) -> Result<()> {
        for (param, kept) in self.kept_params() {
            let param = &mut small.params[param.0];
            param.tensor = part(&param.tensor, &kept)?;
            if let Some(mask) = &param.mask {
                let flags = mask.iter().map(|live| f32::from(u8::from(*live))).collect();
                let flags = Tensor::new(&shape_before(&param.tensor, &kept), flags)?;
                param.mask =
                    Some(part(&flags, &kept)?.data().iter().map(|flag| *flag > 0.0).collect());
            }
        }
        for i in 0..small.values.len() {
            if let Some(param) = small.param_of(ValueId(i)) {
                small.values[i].kind = crate::Type::f32(small.params[param.0].tensor.shape());
            }
        }
        for at in 0..small.nodes.len() {
            self.narrow_node(small, NodeId(at))?;
        }
        Ok(())
    }

    fn narrow_node(&self, small: &mut Graph, at: NodeId) -> Result<()> {
        let node = small.node(at).clone();
        let kept = |ids: &[ValueId]| -> Vec<Option<Kept>> {
            ids.iter().map(|id| self.kept_value(*id)).collect()
        };
        let (inputs, outputs) = (kept(&node.inputs), kept(&node.outputs));
        let narrowing = Narrowing { inputs: &inputs, outputs: &outputs };
        let op = node.op.rule().narrowed(narrowing).unwrap_or_else(|| node.op.clone());
        let kinds = small.infer(&node.name, &op, &node.inputs)?;
        for ((id, kind), kept) in node.outputs.iter().zip(kinds).zip(&outputs) {
            let before = &self.graph.value(*id).kind.shape;
            let expected = kept.as_ref().map_or_else(|| before.clone(), |kept| kept.narrow(before));
            if kind.shape != expected {
                let what = format!(
                    "{} `{}` gives {} without the removed channels, need {expected}",
                    op.name(),
                    node.name,
                    kind.shape
                );
                return Err(Error::Invalid { graph: small.name.clone(), what });
            }
            small.values[id.0].kind = kind;
        }
        small.nodes[at.0].op = op;
        Ok(())
    }

    fn kept_value(&self, id: ValueId) -> Option<Kept> {
        let line = self.groups.lines.get(id.0)?.as_ref()?;
        let keep: Vec<bool> = line.channels.iter().map(|c| !self.dead.contains(c)).collect();
        let rank = self.graph.value(id).kind.shape.rank();
        keep.contains(&false).then_some(Kept { axis: line.axis, rank, keep })
    }

    /// For every parameter that gets smaller, what stays along which axes.
    fn kept_params(&self) -> BTreeMap<ParamId, Vec<Kept>> {
        let mut kept: BTreeMap<ParamId, Vec<Kept>> = BTreeMap::new();
        for channel in &self.dead {
            for member in &self.groups.groups[channel.group].members {
                let shape = self.graph.param_at(member.param).tensor.shape();
                let axes = kept.entry(member.param).or_default();
                let at =
                    axes.iter().position(|kept| kept.axis == member.axis).unwrap_or_else(|| {
                        let keep = vec![true; shape[member.axis]];
                        axes.push(Kept { axis: member.axis, rank: shape.len(), keep });
                        axes.len() - 1
                    });
                member.places[channel.index].iter().for_each(|i| axes[at].keep[*i] = false);
            }
        }
        kept
    }
}

/// What stays of a tensor.
fn part(tensor: &Tensor, kept: &[Kept]) -> Result<Tensor> {
    let mut places: Vec<Vec<usize>> =
        tensor.shape().iter().map(|size| (0..*size).collect()).collect();
    for kept in kept {
        places[kept.axis].retain(|i| kept.keep[*i]);
    }
    let shape: Vec<usize> = places.iter().map(Vec::len).collect();
    let steps = strides(tensor.shape());
    let mut data = Vec::with_capacity(shape.iter().product());
    for_each_index(&shape, |index| {
        let from: Vec<usize> = index.iter().zip(&places).map(|(i, places)| places[*i]).collect();
        data.push(tensor.data()[offset(&from, &steps)]);
    });
    Tensor::new(&shape, data)
}

/// The shape that a tensor had before it was cut.
fn shape_before(tensor: &Tensor, kept: &[Kept]) -> Vec<usize> {
    let mut shape = tensor.shape().to_vec();
    kept.iter().for_each(|kept| shape[kept.axis] = kept.keep.len());
    shape
}
