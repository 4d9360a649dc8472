//! Two products in a row taken as one, for learning: a linear layer that goes straight into a recurrent layer.
//!
//! ```text
//! W · (H x)  =  (W · H) · x        W: rows of all gates × features    H: features × inputs    x: inputs × samples at all times
//! ```
//! The left side multiplies every sample with both, the right side the weights with each other and every sample with the result. Which is
//! less work follows from the sizes alone: what a mask says, or how many threads there are, changes nothing.
//!
//! Invariants: parameters keep their ids; the network says the same, but for rounding, and so do its gradients.
//! Not here: what takes numbers that do not change into others (`fold`).

use crate::Result;
use crate::evaluate::bound;
use crate::graph::{Graph, Node, NodeId, Source, ValueId};
use crate::op::{Gemm, Op, Reshape};
use crate::rewrite::Rewrite;
use crate::shape::{Bindings, Dim, Shape};

/// The network with products of weights in place of products of samples, wherever that is less work; none if it is nowhere.
///
/// # Errors
/// - [`Error::Node`](crate::Error::Node) if a node does not take its inputs
/// - what [`bound`] says if a symbol has no size
///
/// # Panics
/// If a node reads a value that no earlier node, parameter or input gives.
///
/// # Example
/// ```
/// use hoyer_graph::{Bindings, Gemm, Direction, Graph, LSTM, Reshape, Role, Tensor, Type, merge_products};
///
/// let mut g = Graph::new("net");
/// let x = g.input("x", Type::f32([100, 2]));
/// let h = g.param("h", Role::Weight, Tensor::full(&[6, 2], 0.5))?;
/// let y = g.add("fc", Gemm::linear(), &[x, h])?;
/// let y = g.add("steps", Reshape { shape: [10, 10, 6].as_slice().into() }, &[y])?;
/// let mut inputs = vec![y];
/// for (name, shape) in [("w", vec![1, 4, 6]), ("r", vec![1, 4, 1]), ("b", vec![1, 8])] {
///     inputs.push(g.param(name, Role::Weight, Tensor::full(&shape, 0.5))?);
/// }
/// let y = g.add_all("lstm", LSTM::new(1, Direction::Forward), &inputs)?[1];
/// g.outputs.push(y);
/// let merged = merge_products(&g, &Bindings::new())?.expect("100 samples are many");
/// assert_eq!(merged.params, g.params);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn merge_products(graph: &Graph, sizes: &Bindings) -> Result<Option<Graph>> {
    let mut pairs = Vec::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        if let Some(pair) = Pair::find(graph, NodeId(i), node)
            && pair.saves(graph, sizes)?
        {
            pairs.push(pair);
        }
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let mut copy = Rewrite::begin(graph, |_| true)?;
    for (i, node) in graph.nodes.iter().enumerate() {
        let id = NodeId(i);
        if let Some(pair) = pairs.iter().find(|pair| pair.reader == id) {
            pair.apply(graph, &mut copy)?;
        } else if !pairs.iter().any(|pair| pair.between.contains(&id)) {
            copy.node(node)?;
        }
    }
    Ok(Some(copy.finish()))
}

/// A recurrent layer, and a linear one whose outputs it alone reads.
struct Pair {
    reader: NodeId,
    linear: NodeId,
    /// The linear layer, and what shows its outputs under another shape.
    between: Vec<NodeId>,
}

impl Pair {
    fn find(graph: &Graph, reader: NodeId, node: &Node) -> Option<Self> {
        if !matches!(node.op, Op::LSTM(_) | Op::GRU(_)) {
            return None;
        }
        let readers = graph.readers();
        let last = |id: ValueId| graph.value(id).kind.shape.0.last().cloned();
        let (mut value, mut between) = (node.inputs[0], Vec::new());
        let features = last(value);
        loop {
            let is_alone = readers[value.0].len() == 1 && !graph.outputs.contains(&value);
            let Source::Node(id, 0) = graph.value(value).source else { return None };
            if !is_alone || last(value) != features {
                return None;
            }
            between.push(id);
            let before = graph.node(id);
            match &before.op {
                Op::Reshape(_) | Op::Flatten(_) | Op::Identity(_) => value = before.inputs[0],
                Op::Gemm(gemm) if *gemm == Gemm::linear() && before.inputs.len() == 2 => {
                    return Some(Self { reader, linear: id, between });
                }
                _ => return None,
            }
        }
    }

    /// Whether one product after the other is more work than that of both weights.
    fn saves(&self, graph: &Graph, sizes: &Bindings) -> Result<bool> {
        let product = graph.node(self.linear);
        let x = bound(graph, product.inputs[0], sizes)?;
        let w = bound(graph, graph.node(self.reader).inputs[1], sizes)?;
        let [samples, inputs, rows, features] = [x[0], x[1], w[0] * w[1], w[2]].map(|n| n as f64);
        let apart = samples * features * (inputs + rows);
        Ok(rows * inputs * (features + samples) < apart)
    }

    /// Adds the recurrent layer, over the product of both weights.
    fn apply(&self, graph: &Graph, copy: &mut Rewrite<'_>) -> Result<()> {
        let (product, reader) = (graph.node(self.linear), graph.node(self.reader));
        let shape_of = |id: ValueId| graph.value(id).kind.shape.0.clone();
        let [series, w] = [0, 1].map(|i| shape_of(reader.inputs[i]));
        let inputs = shape_of(product.inputs[0])[1].clone();
        let name = |what: &str| format!("{}.{what}.{}", reader.name, product.name);
        let with_inputs = |mut shape: Vec<Dim>| {
            *shape.last_mut().expect("a recurrent layer's inputs have axes") = inputs.clone();
            Reshape { shape: Shape(shape) }
        };
        let mut reads: Vec<ValueId> = reader.inputs[1..].iter().map(|id| copy.of(*id)).collect();
        let [x, h] = [0, 1].map(|i| copy.of(product.inputs[i]));
        let rows = Shape(w[..2].to_vec()).elements().expect("weights have a size");
        let flat = Reshape { shape: Shape(vec![rows, w[2].clone()]) };
        let flat = copy.to.add(&name("rows"), flat, &[reads[0]])?;
        let both = copy.to.add(&name("through"), Gemm::transposed(false, false), &[flat, h])?;
        reads[0] = copy.to.add(&name("weights"), with_inputs(w), &[both])?;
        reads.insert(0, copy.to.add(&name("inputs"), with_inputs(series), &[x])?);
        let made = copy.to.add_all(&reader.name, reader.op.clone(), &reads)?;
        copy.put(&reader.outputs, &made);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Numbers;
    use crate::op::{Direction, GRU, LSTM, Relu};
    use crate::{Array, Role, Type, evaluate, gradient, loss};

    const STEPS: usize = 3;
    const INPUTS: usize = 4;
    const FEATURES: usize = 5;
    const HIDDEN: usize = 2;

    /// A linear layer into a recurrent one in both directions, with something between them.
    fn net(op: impl Into<Op>, gates: usize, between: Option<Op>) -> Graph {
        let (mut g, mut numbers) = (Graph::new("net"), Numbers(5));
        let batch = Dim::symbol("batch");
        let x = g.input("x", Type::f32(Shape(vec![batch.clone(), STEPS.into(), INPUTS.into()])));
        let rows = batch.times(&STEPS.into()).unwrap();
        let flat = Reshape { shape: Shape(vec![rows, INPUTS.into()]) };
        let x = g.add("flat", flat, &[x]).unwrap();
        let mut param = |g: &mut Graph, name: &str, shape: &[usize]| {
            g.param(name, Role::Weight, numbers.tensor(shape)).unwrap()
        };
        let h = param(&mut g, "h", &[FEATURES, INPUTS]);
        let mut y = g.add("hops", Gemm::linear(), &[x, h]).unwrap();
        if let Some(op) = between {
            y = g.add("between", op, &[y]).unwrap();
        }
        let shape = Shape(vec![STEPS.into(), batch, FEATURES.into()]);
        let mut reads = vec![g.add("series", Reshape { shape }, &[y]).unwrap()];
        let rows = gates * HIDDEN;
        for (name, shape) in
            [("w", &[2, rows, FEATURES][..]), ("r", &[2, rows, HIDDEN]), ("b", &[2, 2 * rows])]
        {
            reads.push(param(&mut g, name, shape));
        }
        let y = g.add_all("layer", op, &reads).unwrap()[0];
        g.outputs.push(y);
        g
    }

    fn layers() -> [Graph; 2] {
        let gru = GRU {
            hidden_size: HIDDEN,
            direction: Direction::Bidirectional,
            linear_before_reset: true,
        };
        [net(LSTM::new(HIDDEN, Direction::Bidirectional), 4, None), net(gru, 3, None)]
    }

    fn sizes(batch: usize) -> Bindings {
        Bindings::from([("batch".to_owned(), batch)])
    }

    /// What a network says, and the gradients of all its parameters.
    fn results(graph: &Graph, batch: usize) -> Vec<Array> {
        let mut graph = graph.clone();
        let answer = graph.outputs[0];
        let wanted = graph.input("wanted", graph.value(answer).kind.clone());
        let loss = loss::mean_squared_error(&mut graph, answer, wanted).unwrap();
        let wrt = crate::trained(&graph);
        let mut wanted = vec![answer];
        wanted.extend(gradient(&mut graph, loss, &wrt).unwrap());
        let inputs: Vec<Array> = graph
            .inputs
            .iter()
            .map(|id| bound(&graph, *id, &sizes(batch)).unwrap())
            .map(|shape| Array::from_fn(&shape, |i| ((i * 7919) % 101) as f64 / 50.0 - 1.0))
            .collect();
        evaluate(&graph, &inputs, &wanted, 0).unwrap()
    }

    #[test]
    fn a_merged_network_and_its_gradients_say_the_same() {
        for graph in layers() {
            let merged = merge_products(&graph, &sizes(40)).unwrap().expect("many samples");
            assert_eq!(merged.params, graph.params);
            assert!(merged.nodes.iter().all(|node| node.name != "hops"));
            for (got, want) in results(&merged, 40).iter().zip(&results(&graph, 40)) {
                assert_eq!(got.shape, want.shape);
                for (got, want) in got.data.iter().zip(&want.data) {
                    assert!((got - want).abs() < 1e-12 * want.abs().max(1.0), "{got}, {want}");
                }
            }
        }
    }

    #[test]
    fn few_samples_are_multiplied_twice() {
        // Three samples, 16 rows of an LSTM: 16 · 4 · (5 + 3) products of one, 3 · 5 · (4 + 16) of the other kind.
        for graph in layers() {
            assert!(merge_products(&graph, &sizes(1)).unwrap().is_none());
        }
    }

    #[test]
    fn what_lies_between_or_is_read_elsewhere_stays() {
        let lstm = || LSTM::new(HIDDEN, Direction::Bidirectional);
        let graph = net(lstm(), 4, Some(Relu.into()));
        assert!(merge_products(&graph, &sizes(40)).unwrap().is_none());
        let mut graph = net(lstm(), 4, None);
        let hops = graph.nodes.iter().find(|node| node.name == "hops").unwrap().outputs[0];
        graph.outputs.push(hops);
        assert!(merge_products(&graph, &sizes(40)).unwrap().is_none());
    }
}
