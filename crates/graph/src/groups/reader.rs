//! Layers that sum over channels: what they would notice of a missing one.

use std::collections::BTreeSet;

use super::coupling::Coupling;
use crate::graph::{Graph, NodeId, ParamId, ValueId};
use crate::op::Op;
use crate::tensor::strides;

/// A convolution or product.
pub(super) struct Reader {
    pub(super) node: NodeId,
    /// The values it sums over: one, or both factors if there is no weight.
    pub(super) reads: Vec<ValueId>,
    /// The axis of each that it sums over.
    pub(super) axes: Vec<usize>,
    weight: Option<Weight>,
}

/// The weight of a reader: which axis is summed over, which is the output's.
struct Weight {
    param: ParamId,
    summed: usize,
    out: usize,
    /// What a weight of 1 adds to the bias for a channel that says 1.
    scale: f64,
    /// Whether the output's last axis, the one that a bias runs along, is the weight's.
    has_bias_axis: bool,
}

/// The axes of weights that layers sum over: these read channels, others make them or pass them on.
#[must_use]
pub fn reading_axes(graph: &Graph) -> BTreeSet<(ParamId, usize)> {
    let weights = readers(graph).into_iter().filter_map(|reader| reader.weight);
    weights.map(|weight| (weight.param, weight.summed)).collect()
}

/// All that sum over channels. Convolutions in groups are none: their channels go with those they make.
pub(super) fn readers(graph: &Graph) -> Vec<Reader> {
    (0..graph.nodes.len()).filter_map(|at| reader(graph, NodeId(at))).collect()
}

fn reader(graph: &Graph, at: NodeId) -> Option<Reader> {
    let node = graph.node(at);
    let kinds: Vec<_> = node.inputs.iter().map(|id| graph.value(*id).kind.clone()).collect();
    match node.op.rule().coupling(&kinds) {
        Coupling::Convolution { group: 1, transposed } => {
            let (summed, out) = if transposed { (0, 1) } else { (1, 0) };
            let param = graph.param_of(node.inputs[1])?;
            let weight = Some(Weight { param, summed, out, scale: 1.0, has_bias_axis: true });
            Some(Reader { node: at, reads: vec![node.inputs[0]], axes: vec![1], weight })
        }
        Coupling::Product { trans_a, trans_b } => {
            let (a, b) = (node.inputs[0], node.inputs[1]);
            let (rank_a, rank_b) = (kinds[0].shape.rank(), kinds[1].shape.rank());
            let a_k = rank_a.checked_sub(if trans_a { 2 } else { 1 })?;
            let b_k = rank_b.checked_sub(if trans_b { 1 } else { 2 })?;
            let param = |id: ValueId, rank: usize| graph.param_of(id).filter(|_| rank == 2);
            let scale = match &node.op {
                Op::Gemm(gemm) => f64::from(gemm.alpha) / f64::from(gemm.beta),
                _ => 1.0,
            };
            let (reads, axes, weight) = match (param(a, rank_a), param(b, rank_b)) {
                (_, Some(param)) => (vec![a], vec![a_k], Some((param, b_k, true))),
                (Some(param), None) => (vec![b], vec![b_k], Some((param, a_k, false))),
                (None, None) => (vec![a, b], vec![a_k, b_k], None),
            };
            let weight = weight.map(|(param, summed, has_bias_axis)| Weight {
                param,
                summed,
                out: 1 - summed,
                scale,
                has_bias_axis,
            });
            Some(Reader { node: at, reads, axes, weight })
        }
        _ => None,
    }
}

impl Reader {
    /// Whether all weights of this channel are zero.
    pub(super) fn ignores(&self, graph: &Graph, index: usize) -> bool {
        let Some(weight) = &self.weight else { return false };
        let tensor = &graph.param_at(weight.param).tensor;
        let stride = strides(tensor.shape())[weight.summed];
        let size = tensor.shape()[weight.summed];
        let mut own = tensor.data().iter().enumerate().filter(|(i, _)| i / stride % size == index);
        own.all(|(_, w)| *w == 0.0)
    }

    /// Why a constant that a channel says cannot go into the bias.
    pub(super) fn cannot_fold(&self, graph: &Graph) -> Option<String> {
        let node = graph.node(self.node);
        let refuse = |why: &str| Some(format!("it says a constant, and `{}` {why}", node.name));
        let pads = match &node.op {
            Op::Conv(conv) => conv.window.pads.iter().any(|pad| *pad > 0),
            Op::Gemm(_) => false,
            _ => return refuse("has no bias to take it in"),
        };
        if pads {
            return refuse("pads its input with zeros");
        }
        let Some(weight) = &self.weight else { return refuse("has no weight") };
        if !weight.scale.is_finite() || !weight.has_bias_axis {
            return refuse("has no bias to take it in");
        }
        let outs = graph.param_at(weight.param).tensor.shape()[weight.out];
        let bias = node.inputs.get(2);
        let own = bias.is_none_or(|id| {
            let param = graph.param_of(*id);
            let alone = graph.readers()[id.0].len() == 1;
            alone && param.is_some_and(|param| graph.param_at(param).tensor.shape() == [outs])
        });
        if own { None } else { refuse("has a bias that is not its own") }
    }

    /// Adds to `sums`, one an output, what a channel that always says `says` gives.
    pub(super) fn add(&self, graph: &Graph, index: usize, says: f64, sums: &mut Option<Vec<f64>>) {
        let Some(weight) = &self.weight else { return };
        let tensor = &graph.param_at(weight.param).tensor;
        let (steps, shape) = (strides(tensor.shape()), tensor.shape());
        let sums = sums.get_or_insert_with(|| vec![0.0; shape[weight.out]]);
        for (i, w) in tensor.data().iter().enumerate() {
            if i / steps[weight.summed] % shape[weight.summed] == index {
                sums[i / steps[weight.out] % shape[weight.out]] +=
                    weight.scale * f64::from(*w) * says;
            }
        }
    }
}
