//! Which nodes are computed by the node before or after them.
//!
//! ```text
//! Conv, Gemm → Relu                                            one kernel, if nobody else reads the value in between
//! BatchNormalization → Relu, Clip                              likewise
//! MaxPoolGradient → ReluGradient                               likewise, for windows of 2 x 2 over what the ReLU gave
//! ReluGradient, ClipGradient → BatchNormalizationGradient      likewise: what the limits gave is the gradient's gate,
//!                                                              computed again where it came from the same normalization
//! SoftmaxCrossEntropyLoss → its gradient                       likewise, if nobody reads the loss before
//! ```

use crate::kernel::Gate;
use crate::op::max_pool::is_2x2;
use hoyer_graph::{Graph, Node, NodeId, Op, Source, ValueId};
use hoyer_kernels::gemm::Activation;

/// For every node: the activation that it absorbs, if any.
pub(crate) fn absorbed(graph: &Graph, kept: &[ValueId]) -> Vec<Option<(NodeId, Activation)>> {
    let readers = graph.readers();
    let absorbs = |node: &hoyer_graph::Node| {
        let [only] = readers[node.outputs.first()?.0].as_slice() else { return None };
        let next = graph.node(*only);
        let activation = match (&node.op, &next.op) {
            (Op::Conv(_) | Op::Gemm(_) | Op::BatchNormalization(_), Op::Relu(_)) => {
                Activation::Relu
            }
            (Op::MaxPoolGradient(gradient), Op::ReluGradient(_))
                if next.inputs == [node.outputs[0], node.inputs[1]] && is_2x2(&gradient.pool) =>
            {
                Activation::Relu
            }
            (Op::BatchNormalization(_), Op::Clip(clip)) => Activation::Clip(clip.bounds()),
            _ => return None,
        };
        (!kept.contains(&node.outputs[0])).then_some((*only, activation))
    };
    graph.nodes.iter().map(absorbs).collect()
}

/// The gradient of limits, computed by the node after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gated {
    pub(crate) node: NodeId,
    pub(crate) gate: Gate,
    /// The last value that the node after it reads.
    pub(crate) reads: ValueId,
}

/// For every node: the gradient of limits that it computes before its own, if any, and if no other node has absorbed it.
pub(crate) fn gates(
    graph: &Graph,
    kept: &[ValueId],
    absorbed: &[Option<(NodeId, Activation)>],
) -> Vec<Option<Gated>> {
    let readers = graph.readers();
    let is_taken = |node: NodeId| absorbed.iter().flatten().any(|(taken, _)| *taken == node);
    let gate = |node: &hoyer_graph::Node| {
        let Op::BatchNormalizationGradient(_) = node.op else { return None };
        let dy = *node.inputs.first()?;
        let Source::Node(before, _) = graph.value(dy).source else { return None };
        let limits = match &graph.node(before).op {
            Op::ReluGradient(_) => Activation::Relu.limits(),
            Op::ClipGradient(op) => op.clip.bounds(),
            _ => return None,
        };
        let alone = readers[dy.0].len() == 1 && !kept.contains(&dy);
        let once = node.inputs.iter().filter(|input| **input == dy).count() == 1;
        let y = graph.node(before).inputs[1];
        let (gate, reads) = match shift_behind(graph, node, y) {
            Some(shift) => (Gate::Again(limits), shift),
            None => (Gate::Given(limits), y),
        };
        (alone && once && !is_taken(before)).then_some(Gated { node: before, gate, reads })
    };
    graph.nodes.iter().map(gate).collect()
}

/// The shift of the normalization that `gradient` is of, if its limited output is `y`.
fn shift_behind(graph: &Graph, gradient: &Node, y: ValueId) -> Option<ValueId> {
    let Source::Node(limits, 0) = graph.value(y).source else { return None };
    let limits = graph.node(limits);
    let is_limited = matches!(limits.op, Op::Relu(_) | Op::Clip(_));
    let Source::Node(norm, 0) = graph.value(limits.inputs[0]).source else { return None };
    let norm = graph.node(norm);
    let is_its_own = matches!(&norm.op, Op::BatchNormalization(op) if op.training)
        && norm.inputs[..2] == gradient.inputs[1..3]
        && norm.outputs[3..] == gradient.inputs[3..];
    (is_limited && is_its_own).then(|| norm.inputs[2])
}

/// For every node: the loss that it computes along with its gradient, if any; `needed` tells which values are computed at all.
pub(crate) fn losses(graph: &Graph, needed: &[bool]) -> Vec<Option<NodeId>> {
    let readers = graph.readers();
    let mut is_taken = vec![false; graph.nodes.len()];
    let loss_of = |(i, node): (usize, &Node)| {
        let Op::SoftmaxCrossEntropyLossGradient(_) = node.op else { return None };
        let is_loss = |before: &Node| {
            matches!(before.op, Op::SoftmaxCrossEntropyLoss(_)) && before.inputs == node.inputs[..2]
        };
        let loss = graph.nodes[..i].iter().position(is_loss)?;
        let value = graph.nodes[loss].outputs[0];
        let runs = |id: &NodeId| graph.node(*id).outputs.iter().any(|value| needed[value.0]);
        let is_read_before = readers[value.0].iter().any(|reader| reader.0 < i && runs(reader));
        let suits = needed[value.0] && runs(&NodeId(i)) && !is_read_before;
        // Of several gradients the first.
        (suits && !std::mem::replace(&mut is_taken[loss], true)).then_some(NodeId(loss))
    };
    graph.nodes.iter().enumerate().map(loss_of).collect()
}

/// The value whose numbers a value only shows under another shape, all views undone.
pub(crate) fn shown(graph: &Graph, mut value: ValueId) -> ValueId {
    while let Source::Node(node, _) = graph.value(value).source {
        if !is_view(&graph.node(node).op) {
            break;
        }
        value = graph.node(node).inputs[0];
    }
    value
}

/// Whether the op moves no number.
pub(crate) fn is_view(op: &Op) -> bool {
    match op {
        Op::Identity(_) | Op::Reshape(_) | Op::Flatten(_) => true,
        Op::Squeeze(_) | Op::Unsqueeze(_) => true,
        Op::Dropout(dropout) => !dropout.training,
        _ => false,
    }
}
