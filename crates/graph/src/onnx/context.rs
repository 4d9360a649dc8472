//! What a function that reads one node sees: attributes, inputs, and the graph to add to.
//!
//! Invariants: an attribute that nobody asked for is an error, so that none is silently left out.
//! Not here: the order of nodes and the graph's inputs (`import`), the functions (`op`).

use super::known::{Extent, Ints, Known};
use super::messages::{AttributeProto, NodeProto, data_type};
use super::names::{Names, Thing};
use super::stored::dtype_of;
use super::text::plain;
use crate::graph::{Graph, ParamId, Role, ValueId};
use crate::op::Op;
use crate::shape::{Dim, Shape};
use crate::tensor::{DType, Tensor};
use crate::{Error, Result};
use std::collections::BTreeSet;

/// One node that is being read.
pub(crate) struct Context<'a> {
    pub graph: &'a mut Graph,
    pub names: &'a mut Names,
    pub node: &'a NodeProto,
    pub name: &'a str,
    pub opset: i64,
    /// Outputs after the first, by their place, as far as the node's function gives them.
    pub more: Vec<(usize, Thing)>,
    /// Whether anything reads an output, by its place.
    pub wanted: Vec<bool>,
    asked: BTreeSet<String>,
    added: usize,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        graph: &'a mut Graph,
        names: &'a mut Names,
        node: &'a NodeProto,
        (name, opset): (&'a str, i64),
    ) -> Self {
        let (more, wanted, asked) = (Vec::new(), Vec::new(), BTreeSet::new());
        Self { graph, names, node, name, opset, more, wanted, asked, added: 0 }
    }

    pub(crate) fn op(&self) -> &'a str {
        self.node.op_type.as_deref().unwrap_or_default()
    }

    /// The error that names this node.
    pub(crate) fn refuse<T>(&self, why: impl Into<String>) -> Result<T> {
        let (node, op) = (self.name.to_owned(), self.op().to_owned());
        Err(Error::OnnxNode { node, op, opset: self.opset, why: plain(why.into()) })
    }

    fn attribute(&mut self, name: &str) -> Option<&'a AttributeProto> {
        self.asked.insert(name.to_owned());
        self.node.attribute.iter().find(|a| a.name.as_deref() == Some(name))
    }

    pub(crate) fn int(&mut self, name: &str, default: i64) -> Result<i64> {
        match self.attribute(name) {
            None => Ok(default),
            Some(found) => match found.i {
                Some(i) => Ok(i),
                None => self.refuse(format!("has `{name}` that is no integer")),
            },
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<bool> {
        Ok(self.int(name, 0)? != 0)
    }

    pub(crate) fn float(&mut self, name: &str, default: f32) -> Result<f32> {
        match self.attribute(name) {
            None => Ok(default),
            Some(found) => match found.f {
                Some(f) => Ok(f),
                None => self.refuse(format!("has `{name}` that is no number")),
            },
        }
    }

    pub(crate) fn ints(&mut self, name: &str) -> Result<Option<Vec<i64>>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(found)
                if found.ints.is_empty()
                    && (found.i.is_some() || found.f.is_some() || found.s.is_some()) =>
            {
                self.refuse(format!("has `{name}` that is no list of integers"))
            }
            Some(found) => Ok(Some(found.ints.clone())),
        }
    }

    /// Integers that are an attribute up to opset `last`, and input `at` from then on.
    pub(crate) fn moved_ints(
        &mut self,
        name: &str,
        last: i64,
        at: usize,
    ) -> Result<Option<Vec<i64>>> {
        if self.opset > last {
            return self.known_ints(at);
        }
        self.takes(at)?;
        self.ints(name)
    }

    /// Refuses more than `most` inputs: what an op of a later opset would read there says something.
    pub(crate) fn takes(&self, most: usize) -> Result<()> {
        match (most..self.node.input.len()).find(|at| self.input(*at).is_some()) {
            Some(at) => self.refuse(format!("has input {at}, which this opset does not know")),
            None => Ok(()),
        }
    }

    pub(crate) fn text(&mut self, name: &str, default: &str) -> Result<String> {
        match self.attribute(name) {
            None => Ok(default.to_owned()),
            Some(found) => match found.s.as_deref().map(std::str::from_utf8) {
                Some(Ok(text)) => Ok(text.to_owned()),
                _ => self.refuse(format!("has `{name}` that is no text")),
            },
        }
    }

    /// The element type that an attribute names, as hoyer holds it; `F32` if it is not there.
    pub(crate) fn element_type(&mut self, name: &str) -> Result<DType> {
        let code = self.int(name, i64::from(data_type::FLOAT))?;
        match i32::try_from(code).ok().and_then(dtype_of) {
            Some(dtype) => Ok(dtype),
            None => self.refuse(format!("to element type {code} is not supported")),
        }
    }

    pub(crate) fn raw(&mut self, name: &str) -> Option<&'a AttributeProto> {
        self.attribute(name)
    }

    /// Lets attributes pass that do not change what inference computes.
    pub(crate) fn pass(&mut self, names: &[&str]) {
        self.asked.extend(names.iter().map(|&name| name.to_owned()));
    }

    /// Refuses attributes that nobody asked for.
    pub(crate) fn finish(&self) -> Result<()> {
        let names = self.node.attribute.iter().filter_map(|a| a.name.as_deref());
        match names.into_iter().find(|&name| !self.asked.contains(name)) {
            Some(name) => self.refuse(format!("with attribute `{name}` is not supported")),
            None => Ok(()),
        }
    }

    /// Whether anything reads output `at`.
    pub(crate) fn wants(&self, at: usize) -> bool {
        self.wanted.get(at).copied().unwrap_or(false)
    }

    /// The name at input `at`, if it is given.
    pub(crate) fn input(&self, at: usize) -> Option<&'a str> {
        self.node.input.get(at).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// What is known of input `at` before the network runs.
    pub(crate) fn known(&self, at: usize) -> Option<&Known> {
        match self.names.get(self.input(at)?) {
            Some(Thing::Known(known)) => Some(known),
            _ => None,
        }
    }

    /// Input `at` as a value of the graph; numbers of the file become a constant.
    pub(crate) fn value(&mut self, at: usize) -> Result<ValueId> {
        self.param(at, Role::Constant)
    }

    /// Input `at` as a value of the graph; numbers of the file become a parameter of this role.
    pub(crate) fn param(&mut self, at: usize, role: Role) -> Result<ValueId> {
        let Some(name) = self.input(at) else {
            return self.refuse(format!("has no input {at}"));
        };
        let id = match self.names.get(name) {
            Some(Thing::Value(id)) => *id,
            Some(Thing::Known(Known::Floats(tensor))) => {
                let tensor = tensor.clone();
                let id = self.names.add_param(self.graph, name, (role, tensor));
                self.names.insert(name.to_owned(), Thing::Value(id));
                id
            }
            Some(Thing::Known(Known::Ints(ints))) => {
                let ints = ints.clone();
                return self.integers(name, &ints);
            }
            Some(Thing::Missing(what)) => {
                return self.refuse(format!("reads `{name}`, {what}, which is not computed"));
            }
            None => return self.refuse(format!("reads `{name}`, which nothing gives")),
        };
        if let Some(ParamId(at)) = self.graph.param_of(id)
            && self.graph.params[at].role == Role::Constant
        {
            self.graph.params[at].role = role;
        }
        Ok(id)
    }

    /// Known integers as a value of the graph. Their name keeps what is known, for those who read it as a shape.
    fn integers(&mut self, name: &str, ints: &Ints) -> Result<ValueId> {
        let Some(constant) = ints.constant() else {
            return self.refuse(format!("computes with `{name}`, which depends on a symbol"));
        };
        self.names.constant(name, || self.graph.add(name, constant, &[]))
    }

    /// The element type of a value.
    pub(crate) fn dtype(&self, id: ValueId) -> DType {
        self.graph.value(id).kind.dtype
    }

    /// Input `at` as numbers that are known before the network runs, if it is given.
    pub(crate) fn known_ints(&self, at: usize) -> Result<Option<Vec<i64>>> {
        let Some(extents) = self.known_extents(at)? else { return Ok(None) };
        match extents.data.iter().map(Extent::number).collect() {
            Some(numbers) => Ok(Some(numbers)),
            None => self.refuse(format!("has input {at} that depends on a symbol")),
        }
    }

    /// As [`Self::known_ints`], with symbols.
    pub(crate) fn known_extents(&self, at: usize) -> Result<Option<Ints>> {
        match (self.input(at), self.known(at)) {
            (None, _) => Ok(None),
            (_, Some(Known::Ints(ints))) => Ok(Some(ints.clone())),
            _ => self.refuse(format!("has input {at} that is not known before the network runs")),
        }
    }

    /// Input `at` as numbers that are known before the network runs, if it is given.
    pub(crate) fn known_floats(&self, at: usize) -> Result<Option<Vec<f32>>> {
        let Some(name) = self.input(at) else { return Ok(None) };
        let data = match self.names.get(name) {
            Some(Thing::Known(Known::Floats(tensor))) => Some(tensor.data().to_vec()),
            Some(Thing::Known(Known::Ints(ints))) => {
                ints.data.iter().map(|x| x.number().map(|x| x as f32)).collect()
            }
            Some(Thing::Value(id)) => {
                let param = self.graph.param_of(*id);
                param.map(|id| self.graph.param_at(id).tensor.data().to_vec())
            }
            _ => None,
        };
        match data {
            Some(data) => Ok(Some(data)),
            None => {
                self.refuse(format!("has input {at} that is not known before the network runs"))
            }
        }
    }

    /// Input `at` as one number of any type that is known before the network runs, if it is given.
    pub(crate) fn known_number(&self, at: usize) -> Result<Option<f64>> {
        match self.known(at) {
            Some(Known::Ints(_)) => {
                let first = self.known_ints(at)?.and_then(|numbers| numbers.first().copied());
                Ok(first.map(|number| number as f64))
            }
            _ => Ok(self.known_float(at)?.map(f64::from)),
        }
    }

    /// Input `at` as one number, if it is given.
    pub(crate) fn known_float(&self, at: usize) -> Result<Option<f32>> {
        let one = match (self.input(at), self.known(at)) {
            (None, _) => return Ok(None),
            (_, Some(Known::Floats(tensor))) => tensor.data().first().copied(),
            (Some(name), None) => match self.names.get(name) {
                Some(Thing::Value(id)) => self
                    .graph
                    .param_of(*id)
                    .and_then(|id| self.graph.param_at(id).tensor.data().first().copied()),
                _ => None,
            },
            _ => None,
        };
        match one {
            Some(number) => Ok(Some(number)),
            None => self.refuse(format!("has input {at} that is not a number known beforehand")),
        }
    }

    pub(crate) fn shape(&self, id: ValueId) -> Shape {
        self.graph.value(id).kind.shape.clone()
    }

    pub(crate) fn rank(&self, id: ValueId) -> usize {
        self.graph.value(id).kind.shape.rank()
    }

    /// Adds a node that gives one value.
    pub(crate) fn add(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        Ok(self.add_all(op, inputs)?[0])
    }

    /// Adds a node with all its values.
    pub(crate) fn add_all(
        &mut self,
        op: impl Into<Op>,
        inputs: &[ValueId],
    ) -> Result<Vec<ValueId>> {
        self.added += 1;
        let mut name = self.name.to_owned();
        if self.added > 1 {
            name = format!("{name}.{}", self.added);
        }
        self.graph.add_all(&name, op, inputs)
    }

    /// A parameter of one number that is no weight.
    pub(crate) fn number(&mut self, value: f32) -> Result<ValueId> {
        Ok(self.constant(Tensor::full(&[], value)))
    }

    /// A parameter that is no weight.
    pub(crate) fn constant(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("{}.constant{}", self.name, self.graph.params.len());
        self.names.add_param(self.graph, &name, (Role::Constant, tensor))
    }

    /// Adds a reshape, if the shape is another.
    pub(crate) fn reshape(&mut self, id: ValueId, dims: Vec<Dim>) -> Result<ValueId> {
        let shape = Shape(dims);
        if self.shape(id) == shape {
            return Ok(id);
        }
        self.add(crate::op::Reshape { shape }, &[id])
    }

    /// A place in `0..end` that may count from the end.
    pub(crate) fn place(&self, at: i64, end: usize) -> Result<usize> {
        let from_front = if at < 0 { at.checked_add(end as i64) } else { Some(at) };
        match from_front.and_then(|at| usize::try_from(at).ok()).filter(|&at| at < end) {
            Some(at) => Ok(at),
            None => self.refuse(format!("has axis or index {at}, need one of {end}")),
        }
    }
}
