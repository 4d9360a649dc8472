//! Shortcuts without weights as convolutions of ones, which sparse layers read and write in planes.
//!
//! ```text
//! Pad(Slice(x))  =  I ∗ x         every s-th pixel of each channel, and channels of zeros around them: a 1x1 kernel of stride s
//! ```
//! Source: option A of He et al. (2016), <https://arxiv.org/abs/1512.03385>, section 3.3.

use crate::Result;
use hoyer_graph::{
    Conv, Graph, Node, NodeId, Op, Pad, PadMode, Rewrite, Role, Slice, Source, Tensor, ValueId,
    Window,
};

/// The network with a convolution in place of every such pair.
pub(super) fn as_convolutions(graph: Graph) -> Result<Graph> {
    let shortcuts: Vec<Option<Shortcut>> =
        graph.nodes.iter().map(|node| shortcut(&graph, node)).collect();
    if shortcuts.iter().all(Option::is_none) {
        return Ok(graph);
    }
    let readers = graph.readers();
    let becomes_layer = |id: &NodeId| shortcuts[id.0].is_some();
    let is_gone = |node: &Node| {
        let read =
            |id: &ValueId| graph.outputs.contains(id) || !readers[id.0].iter().all(becomes_layer);
        matches!(node.op, Op::Slice(_)) && !node.outputs.iter().any(read)
    };
    let mut copy = Rewrite::begin(&graph, |_| true)?;
    for (node, shortcut) in graph.nodes.iter().zip(&shortcuts).filter(|(node, _)| !is_gone(node)) {
        let Some(shortcut) = shortcut else {
            copy.node(node)?;
            continue;
        };
        let x = copy.of(shortcut.x);
        let made = shortcut.add(&mut copy.to, &node.name, x)?;
        copy.put(&node.outputs, &[made]);
    }
    Ok(copy.finish())
}

/// A slice and its pad.
struct Shortcut {
    x: ValueId,
    /// Channels of zeros before, those of the input, and channels of zeros after.
    channels: [usize; 3],
    stride: [usize; 2],
}

impl Shortcut {
    /// Adds the convolution.
    fn add(&self, graph: &mut Graph, name: &str, x: ValueId) -> Result<ValueId> {
        let [before, channels, after] = self.channels;
        let mut ones = Tensor::full(&[before + channels + after, channels, 1, 1], 0.0);
        let rows = ones.data_mut().chunks_exact_mut(channels).skip(before);
        rows.take(channels).enumerate().for_each(|(c, row)| row[c] = 1.0);
        let ones = graph.param(&format!("{name}.ones"), Role::Weight, ones)?;
        let window = Window { strides: self.stride.to_vec(), ..Window::square(1, 1, 0) };
        Ok(graph.add(name, Conv::new(window), &[x, ones])?)
    }
}

/// What a pad makes of a slice, if they do nothing else.
fn shortcut(graph: &Graph, node: &Node) -> Option<Shortcut> {
    let Op::Pad(Pad { pads, mode: PadMode::Constant, value: 0.0 }) = &node.op else { return None };
    let [0, before, 0, 0, 0, after, 0, 0] = pads[..] else { return None };
    let Source::Node(slice, _) = graph.value(node.inputs[0]).source else { return None };
    let (Op::Slice(op), x) = (&graph.node(slice).op, graph.node(slice).inputs[0]) else {
        return None;
    };
    let shape = &graph.value(x).kind.shape;
    let [_, channels, height, width] = &shape.0[..] else { return None };
    let size = [height.fixed()?, width.fixed()?];
    let channels = [before, channels.fixed().filter(|n| *n > 0)?, after];
    Some(Shortcut { x, channels, stride: strides(op, size)? })
}

/// Every how many pixels the slice takes, if it takes them from the first to the end.
fn strides(slice: &Slice, size: [usize; 2]) -> Option<[usize; 2]> {
    let mut strides = [1; 2];
    for (i, axis) in slice.axes.iter().enumerate() {
        let axis =
            usize::try_from(if *axis < 0 { axis + 4 } else { *axis }).ok()?.checked_sub(2)?;
        let whole = slice.starts[i] == 0 && slice.ends[i] >= *size.get(axis)? as i64;
        strides[axis] = usize::try_from(slice.steps[i]).ok().filter(|step| whole && *step > 0)?;
    }
    Some(strides)
}
