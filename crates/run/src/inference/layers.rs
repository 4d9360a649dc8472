//! The layers with stored weights, and whether each runs dense or sparse.
//!
//! Not here: what either costs (`cost`), timing both (`tune`).

use super::cost::{self, Work};
use super::{Choice, tune};
use crate::op::conv::geometry;
use hoyer_graph::{Graph, Node, Op};
use hoyer_kernels::conv::{Forward, Geometry};
use hoyer_kernels::sparse::{Layout, Planes};

/// How much faster sparse must be to be chosen: dense times are steadier, and so the safer bet.
pub(super) const BIAS_TO_DENSE: f64 = 1.08;

/// Padding of planes that a dense layer between planes can do with.
pub(super) const DENSE_PAD: usize = 1;

/// The shape of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Conv(Geometry),
    /// Samples, inputs, outputs.
    Linear([usize; 3]),
}

/// A layer that could run either way.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) shape: Shape,
    pub(crate) weights: usize,
    pub(crate) nonzero: usize,
    pub(crate) dense_us: f64,
    pub(crate) sparse_us: f64,
    pub(crate) is_sparse: bool,
}

impl Layer {
    /// Whether it can write planes.
    pub(super) fn writes_planes(&self) -> bool {
        match self.shape {
            Shape::Conv(g) if !self.is_sparse => {
                let to = Planes::new(g.channels_out, g.output, DENSE_PAD);
                Forward::new(g).between([Layout::Plain, Layout::Planes(to)]).is_some()
            }
            Shape::Conv(_) => true,
            Shape::Linear(_) => false,
        }
    }

    /// Whether it can read planes.
    pub(super) fn reads_planes(&self) -> bool {
        match self.shape {
            Shape::Conv(g) if !self.is_sparse => {
                let from = Planes::new(g.channels_in, g.input, DENSE_PAD);
                Forward::new(g).between([Layout::Planes(from), Layout::Plain]).is_some()
            }
            Shape::Conv(_) => true,
            Shape::Linear(_) => false,
        }
    }
}

/// For every node: its layer, if it has one.
pub(super) fn decide(graph: &Graph, shapes: &[Vec<usize>], choice: Choice) -> Vec<Option<Layer>> {
    graph.nodes.iter().map(|node| layer(graph, node, shapes, choice)).collect()
}

/// The weights of a layer, `[outputs, …]`.
pub(super) fn weights<'a>(graph: &'a Graph, node: &Node) -> &'a [f32] {
    let param = graph.param_of(node.inputs[1]).map(|param| graph.param_at(param));
    param.map(|param| param.tensor.data()).unwrap_or_default()
}

/// The bias of a layer, or zeros.
pub(super) fn bias(graph: &Graph, node: &Node, outputs: usize) -> Vec<f32> {
    let param = node.inputs.get(2).and_then(|id| graph.param_of(*id));
    param.map_or_else(|| vec![0.0; outputs], |param| graph.param_at(param).tensor.data().to_vec())
}

fn layer(graph: &Graph, node: &Node, shapes: &[Vec<usize>], choice: Choice) -> Option<Layer> {
    let shape = shape(graph, node, shapes)?;
    let w = weights(graph, node);
    let nonzero = w.iter().filter(|w| **w != 0.0).count();
    let work = Work { shape, nonzero };
    Some(compare(&work, w, [cost::dense_us(&work), cost::sparse_us(&work)], choice))
}

/// Chooses for a layer with this weight, given what dense and sparse are guessed to cost; where both are tried, what the answer takes
/// stands for all that is computed.
pub(crate) fn compare(work: &Work, w: &[f32], guess_us: [f64; 2], choice: Choice) -> Layer {
    let Work { shape, nonzero } = *work;
    let [dense_us, sparse_us] = match choice {
        Choice::Measure(clock) => tune::times_us(work, w, clock),
        _ => guess_us,
    };
    let is_sparse = match choice {
        Choice::Dense => false,
        Choice::Sparse => true,
        Choice::Model | Choice::Measure(_) => sparse_us * BIAS_TO_DENSE < dense_us,
    };
    Layer { shape, weights: w.len(), nonzero, dense_us, sparse_us, is_sparse }
}

/// The shape of a node that the sparse kernels can compute.
pub(crate) fn shape(graph: &Graph, node: &Node, shapes: &[Vec<usize>]) -> Option<Shape> {
    let stored = node.inputs.iter().skip(1).all(|id| graph.param_of(*id).is_some());
    let known = matches!(node.op, Op::Conv(_) | Op::Gemm(_));
    if !known || !stored || node.outputs.iter().any(|id| shapes[id.0].contains(&0)) {
        return None;
    }
    let (x, y) = (&shapes[node.inputs[0].0], &shapes[node.outputs[0].0]);
    match &node.op {
        Op::Conv(op) => geometry(op, x, y).map(Shape::Conv),
        Op::Gemm(op) => {
            let bias = node.inputs.get(2);
            let plain = !op.trans_a && op.trans_b && op.alpha == 1.0;
            let fits = bias.is_none_or(|id| op.beta == 1.0 && shapes[id.0] == [y[1]]);
            (plain && fits && x[1] > 0).then_some(Shape::Linear([y[0], x[1], y[1]]))
        }
        _ => None,
    }
}
