//! Which nodes are computed by the node before them.
//!
//! ```text
//! Conv → Relu, Gemm → Relu     one kernel, if nobody else reads the value in between
//! ```

use hoyer_graph::{Graph, NodeId, Op, Source, ValueId};

/// For every node: the ReLU that it absorbs, if any.
pub(crate) fn absorbed(graph: &Graph, kept: &[ValueId]) -> Vec<Option<NodeId>> {
    let readers = graph.readers();
    let absorbs = |node: &hoyer_graph::Node| {
        if !matches!(node.op, Op::Conv(_) | Op::Gemm(_)) || kept.contains(&node.outputs[0]) {
            return None;
        }
        match readers[node.outputs[0].0].as_slice() {
            [only] if matches!(graph.node(*only).op, Op::Relu(_)) => Some(*only),
            _ => None,
        }
    };
    graph.nodes.iter().map(absorbs).collect()
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
