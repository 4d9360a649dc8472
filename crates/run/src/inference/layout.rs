//! Which values lie in planes: those that only layers and pools read that can.
//!
//! All values of one height and width have the same padding, the most that any layer over them needs, so that a sum of two
//! of them, and a layer between them, keep to the same lines.
//! Not here: the copy of a value that lies row-major (`hoyer_kernels::sparse`).

use super::fuse::Fused;
use super::layers::{DENSE_PAD, Layer, Shape};
use crate::op::max_pool;
use hoyer_graph::{Graph, MaxPool, NodeId, Op};
use hoyer_kernels::sparse::{Layout, Planes, SparseConv};
use std::collections::BTreeMap;

/// For every value: how it lies.
pub(super) fn layouts(
    graph: &Graph,
    shapes: &[Vec<usize>],
    layers: &[Option<Layer>],
    fused: &[Option<Fused>],
) -> Vec<Layout> {
    let pads = pads(layers);
    let readers = graph.readers();
    let mut layouts = vec![Layout::Plain; graph.values.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        let writes = match (&fused[i], &node.op) {
            (Some(fused), Op::Conv(_)) => fused.writes,
            (None, Op::MaxPool(_)) if layouts[node.inputs[0].0] != Layout::Plain => node.outputs[0],
            _ => continue,
        };
        let reads_planes = |reader: &NodeId| reads_planes(graph, shapes, (layers, fused), *reader);
        let [_, channels, height, width] = shapes[writes.0][..] else { continue };
        if !graph.outputs.contains(&writes) && readers[writes.0].iter().all(reads_planes) {
            let pad = pads.get(&[height, width]).copied().unwrap_or(0);
            layouts[writes.0] = Layout::Planes(Planes::new(channels, [height, width], pad));
        }
    }
    layouts
}

/// The padding for each height and width: what layers need to read their windows in place; or what makes lines as long as those of
/// copies, where these save more than they cost and no layer has to read its windows in place.
fn pads(layers: &[Option<Layer>]) -> BTreeMap<[usize; 2], usize> {
    let (mut pads, mut gains) = (BTreeMap::new(), BTreeMap::new());
    for layer in layers.iter().flatten().filter(|layer| layer.reads_planes()) {
        let Shape::Conv(g) = &layer.shape else { continue };
        let mut at_least = |size: [usize; 2], pad: usize| {
            let most = pads.entry(size).or_insert(0);
            *most = pad.max(*most);
        };
        if let Some(pad) = SparseConv::reads_in_place(g) {
            at_least(g.input, pad);
        }
        let mut gain = |size: [usize; 2], gain: f64| *gains.entry(size).or_insert(0.0) += gain;
        match SparseConv::gain_from_copies(g, layer.nonzero).filter(|_| layer.is_sparse) {
            Some(cycles) => gain(g.output, cycles),
            None => [g.input, g.output].into_iter().for_each(|size| gain(size, f64::NEG_INFINITY)),
        }
        if !layer.is_sparse {
            // What runs dense between planes has been asked with this padding whether it can.
            [g.input, g.output].into_iter().for_each(|size| at_least(size, DENSE_PAD));
        }
    }
    for (size, _) in gains.into_iter().filter(|(_, gain)| *gain > 0.0) {
        pads.insert(size, SparseConv::padding_for_copies(size[1]));
    }
    pads
}

fn reads_planes(
    graph: &Graph,
    shapes: &[Vec<usize>],
    (layers, fused): (&[Option<Layer>], &[Option<Fused>]),
    reader: NodeId,
) -> bool {
    let node = graph.node(reader);
    let absorbed = || fused.iter().flatten().any(|fused| fused.absorbs.contains(&reader));
    match &node.op {
        Op::Conv(_) => layers[reader.0].as_ref().is_some_and(Layer::reads_planes),
        Op::Add(_) => absorbed(),
        Op::GlobalAveragePool(_) => true,
        Op::MaxPool(pool) => is_2x2(pool, &shapes[node.inputs[0].0]),
        _ => false,
    }
}

/// Whether a pool is one that reads planes.
pub(super) fn is_2x2(pool: &MaxPool, x: &[usize]) -> bool {
    max_pool::is_2x2(pool) && x.len() == 4
}

/// Elements of a value that lies in planes.
pub(super) fn planes_len(layout: &Layout, shape: &[usize]) -> Option<usize> {
    match layout {
        Layout::Plain => None,
        Layout::Planes(planes) => Some(planes.len(shape[0])),
    }
}
