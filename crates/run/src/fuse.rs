//! Which nodes are computed by the node before or after them.
//!
//! ```text
//! Conv, Gemm, BatchNormalization → Relu          one kernel, if nobody else reads the value in between
//! ReluGradient → BatchNormalizationGradient      likewise: the ReLU's output is the gate of the gradient
//! ```

use hoyer_graph::{Graph, NodeId, Op, Source, ValueId};

/// For every node: the ReLU that it absorbs, if any.
pub(crate) fn absorbed(graph: &Graph, kept: &[ValueId]) -> Vec<Option<NodeId>> {
    let readers = graph.readers();
    let absorbs = |node: &hoyer_graph::Node| {
        let ends = matches!(node.op, Op::Conv(_) | Op::Gemm(_) | Op::BatchNormalization(_));
        if !ends || kept.contains(&node.outputs[0]) {
            return None;
        }
        match readers[node.outputs[0].0].as_slice() {
            [only] if matches!(graph.node(*only).op, Op::Relu(_)) => Some(*only),
            _ => None,
        }
    };
    graph.nodes.iter().map(absorbs).collect()
}

/// For every node: the gradient of a ReLU that it computes before its own, if any.
pub(crate) fn gates(graph: &Graph, kept: &[ValueId]) -> Vec<Option<NodeId>> {
    let readers = graph.readers();
    let gate = |node: &hoyer_graph::Node| {
        let dy = *node.inputs.first()?;
        let takes = matches!(node.op, Op::BatchNormalizationGradient(_));
        let Source::Node(before, _) = graph.value(dy).source else { return None };
        let is_gate = matches!(graph.node(before).op, Op::ReluGradient(_));
        let alone = readers[dy.0].len() == 1 && !kept.contains(&dy);
        let once = node.inputs.iter().filter(|input| **input == dy).count() == 1;
        (takes && is_gate && alone && once).then_some(before)
    };
    graph.nodes.iter().map(gate).collect()
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
