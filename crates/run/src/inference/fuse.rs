//! What a layer computes beside its product: a sum with another value, and limits; a dense one, a ReLU.
//!
//! ```text
//! layer → [Add of another value] → [Relu | Clip]      where nobody else reads what lies between
//! ```
//! The layer then runs where its sum would, so that the other value is there. Dense layers are looked at if they can write planes.

use super::layers::Layer;
use crate::fuse::shown;
use hoyer_graph::{Graph, Node, NodeId, Op, Source, ValueId};

/// What melts into a layer.
#[derive(Debug, Clone)]
pub(super) struct Fused {
    /// In order.
    pub(super) absorbs: Vec<NodeId>,
    pub(super) residual: Option<ValueId>,
    /// The node in whose place the layer runs.
    pub(super) place: NodeId,
    pub(super) limits: [f32; 2],
    /// The value that is left to write.
    pub(super) writes: ValueId,
}

/// For every node: what melts into it; only layers that can read or write planes take anything.
pub(super) fn fuse(graph: &Graph, layers: &[Option<Layer>]) -> Vec<Option<Fused>> {
    let readers = graph.readers();
    let mut taken = vec![false; graph.nodes.len()];
    let mut fuse = |i: usize| {
        let layer = layers[i].as_ref()?;
        let fused = if layer.is_sparse {
            follow(graph, (&readers, &taken), NodeId(i))
        } else {
            layer.writes_planes().then(|| relu(graph, (&readers, &taken), NodeId(i)))?
        };
        fused.absorbs.iter().for_each(|node| taken[node.0] = true);
        Some(fused)
    };
    (0..graph.nodes.len()).map(&mut fuse).collect()
}

fn follow(graph: &Graph, (readers, taken): (&[Vec<NodeId>], &[bool]), layer: NodeId) -> Fused {
    let writes = graph.node(layer).outputs[0];
    let limits = [f32::NEG_INFINITY, f32::INFINITY];
    let mut fused = Fused { absorbs: Vec::new(), residual: None, place: layer, limits, writes };
    let is_conv = matches!(graph.node(layer).op, Op::Conv(_));
    while !graph.outputs.contains(&fused.writes) {
        let [only] = readers[fused.writes.0][..] else { break };
        if taken[only.0] {
            break;
        }
        let node = graph.node(only);
        match &node.op {
            Op::Relu(_) => fused.limits[0] = 0.0,
            Op::Clip(clip) => {
                fused.limits = [clip.min.unwrap_or(limits[0]), clip.max.unwrap_or(limits[1])];
            }
            Op::Add(_) if is_conv && fused.residual.is_none() => {
                match other(graph, node, fused.writes) {
                    Some(other) => (fused.residual, fused.place) = (Some(other), only),
                    None => break,
                }
            }
            _ => break,
        }
        fused.absorbs.push(only);
        fused.writes = node.outputs[0];
        if fused.limits != limits {
            break;
        }
    }
    fused
}

/// A dense layer and the ReLU behind it, if there is one.
fn relu(graph: &Graph, (readers, taken): (&[Vec<NodeId>], &[bool]), layer: NodeId) -> Fused {
    let writes = graph.node(layer).outputs[0];
    let limits = [f32::NEG_INFINITY, f32::INFINITY];
    let fused = Fused { absorbs: Vec::new(), residual: None, place: layer, limits, writes };
    match readers[writes.0][..] {
        [only] if !taken[only.0] && !graph.outputs.contains(&writes) => {
            let node = graph.node(only);
            if !matches!(node.op, Op::Relu(_)) {
                return fused;
            }
            let limits = [0.0, f32::INFINITY];
            Fused { absorbs: vec![only], limits, writes: node.outputs[0], ..fused }
        }
        _ => fused,
    }
}

/// What is added, if it has the same shape and lies in memory of its own.
fn other(graph: &Graph, add: &Node, this: ValueId) -> Option<ValueId> {
    let other = *add.inputs.iter().find(|id| **id != this)?;
    let value = graph.value(other);
    let stored = matches!(value.source, Source::Param(_));
    let own = shown(graph, other) == other;
    (!stored && own && value.kind == graph.value(this).kind).then_some(other)
}
