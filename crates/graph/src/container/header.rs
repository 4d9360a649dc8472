//! The header of a `.hoyer` file: everything but the numbers, as JSON.
//!
//! Invariants: a header that is written reads back equal.
//! Not here: how the numbers are stored (`tensors`), whether the graph is sound (`validate`).

use super::metadata::Metadata;
use super::tensors::Stored;
use super::{damaged, validate::malformed};
use crate::graph::{Graph, Node, Param, Role, Update, Value, ValueId};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a parameter is and where its numbers lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredParam {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) shape: Vec<usize>,
    pub(super) storage: Stored,
    /// First byte, counted from the first byte after the header.
    pub(super) offset: usize,
    /// Bytes.
    pub(super) length: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    name: String,
    values: Vec<Value>,
    nodes: Vec<Node>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    updates: Vec<Update>,
    pub(super) params: Vec<StoredParam>,
    metadata: Metadata,
}

impl Header {
    pub(super) fn new(graph: &Graph, params: Vec<StoredParam>, metadata: &Metadata) -> Self {
        Self {
            name: graph.name.clone(),
            values: graph.values.clone(),
            nodes: graph.nodes.clone(),
            inputs: graph.inputs.clone(),
            outputs: graph.outputs.clone(),
            updates: graph.updates.clone(),
            params,
            metadata: metadata.clone(),
        }
    }

    pub(super) fn into_graph(self, params: Vec<Param>) -> (Graph, Metadata) {
        let Self { name, values, nodes, inputs, outputs, updates, metadata, .. } = self;
        (Graph { name, values, nodes, params, inputs, outputs, updates }, metadata)
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
        serde_json::from_slice(json).map_err(|error| damaged(format!("its header: {error}")))
    }
}
