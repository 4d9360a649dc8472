//! The gradient as graph surgery: backward nodes are appended to the graph they differentiate.
//!
//! Each op's rule adds its own nodes through [`Backward`]; this file only walks the nodes from the loss back
//! and sums what meets at a value.
//! Not here: the rules (`op`), proof that they are right (`check`), optimizers (crate `hoyer-learn`).

use crate::graph::{Graph, Node, NodeId, Source, ValueId};
use crate::op::{Add, Expand, Mul, Op, ReduceSum, Reshape};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor};
use crate::{Error, Result, Role};

/// Appends to `graph` the nodes that compute the gradient of `loss` by each of the values `wrt`, and gives
/// those gradients in the same order. A value that the loss does not depend on gets zeros.
///
/// # Errors
/// - [`Error::LossShape`] if the loss is not one number
/// - [`Error::NoGradient`] if an op on the way has none
///
/// # Example
/// ```
/// use hoyer_graph::{Graph, Mul, ReduceSum, Role, Tensor, gradient};
///
/// let mut g = Graph::new("square");
/// let w = g.param("w", Role::Weight, Tensor::full(&[3], 2.0))?;
/// let square = g.add("square", Mul, &[w, w])?;
/// let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[square])?;
/// let dw = gradient(&mut g, loss, &[w])?[0];
/// let values = hoyer_graph::evaluate(&g, &[], &[dw], 0)?;
/// assert_eq!(values[0].data, [4.0; 3]);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn gradient(graph: &mut Graph, loss: ValueId, wrt: &[ValueId]) -> Result<Vec<ValueId>> {
    let shape = graph.value(loss).kind.shape.clone();
    if !shape.0.iter().all(crate::Dim::is_one) {
        return Err(Error::LossShape { value: graph.value(loss).name.clone(), shape });
    }
    let forward = graph.nodes.len();
    let mut back = Backward::new(graph, wrt);
    let ones = Tensor::full(&vec![1; shape.rank()], 1.0);
    back.gradients[loss.0] = Some(back.constant("loss.gradient", ones)?);
    for i in (0..forward).rev() {
        let node = back.graph.node(NodeId(i)).clone();
        if back.is_on_the_way(&node) {
            node.op.rule().gradient(&mut back, &node)?;
        }
    }
    wrt.iter().map(|&value| back.finished(value)).collect()
}

/// What an op's gradient rule works with.
#[derive(Debug)]
pub struct Backward<'a> {
    graph: &'a mut Graph,
    needed: Vec<bool>,
    gradients: Vec<Option<ValueId>>,
}

impl<'a> Backward<'a> {
    fn new(graph: &'a mut Graph, wrt: &[ValueId]) -> Self {
        let mut needed = vec![false; graph.values.len()];
        for value in wrt {
            needed[value.0] = true;
        }
        for node in &graph.nodes {
            if node.inputs.iter().any(|input| needed[input.0]) {
                for output in &node.outputs {
                    needed[output.0] = true;
                }
            }
        }
        let gradients = vec![None; graph.values.len()];
        Self { graph, needed, gradients }
    }

    fn is_on_the_way(&self, node: &Node) -> bool {
        node.inputs.iter().any(|input| self.needed[input.0])
            && node.outputs.iter().any(|output| self.gradients[output.0].is_some())
    }

    /// Whether anyone asks for the gradient by this value; if not, a rule need not compute it.
    pub fn needs(&self, value: ValueId) -> bool {
        self.needed.get(value.0).copied().unwrap_or(false)
    }

    /// The shape of a value.
    pub fn shape(&self, value: ValueId) -> &Shape {
        &self.graph.value(value).kind.shape
    }

    /// The element type of a value.
    pub fn dtype(&self, value: ValueId) -> DType {
        self.graph.value(value).kind.dtype
    }

    /// The gradient by an output of `node`.
    ///
    /// # Errors
    /// [`Error::NoGradient`] if only another output of the node leads to the loss.
    pub fn output_gradient(&self, node: &Node, output: usize) -> Result<ValueId> {
        self.gradients[node.outputs[output].0].ok_or_else(|| Error::NoGradient {
            node: node.name.clone(),
            op: node.op.name(),
            why: " through this output alone",
        })
    }

    /// Appends a node that belongs to the gradient of `node` and gives its only output.
    ///
    /// # Errors
    /// As [`Graph::add`].
    pub fn add(&mut self, node: &Node, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        Ok(self.add_all(node, op, inputs)?[0])
    }

    /// Appends a node that belongs to the gradient of `node` and gives all its outputs.
    ///
    /// # Errors
    /// As [`Graph::add_all`].
    pub fn add_all(
        &mut self,
        node: &Node,
        op: impl Into<Op>,
        inputs: &[ValueId],
    ) -> Result<Vec<ValueId>> {
        let name = format!("{}.back{}", node.name, self.graph.nodes.len());
        self.graph.add_all(&name, op, inputs)
    }

    /// `value · scale`, without a node where the scale is 1.
    ///
    /// # Errors
    /// As [`Graph::add`].
    pub fn scaled(&mut self, node: &Node, value: ValueId, scale: f32) -> Result<ValueId> {
        if scale == 1.0 {
            return Ok(value);
        }
        let name = format!("{}.scale{}", node.name, self.graph.nodes.len());
        let scale = self.constant(&name, Tensor::full(&[], scale))?;
        self.add(node, Mul, &[value, scale])
    }

    /// Adds `gradient` to what is known of the gradient by `value`.
    ///
    /// # Errors
    /// As [`Graph::add`].
    pub fn accumulate(&mut self, value: ValueId, gradient: ValueId) -> Result<()> {
        if !self.needs(value) {
            return Ok(());
        }
        self.gradients[value.0] = Some(match self.gradients[value.0] {
            None => gradient,
            Some(before) => {
                let name =
                    format!("{}.sum{}", self.graph.value(value).name, self.graph.nodes.len());
                self.graph.add(&name, Add, &[before, gradient])?
            }
        });
        Ok(())
    }

    /// Sums `gradient` over the axes along which an input of `node` was broadcast, and accumulates it.
    ///
    /// # Errors
    /// As [`Graph::add`].
    pub fn accumulate_broadcast(
        &mut self,
        node: &Node,
        input: usize,
        gradient: ValueId,
    ) -> Result<()> {
        let value = node.inputs[input];
        if !self.needs(value) {
            return Ok(());
        }
        let (to, from) = (self.shape(value).clone(), self.shape(gradient).clone());
        if to == from {
            return self.accumulate(value, gradient);
        }
        let lead = from.rank() - to.rank();
        let stretched = |&i: &usize| i < lead || to.0[i - lead] != from.0[i];
        let axes = (0..from.rank()).filter(stretched).map(|i| i as i64).collect();
        let mut sum = self.add(node, ReduceSum { axes, keepdims: false }, &[gradient])?;
        if *self.shape(sum) != to {
            sum = self.add(node, Reshape { shape: to }, &[sum])?;
        }
        self.accumulate(value, sum)
    }

    /// A constant of the graph.
    ///
    /// # Errors
    /// [`Error::DuplicateName`] if the name is taken.
    pub fn constant(&mut self, name: &str, tensor: Tensor) -> Result<ValueId> {
        self.graph.param(name, Role::Constant, tensor)
    }

    /// The whole gradient by a value; zeros if the loss does not depend on it.
    fn finished(&mut self, value: ValueId) -> Result<ValueId> {
        if let Some(gradient) = self.gradients[value.0] {
            return Ok(gradient);
        }
        let name = format!("{}.zeros", self.graph.value(value).name);
        let shape = self.graph.value(value).kind.shape.clone();
        let zero = self.constant(&name, Tensor::full(&[], 0.0))?;
        self.graph.add(&format!("{name}.expand"), Expand { shape }, &[zero])
    }
}

/// The values of all parameters that an optimizer changes, in order.
pub fn trained(graph: &Graph) -> Vec<ValueId> {
    let is_trained = |value: &crate::Value| match value.source {
        Source::Param(param) => graph.param_at(param).role.is_trained(),
        _ => false,
    };
    (0..graph.values.len()).map(ValueId).filter(|id| is_trained(graph.value(*id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check, evaluate};

    #[test]
    fn a_value_used_twice_gets_the_sum_of_both_gradients() {
        let mut g = Graph::new("g");
        let w = g.param("w", Role::Weight, Tensor::full(&[2], 3.0)).unwrap();
        let square = g.add("square", Mul, &[w, w]).unwrap();
        let cube = g.add("cube", Mul, &[square, w]).unwrap();
        let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[cube]).unwrap();
        assert!(check::graph_gradient(&g, loss, &[w], &[], 0).unwrap() < 1e-6);
    }

    #[test]
    fn what_the_loss_does_not_depend_on_gets_zeros() {
        let mut g = Graph::new("g");
        let w = g.param("w", Role::Weight, Tensor::full(&[2], 3.0)).unwrap();
        let idle = g.param("idle", Role::Weight, Tensor::full(&[4], 3.0)).unwrap();
        let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[w]).unwrap();
        let gradients = gradient(&mut g, loss, &[idle]).unwrap();
        assert_eq!(evaluate(&g, &[], &gradients, 0).unwrap()[0].data, [0.0; 4]);
    }

    #[test]
    fn a_loss_of_many_numbers_is_refused() {
        let mut g = Graph::new("g");
        let w = g.param("w", Role::Weight, Tensor::full(&[2], 3.0)).unwrap();
        let error = gradient(&mut g, w, &[w]).unwrap_err();
        assert_eq!(error.to_string(), "the loss `w` has shape [2], need one number");
    }
}
