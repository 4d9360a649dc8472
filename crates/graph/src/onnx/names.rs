//! What the names of a file stand for, and what the graph already has of them.
//!
//! Invariants: finding a name takes as long in a large file as in a small one.
//! Not here: reading nodes (`context`).

use super::known::Known;
use crate::Result;
use crate::graph::{Graph, Role, ValueId};
use crate::tensor::Tensor;
use std::collections::{HashMap, HashSet};

/// What a name of the file stands for.
#[derive(Debug, Clone)]
pub(crate) enum Thing {
    /// A value of the graph.
    Value(ValueId),
    /// Known before the network runs, and not yet in the graph.
    Known(Known),
    /// An output that nothing computes, as an op has it beside its first: only an error if it is read.
    Missing(String),
}

/// All names of a file.
#[derive(Debug, Default)]
pub(crate) struct Names {
    things: HashMap<String, Thing>,
    /// Names of the graph's parameters.
    params: HashSet<String>,
    /// Integers that are constants of the graph already.
    constants: HashMap<String, ValueId>,
}

impl Names {
    pub(crate) fn get(&self, name: &str) -> Option<&Thing> {
        self.things.get(name)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.things.contains_key(name)
    }

    /// What the name stood for before.
    pub(crate) fn insert(&mut self, name: String, thing: Thing) -> Option<Thing> {
        self.things.insert(name, thing)
    }

    pub(crate) fn things(&self) -> impl Iterator<Item = &Thing> {
        self.things.values()
    }

    /// Adds a parameter to the graph, under this name or one like it that no other has.
    pub(crate) fn add_param(
        &mut self,
        graph: &mut Graph,
        wanted: &str,
        (role, tensor): (Role, Tensor),
    ) -> ValueId {
        let mut name = wanted.to_owned();
        while !self.params.insert(name.clone()) {
            name.push('_');
        }
        graph.push_param(&name, role, tensor)
    }

    /// The constant of this name, which is added to the graph if it is not there.
    pub(crate) fn constant(
        &mut self,
        name: &str,
        add: impl FnOnce() -> Result<ValueId>,
    ) -> Result<ValueId> {
        if let Some(id) = self.constants.get(name) {
            return Ok(*id);
        }
        let id = add()?;
        self.constants.insert(name.to_owned(), id);
        Ok(id)
    }
}
