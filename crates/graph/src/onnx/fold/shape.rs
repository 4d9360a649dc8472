//! Integers of rank 0 or 1, as shapes are computed with: exactly, and with symbols in them.
//!
//! Not here: other constants (`fold`).

use crate::Result;
use crate::graph::Graph;
use crate::onnx::context::Context;
use crate::onnx::known::{Extent, Ints, Known};
use crate::onnx::names::Thing;
use crate::tensor::{DType, Tensor};

use super::{MAX_ELEMENTS, inputs, run};

/// What the node makes of them; `None` if that is not for this file to say.
pub(super) fn compute(cx: &mut Context<'_>, first: Ints) -> Result<Option<Known>> {
    let line =
        |data: Vec<Extent>| Ok(Some(Known::Ints(Ints { dtype: first.dtype, ..Ints::line(data) })));
    if first.shape.len() > 1 {
        return Ok(None);
    }
    match cx.op() {
        "Identity" => Ok(Some(Known::Ints(first))),
        "Cast" => cast(cx, first),
        // Only rank 0 and 1 exist here, so that a new axis or a reshape gives a line, or one number.
        "Unsqueeze" if first.shape.is_empty() => {
            let axes = cx.moved_ints("axes", 12, 1)?;
            if axes.is_none_or(|axes| axes != [0] && axes != [-1]) {
                return Ok(None);
            }
            line(first.data)
        }
        "Squeeze" if first.data.len() == 1 => {
            cx.pass(&["axes"]);
            Ok(Some(Known::Ints(Ints { shape: Vec::new(), ..first })))
        }
        "Reshape" => match cx.known_ints(1)?.unwrap_or_default().as_slice() {
            [] if first.data.len() == 1 => {
                cx.pass(&["allowzero"]);
                Ok(Some(Known::Ints(Ints { shape: vec![], ..first })))
            }
            [n] if *n == -1 || usize::try_from(*n) == Ok(first.data.len()) => {
                cx.pass(&["allowzero"]);
                line(first.data)
            }
            _ => Ok(None),
        },
        "Gather" if first.shape.len() == 1 => gather(cx, &first),
        "Concat" => concat(cx),
        "Slice" if first.shape.len() == 1 => slice(cx, &first).and_then(line),
        "Add" | "Sub" | "Mul" | "Div" | "Equal" => pairs(cx, &first),
        "Where" => choose(cx, &first),
        _ => Ok(None),
    }
}

fn cast(cx: &mut Context<'_>, from: Ints) -> Result<Option<Known>> {
    cx.pass(&["saturate", "round_mode"]);
    let to = cx.element_type("to")?;
    let ints = |data| Ok(Some(Known::Ints(Ints { dtype: to, shape: from.shape.clone(), data })));
    match to {
        DType::I64 => ints(from.data),
        DType::Bool => {
            let truth = |x: &Extent| Some(Extent::Number(i64::from(x.number()? != 0)));
            match from.data.iter().map(truth).collect() {
                Some(data) => ints(data),
                None => cx.refuse("of a symbol to a truth value is not supported"),
            }
        }
        DType::F32 => match from.data.iter().map(|x| x.number().map(|x| x as f32)).collect() {
            Some(data) => Ok(Some(Known::Floats(Tensor::new(&from.shape, data)?))),
            None => cx.refuse("of a symbol to a float is not supported"),
        },
    }
}

fn gather(cx: &mut Context<'_>, from: &Ints) -> Result<Option<Known>> {
    let axis = cx.int("axis", 0)?;
    let Some(places) = cx.known_extents(1)? else { return cx.refuse("has no indices") };
    if axis != 0 && axis != -1 {
        return cx.refuse(format!("has axis {axis} over one axis"));
    }
    let mut data = Vec::with_capacity(places.data.len());
    for place in cx.known_ints(1)?.unwrap_or_default() {
        data.push(from.data[cx.place(place, from.data.len())?].clone());
    }
    Ok(Some(Known::Ints(Ints { dtype: from.dtype, shape: places.shape, data })))
}

/// Lines one after the other.
fn concat(cx: &mut Context<'_>) -> Result<Option<Known>> {
    let mut joined = Ints::line(Vec::new());
    for at in 0..cx.node.input.len() {
        match cx.known(at) {
            Some(Known::Ints(part)) if part.shape.len() == 1 => {
                joined.dtype = part.dtype;
                joined.data.extend(part.data.iter().cloned());
            }
            _ => return Ok(None),
        }
        if joined.data.len() > MAX_ELEMENTS {
            return cx.refuse(format!("makes more than {MAX_ELEMENTS} integers"));
        }
    }
    cx.pass(&["axis"]);
    joined.shape = vec![joined.data.len()];
    Ok(Some(Known::Ints(joined)))
}

/// A part of a line, as a slice of its places.
fn slice(cx: &mut Context<'_>, from: &Ints) -> Result<Vec<Extent>> {
    // Places are floats here.
    if from.data.len() > 1 << f32::MANTISSA_DIGITS {
        return cx.refuse("of so many integers is not supported");
    }
    let mut graph = Graph::new("slice");
    let places = (0..from.data.len()).map(|i| i as f32).collect();
    let mut names = inputs(cx);
    let tensor = Tensor::new(&from.shape, places)?;
    names.insert(cx.input(0).unwrap_or_default().to_owned(), Thing::Known(Known::Floats(tensor)));
    let mut inner = Context::new(&mut graph, &mut names, cx.node, (cx.name, cx.opset));
    let Known::Floats(kept) = run(&mut inner)? else { return cx.refuse("is not supported") };
    cx.pass(&["starts", "ends", "axes"]);
    Ok(kept.data().iter().map(|&i| from.data[i as usize].clone()).collect())
}

/// The shape of what two lines or numbers give together, if they fit.
fn together(shapes: &[&Ints]) -> Option<(Vec<usize>, usize)> {
    let count = shapes.iter().map(|x| x.data.len()).find(|&n| n != 1).unwrap_or(1);
    let fits = |x: &&Ints| x.shape.len() <= 1 && (x.data.len() == 1 || x.data.len() == count);
    let shape = if shapes.iter().all(|x| x.shape.is_empty()) { vec![] } else { vec![count] };
    shapes.iter().all(fits).then_some((shape, count))
}

fn pairs(cx: &mut Context<'_>, a: &Ints) -> Result<Option<Known>> {
    let Some(b) = cx.known_extents(1)? else { return Ok(None) };
    let Some((shape, count)) = together(&[a, &b]) else { return Ok(None) };
    let op = cx.op();
    let dtype = if op == "Equal" { DType::Bool } else { a.dtype };
    let of = |x: &Ints, i: usize| x.data[if x.data.len() == 1 { 0 } else { i }].clone();
    let data = (0..count).map(|i| calculate(op, &of(a, i), &of(&b, i)));
    match data.collect() {
        Some(data) => Ok(Some(Known::Ints(Ints { dtype, shape, data }))),
        None => cx.refuse("over these integers is not supported"),
    }
}

fn choose(cx: &mut Context<'_>, condition: &Ints) -> Result<Option<Known>> {
    let (Some(Known::Ints(a)), Some(Known::Ints(b))) = (cx.known(1), cx.known(2)) else {
        return Ok(None);
    };
    let Some((shape, count)) = together(&[condition, a, b]) else { return Ok(None) };
    let of = |x: &Ints, i: usize| x.data[if x.data.len() == 1 { 0 } else { i }].clone();
    let one = |i: usize| {
        let first = of(condition, i).number()? != 0;
        Some(if first { of(a, i) } else { of(b, i) })
    };
    match (0..count).map(one).collect() {
        Some(data) => Ok(Some(Known::Ints(Ints { dtype: a.dtype, shape, data }))),
        None => cx.refuse("over these integers is not supported"),
    }
}

fn calculate(op: &str, a: &Extent, b: &Extent) -> Option<Extent> {
    if let (Some(a), Some(b)) = (a.number(), b.number()) {
        let number = match op {
            "Add" => a.checked_add(b),
            "Sub" => a.checked_sub(b),
            "Mul" => a.checked_mul(b),
            "Equal" => Some(i64::from(a == b)),
            // What `IntegerDiv` makes of it.
            _ if b == 0 => Some(0),
            _ => a.checked_div(b),
        };
        return number.map(Extent::Number);
    }
    if op == "Equal" {
        return match (a.number(), b.number()) {
            // No dimension is negative.
            (Some(..0), _) | (_, Some(..0)) => Some(Extent::Number(0)),
            _ if a == b => Some(Extent::Number(1)),
            _ => None,
        };
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
