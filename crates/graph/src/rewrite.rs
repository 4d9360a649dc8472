//! A graph copied node by node, while some nodes are left out or replaced.
//!
//! Not here: what is replaced (`fold`, and `hoyer_run`'s shortcuts), one graph inside another (`append`).

use crate::Result;
use crate::graph::{Graph, Node, Source, ValueId};

/// A copy that is being made.
///
/// # Example
/// ```
/// use hoyer_graph::{Graph, Identity, Neg, Rewrite, Type};
///
/// let mut g = Graph::new("net");
/// let x = g.input("x", Type::f32([2, 3]));
/// let same = g.add("same", Identity, &[x])?;
/// let y = g.add("y", Neg, &[same])?;
/// g.outputs.push(y);
///
/// let mut copy = Rewrite::begin(&g, |_| true)?;
/// copy.put(&[same], &[copy.of(x)]);
/// copy.node(&g.nodes[1])?;
/// assert_eq!(copy.finish().nodes.len(), 1);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
#[derive(Debug)]
pub struct Rewrite<'a> {
    from: &'a Graph,
    /// The copy so far; nodes may be added to it.
    pub to: Graph,
    values: Vec<Option<ValueId>>,
}

impl<'a> Rewrite<'a> {
    /// Begins a copy with the inputs of a graph and those of its parameters whose values are `wanted`, masks included.
    ///
    /// # Errors
    /// [`Error::DuplicateName`](crate::Error::DuplicateName) if two of them have one name.
    pub fn begin(from: &'a Graph, wanted: impl Fn(ValueId) -> bool) -> Result<Self> {
        let mut to = Graph::new(&from.name);
        let mut values = vec![None; from.values.len()];
        for (i, value) in from.values.iter().enumerate() {
            if let Source::Param(param) = value.source
                && wanted(ValueId(i))
            {
                let param = from.param_at(param);
                values[i] = Some(to.param(&param.name, param.role, param.tensor.clone())?);
                let at = to.params.len() - 1;
                to.params[at].mask.clone_from(&param.mask);
            }
        }
        // In the caller's order, which is not always that of the values.
        for id in &from.inputs {
            let value = from.value(*id);
            values[id.0] = Some(to.input(&value.name, value.kind.clone()));
        }
        Ok(Self { from, to, values })
    }

    /// The copy of a value.
    ///
    /// # Panics
    /// If it has none yet.
    pub fn of(&self, id: ValueId) -> ValueId {
        self.values[id.0].expect("nodes read what exists before them")
    }

    /// Says which values of the copy stand for these.
    pub fn put(&mut self, theirs: &[ValueId], ours: &[ValueId]) {
        theirs.iter().zip(ours).for_each(|(theirs, ours)| self.values[theirs.0] = Some(*ours));
    }

    /// Copies a node as it is.
    ///
    /// # Errors
    /// [`Error::Node`](crate::Error::Node) if it does not take its inputs.
    ///
    /// # Panics
    /// If it reads a value that has no copy yet.
    pub fn node(&mut self, node: &Node) -> Result<()> {
        let inputs: Vec<ValueId> = node.inputs.iter().map(|id| self.of(*id)).collect();
        let made = self.to.add_all(&node.name, node.op.clone(), &inputs)?;
        self.put(&node.outputs, &made);
        Ok(())
    }

    /// The copy, with the outputs of the graph.
    ///
    /// # Panics
    /// If one of them has no copy.
    pub fn finish(mut self) -> Graph {
        self.to.outputs = self.from.outputs.iter().map(|id| self.of(*id)).collect();
        self.to
    }
}
