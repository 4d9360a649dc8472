//! Inputs that can be left out one by one.

use crate::Result;
use crate::graph::{Graph, Node, NodeId, Source, ValueId};
use crate::op::{Op, Select};

/// The same network with a [`Select`] of all features in front of every linear layer that reads an input directly: its
/// features are then channels like any other, and a network can stop reading some.
///
/// # Errors
/// [`crate::Error::Node`] if a node does not take its inputs.
///
/// # Example
/// ```
/// use hoyer_graph::groups::{groups, select_inputs};
/// use hoyer_graph::{Gemm, Graph, Role, Tensor, Type};
///
/// let mut g = Graph::new("one layer");
/// let x = g.input("x", Type::f32([1, 4]));
/// let w = g.param("fc.weight", Role::Weight, Tensor::full(&[3, 4], 1.0))?;
/// let y = g.add("fc", Gemm::linear(), &[x, w])?;
/// g.outputs.push(y);
/// let g = select_inputs(&g)?;
/// assert!(groups(&g)?.text(&g).contains("fc.weight[_, 4]\n"));
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn select_inputs(graph: &Graph) -> Result<Graph> {
    let mut graph = graph.clone();
    let mut at = 0;
    while at < graph.nodes.len() {
        if let Some((axis, count)) = features(&graph, NodeId(at)) {
            insert(&mut graph, at, Select { axis: axis as i64, indices: (0..count).collect() })?;
            at += 1;
        }
        at += 1;
    }
    Ok(graph)
}

/// The axis that a linear layer sums over, and its size, if it reads an input of the network.
fn features(graph: &Graph, at: NodeId) -> Option<(usize, usize)> {
    let node = graph.node(at);
    let trans_a = match &node.op {
        Op::Gemm(gemm) => gemm.trans_a,
        Op::MatMul(_) => false,
        _ => return None,
    };
    graph.param_of(node.inputs[1])?;
    let shape = &graph.value(node.inputs[0]).kind.shape;
    let axis = shape.rank().checked_sub(if trans_a { 2 } else { 1 })?;
    let count = shape.0[axis].fixed()?;
    let mut id = node.inputs[0];
    loop {
        match graph.value(id).source {
            Source::Input => return Some((axis, count)),
            Source::Node(from, _) => match graph.node(from) {
                Node { op: Op::Flatten(_) | Op::Reshape(_) | Op::Identity(_), inputs, .. } => {
                    id = inputs[0];
                }
                _ => return None,
            },
            Source::Param(_) => return None,
        }
    }
}

/// Puts an op between a node and its first input.
fn insert(graph: &mut Graph, at: usize, op: Select) -> Result<()> {
    let input = graph.nodes[at].inputs[0];
    let name = format!("{}.select", graph.nodes[at].name);
    let op = Op::from(op);
    let kind = graph.infer(&name, &op, &[input])?.remove(0);
    for value in &mut graph.values {
        if let Source::Node(node, _) = &mut value.source
            && node.0 >= at
        {
            node.0 += 1;
        }
    }
    let made: ValueId = graph.push_value(&name, kind, Source::Node(NodeId(at), 0));
    graph.nodes.insert(at, Node { name, op, inputs: vec![input], outputs: vec![made] });
    graph.nodes[at + 1].inputs[0] = made;
    Ok(())
}
