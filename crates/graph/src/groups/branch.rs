//! Branches of residual sums, which can be left out whole: the skip carries on.
//!
//! ```text
//! sum = skip + f(skip)   becomes   sum = skip
//! ```
//! The last channels of a layer cannot go, or nothing would come out of it; but a layer inside a branch may go with the branch.
//!
//! Source: Veit, Wilber & Belongie (2016), "Residual Networks Behave Like Ensembles of Relatively Shallow Networks",
//! arXiv 1605.06431: a residual network still works without some of its branches.

use super::Groups;
use crate::Result;
use crate::graph::{Graph, NodeId, Role, Source, ValueId};
use crate::op::Op;
use crate::rewrite::Rewrite;

/// A branch of a sum of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The sum that it ends in.
    pub sum: NodeId,
    /// What the branch adds.
    pub end: ValueId,
    /// The other half of the sum.
    pub skip: ValueId,
    /// What only the sum can see.
    pub nodes: Vec<NodeId>,
}

impl Branch {
    /// Whether these channels are inside, and all that the branch brings from outside to its sum: without them it says a constant.
    ///
    /// # Panics
    /// If `groups` are those of another network, or have no such group.
    #[must_use]
    pub fn hangs_on(&self, graph: &Graph, groups: &Groups, group: usize) -> bool {
        let channels = |id: ValueId| groups.lines[id.0].iter().flat_map(|line| &line.channels);
        let mut outside =
            (0..graph.values.len()).map(ValueId).filter(|id| !self.is_inside(graph, *id));
        if outside.any(|id| channels(id).any(|channel| channel.group == group)) {
            return false;
        }
        let is_of_group = |id: ValueId| {
            groups.lines[id.0].is_some() && channels(id).all(|channel| channel.group == group)
        };
        let (mut seen, mut next) = (vec![false; graph.values.len()], vec![self.end]);
        let mut meets = false;
        while let Some(id) = next.pop() {
            if std::mem::replace(&mut seen[id.0], true) {
                continue;
            }
            match graph.value(id).source {
                Source::Param(_) => {}
                Source::Node(at, _) if self.nodes.contains(&at) => match is_of_group(id) {
                    true => meets = true,
                    false => next.extend(&graph.node(at).inputs),
                },
                // What comes from outside has found a way around the channels.
                Source::Node(..) | Source::Input => return false,
            }
        }
        meets
    }

    /// Whether a value is made inside, or stored.
    fn is_inside(&self, graph: &Graph, id: ValueId) -> bool {
        match graph.value(id).source {
            Source::Node(at, _) => self.nodes.contains(&at),
            Source::Param(_) => true,
            Source::Input => false,
        }
    }
}

/// All branches with weights whose sum passes on what they read without weights of its own, inner ones first.
///
/// # Example
/// ```
/// use hoyer_graph::groups::{branches, groups, without_branches};
/// use hoyer_graph::{Add, Gemm, Graph, Relu, Role, Tensor, Type};
///
/// let mut g = Graph::new("one block");
/// let x = g.input("x", Type::f32([1, 2]));
/// let w = g.param("1.w", Role::Weight, Tensor::full(&[4, 2], 1.0))?;
/// let y = g.add("1", Gemm::linear(), &[x, w])?;
/// let y = g.add("relu", Relu, &[y])?;
/// let w = g.param("2.w", Role::Weight, Tensor::full(&[2, 4], 1.0))?;
/// let y = g.add("2", Gemm::linear(), &[y, w])?;
/// let y = g.add("sum", Add, &[x, y])?;
/// let y = g.add("out", Relu, &[y])?;
/// g.outputs.push(y);
///
/// let found = branches(&g);
/// assert!(found[0].hangs_on(&g, &groups(&g)?, 0));
/// let small = without_branches(&g, &found[..1])?;
/// assert_eq!((small.nodes.len(), small.params.len()), (1, 0));
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
#[must_use]
pub fn branches(graph: &Graph) -> Vec<Branch> {
    let readers = graph.readers();
    let mut found: Vec<Branch> = (0..graph.nodes.len())
        .filter_map(|at| {
            let node = &graph.nodes[at];
            let (Op::Add(_), &[left, right]) = (&node.op, node.inputs.as_slice()) else {
                return None;
            };
            let sum = node.outputs[0];
            let whole = |id: ValueId| graph.value(id).kind == graph.value(sum).kind;
            if left == right || !whole(left) || !whole(right) || graph.outputs.contains(&sum) {
                return None;
            }
            let seen = |id| only_for(graph, &readers, NodeId(at), id);
            let (of_left, of_right) = (seen(left), seen(right));
            let learns = |nodes: &[NodeId]| nodes.iter().any(|at| has_weights(graph, *at));
            let (nodes, end, skip) = match (learns(&of_left), learns(&of_right)) {
                (true, false) => (of_left, left, right),
                (false, true) => (of_right, right, left),
                _ => return None,
            };
            let branch = Branch { sum: NodeId(at), end, skip, nodes };
            share_a_source(graph, &branch).then_some(branch)
        })
        .collect();
    found.sort_by_key(|branch| branch.nodes.len());
    found
}

/// The nodes from which every way out leads through this input of the sum.
fn only_for(graph: &Graph, readers: &[Vec<NodeId>], sum: NodeId, input: ValueId) -> Vec<NodeId> {
    let mut inside = vec![false; sum.0];
    for at in (0..sum.0).rev() {
        let stays = |id: &ValueId| {
            let within = |reader: &NodeId| match *reader == sum {
                true => *id == input,
                false => inside.get(reader.0).copied().unwrap_or(false),
            };
            !graph.outputs.contains(id) && readers[id.0].iter().all(within)
        };
        let outputs = &graph.nodes[at].outputs;
        let leads = outputs.iter().any(|id| !readers[id.0].is_empty());
        inside[at] = leads && outputs.iter().all(stays);
    }
    (0..sum.0).filter(|at| inside[*at]).map(NodeId).collect()
}

/// Whether all that a branch reads from outside is the skip, or what the skip is made of.
fn share_a_source(graph: &Graph, branch: &Branch) -> bool {
    let mut behind = vec![false; graph.values.len()];
    behind[branch.skip.0] = true;
    for node in graph.nodes[..branch.sum.0].iter().rev() {
        if node.outputs.iter().any(|id| behind[id.0]) {
            node.inputs.iter().for_each(|id| behind[id.0] = true);
        }
    }
    let read = branch.nodes.iter().flat_map(|at| &graph.node(*at).inputs);
    let mut outside = read.filter(|id| !branch.is_inside(graph, **id)).peekable();
    outside.peek().is_some() && outside.all(|id| behind[id.0])
}

fn has_weights(graph: &Graph, at: NodeId) -> bool {
    let is_weight = |id: &ValueId| {
        graph.param_of(*id).is_some_and(|param| graph.param_at(param).role == Role::Weight)
    };
    graph.node(at).inputs.iter().any(is_weight)
}

/// The network without these branches, the constants that they would still say, and all that nobody reads then: a network with other
/// outputs, but one that holds together. Of rectifiers in a row, one is left.
///
/// # Errors
/// [`crate::Error::Node`] if a node does not take its inputs.
///
/// # Panics
/// If `branches` are those of another network.
pub fn without_branches(graph: &Graph, branches: &[Branch]) -> Result<Graph> {
    let ends = |at: usize| branches.iter().find(|branch| branch.sum.0 == at);
    let mut read = vec![false; graph.values.len()];
    graph.outputs.iter().for_each(|id| read[id.0] = true);
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|id| read[id.0]) {
            match ends(at) {
                Some(branch) => read[branch.skip.0] = true,
                None => node.inputs.iter().for_each(|id| read[id.0] = true),
            }
        }
    }
    let mut copy = Rewrite::begin(graph, |id| read[id.0])?;
    for (at, node) in graph.nodes.iter().enumerate() {
        if !node.outputs.iter().any(|id| read[id.0]) {
            continue;
        }
        let passed = match ends(at) {
            Some(branch) => Some(copy.of(branch.skip)),
            None => {
                let input = node.inputs.first().map(|id| copy.of(*id));
                input.filter(|id| repeats(&copy.to, &node.op, *id))
            }
        };
        match passed {
            Some(id) => copy.put(&node.outputs, &[id]),
            None => copy.node(node)?,
        }
    }
    Ok(copy.finish())
}

/// Whether a rectifier reads what another one has written.
fn repeats(graph: &Graph, op: &Op, input: ValueId) -> bool {
    let Source::Node(before, _) = graph.value(input).source else { return false };
    matches!((op, &graph.node(before).op), (Op::Relu(_), Op::Relu(_)))
}
