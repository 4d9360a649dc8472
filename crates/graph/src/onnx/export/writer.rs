//! What a function that writes one op sees: the names of what it reads and gives, and the file to add to.
//!
//! Invariants: every name is given once; parameters keep theirs, inputs and outputs as far as nothing else has them.
//! Not here: inputs, outputs and everything around the nodes (`export`).

use super::is_computed;
use crate::graph::{Graph, Node, ValueId};
use crate::onnx::messages::{AttributeProto, GraphProto, NodeProto, TensorProto, data_type};
use crate::tensor::DType;
use crate::{Error, Result};
use std::collections::HashSet;

/// A file that is being written.
pub(crate) struct Writer<'a> {
    graph: &'a Graph,
    /// Of every value.
    names: Vec<String>,
    taken: HashSet<String>,
    proto: GraphProto,
}

/// Nodes and weights, and the names of the network's inputs and outputs.
pub(crate) struct Written {
    pub graph: GraphProto,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

impl<'a> Writer<'a> {
    /// Gives every value its name, and writes the parameters that are read.
    pub(crate) fn new(graph: &'a Graph) -> Self {
        let name = if graph.name.is_empty() { "network" } else { &graph.name };
        let proto = GraphProto { name: Some(name.to_owned()), ..GraphProto::default() };
        let names = vec![String::new(); graph.values.len()];
        let mut writer = Self { graph, names, taken: HashSet::new(), proto };
        let params =
            (0..graph.values.len()).map(ValueId).filter(|id| graph.param_of(*id).is_some());
        let others = (0..graph.values.len()).map(ValueId);
        // Who comes first keeps its name.
        for id in params.chain(graph.inputs.clone()).chain(graph.outputs.clone()).chain(others) {
            writer.name(id);
        }
        writer.add_params();
        writer
    }

    fn name(&mut self, id: ValueId) {
        if self.names[id.0].is_empty() {
            let wanted = match self.graph.param_of(id) {
                Some(param) => &self.graph.param_at(param).name,
                None => &self.graph.value(id).name,
            };
            self.names[id.0] = self.unique(&wanted.clone());
        }
    }

    /// The name that was asked for, or one like it that nothing has.
    fn unique(&mut self, wanted: &str) -> String {
        let mut name = if wanted.is_empty() { "value".to_owned() } else { wanted.to_owned() };
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    fn add_params(&mut self) {
        let readers = self.graph.readers();
        for (at, readers) in readers.iter().enumerate() {
            let id = ValueId(at);
            let is_read = !readers.is_empty() || self.graph.outputs.contains(&id);
            if let (Some(param), true) = (self.graph.param_of(id), is_read) {
                let tensor = &self.graph.param_at(param).tensor;
                let name = self.names[at].clone();
                self.add_floats(name, tensor.shape(), tensor.data());
            }
        }
    }

    fn add_floats(&mut self, name: String, shape: &[usize], data: &[f32]) {
        self.proto.initializer.push(TensorProto {
            dims: super::attribute::signed(shape),
            data_type: Some(data_type::FLOAT),
            name: Some(name),
            raw_data: Some(data.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ..TensorProto::default()
        });
    }

    fn add_ints(&mut self, name: String, data: &[i64]) {
        self.proto.initializer.push(TensorProto {
            dims: vec![data.len() as i64],
            data_type: Some(data_type::INT64),
            name: Some(name),
            raw_data: Some(data.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ..TensorProto::default()
        });
    }

    /// The node that is to be written next.
    pub(crate) fn at<'w>(&'w mut self, node: &'a Node) -> Draft<'w, 'a> {
        Draft { writer: self, node, written: 0 }
    }

    /// What was written. An output that is not computed, or is one twice, becomes a copy of its own.
    pub(crate) fn finish(mut self) -> Written {
        let mut seen = HashSet::new();
        let mut outputs = Vec::new();
        for id in &self.graph.outputs {
            let own = is_computed(self.graph, *id) && seen.insert(*id);
            let name = self.names[id.0].clone();
            outputs.push(if own {
                name
            } else {
                let copy = self.unique(&name);
                self.proto.node.push(NodeProto {
                    input: vec![name],
                    output: vec![copy.clone()],
                    name: Some(copy.clone()),
                    op_type: Some("Identity".into()),
                    ..NodeProto::default()
                });
                copy
            });
        }
        let inputs = self.graph.inputs.iter().map(|id| self.names[id.0].clone()).collect();
        Written { graph: self.proto, inputs, outputs }
    }
}

/// One node of the graph that is being written, as one or several of ONNX's.
pub(crate) struct Draft<'w, 'a> {
    writer: &'w mut Writer<'a>,
    pub node: &'a Node,
    written: usize,
}

impl<'a> Draft<'_, 'a> {
    pub(crate) fn graph(&self) -> &'a Graph {
        self.writer.graph
    }

    /// The error that names this node.
    pub(crate) fn refuse<T>(&self, why: impl Into<String>) -> Result<T> {
        let (node, op) = (self.node.name.clone(), self.node.op.name());
        Err(Error::NotOnnx { node, op, why: why.into() })
    }

    /// The dimensions of an input.
    pub(crate) fn shape(&self, input: usize) -> &'a crate::Shape {
        &self.graph().value(self.node.inputs[input]).kind.shape
    }

    /// The element type of an input.
    pub(crate) fn dtype(&self, input: usize) -> DType {
        self.graph().value(self.node.inputs[input]).kind.dtype
    }

    /// The names of what the node reads.
    pub(crate) fn inputs(&self) -> Vec<String> {
        self.node.inputs.iter().map(|id| self.writer.names[id.0].clone()).collect()
    }

    /// The name of an input of the whole network.
    pub(crate) fn input_name(&self, at: usize) -> String {
        self.writer.names[self.graph().inputs[at].0].clone()
    }

    /// The op under the same name, over the same inputs, without attributes.
    pub(crate) fn plain(&mut self) -> Result<()> {
        self.with(Vec::new())
    }

    /// The op under the same name, over the same inputs.
    pub(crate) fn with(&mut self, attributes: Vec<AttributeProto>) -> Result<()> {
        let inputs = self.inputs();
        self.last(self.node.op.name(), inputs, attributes)
    }

    /// The op under the same name, over the same inputs and further ones.
    pub(crate) fn extended(
        &mut self,
        further: Vec<String>,
        attributes: Vec<AttributeProto>,
    ) -> Result<()> {
        let inputs = [self.inputs(), further].concat();
        self.last(self.node.op.name(), inputs, attributes)
    }

    /// The ONNX node that gives what the node gives.
    pub(crate) fn last(
        &mut self,
        op: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
    ) -> Result<()> {
        let outputs = self.node.outputs.iter().map(|id| self.writer.names[id.0].clone()).collect();
        self.push(op, inputs, outputs, attributes);
        Ok(())
    }

    /// An ONNX node on the way; gives the name of what it makes.
    pub(crate) fn step(
        &mut self,
        op: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
    ) -> String {
        let name = self.fresh(op);
        self.push(op, inputs, vec![name.clone()], attributes);
        name
    }

    fn push(
        &mut self,
        op: &str,
        input: Vec<String>,
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        self.written += 1;
        let mut name = self.node.name.clone();
        if self.written > 1 {
            name = format!("{name}.{}", self.written);
        }
        self.writer.proto.node.push(NodeProto {
            input,
            output,
            name: Some(name),
            op_type: Some(op.to_owned()),
            attribute,
            ..NodeProto::default()
        });
    }

    /// Integers that are stored in the file.
    pub(crate) fn ints(&mut self, what: &str, numbers: &[i64]) -> String {
        let name = self.fresh(what);
        self.writer.add_ints(name.clone(), numbers);
        name
    }

    /// One number that is stored in the file.
    pub(crate) fn number(&mut self, what: &str, number: f32) -> String {
        self.floats(what, &[], &[number])
    }

    /// Numbers that are stored in the file.
    pub(crate) fn floats(&mut self, what: &str, shape: &[usize], numbers: &[f32]) -> String {
        let name = self.fresh(what);
        self.writer.add_floats(name.clone(), shape, numbers);
        name
    }

    fn fresh(&mut self, what: &str) -> String {
        self.writer.unique(&format!("{}.{}", self.node.name, what.to_lowercase()))
    }
}
