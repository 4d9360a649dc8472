//! Whether a graph is what the rest of hoyer takes for granted.
//!
//! Checked, in this order: parameters (names differ, what is dead is zero), values (their source exists and knows
//! them; a parameter has exactly one), nodes (read only what is there before them; types follow from the op),
//! inputs, outputs and updates.
//! Not here: whether the network is any good.

use crate::graph::{Graph, NodeId, Source, Type, ValueId};
use crate::{Error, Result};
use std::collections::HashSet;

/// More dimensions than any network has; bounds the work that a hostile file can cause.
pub(super) const MAX_RANK: usize = 16;

/// Refuses a graph that does not keep the invariants of [`Graph`].
///
/// # Errors
/// - [`Error::Invalid`] with the culprit's name
/// - [`Error::DuplicateName`] if two parameters have one name
/// - [`Error::Node`] if an op refuses its inputs
///
/// # Example
/// ```
/// use hoyer_graph::{Graph, Relu, Type, container::validate};
///
/// let mut g = Graph::new("net");
/// let x = g.input("x", Type::f32([4]));
/// let y = g.add("relu", Relu, &[x])?;
/// g.outputs.push(y);
/// validate(&g)?;
/// g.nodes[0].inputs[0] = y;
/// let error = validate(&g).unwrap_err().to_string();
/// assert_eq!(error, "graph `net` is malformed: node `relu` reads `relu`, which is not there before it");
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn validate(graph: &Graph) -> Result<()> {
    check_params(graph)?;
    check_values(graph)?;
    for i in 0..graph.nodes.len() {
        check_node(graph, NodeId(i))?;
    }
    check_inputs(graph)?;
    check_outputs(graph)?;
    check_updates(graph)
}

/// Refuses more dimensions than any network has.
pub(super) fn check_rank(graph: &Graph, name: &str, kind: &Type) -> Result<()> {
    match kind.shape.rank() {
        0..=MAX_RANK => Ok(()),
        rank => refuse(graph, format!("`{name}` has {rank} dimensions, need at most {MAX_RANK}")),
    }
}

/// Says what is wrong with a graph.
pub(super) fn malformed(graph: &str, what: String) -> Error {
    Error::Invalid { graph: graph.to_owned(), what }
}

fn refuse<T>(graph: &Graph, what: String) -> Result<T> {
    Err(malformed(&graph.name, what))
}

fn check_params(graph: &Graph) -> Result<()> {
    let mut names = HashSet::new();
    for param in &graph.params {
        let name = &param.name;
        if !names.insert(name) {
            return Err(Error::DuplicateName { name: name.clone() });
        }
        let Some(mask) = &param.mask else { continue };
        let data = param.tensor.data();
        if mask.len() != data.len() {
            let (got, need) = (mask.len(), data.len());
            return refuse(graph, format!("the mask of `{name}` has {got} elements, need {need}"));
        }
        if let Some(i) = (0..data.len()).find(|&i| !mask[i] && data[i] != 0.0) {
            let value = data[i];
            return refuse(
                graph,
                format!("element {i} of `{name}` is dead, but is {value}, need 0"),
            );
        }
    }
    Ok(())
}

fn check_values(graph: &Graph) -> Result<()> {
    let mut has_value = vec![false; graph.params.len()];
    for (i, value) in graph.values.iter().enumerate() {
        let name = &value.name;
        check_rank(graph, name, &value.kind)?;
        match value.source {
            Source::Input => {}
            Source::Param(id) => {
                let first =
                    has_value.get_mut(id.0).is_some_and(|has| !std::mem::replace(has, true));
                if !first || value.kind != Type::f32(graph.params[id.0].tensor.shape()) {
                    return refuse(
                        graph,
                        format!("`{name}` does not stand for parameter {}", id.0),
                    );
                }
            }
            Source::Node(id, at) => {
                let output = graph.nodes.get(id.0).and_then(|node| node.outputs.get(at));
                if output != Some(&ValueId(i)) {
                    let id = id.0;
                    return refuse(graph, format!("`{name}` is not output {at} of node {id}"));
                }
            }
        }
    }
    match has_value.iter().position(|has| !has) {
        Some(i) => refuse(graph, format!("no value stands for `{}`", graph.params[i].name)),
        None => Ok(()),
    }
}

fn check_node(graph: &Graph, id: NodeId) -> Result<()> {
    let node = graph.node(id);
    let name = &node.name;
    for input in &node.inputs {
        let Some(value) = graph.values.get(input.0) else {
            return refuse(graph, format!("node `{name}` reads value {}, which is none", input.0));
        };
        if matches!(value.source, Source::Node(source, _) if source >= id) {
            let read = &value.name;
            return refuse(
                graph,
                format!("node `{name}` reads `{read}`, which is not there before it"),
            );
        }
    }
    let kinds = graph.infer(name, &node.op, &node.inputs)?;
    if kinds.len() != node.outputs.len() {
        let (got, need) = (node.outputs.len(), kinds.len());
        return refuse(graph, format!("node `{name}` has {got} outputs, need {need}"));
    }
    for (at, (output, kind)) in node.outputs.iter().zip(&kinds).enumerate() {
        let value = graph.values.get(output.0).filter(|v| v.source == Source::Node(id, at));
        let Some(value) = value else {
            return refuse(graph, format!("output {at} of node `{name}` is not its own"));
        };
        if value.kind != *kind {
            let (got, need) = (type_text(&value.kind), type_text(kind));
            return refuse(graph, format!("`{}` is {got}, need {need}", value.name));
        }
    }
    Ok(())
}

fn type_text(kind: &Type) -> String {
    format!("{:?} {}", kind.dtype, kind.shape)
}

fn check_inputs(graph: &Graph) -> Result<()> {
    let mut names = HashSet::new();
    for id in &graph.inputs {
        let value = graph.values.get(id.0).filter(|value| value.source == Source::Input);
        let Some(value) = value else {
            return refuse(graph, format!("value {} is no input", id.0));
        };
        if !names.insert(&value.name) {
            return refuse(graph, format!("there are two inputs named `{}`", value.name));
        }
    }
    let count = graph.values.iter().filter(|value| value.source == Source::Input).count();
    if count != graph.inputs.len() {
        let listed = graph.inputs.len();
        return refuse(graph, format!("{count} values are inputs, {listed} are listed"));
    }
    Ok(())
}

fn check_outputs(graph: &Graph) -> Result<()> {
    match graph.outputs.iter().find(|id| id.0 >= graph.values.len()) {
        Some(id) => refuse(graph, format!("output {} is no value", id.0)),
        None => Ok(()),
    }
}

fn check_updates(graph: &Graph) -> Result<()> {
    let mut seen = HashSet::new();
    for update in &graph.updates {
        let value = graph.values.get(update.value.0);
        let (Some(param), Some(value)) = (graph.params.get(update.param.0), value) else {
            let (param, value) = (update.param.0, update.value.0);
            return refuse(graph, format!("parameter {param} cannot take value {value}"));
        };
        let (name, from) = (&param.name, &value.name);
        if !seen.insert(update.param) {
            return refuse(graph, format!("`{name}` is updated twice"));
        }
        if value.kind != Type::f32(param.tensor.shape()) {
            let got = type_text(&value.kind);
            return refuse(graph, format!("`{name}` cannot take `{from}`, which is {got}"));
        }
    }
    Ok(())
}
