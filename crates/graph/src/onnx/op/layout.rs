//! Ops that move elements: reshapes, slices, pads.

use crate::Result;
use crate::graph::ValueId;
use crate::onnx::context::Context;
use crate::onnx::known::{Extent, listed};
use crate::onnx::names::Thing;
use crate::onnx::stored::MAX_RANK;
use crate::op::{Concat, Expand, Flatten, Pad, PadMode, Slice, Split, Transpose};
use crate::shape::{Dim, Shape};

pub(crate) fn concat(cx: &mut Context<'_>) -> Result<ValueId> {
    let axis = cx.int("axis", 1)?;
    let mut inputs = Vec::new();
    for at in 0..cx.node.input.len() {
        inputs.push(cx.value(at)?);
    }
    cx.add(Concat { axis }, &inputs)
}

pub(crate) fn flatten(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, axis) = (cx.value(0)?, cx.int("axis", 1)?);
    cx.add(Flatten { axis }, &[x])
}

pub(crate) fn transpose(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let rank = cx.rank(x);
    let listed = cx.ints("perm")?.unwrap_or_else(|| (0..rank as i64).rev().collect());
    match listed.iter().map(|&axis| usize::try_from(axis)).collect() {
        Ok(perm) => cx.add(Transpose { perm }, &[x]),
        Err(_) => cx.refuse(format!("has perm {listed:?}")),
    }
}

/// 0 copies the input's dimension, −1 is what is left, and dimensions with symbols stand for themselves.
pub(crate) fn reshape(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let allow_zero = cx.flag("allowzero")?;
    let Some(extents) = cx.known_extents(1)? else { return cx.refuse("has no shape") };
    if extents.data.len() > MAX_RANK {
        return cx.refuse(format!("makes {} dimensions", extents.data.len()));
    }
    let (from, mut rest, mut dims) = (cx.shape(x), None, Vec::new());
    for (i, extent) in extents.data.iter().enumerate() {
        let dim = match extent {
            Extent::Number(0) if !allow_zero => from.0.get(i).cloned(),
            Extent::Number(-1) if rest.is_none() => {
                rest = Some(i);
                Some(Dim::from(1))
            }
            other => other.dim(),
        };
        match dim {
            Some(dim) => dims.push(dim),
            None => return cx.refuse(format!("has shape {} over {from}", listed(&extents.data))),
        }
    }
    let (all, known) = (from.elements(), Shape(dims.clone()).elements());
    let left = all.zip(known).and_then(|(all, known)| all.divided_by(&known));
    match (rest, left) {
        (Some(i), Some(left)) => dims[i] = left,
        // Also where both have no elements, which cannot be divided.
        (None, _)
            if from.elements().is_some_and(|all| Shape(dims.clone()).elements() == Some(all)) => {}
        // A shape that was written for a batch of one, over a batch that was made symbolic.
        (None, Some(left))
            if dims.first().is_some_and(Dim::is_one)
                && left.fixed().is_none()
                && from.0.first() == Some(&left) =>
        {
            dims[0] = left;
        }
        (None, Some(left)) if left.is_one() => {}
        _ => return cx.refuse(format!("has shape {} over {from}", listed(&extents.data))),
    }
    cx.reshape(x, dims)
}

/// Axes are an attribute up to opset 12, an input from 13 on.
fn axes(cx: &mut Context<'_>) -> Result<Option<Vec<i64>>> {
    cx.moved_ints("axes", 12, 1)
}

pub(crate) fn squeeze(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let shape = cx.shape(x);
    let mut gone: Vec<bool> = shape.0.iter().map(Dim::is_one).collect();
    if let Some(axes) = axes(cx)? {
        gone.fill(false);
        for axis in axes {
            let axis = cx.place(axis, shape.rank())?;
            if !shape.0[axis].is_one() {
                return cx.refuse(format!("drops axis {axis} of {shape}"));
            }
            gone[axis] = true;
        }
    }
    let left = shape.0.into_iter().zip(gone).filter(|(_, gone)| !gone);
    let dims = left.map(|(dim, _)| dim).collect();
    cx.reshape(x, dims)
}

pub(crate) fn unsqueeze(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let Some(axes) = axes(cx)? else { return cx.refuse("has no axes") };
    let old = cx.shape(x).0;
    let rank = old.len() + axes.len();
    if rank > MAX_RANK {
        return cx.refuse(format!("makes {rank} dimensions"));
    }
    let mut dims: Vec<Option<Dim>> = vec![None; rank];
    for axis in axes {
        let axis = cx.place(axis, rank)?;
        if dims[axis].replace(Dim::from(1)).is_some() {
            return cx.refuse(format!("adds axis {axis} twice"));
        }
    }
    let mut old = old.into_iter();
    let dims = dims.into_iter().filter_map(|dim| dim.or_else(|| old.next())).collect();
    cx.reshape(x, dims)
}

pub(crate) fn expand(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let Some(extents) = cx.known_extents(1)? else { return cx.refuse("has no shape") };
    let dims: Option<Vec<Dim>> = extents.data.iter().map(Extent::dim).collect();
    match dims {
        Some(dims) if dims.len() <= MAX_RANK => cx.add(Expand { shape: Shape(dims) }, &[x]),
        _ => cx.refuse("has a negative shape"),
    }
}

/// Places are attributes up to opset 9, inputs from 10 on.
pub(crate) fn slice(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let (starts, ends, axes, steps) = if cx.opset < 10 {
        cx.takes(1)?;
        (cx.ints("starts")?, cx.ints("ends")?, cx.ints("axes")?, None)
    } else {
        (cx.known_ints(1)?, cx.known_ints(2)?, cx.known_ints(3)?, cx.known_ints(4)?)
    };
    let (Some(starts), Some(ends)) = (starts, ends) else {
        return cx.refuse("does not say where it starts and ends");
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    cx.add(Slice { starts, ends, axes, steps }, &[x])
}

/// Pads are attributes up to opset 10, inputs from 11 on; over some axes only from 18 on.
pub(crate) fn pad(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let rank = cx.rank(x);
    let mode = match cx.text("mode", "constant")?.as_str() {
        "constant" => PadMode::Constant,
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        other => return cx.refuse(format!("with mode {other} is not supported")),
    };
    let (listed, value, axes) = if cx.opset < 11 {
        cx.takes(1)?;
        (cx.ints("pads")?, cx.float("value", 0.0)?, None)
    } else {
        let axes = if cx.input(3).is_some() { cx.known_ints(3)? } else { None };
        (cx.known_ints(1)?, cx.known_float(2)?.unwrap_or(0.0), axes)
    };
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    let listed = listed.unwrap_or_default();
    if listed.len() != 2 * axes.len() {
        return cx.refuse(format!("has pads {listed:?}, need {} numbers", 2 * axes.len()));
    }
    let mut pads = vec![0; 2 * rank];
    for (i, &axis) in axes.iter().enumerate() {
        let axis = cx.place(axis, rank)?;
        pads[axis] = listed[i];
        pads[axis + rank] = listed[i + axes.len()];
    }
    let x = crop(cx, x, &pads, mode)?;
    let pads: Vec<usize> = pads.iter().map(|&pad| usize::try_from(pad).unwrap_or(0)).collect();
    cx.add(Pad { pads, mode, value }, &[x])
}

/// What negative pads leave of a value.
fn crop(cx: &mut Context<'_>, x: ValueId, pads: &[i64], mode: PadMode) -> Result<ValueId> {
    let rank = pads.len() / 2;
    let (starts, ends, axes, steps) = Default::default();
    let mut slice = Slice { starts, ends, axes, steps };
    for axis in 0..rank {
        let (begin, end) = (pads[axis].min(0), pads[axis + rank].min(0));
        if begin == 0 && end == 0 {
            continue;
        }
        if mode != PadMode::Constant && pads[axis].max(pads[axis + rank]) > 0 {
            return cx.refuse("that crops and mirrors one axis is not supported");
        }
        slice.starts.push(begin.saturating_neg());
        slice.ends.push(if end == 0 { i64::MAX } else { end });
        slice.axes.push(axis as i64);
        slice.steps.push(1);
    }
    if slice.axes.is_empty() { Ok(x) } else { cx.add(slice, &[x]) }
}

/// Sizes are an attribute up to opset 12, an input from 13 on; without them the parts are equal, but
/// for a smaller last from 18 on.
pub(crate) fn split(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, axis) = (cx.value(0)?, cx.int("axis", 0)?);
    let shape = cx.shape(x);
    let at = cx.place(axis, shape.rank())?;
    let listed = cx.moved_ints("split", 12, 1)?;
    let count = cx.node.output.len();
    if cx.opset >= 18 {
        let told = cx.int("num_outputs", count as i64)?;
        if usize::try_from(told) != Ok(count) {
            return cx.refuse(format!("has {count} outputs and num_outputs {told}"));
        }
    }
    let sizes: Option<Vec<usize>> = match listed {
        Some(listed) => listed.iter().map(|&size| usize::try_from(size).ok()).collect(),
        None => {
            let even = |size: &usize| cx.opset >= 18 || size.is_multiple_of(count);
            let size = shape.0[at].fixed().filter(|size| count > 0 && even(size));
            size.map(|size| equal_parts(size, count))
        }
    };
    match sizes {
        Some(sizes) if sizes.len() == count && count > 0 => {
            let parts = cx.add_all(Split { axis, sizes }, &[x])?;
            let rest = parts.iter().enumerate().skip(1);
            cx.more.extend(rest.map(|(i, id)| (i, Thing::Value(*id))));
            Ok(parts[0])
        }
        _ => cx.refuse(format!("of {shape} along axis {axis} into {count} parts")),
    }
}

fn equal_parts(size: usize, count: usize) -> Vec<usize> {
    let each = size.div_ceil(count);
    (0..count).map(|i| each.min(size.saturating_sub(i * each))).collect()
}

/// Batch, channels, height and width of a value, and the block size.
fn blocks(cx: &mut Context<'_>, x: ValueId) -> Result<([Dim; 4], Dim)> {
    let size = usize::try_from(cx.int("blocksize", 0)?).unwrap_or(0);
    match <[Dim; 4]>::try_from(cx.shape(x).0) {
        Ok(dims) if size > 0 => Ok((dims, Dim::from(size))),
        _ => cx.refuse(format!("of {} with blocksize {size} is not supported", cx.shape(x))),
    }
}

/// A reshape, a transpose, and a reshape again.
fn rearrange(
    cx: &mut Context<'_>,
    x: ValueId,
    (apart, perm, together): ([Dim; 6], [usize; 6], [Option<Dim>; 4]),
) -> Result<ValueId> {
    let Some(together) = together.into_iter().collect() else {
        return cx.refuse("makes a dimension that is too large");
    };
    let y = cx.reshape(x, apart.to_vec())?;
    let y = cx.add(Transpose { perm: perm.to_vec() }, &[y])?;
    cx.reshape(y, together)
}

/// Channels become blocks of pixels: the block's place is the outer part of a channel's index (DCR) or the inner one (CRD).
pub(crate) fn depth_to_space(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let ([n, c, h, w], block) = blocks(cx, x)?;
    let inner = block.times(&block).and_then(|area| c.divided_by(&area));
    let Some(inner) = inner else {
        return cx.refuse(format!("of {c} channels into blocks of {block} x {block}"));
    };
    let b = || block.clone();
    let together = [Some(n.clone()), Some(inner.clone()), h.times(&block), w.times(&block)];
    let (apart, perm) = match cx.text("mode", "DCR")?.as_str() {
        "DCR" => ([n, b(), b(), inner, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, inner, b(), b(), h, w], [0, 1, 4, 2, 5, 3]),
        other => return cx.refuse(format!("with mode {other} is not supported")),
    };
    rearrange(cx, x, (apart, perm, together))
}

/// Blocks of pixels become channels: the block's place is the outer part of a channel's index (DCR) or, from opset 28 on,
/// the inner one (CRD).
pub(crate) fn space_to_depth(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let ([n, c, h, w], block) = blocks(cx, x)?;
    let (Some(rows), Some(columns)) = (h.divided_by(&block), w.divided_by(&block)) else {
        return cx.refuse(format!("of {h} x {w} into blocks of {block} x {block}"));
    };
    let b = || block.clone();
    let channels = block.times(&block).and_then(|area| area.times(&c));
    let together = [Some(n.clone()), channels, Some(rows.clone()), Some(columns.clone())];
    let apart = [n, c, rows, b(), columns, b()];
    let perm = match cx.text("mode", "DCR")?.as_str() {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return cx.refuse(format!("with mode {other} is not supported")),
    };
    rearrange(cx, x, (apart, perm, together))
}
