//! The header of a `.hoyer` file: everything but the numbers, as JSON.
//!
//! What follows from the rest is not written: types of what nodes give, names of values that are called after their
//! parameter or node, empty lists.
//!
//! Invariants: a header that is written reads back equal.
//! Not here: how the numbers are stored (`tensors`), whether the graph is sound (`validate`).

use super::damaged;
use super::metadata::Metadata;
use super::validate::{MAX_RANK, check_rank, malformed};
use crate::graph::{Graph, Node, Param, Role, Source, Type, Update, Value, ValueId};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Bytes of a name.
pub(crate) const MAX_NAME: usize = 4096;

/// Values that a node may read.
const MAX_INPUTS: usize = 1 << 14;

/// What a parameter is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredParam {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) shape: Vec<usize>,
}

/// A value, without what follows from its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredValue {
    source: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Of inputs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Type>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    name: String,
    values: Vec<StoredValue>,
    nodes: Vec<Node>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    updates: Vec<Update>,
    pub(super) params: Vec<StoredParam>,
    #[serde(default, skip_serializing_if = "is_empty")]
    metadata: Metadata,
}

fn is_empty(metadata: &Metadata) -> bool {
    metadata.0.is_empty()
}

impl Header {
    /// Of a graph that is sound.
    pub(super) fn new(graph: &Graph, metadata: &Metadata) -> Self {
        let param = |param: &Param| StoredParam {
            name: param.name.clone(),
            role: param.role,
            shape: param.tensor.shape().to_vec(),
        };
        let params: Vec<StoredParam> = graph.params.iter().map(param).collect();
        let value = |value: &Value| StoredValue {
            source: value.source,
            name: (usual_name(value.source, &params, &graph.nodes).as_ref() != Some(&value.name))
                .then(|| value.name.clone()),
            kind: (value.source == Source::Input).then(|| value.kind.clone()),
        };
        Self {
            name: graph.name.clone(),
            values: graph.values.iter().map(value).collect(),
            nodes: graph.nodes.clone(),
            inputs: graph.inputs.clone(),
            outputs: graph.outputs.clone(),
            updates: graph.updates.clone(),
            params,
            metadata: metadata.clone(),
        }
    }

    /// The graph; types are worked out in the order of the nodes.
    pub(super) fn into_graph(self, params: Vec<Param>) -> Result<(Graph, Metadata)> {
        let values = self.values.iter().enumerate().map(|(at, value)| self.value(at, value));
        let values = values.collect::<Result<_>>()?;
        let Self { name, nodes, inputs, outputs, updates, metadata, .. } = self;
        let mut graph = Graph { name, values, nodes, params, inputs, outputs, updates };
        for value in &graph.values {
            check_rank(&graph, &value.name, &value.kind)?;
        }
        for i in 0..graph.nodes.len() {
            let node = &graph.nodes[i];
            let is_there = |id: &&ValueId| id.0 < graph.values.len();
            if let Some(id) = node.inputs.iter().chain(&node.outputs).find(|id| !is_there(id)) {
                let (name, id) = (&node.name, id.0);
                let what = format!("node `{name}` reads or gives value {id}, which is none");
                return Err(malformed(&graph.name, what));
            }
            let kinds = graph.infer(&node.name, &node.op, &node.inputs)?;
            let outputs = node.outputs.clone();
            for (id, kind) in outputs.into_iter().zip(kinds) {
                check_rank(&graph, &graph.value(id).name, &kind)?;
                graph.values[id.0].kind = kind;
            }
        }
        Ok((graph, metadata))
    }

    /// A value with its name, and its type if it is no node's.
    fn value(&self, at: usize, stored: &StoredValue) -> Result<Value> {
        let refuse = |why: &str| damaged(format!("its header: value {at} {why}"));
        let name =
            stored.name.clone().or_else(|| usual_name(stored.source, &self.params, &self.nodes));
        let name = name.ok_or_else(|| refuse("has no name"))?;
        let kind = match (stored.source, &stored.kind) {
            (Source::Input, Some(kind)) => kind.clone(),
            (Source::Input, None) => return Err(refuse("is an input without a kind")),
            (_, Some(_)) => return Err(refuse("has a kind, but is no input")),
            (Source::Param(id), None) => {
                let param = self.params.get(id.0).ok_or_else(|| refuse("is of no parameter"))?;
                Type::f32(param.shape.as_slice())
            }
            // Worked out later.
            (Source::Node(..), None) => Type::f32([]),
        };
        Ok(Value { name, kind, source: stored.source })
    }

    /// Refuses what JSON cannot hold: it has no infinities and no NaN, and readers limit its depth.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let refuse = |why: &str| malformed(&self.name, format!("a file cannot hold it: {why}"));
        let json = serde_json::to_vec(self).map_err(|error| refuse(&error.to_string()))?;
        match Self::from_json(&json) {
            Ok(back) if back == *self => Ok(json),
            Ok(_) => Err(refuse("a number in an attribute is not finite")),
            Err(Error::Container { what }) => Err(refuse(&what)),
            Err(other) => Err(other),
        }
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self> {
        let header: Self = serde_json::from_slice(json)
            .map_err(|error| damaged(format!("its header: {error}")))?;
        header.check_lengths()?;
        Ok(header)
    }

    /// Refuses what would be copied too often: names go to values, types to the ops that read them.
    fn check_lengths(&self) -> Result<()> {
        let refuse = |what: &str| Err(damaged(format!("its header: {what}")));
        let params = self.params.iter().map(|param| &param.name);
        let mut names = params.chain(self.nodes.iter().map(|node| &node.name));
        if names.any(|name| name.len() > MAX_NAME) {
            return refuse(&format!("a name of more than {MAX_NAME} bytes"));
        }
        if self.params.iter().any(|param| param.shape.len() > MAX_RANK) {
            return refuse(&format!("a parameter of more than {MAX_RANK} dimensions"));
        }
        if self.nodes.iter().any(|node| node.inputs.len() > MAX_INPUTS) {
            return refuse(&format!("a node that reads more than {MAX_INPUTS} values"));
        }
        Ok(())
    }
}

/// What a value is called unless the header says otherwise.
fn usual_name(source: Source, params: &[StoredParam], nodes: &[Node]) -> Option<String> {
    match source {
        Source::Input => None,
        Source::Param(id) => params.get(id.0).map(|param| param.name.clone()),
        Source::Node(id, at) => nodes.get(id.0).map(|node| match node.outputs.len() {
            1 => node.name.clone(),
            _ => format!("{}:{at}", node.name),
        }),
    }
}
