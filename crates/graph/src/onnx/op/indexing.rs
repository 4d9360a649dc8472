//! Ops that take elements by index, repeat them, or make them from a shape.

use crate::Result;
use crate::graph::ValueId;
use crate::onnx::External;
use crate::onnx::context::Context;
use crate::onnx::known::{Extent, Known};
use crate::onnx::stored::{MAX_RANK, read};
use crate::op::{Constant, Expand, Gather, GatherElements, Select, Slice};
use crate::shape::{Dim, Shape};
use crate::tensor::DType;

/// Known indices into what is computed become a slice whose axis is dropped, or a choice: channels can be followed
/// through them.
pub(crate) fn gather(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, axis) = (cx.value(0)?, cx.int("axis", 0)?);
    let at = cx.place(axis, cx.rank(x))?;
    let shape = cx.shape(x);
    if let (Some(Known::Ints(index)), Some(size)) = (cx.known(1), shape.0[at].fixed()) {
        let (index, numbers) = (index.clone(), cx.known_ints(1)?.unwrap_or_default());
        let places = numbers.iter().map(|&index| cx.place(index, size));
        let places = places.collect::<Result<Vec<usize>>>()?;
        if let (true, [place]) = (index.shape.is_empty(), places.as_slice()) {
            let part = cx.add(Slice::along(at, *place as i64..*place as i64 + 1), &[x])?;
            let dims = [&shape.0[..at], &shape.0[at + 1..]].concat();
            return cx.reshape(part, dims);
        }
        let is_computed = cx.graph.param_of(x).is_none() && cx.dtype(x) == DType::F32;
        if is_computed && !places.is_empty() {
            let part = cx.add(Select { axis: at as i64, indices: places }, &[x])?;
            let index: Vec<Dim> = index.shape.iter().map(|&size| Dim::from(size)).collect();
            return cx.reshape(part, [&shape.0[..at], &index, &shape.0[at + 1..]].concat());
        }
    }
    let index = cx.value(1)?;
    cx.add(Gather { axis }, &[x, index])
}

pub(crate) fn gather_elements(cx: &mut Context<'_>) -> Result<ValueId> {
    let (axis, inputs) = (cx.int("axis", 0)?, [cx.value(0)?, cx.value(1)?]);
    cx.add(GatherElements { axis }, &inputs)
}

/// Every repeated axis becomes two, of which the first is repeated.
pub(crate) fn tile(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let shape = cx.shape(x);
    let Some(repeats) = cx.known_extents(1)? else { return cx.refuse("has no repeats") };
    let repeats: Option<Vec<Dim>> = repeats.data.iter().map(Extent::dim).collect();
    let Some(repeats) = repeats.filter(|repeats| repeats.len() == shape.rank()) else {
        return cx.refuse(format!("of a value of shape {shape} needs as many repeats"));
    };
    let (mut apart, mut wide, mut joined) = (Vec::new(), Vec::new(), Vec::new());
    for (dim, repeat) in shape.0.iter().zip(&repeats) {
        if !repeat.is_one() {
            apart.push(Dim::from(1));
            wide.push(repeat.clone());
        }
        apart.push(dim.clone());
        wide.push(dim.clone());
        match dim.times(repeat) {
            Some(product) => joined.push(product),
            None => return cx.refuse("makes too many elements"),
        }
    }
    if wide.len() > MAX_RANK {
        return cx.refuse(format!("along {} axes", wide.len() - shape.rank()));
    }
    if wide == shape.0 {
        return Ok(x);
    }
    let x = cx.reshape(x, apart)?;
    let y = cx.add(Expand { shape: Shape(wide) }, &[x])?;
    cx.reshape(y, joined)
}

/// Over a shape with symbols; any other is computed while reading.
pub(crate) fn constant_of_shape(cx: &mut Context<'_>) -> Result<ValueId> {
    let Some(extents) = cx.known_extents(0)? else { return cx.refuse("has no shape") };
    let dims: Option<Vec<Dim>> = extents.data.iter().map(Extent::dim).collect();
    let Some(dims) = dims.filter(|dims| dims.len() <= MAX_RANK) else {
        return cx.refuse("has a negative shape");
    };
    let value = cx.raw("value").and_then(|found| found.t.as_deref());
    let one = match value.map(|tensor| read(tensor, &External::none())).transpose()? {
        None => cx.number(0.0)?,
        Some(Known::Floats(one)) if one.data().len() == 1 => cx.number(one.data()[0])?,
        Some(Known::Ints(ints)) => match ints.constant() {
            Some(Constant { dtype, data, .. }) if data.len() == 1 => {
                cx.add(Constant { dtype, shape: Vec::new(), data }, &[])?
            }
            _ => return cx.refuse("has a value that is not one number"),
        },
        Some(Known::Floats(_)) => return cx.refuse("has a value that is not one number"),
    };
    cx.add(Expand { shape: Shape(dims) }, &[one])
}

/// What is not known while reading has no shape.
pub(crate) fn range(cx: &mut Context<'_>) -> Result<ValueId> {
    cx.refuse("over numbers that are not known before the network runs is not supported")
}
