//! The network: nodes over values and parameters, in an order that can be run from front to back.
//!
//! Invariants: a node reads only values that exist before it; every value's type follows from its op's
//! rule; names of parameters are unique.
//! Not here: what an op means (`op`), gradients (`gradient`), running fast (crate `hoyer-run`).

use crate::op::Op;
use crate::shape::Shape;
use crate::tensor::{DType, Tensor};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which value of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValueId(pub usize);

/// Which parameter of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ParamId(pub usize);

/// Which node of a graph: its place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub usize);

/// Element type and shape of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Type {
    /// Element type.
    pub dtype: DType,
    /// Dimensions, with symbols.
    pub shape: Shape,
}

impl Type {
    /// An f32 value of this shape.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        Self { dtype: DType::F32, shape: shape.into() }
    }

    /// An i64 value of this shape.
    pub fn i64(shape: impl Into<Shape>) -> Self {
        Self { dtype: DType::I64, shape: shape.into() }
    }

    /// Truth values of this shape.
    pub fn bool(shape: impl Into<Shape>) -> Self {
        Self { dtype: DType::Bool, shape: shape.into() }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Given by the caller at every run.
    Input,
    /// A parameter of the graph.
    Param(ParamId),
    /// The given output of a node.
    Node(NodeId, usize),
}

/// Something that flows along the edges of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// Name, for messages and exchange formats.
    pub name: String,
    /// Element type and shape.
    #[serde(flatten)]
    pub kind: Type,
    /// Where it comes from.
    pub source: Source,
}

/// What a parameter is for: decides penalties, weight decay, pruning and counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Weight of a convolution or linear layer: what papers count.
    Weight,
    /// Added per output channel.
    Bias,
    /// Multiplies a normalized channel.
    NormScale,
    /// Added to a normalized channel.
    NormShift,
    /// Running statistic: changed by the forward pass, never by a gradient.
    Statistic,
    /// A constant of the graph: never changed.
    Constant,
}

impl Role {
    /// Whether an optimizer changes it.
    pub fn is_trained(self) -> bool {
        !matches!(self, Self::Statistic | Self::Constant)
    }
}

/// A stored tensor of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Unique name, for example `fc1.weight`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its numbers.
    pub tensor: Tensor,
    /// Which elements live; `None` means all. A dead element is exactly zero and stays so.
    pub mask: Option<Vec<bool>>,
}

impl Param {
    /// How many elements are counted as left: those that are not exactly zero.
    pub fn nonzero(&self) -> usize {
        self.tensor.nonzero()
    }
}

/// One operation of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Name, for messages and exchange formats.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// What it reads, as ONNX orders it.
    pub inputs: Vec<ValueId>,
    /// What it writes.
    pub outputs: Vec<ValueId>,
}

/// A parameter that takes a computed value after every step, such as a running mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The parameter that changes.
    pub param: ParamId,
    /// Its next value.
    pub value: ValueId,
}

/// A network: a straight-line program of nodes.
///
/// # Example
/// ```
/// use hoyer_graph::{Dim, Graph, Relu, Role, Shape, Tensor, Type};
///
/// let mut g = Graph::new("tiny");
/// let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(2)])));
/// let w = g.param("w", Role::Weight, Tensor::full(&[3, 2], 0.5))?;
/// let y = g.add("fc", hoyer_graph::Gemm::linear(), &[x, w])?;
/// let y = g.add("relu", Relu, &[y])?;
/// g.outputs.push(y);
/// assert_eq!(g.value(y).kind.shape.to_string(), "[batch, 3]");
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// Name of the network.
    pub name: String,
    /// All values; a [`ValueId`] is a place in here.
    pub values: Vec<Value>,
    /// All nodes, in running order; a [`NodeId`] is a place in here.
    pub nodes: Vec<Node>,
    /// All parameters; a [`ParamId`] is a place in here.
    pub params: Vec<Param>,
    /// What the caller gives, in order.
    pub inputs: Vec<ValueId>,
    /// What the caller gets, in order.
    pub outputs: Vec<ValueId>,
    /// Parameters that change after every run (training graphs only).
    pub updates: Vec<Update>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The value with this id.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The parameter with this id.
    pub fn param_at(&self, id: ParamId) -> &Param {
        &self.params[id.0]
    }

    /// The parameter that a value stands for, if it is one.
    pub fn param_of(&self, id: ValueId) -> Option<ParamId> {
        match self.value(id).source {
            Source::Param(param) => Some(param),
            _ => None,
        }
    }

    /// The value that stands for a parameter.
    ///
    /// # Panics
    /// If the parameter was put into the graph without [`Graph::param`].
    pub fn value_of(&self, param: ParamId) -> ValueId {
        let is_it = |value: &Value| value.source == Source::Param(param);
        ValueId(self.values.iter().position(is_it).expect("every parameter has a value"))
    }

    /// The parameter with this name.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is none.
    pub fn param_named(&self, name: &str) -> Result<ParamId> {
        let at = self.params.iter().position(|p| p.name == name);
        at.map(ParamId).ok_or_else(|| self.unknown("parameter", name))
    }

    /// The input with this name.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is none.
    pub fn input_named(&self, name: &str) -> Result<ValueId> {
        let found = self.inputs.iter().find(|id| self.value(**id).name == name);
        found.copied().ok_or_else(|| self.unknown("input", name))
    }

    fn unknown(&self, kind: &'static str, name: &str) -> Error {
        Error::Unknown { graph: self.name.clone(), kind, name: name.to_owned() }
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, kind: Type) -> ValueId {
        let id = self.push_value(name, kind, Source::Input);
        self.inputs.push(id);
        id
    }

    /// Adds a parameter and the value that stands for it.
    ///
    /// # Errors
    /// [`Error::DuplicateName`] if the name is taken.
    pub fn param(&mut self, name: &str, role: Role, tensor: Tensor) -> Result<ValueId> {
        if self.params.iter().any(|p| p.name == name) {
            return Err(Error::DuplicateName { name: name.to_owned() });
        }
        Ok(self.push_param(name, role, tensor))
    }

    /// As [`Self::param`], for a name of which the caller knows that it is free.
    pub(crate) fn push_param(&mut self, name: &str, role: Role, tensor: Tensor) -> ValueId {
        let kind = Type::f32(tensor.shape());
        self.params.push(Param { name: name.to_owned(), role, tensor, mask: None });
        self.push_value(name, kind, Source::Param(ParamId(self.params.len() - 1)))
    }

    /// Adds a node with one output and gives that output; its type follows from the op.
    ///
    /// # Errors
    /// [`Error::Node`] if the op refuses these inputs.
    pub fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        Ok(self.add_all(name, op, inputs)?[0])
    }

    /// Adds a node and gives all its outputs.
    ///
    /// # Errors
    /// [`Error::Node`] if the op refuses these inputs.
    pub fn add_all(
        &mut self,
        name: &str,
        op: impl Into<Op>,
        inputs: &[ValueId],
    ) -> Result<Vec<ValueId>> {
        let op = op.into();
        let kinds = self.infer(name, &op, inputs)?;
        let node = NodeId(self.nodes.len());
        let single = kinds.len() == 1;
        let outputs: Vec<_> = kinds
            .into_iter()
            .enumerate()
            .map(|(i, kind)| {
                let output = if single { name.to_owned() } else { format!("{name}:{i}") };
                self.push_value(&output, kind, Source::Node(node, i))
            })
            .collect();
        let inputs = inputs.to_vec();
        self.nodes.push(Node { name: name.to_owned(), op, inputs, outputs: outputs.clone() });
        Ok(outputs)
    }

    /// The types an op gives over these inputs.
    ///
    /// # Errors
    /// [`Error::Node`] if the op refuses them.
    pub fn infer(&self, name: &str, op: &Op, inputs: &[ValueId]) -> Result<Vec<Type>> {
        let kinds: Vec<Type> = inputs.iter().map(|id| self.value(*id).kind.clone()).collect();
        op.rule().infer(&kinds).map_err(|source| Error::Node { node: name.to_owned(), source })
    }

    /// Which nodes read each value, by value.
    pub fn readers(&self) -> Vec<Vec<NodeId>> {
        let mut readers = vec![Vec::new(); self.values.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                readers[input.0].push(NodeId(i));
            }
        }
        readers
    }

    /// Adds a value; its source must exist or be added next.
    pub(crate) fn push_value(&mut self, name: &str, kind: Type, source: Source) -> ValueId {
        self.values.push(Value { name: name.to_owned(), kind, source });
        ValueId(self.values.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Gemm;

    #[test]
    fn a_second_parameter_of_the_same_name_is_refused() {
        let mut g = Graph::new("g");
        g.param("w", Role::Weight, Tensor::full(&[1], 0.0)).unwrap();
        let error = g.param("w", Role::Bias, Tensor::full(&[1], 0.0)).unwrap_err();
        assert_eq!(error.to_string(), "there are two parameters named `w`");
    }

    #[test]
    fn a_node_that_does_not_fit_is_refused_by_name() {
        let mut g = Graph::new("g");
        let x = g.input("x", Type::f32([4, 5]));
        let w = g.param("w", Role::Weight, Tensor::full(&[3, 6], 0.0)).unwrap();
        let error = g.add("fc", Gemm::linear(), &[x, w]).unwrap_err();
        let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(text.starts_with("node `fc`"), "{text}");
    }
}
