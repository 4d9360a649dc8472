//! Computing what does not depend on the input while a file is read: shapes, and numbers of the file.
//!
//! Invariants: what is computed has at most [`MAX_ELEMENTS`] elements, so that a small file cannot grow.
//! Not here: ops over the input (`op`).

use super::context::{Context, Thing};
use super::known::{Extent, Ints, Known};
use super::messages::data_type;
use super::op_table::reader;
use super::stored::MAX_RANK;
use super::{External, stored};
use crate::graph::Graph;
use crate::tensor::{Tensor, elements};
use crate::{Result, evaluate};
use std::collections::HashMap;

/// The most elements of a result that is computed while reading.
const MAX_ELEMENTS: usize = 1 << 20;

/// What a node gives, if that is known before the network runs.
pub(crate) fn fold(cx: &mut Context<'_>, external: &External<'_>) -> Result<Option<Known>> {
    match cx.op() {
        "Constant" => return constant(cx, external).map(Some),
        "Shape" => return shape_of(cx),
        _ => {}
    }
    let given: Vec<usize> = (0..cx.node.input.len()).filter(|&i| cx.input(i).is_some()).collect();
    if given.is_empty() || given.iter().any(|&i| cx.known(i).is_none()) {
        return Ok(None);
    }
    if cx.op() == "ConstantOfShape" {
        return constant_of_shape(cx, external).map(Some);
    }
    match cx.known(0) {
        Some(Known::Ints(first)) => {
            let first = first.clone();
            integers(cx, first)
        }
        _ => floats(cx),
    }
}

fn constant(cx: &mut Context<'_>, external: &External<'_>) -> Result<Known> {
    let floats = |shape: &[usize], data| Ok(Known::Floats(Tensor::new(shape, data)?));
    let ints = |shape: &[usize], data: Vec<i64>| {
        let data = data.into_iter().map(Extent::Number).collect();
        Ok(Known::Ints(Ints { shape: shape.to_vec(), data }))
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

fn shape_of(cx: &mut Context<'_>) -> Result<Option<Known>> {
    let dims = match (cx.input(0).and_then(|name| cx.names.get(name)), cx.known(0)) {
        (_, Some(Known::Floats(tensor))) => crate::Shape::from(tensor.shape()),
        (_, Some(Known::Ints(ints))) => crate::Shape::from(ints.shape.as_slice()),
        (Some(Thing::Value(id)), _) => cx.shape(*id),
        _ => return cx.refuse("reads what nothing gives"),
    };
    let rank = dims.rank() as i64;
    let from_front =
        |at: i64| if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank) as usize;
    let (start, end) = (from_front(cx.int("start", 0)?), from_front(cx.int("end", rank)?));
    let data: Vec<Extent> = dims.0[start.min(end)..end].iter().map(Extent::from).collect();
    Ok(Some(Known::Ints(Ints { shape: vec![data.len()], data })))
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
            Ok(Known::Ints(Ints { data: vec![one.data[0].clone(); count], shape }))
        }
        Some(_) => cx.refuse("has a value that is not one number"),
    }
}

/// Arithmetic over integers of rank 0 or 1, as shapes need it.
fn integers(cx: &mut Context<'_>, first: Ints) -> Result<Option<Known>> {
    let line = |data: Vec<Extent>| Ok(Some(Known::Ints(Ints { shape: vec![data.len()], data })));
    let opset = cx.opset;
    match cx.op() {
        "Identity" => Ok(Some(Known::Ints(first))),
        "Cast" => cast(cx, first).map(Some),
        // Only rank 0 and 1 exist here, so that a new axis or a reshape gives a line, or one number.
        "Unsqueeze" if first.shape.is_empty() => {
            let axes = if opset < 13 { cx.ints("axes") } else { cx.known_ints(1)? };
            if axes.is_none_or(|axes| axes != [0] && axes != [-1]) {
                return cx.refuse("of one number adds one axis, not this");
            }
            line(first.data)
        }
        "Squeeze" if first.shape.len() <= 1 && first.data.len() == 1 => {
            cx.pass(&["axes"]);
            Ok(Some(Known::Ints(Ints { shape: Vec::new(), data: first.data })))
        }
        "Reshape" if first.shape.len() <= 1 => {
            match cx.known_ints(1)?.unwrap_or_default().as_slice() {
                [] if first.data.len() == 1 => {
                    Ok(Some(Known::Ints(Ints { shape: vec![], ..first })))
                }
                [n] if *n == -1 || usize::try_from(*n) == Ok(first.data.len()) => line(first.data),
                _ => cx.refuse("of integers to this shape is not supported"),
            }
        }
        "Gather" if first.shape.len() == 1 => gather(cx, &first).map(Some),
        "Concat" => concat(cx).map(Some),
        "Slice" if first.shape.len() == 1 => slice(cx, &first).and_then(line),
        "Add" | "Sub" | "Mul" | "Div" if first.shape.len() <= 1 => arithmetic(cx, &first).map(Some),
        _ => Ok(None),
    }
}

fn cast(cx: &mut Context<'_>, from: Ints) -> Result<Known> {
    let to = i32::try_from(cx.int("to", 0)?).unwrap_or_default();
    match to {
        data_type::INT64 => Ok(Known::Ints(from)),
        data_type::INT32
            if from.data.iter().all(|x| x.number().is_none_or(|x| i32::try_from(x).is_ok())) =>
        {
            Ok(Known::Ints(from))
        }
        data_type::FLOAT | data_type::DOUBLE | data_type::FLOAT16 => {
            match from.data.iter().map(|x| x.number().map(|x| x as f32)).collect() {
                Some(data) => Ok(Known::Floats(Tensor::new(&from.shape, data)?)),
                None => cx.refuse("of a symbol to a float is not supported"),
            }
        }
        _ => cx.refuse(format!("of integers to element type {to} is not supported")),
    }
}

fn gather(cx: &mut Context<'_>, from: &Ints) -> Result<Known> {
    let axis = cx.int("axis", 0)?;
    let Some(places) = cx.known_extents(1)? else { return cx.refuse("has no indices") };
    if axis != 0 && axis != -1 {
        return cx.refuse(format!("has axis {axis} over one axis"));
    }
    let mut data = Vec::with_capacity(places.data.len());
    for place in cx.known_ints(1)?.unwrap_or_default() {
        data.push(from.data[cx.place(place, from.data.len())?].clone());
    }
    Ok(Known::Ints(Ints { shape: places.shape, data }))
}

fn concat(cx: &mut Context<'_>) -> Result<Known> {
    cx.pass(&["axis"]);
    let mut data = Vec::new();
    for at in 0..cx.node.input.len() {
        match cx.known_extents(at)? {
            Some(part) if part.shape.len() == 1 => data.extend(part.data),
            _ => return cx.refuse("of integers joins lines only"),
        }
        if data.len() > MAX_ELEMENTS {
            return cx.refuse(format!("makes more than {MAX_ELEMENTS} integers"));
        }
    }
    Ok(Known::Ints(Ints { shape: vec![data.len()], data }))
}

/// A part of a line, as a slice of its places.
fn slice(cx: &mut Context<'_>, from: &Ints) -> Result<Vec<Extent>> {
    let mut graph = Graph::new("slice");
    let places = (0..from.data.len()).map(|i| i as f32).collect();
    let mut names = cx.names.clone();
    let tensor = Tensor::new(&from.shape, places)?;
    names.insert(cx.input(0).unwrap_or_default().to_owned(), Thing::Known(Known::Floats(tensor)));
    let mut inner = Context::new(&mut graph, &mut names, cx.node, (cx.name, cx.opset));
    let kept = run(&mut inner)?;
    cx.pass(&["starts", "ends", "axes"]);
    Ok(kept.data().iter().map(|&i| from.data[i as usize].clone()).collect())
}

fn arithmetic(cx: &mut Context<'_>, a: &Ints) -> Result<Known> {
    let Some(b) = cx.known_extents(1)?.filter(|b| b.shape.len() <= 1) else {
        return cx.refuse("over these integers is not supported");
    };
    let (n, m) = (a.data.len(), b.data.len());
    if n != m && n != 1 && m != 1 {
        return cx.refuse(format!("over {n} and {m} integers"));
    }
    let count = if n == 1 { m } else { n };
    let shape = if a.shape.is_empty() && b.shape.is_empty() { vec![] } else { vec![count] };
    let op = cx.op();
    let one = |i: usize| calculate(op, &a.data[i % n], &b.data[i % m]);
    match (0..count).map(one).collect() {
        Some(data) => Ok(Known::Ints(Ints { shape, data })),
        None => cx.refuse("over these integers is not supported"),
    }
}

fn calculate(op: &str, a: &Extent, b: &Extent) -> Option<Extent> {
    if let (Some(a), Some(b)) = (a.number(), b.number()) {
        let number = match op {
            "Add" => a.checked_add(b),
            "Sub" => a.checked_sub(b),
            "Mul" => a.checked_mul(b),
            _ => a.checked_div(b),
        };
        return number.map(Extent::Number);
    }
    let (a, b) = (a.dim()?, b.dim()?);
    let dim = match op {
        "Add" => a.plus(&b),
        "Mul" => a.times(&b),
        "Div" => a.divided_by(&b),
        _ => None,
    };
    dim.map(|dim| Extent::from(&dim))
}

/// Moves and sums of stored numbers, by the meaning of the ops that do them.
fn floats(cx: &mut Context<'_>) -> Result<Option<Known>> {
    const CHEAP: [&str; 12] = [
        "Add",
        "Concat",
        "Div",
        "Flatten",
        "Identity",
        "Mul",
        "Neg",
        "Reshape",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
    ];
    if cx.op() == "Cast" {
        let to = i32::try_from(cx.int("to", 0)?).unwrap_or_default();
        return match (to, cx.known(0)) {
            (data_type::FLOAT | data_type::DOUBLE, Some(known)) => Ok(Some(known.clone())),
            _ => Ok(None),
        };
    }
    if !CHEAP.contains(&cx.op()) {
        return Ok(None);
    }
    let (mut graph, mut names) = (Graph::new("constants"), HashMap::new());
    for name in &cx.node.input {
        names.extend(cx.names.get(name).map(|thing| (name.clone(), thing.clone())));
    }
    let mut inner = Context::new(&mut graph, &mut names, cx.node, (cx.name, cx.opset));
    let tensor = run(&mut inner)?;
    inner.finish()?;
    let attributes: Vec<&str> =
        cx.node.attribute.iter().filter_map(|a| a.name.as_deref()).collect();
    cx.pass(&attributes);
    Ok(Some(Known::Floats(tensor)))
}

/// Reads the node into a graph of its own and computes it.
fn run(inner: &mut Context<'_>) -> Result<Tensor> {
    let Some(reader) = reader(inner.op()) else { return inner.refuse("is not supported") };
    let y = reader(inner)?;
    let count = inner.shape(y).fixed().as_deref().and_then(elements);
    if count.is_none_or(|count| count > MAX_ELEMENTS.max(inner.graph_elements())) {
        return inner.refuse("makes too many constants");
    }
    let result = evaluate(inner.graph, &[], &[y], 0)?.remove(0);
    Tensor::new(&result.shape, result.data.iter().map(|&x| x as f32).collect())
}

impl Context<'_> {
    /// The elements of all parameters.
    fn graph_elements(&self) -> usize {
        self.graph.params.iter().map(|param| param.tensor.data().len()).sum()
    }
}
