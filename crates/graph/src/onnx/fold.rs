//! Computing what does not depend on the input while a file is read: shapes, and numbers of the file.
//!
//! Invariants: what is computed has at most [`MAX_ELEMENTS`] elements, so that a small file cannot grow.
//! Not here: shapes with symbols (`shape`), ops over the input (`op`).

mod shape;

use super::context::Context;
use super::known::{Extent, Ints, Known};
use super::names::{Names, Thing};
use super::op_table::reader;
use super::stored::MAX_RANK;
use super::{External, stored};
use crate::graph::Graph;
use crate::tensor::{Array, DType, Tensor, elements};
use crate::{Result, evaluate};

/// The most elements of a result that is computed while reading.
const MAX_ELEMENTS: usize = 1 << 20;

/// What a node gives, if that is known before the network runs.
pub(crate) fn fold(cx: &mut Context<'_>, external: &External<'_>) -> Result<Option<Known>> {
    match cx.op() {
        "Constant" => return constant(cx, external).map(Some),
        "Shape" => return shape_of(cx),
        "Size" => return size_of(cx).map(Some),
        _ => {}
    }
    let given: Vec<usize> = (0..cx.node.input.len()).filter(|&i| cx.input(i).is_some()).collect();
    if given.is_empty() || given.iter().any(|&i| cx.known(i).is_none()) {
        return Ok(None);
    }
    // What gives several values is left to the op's own reader.
    if cx.node.output.iter().filter(|name| !name.is_empty()).count() > 1 {
        return Ok(None);
    }
    let symbolic =
        given.iter().any(|&i| matches!(cx.known(i), Some(Known::Ints(x)) if x.has_symbol()));
    match cx.op() {
        "ConstantOfShape" if !symbolic => return constant_of_shape(cx, external).map(Some),
        "Range" if !symbolic => return range(cx).map(Some),
        _ => {}
    }
    let shape = match cx.known(0) {
        Some(Known::Ints(first)) => {
            let first = first.clone();
            shape::compute(cx, first)?
        }
        _ => None,
    };
    match shape {
        Some(known) => Ok(Some(known)),
        None if symbolic => Ok(None),
        None => computed(cx, &given),
    }
}

fn constant(cx: &mut Context<'_>, external: &External<'_>) -> Result<Known> {
    let floats = |shape: &[usize], data| Ok(Known::Floats(Tensor::new(shape, data)?));
    let ints = |shape: &[usize], data: Vec<i64>| {
        let data = data.into_iter().map(Extent::Number).collect();
        Ok(Known::Ints(Ints::new(shape.to_vec(), data)))
    };
    if let Some(tensor) = cx.raw("value").and_then(|found| found.t.as_deref()) {
        return stored::read(tensor, external);
    }
    if let Some(found) = cx.raw("value_float") {
        return floats(&[], vec![found.f.unwrap_or_default()]);
    }
    if let Some(found) = cx.raw("value_floats") {
        return floats(&[found.floats.len()], found.floats.clone());
    }
    if let Some(found) = cx.raw("value_int") {
        return ints(&[], vec![found.i.unwrap_or_default()]);
    }
    if let Some(found) = cx.raw("value_ints") {
        return ints(&[found.ints.len()], found.ints.clone());
    }
    cx.refuse("has no value that is read")
}

/// The dimensions of input 0.
fn dims_of(cx: &Context<'_>) -> Result<crate::Shape> {
    match (cx.input(0).and_then(|name| cx.names.get(name)), cx.known(0)) {
        (_, Some(Known::Floats(tensor))) => Ok(crate::Shape::from(tensor.shape())),
        (_, Some(Known::Ints(ints))) => Ok(crate::Shape::from(ints.shape.as_slice())),
        (Some(Thing::Value(id)), _) => Ok(cx.shape(*id)),
        _ => cx.refuse("reads what nothing gives"),
    }
}

fn shape_of(cx: &mut Context<'_>) -> Result<Option<Known>> {
    let dims = dims_of(cx)?;
    let rank = dims.rank() as i64;
    let from_front =
        |at: i64| if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank) as usize;
    let (start, end) = (from_front(cx.int("start", 0)?), from_front(cx.int("end", rank)?));
    let data: Vec<Extent> = dims.0[start.min(end)..end].iter().map(Extent::from).collect();
    Ok(Some(Known::Ints(Ints::line(data))))
}

fn size_of(cx: &mut Context<'_>) -> Result<Known> {
    match dims_of(cx)?.elements() {
        Some(count) => Ok(Known::Ints(Ints::new(Vec::new(), vec![Extent::from(&count)]))),
        None => cx.refuse("of a value with too many elements"),
    }
}

fn constant_of_shape(cx: &mut Context<'_>, external: &External<'_>) -> Result<Known> {
    let listed = cx.known_ints(0)?.unwrap_or_default();
    let shape: Option<Vec<usize>> = listed.iter().map(|&n| usize::try_from(n).ok()).collect();
    let count = shape.as_deref().and_then(elements).filter(|&count| count <= MAX_ELEMENTS);
    let (Some(shape), Some(count), true) = (shape, count, listed.len() <= MAX_RANK) else {
        return cx.refuse(format!("of shape {listed:?} is not supported"));
    };
    let value = cx.raw("value").and_then(|found| found.t.as_deref());
    match value.map(|tensor| stored::read(tensor, external)).transpose()? {
        None => Ok(Known::Floats(Tensor::full(&shape, 0.0))),
        Some(Known::Floats(one)) if one.data().len() == 1 => {
            Ok(Known::Floats(Tensor::full(&shape, one.data()[0])))
        }
        Some(Known::Ints(one)) if one.data.len() == 1 => {
            Ok(Known::Ints(Ints { data: vec![one.data[0].clone(); count], shape, ..one }))
        }
        Some(_) => cx.refuse("has a value that is not one number"),
    }
}

/// `start`, `start + delta`, … before `limit`.
fn range(cx: &mut Context<'_>) -> Result<Known> {
    // Says how halves are added up; hoyer holds none.
    cx.pass(&["stash_type"]);
    let numbers = [cx.known_number(0)?, cx.known_number(1)?, cx.known_number(2)?];
    let [Some(start), Some(limit), Some(delta)] = numbers else {
        return cx.refuse("does not say its start, limit and delta");
    };
    let count = ((limit - start) / delta).ceil().max(0.0);
    if count > MAX_ELEMENTS as f64 {
        return cx.refuse(format!("from {start} to {limit} by {delta} is not supported"));
    }
    let all = (0..count as usize).map(|i| start + i as f64 * delta);
    match cx.known(0) {
        Some(Known::Ints(_)) => {
            Ok(Known::Ints(Ints::line(all.map(|x| Extent::Number(x as i64)).collect())))
        }
        _ => {
            let data: Vec<f32> = all.map(|x| x as f32).collect();
            Ok(Known::Floats(Tensor::new(&[data.len()], data)?))
        }
    }
}

/// What an op makes of integers and of few stored numbers, by its meaning.
fn computed(cx: &mut Context<'_>, given: &[usize]) -> Result<Option<Known>> {
    const CHEAP: [&str; 36] = [
        "Abs",
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Concat",
        "Div",
        "Equal",
        "Exp",
        "Flatten",
        "Floor",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Pow",
        "Reciprocal",
        "Reshape",
        "Round",
        "Sign",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
        "Where",
        "Xor",
    ];
    // A cast between floats is left out, however large the tensor.
    if let ("Cast", Some(Known::Floats(tensor))) = (cx.op(), cx.known(0)) {
        let tensor = tensor.clone();
        cx.pass(&["saturate", "round_mode"]);
        if cx.element_type("to")? == DType::F32 {
            return Ok(Some(Known::Floats(tensor)));
        }
    }
    let floats = given.iter().any(|&i| matches!(cx.known(i), Some(Known::Floats(_))));
    if floats && !CHEAP.contains(&cx.op()) || reader(cx.op()).is_none() {
        return Ok(None);
    }
    let (mut graph, mut names) = (Graph::new("constants"), inputs(cx));
    let mut inner = Context::new(&mut graph, &mut names, cx.node, (cx.name, cx.opset));
    let known = run(&mut inner)?;
    inner.finish()?;
    let attributes: Vec<&str> =
        cx.node.attribute.iter().filter_map(|a| a.name.as_deref()).collect();
    cx.pass(&attributes);
    Ok(Some(known))
}

/// What the node reads, by name.
pub(super) fn inputs(cx: &Context<'_>) -> Names {
    let mut names = Names::default();
    for name in &cx.node.input {
        if let Some(thing) = cx.names.get(name) {
            names.insert(name.clone(), thing.clone());
        }
    }
    names
}

/// Reads the node into a graph of its own and computes it.
pub(super) fn run(inner: &mut Context<'_>) -> Result<Known> {
    let Some(reader) = reader(inner.op()) else { return inner.refuse("is not supported") };
    let y = reader(inner)?;
    let most = MAX_ELEMENTS.max(inner.graph_elements());
    let fits = |value: &crate::Value| {
        let count = value.kind.shape.fixed().as_deref().and_then(elements);
        count.is_some_and(|count| count <= most)
    };
    if !inner.graph.values.iter().all(fits) {
        return inner.refuse("makes too many constants");
    }
    let Array { shape, data } = evaluate(inner.graph, &[], &[y], 0)?.remove(0);
    match inner.dtype(y) {
        DType::F32 => {
            let data = data.iter().map(|&x| x as f32).collect();
            Ok(Known::Floats(Tensor::new(&shape, data)?))
        }
        dtype => {
            let data = data.iter().map(|&x| Extent::Number(x as i64)).collect();
            Ok(Known::Ints(Ints { dtype, shape, data }))
        }
    }
}

impl Context<'_> {
    /// The elements of all parameters.
    fn graph_elements(&self) -> usize {
        self.graph.params.iter().map(|param| param.tensor.data().len()).sum()
    }
}
