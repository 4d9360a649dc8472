//! The layers that have a mask, the nodes of their gradients, and whether they run sparse.
//!
//! A layer is one node that reads a weight that nothing else reads but the gradients of that node. Not here: what either way costs
//! (`cost`).

use super::cost;
use crate::inference::cost::Work;
use crate::inference::layers::{Layer, compare, shape};
use crate::inference::plan::why;
use crate::inference::{Choice, Format, PlanStep};
use hoyer_graph::{Graph, NodeId, Op, ParamId, Source, ValueId};

/// A layer with a mask.
pub(super) struct Masked {
    pub(super) forward: NodeId,
    /// The gradient by its input, if it is computed.
    pub(super) dx: Option<NodeId>,
    /// The gradient by its weight.
    pub(super) dw: NodeId,
    pub(super) param: ParamId,
    pub(super) layer: Layer,
    /// What the cost model says of the sparse steps: forward, and gradients.
    pub(super) sparse_us: [f64; 2],
}

/// All layers with a mask, in the order of the gradients.
pub(super) fn find(
    graph: &Graph,
    shapes: &[Vec<usize>],
    gradients: &[(ParamId, ValueId)],
    choice: Choice,
) -> Vec<Masked> {
    let readers = graph.readers();
    let find = |&(param, dw): &(ParamId, ValueId)| {
        let mask = graph.param_at(param).mask.as_deref()?;
        let value = |value: &hoyer_graph::Value| value.source == Source::Param(param);
        let w = ValueId(graph.values.iter().position(value)?);
        let Source::Node(dw, _) = graph.value(dw).source else { return None };
        let (forward, dx) = ends(graph, &readers[w.0], w, dw)?;
        let shape = shape(graph, graph.node(forward), shapes)?;
        let live = mask.iter().filter(|live| **live).count();
        let (work, w) = (Work { shape, nonzero: live }, graph.param_at(param).tensor.data());
        let sparse_us = cost::sparse_us(&work);
        let guesses = [cost::dense_us(&work), sparse_us.iter().sum()];
        let layer = compare(&work, w, guesses, choice);
        Some(Masked { forward, dx, dw, param, layer, sparse_us })
    };
    gradients.iter().filter_map(find).collect()
}

/// The node that reads a weight and nothing but its gradients do, and the gradient by its input, if there is one.
fn ends(
    graph: &Graph,
    readers: &[NodeId],
    w: ValueId,
    dw: NodeId,
) -> Option<(NodeId, Option<NodeId>)> {
    let &[dy, x] = graph.node(dw).inputs.as_slice() else { return None };
    let (forward, dx) = match *readers {
        [forward] => (forward, None),
        [forward, dx] => (forward, Some(dx)),
        _ => return None,
    };
    let is_input_gradient = |dx: NodeId| graph.node(dx).inputs == [dy, w];
    let reads = &graph.node(forward).inputs;
    let linked = reads[..2] == [x, w] && reads[2..].iter().all(|bias| *bias != w);
    let ops = [Some(forward), dx, Some(dw)].map(|id| id.map(|id| &graph.node(id).op));
    (linked && dx.is_none_or(is_input_gradient) && belong(ops)).then_some((forward, dx))
}

/// Whether these are a layer and its gradients by input and weight.
fn belong([layer, dx, dw]: [Option<&Op>; 3]) -> bool {
    match (layer, dx, dw) {
        (Some(Op::Conv(conv)), dx, Some(Op::ConvWeightGradient(dw))) => {
            let same = |dx: &Op| matches!(dx, Op::ConvInputGradient(dx) if dx.conv == *conv);
            dw.conv == *conv && dx.is_none_or(same)
        }
        (Some(Op::Gemm(layer)), dx, Some(Op::Gemm(dw))) => {
            let plain = |trans_a, trans_b| {
                move |gemm: &hoyer_graph::Gemm| {
                    (gemm.trans_a, gemm.trans_b, gemm.alpha) == (trans_a, trans_b, 1.0)
                }
            };
            let is_dx = |dx: &Op| matches!(dx, Op::Gemm(dx) if plain(false, false)(dx));
            plain(false, true)(layer) && plain(true, false)(dw) && dx.is_none_or(is_dx)
        }
        _ => false,
    }
}

impl Masked {
    /// What a plan says of it.
    pub(super) fn plan_step(&self, graph: &Graph) -> PlanStep {
        let node = |id: NodeId| graph.node(id);
        let nodes = [Some(self.forward), self.dx, Some(self.dw)];
        PlanStep {
            name: node(self.forward).name.clone(),
            ops: nodes.into_iter().flatten().map(|id| node(id).op.name()).collect(),
            format: if self.layer.is_sparse { Format::Sparse } else { Format::Dense },
            weights: self.layer.weights,
            nonzero: self.layer.nonzero,
            dense_us: Some(self.layer.dense_us),
            sparse_us: Some(self.layer.sparse_us),
            measured_us: None,
            why: why(&self.layer),
        }
    }
}
