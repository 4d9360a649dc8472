//! From the bytes of an ONNX file to a graph.
//!
//! Not here: single ops (`op`), what is computed while reading (`fold`).

use super::budget::Budget;
use super::context::Context;
use super::known::Known;
use super::messages::{
    DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, ValueInfoProto,
};
use super::names::{Names, Thing};
use super::stored::MAX_RANK;
use super::{External, facts, fold, op_table, sort, stored, text, unusable};
use crate::container::{Metadata, validate};
use crate::graph::{Graph, Role, Source, Type, ValueId};
use crate::shape::{Dim, Shape};
use crate::{Error, Result};
use prost::Message;
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::Path;

/// What a first dimension of 1 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Batch {
    /// What the file says.
    #[default]
    AsStored,
    /// A network that was exported for one sample takes any number of them.
    Symbolic,
}

/// More elements than a machine has memory for, of a size that can still be added up in bytes.
const MOST_ELEMENTS: usize = isize::MAX as usize / 8;

/// Those whose changes are known: every reader of an op follows its history up to the last of them.
const OPSETS: RangeInclusive<i64> = 7..=28;

/// The symbol of the first dimension, whatever the file calls it.
const BATCH: &str = "batch";

/// Reads an ONNX file, and weights that lie beside it. Facts about the network come along if hoyer wrote the file.
///
/// # Errors
/// - [`Error::Read`] if the file cannot be read
/// - [`Error::File`] around what is wrong with it, see [`import`]
pub fn load(path: &Path, batch: Batch) -> Result<(Graph, Metadata)> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = External(Some(folder.unwrap_or(Path::new("."))));
    decode(&bytes)
        .and_then(|model| Ok((read(&model, &folder, batch)?, facts::of(&model))))
        .map_err(|source| Error::File { path: path.into(), source: Box::new(source) })
}

/// The network in the bytes of an ONNX file; weights outside of it are looked for in `folder` only.
///
/// The name of the first input's first dimension becomes `batch` wherever it stands, as does a first dimension without a
/// name; a file that calls a dimension `batch` keeps its names. Other unknown dimensions are called after the input and the axis.
/// Half and double precision become single.
///
/// # Errors
/// - [`Error::Onnx`] if the bytes are no whole, consistent ONNX file of opset 7 to 28
/// - [`Error::OnnxNode`] if a node cannot be run as it is meant
/// - [`Error::Node`] if an op refuses its inputs
///
/// # Example
/// ```
/// use hoyer_graph::onnx::{Batch, import};
/// let error = import(b"\xff not a model", None, Batch::AsStored).unwrap_err();
/// assert!(error.to_string().starts_with("not a usable ONNX file"));
/// ```
pub fn import(bytes: &[u8], folder: Option<&Path>, batch: Batch) -> Result<Graph> {
    read(&decode(bytes)?, &External(folder), batch)
}

fn decode(bytes: &[u8]) -> Result<ModelProto> {
    ModelProto::decode(bytes)
        .or_else(|error| unusable(format!("it is damaged or none at all ({error})")))
}

fn read(model: &ModelProto, external: &External<'_>, batch: Batch) -> Result<Graph> {
    let opset = opset(model)?;
    let Some(proto) = &model.graph else { return unusable("there is no graph in it".into()) };
    text::check_names(proto)?;
    let mut graph = Graph::new(proto.name.as_deref().unwrap_or_default());
    let mut names = Names::default();
    for tensor in &proto.initializer {
        let name = tensor.name.clone().unwrap_or_default();
        if names.insert(name.clone(), Thing::Known(stored::read(tensor, external)?)).is_some() {
            return unusable(format!("there are two tensors named `{name}`"));
        }
    }
    let mut budget = Budget::of(&names);
    add_inputs(&mut graph, &mut names, proto, batch)?;
    let read = read_names(proto);
    for at in sort::order(&proto.node)? {
        let node = &proto.node[at];
        let wanted = node.output.iter().map(|name| read.contains(name.as_str())).collect();
        add_node(&mut graph, &mut names, (node, opset, wanted), (external, &mut budget))?;
    }
    add_outputs(&mut graph, &mut names, proto)?;
    validate(&graph)?;
    Ok(graph)
}

/// The names that a node or the world outside reads.
fn read_names(proto: &GraphProto) -> HashSet<&str> {
    let inputs = proto.node.iter().flat_map(|node| &node.input).map(String::as_str);
    inputs.chain(proto.output.iter().filter_map(|info| info.name.as_deref())).collect()
}

fn opset(model: &ModelProto) -> Result<i64> {
    let ours = |domain: Option<&str>| matches!(domain, None | Some("" | "ai.onnx"));
    let found = model.opset_import.iter().find(|set| ours(set.domain.as_deref()));
    match found.and_then(|set| set.version) {
        Some(opset) if OPSETS.contains(&opset) => Ok(opset),
        Some(opset) => {
            let (first, last) = OPSETS.into_inner();
            unusable(format!("it has opset {opset}, need {first} to {last}"))
        }
        None => unusable("it does not say its opset".into()),
    }
}

fn add_inputs(
    graph: &mut Graph,
    names: &mut Names,
    proto: &GraphProto,
    batch: Batch,
) -> Result<()> {
    // Old files list their weights as inputs too.
    let given = |info: &&ValueInfoProto| !names.contains(info.name.as_deref().unwrap_or_default());
    let given: Vec<&ValueInfoProto> = proto.input.iter().filter(given).collect();
    let samples = Samples::of(&given, batch);
    for info in given {
        let name = info.name.as_deref().unwrap_or_default();
        let kind = kind_of(name, info, samples)?;
        let id = graph.input(name, kind);
        if names.insert(name.to_owned(), Thing::Value(id)).is_some() {
            return unusable(format!("there are two inputs named `{name}`"));
        }
    }
    Ok(())
}

fn kind_of(name: &str, info: &ValueInfoProto, samples: Samples<'_>) -> Result<Type> {
    let Some(tensor) = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()) else {
        return unusable(format!("input `{name}` is no tensor"));
    };
    let code = tensor.elem_type.unwrap_or_default();
    let Some(dtype) = stored::dtype_of(code) else {
        return unusable(format!("input `{name}` has element type {code}, which is not read"));
    };
    let Some(shape) = &tensor.shape else {
        return unusable(format!("input `{name}` does not say its shape"));
    };
    if shape.dim.len() > MAX_RANK {
        return unusable(format!("input `{name}` has {} dimensions", shape.dim.len()));
    }
    let dims = shape.dim.iter().enumerate().map(|(axis, dim)| dim_of(name, axis, dim, samples));
    let shape = Shape(dims.collect::<Result<_>>()?);
    let countable = |elements: Dim| elements.fixed().is_none_or(|count| count <= MOST_ELEMENTS);
    if !shape.elements().is_some_and(countable) {
        return unusable(format!(
            "input `{name}` has shape {shape}: more elements than can be counted"
        ));
    }
    Ok(Type { dtype, shape })
}

/// Which dimension counts samples.
#[derive(Clone, Copy)]
struct Samples<'a> {
    /// What the file calls it, if it has a name.
    name: Option<&'a str>,
    /// Whether a first dimension of 1 is one too.
    ones: bool,
}

impl<'a> Samples<'a> {
    fn of(inputs: &[&'a ValueInfoProto], batch: Batch) -> Self {
        let dims = |info: &&'a ValueInfoProto| {
            let tensor = info.r#type.as_ref()?.tensor_type.as_ref()?;
            Some(tensor.shape.as_ref()?.dim.as_slice())
        };
        let all: Vec<&[DimensionProto]> = inputs.iter().filter_map(dims).collect();
        let named = |dim: &'a DimensionProto| match &dim.value {
            Some(DimensionValue::DimParam(name)) if !names_nothing(name) => Some(name.as_str()),
            _ => None,
        };
        let own = all.iter().copied().flatten().filter_map(named).find(|name| *name == BATCH);
        let first = || named(all.first()?.first()?);
        // Where one input takes any number, another one's 1 is a 1.
        let is_one =
            |dim: &DimensionProto| matches!(dim.value, Some(DimensionValue::DimValue(0..)));
        let ones =
            batch == Batch::Symbolic && all.iter().all(|dims| dims.first().is_none_or(is_one));
        Self { name: own.or_else(first), ones }
    }
}

fn dim_of(name: &str, axis: usize, dim: &DimensionProto, samples: Samples<'_>) -> Result<Dim> {
    let unnamed = || match axis {
        0 => Dim::symbol(BATCH),
        _ => Dim::symbol(&symbol(&format!("{name}_{axis}"))),
    };
    match &dim.value {
        Some(DimensionValue::DimValue(1)) if axis == 0 && samples.ones => Ok(Dim::symbol(BATCH)),
        Some(DimensionValue::DimParam(param)) if samples.name == Some(param) => {
            Ok(Dim::symbol(BATCH))
        }
        // Some write `?` where they know no name.
        Some(DimensionValue::DimParam(param)) if !names_nothing(param) => {
            Ok(Dim::symbol(&symbol(param)))
        }
        Some(DimensionValue::DimValue(-1) | DimensionValue::DimParam(_)) | None => Ok(unnamed()),
        Some(DimensionValue::DimValue(size)) => match usize::try_from(*size) {
            Ok(size) => Ok(Dim::from(size)),
            Err(_) => unusable(format!("input `{name}` has a dimension of {size}")),
        },
    }
}

fn names_nothing(param: &str) -> bool {
    !param.chars().any(char::is_alphanumeric)
}

/// A name as it may stand in a dimension.
fn symbol(name: &str) -> String {
    let fit = |c: char| if c.is_alphanumeric() || c == '_' || c == '.' { c } else { '_' };
    let fitted: String = name.chars().take(48).map(fit).collect();
    match fitted.chars().next() {
        Some(first) if first.is_alphabetic() || first == '_' => fitted,
        _ => format!("_{fitted}"),
    }
}

fn add_node(
    graph: &mut Graph,
    names: &mut Names,
    (node, opset, wanted): (&NodeProto, i64, Vec<bool>),
    (external, budget): (&External<'_>, &mut Budget),
) -> Result<()> {
    let first = node.output.iter().find(|name| !name.is_empty()).map_or("", String::as_str);
    let name = node.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(first);
    let before = graph.nodes.len();
    let mut cx = Context::new(graph, names, node, (name, opset));
    cx.wanted = wanted;
    if !matches!(node.domain.as_deref(), None | Some("" | "ai.onnx")) {
        let domain = node.domain.as_deref().unwrap_or_default();
        return cx.refuse(format!("of domain `{domain}` is not supported"));
    }
    budget.read(&cx)?;
    let thing = match fold::fold(&mut cx, external)? {
        Some(known) => {
            budget.made(&cx, &known)?;
            Thing::Known(known)
        }
        None => match op_table::reader(cx.op()) {
            Some(reader) => Thing::Value(reader(&mut cx)?),
            None => return cx.refuse("is not supported"),
        },
    };
    cx.finish()?;
    let mut more = std::mem::take(&mut cx.more);
    more.push((0, thing));
    for (at, name) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let given = more.iter().position(|(place, _)| *place == at).map(|i| more.swap_remove(i).1);
        let missing = || {
            let op = node.op_type.as_deref().unwrap_or_default();
            Thing::Missing(format!("output {at} of {op}"))
        };
        let thing = given.unwrap_or_else(missing);
        // The name others know the value by is that of the output; the node's own is for messages.
        if let Thing::Value(id) = thing
            && graph.nodes[before..].iter().any(|node| node.outputs.contains(&id))
        {
            graph.values[id.0].name = name.clone();
        }
        if names.insert(name.clone(), thing).is_some() {
            return unusable(format!("two things are named `{name}`"));
        }
    }
    Ok(())
}

fn add_outputs(graph: &mut Graph, names: &mut Names, proto: &GraphProto) -> Result<()> {
    if proto.output.is_empty() {
        return unusable("it has no output".into());
    }
    let mut seen = HashSet::new();
    for info in &proto.output {
        let name = info.name.as_deref().unwrap_or_default();
        if !seen.insert(name) {
            return unusable(format!("there are two outputs named `{name}`"));
        }
        let id: ValueId = match names.get(name) {
            Some(Thing::Value(id)) => {
                // Where a node left nothing to do, another one's value is the output.
                let id = *id;
                if matches!(graph.value(id).source, Source::Node(..))
                    && !graph.outputs.contains(&id)
                {
                    graph.values[id.0].name = name.to_owned();
                }
                id
            }
            Some(Thing::Known(Known::Floats(tensor))) => {
                let tensor = tensor.clone();
                names.add_param(graph, name, (Role::Constant, tensor))
            }
            Some(Thing::Missing(what)) => {
                return unusable(format!("output `{name}` is {what}, which is not computed"));
            }
            Some(Thing::Known(Known::Ints(ints))) => match ints.constant() {
                Some(constant) => graph.add(name, constant, &[])?,
                None => return unusable(format!("output `{name}` is a shape with a symbol")),
            },
            None => return unusable(format!("nothing gives the output `{name}`")),
        };
        graph.outputs.push(id);
    }
    Ok(())
}
