//! `Resize`, and `Upsample` before it.

use crate::Result;
use crate::graph::ValueId;
use crate::onnx::context::Context;
use crate::onnx::known::{Extent, listed};
use crate::op::{Resize, ResizeAxis, ResizeCoordinates, ResizeMode, ResizeRounding};
use crate::shape::Dim;

/// Scales are an attribute in opset 7 and 8, an input in 9; the op is gone from 10 on.
pub(crate) fn upsample(cx: &mut Context<'_>) -> Result<ValueId> {
    let scales = if cx.opset < 9 {
        cx.raw("scales").map(|found| found.floats.clone())
    } else {
        cx.known_floats(1)?
    };
    simple(cx, scales)
}

/// Opset 10 is `Upsample` under its later name, which may shrink too; from 11 on come coordinates, rounding and sizes,
/// from 18 on axes, filters against aliasing, and sizes that keep the aspect.
pub(crate) fn resize(cx: &mut Context<'_>) -> Result<ValueId> {
    if cx.opset < 11 {
        let scales = cx.known_floats(1)?;
        return simple(cx, scales);
    }
    let x = cx.value(0)?;
    let form = form(cx)?;
    let rank = cx.rank(x);
    let mut places = Vec::new();
    for axis in cx.ints("axes")?.unwrap_or_else(|| (0..rank as i64).collect()) {
        places.push(cx.place(axis, rank)?);
    }
    let policy = cx.text("keep_aspect_ratio_policy", "stretch")?;
    let scales = cx.known_floats(2)?.filter(|scales| !scales.is_empty());
    let sizes = cx.known_extents(3)?.map(|sizes| sizes.data).filter(|sizes| !sizes.is_empty());
    let axes = match (scales, sizes) {
        (Some(scales), None) => by_scales(cx, x, &places, &scales)?,
        (None, Some(sizes)) if policy == "stretch" => by_sizes(cx, x, &places, &sizes)?,
        (None, Some(sizes)) => by_aspect(cx, x, (&places, &sizes), &policy)?,
        _ => return cx.refuse("needs scales or sizes, and not both"),
    };
    if form.coordinates == ResizeCoordinates::AlignCorners {
        for entry in &axes {
            let size = cx.shape(x).0[entry.axis].fixed().unwrap_or(1) as f32 * entry.scale;
            // onnxruntime aligns the last output, ONNX's reference the place where it would be.
            if (size - size.round()).abs() > 1e-3 {
                return cx.refuse("with align_corners and a size that is no whole number");
            }
        }
    }
    finish(cx, x, Resize { axes, ..form })
}

fn finish(cx: &mut Context<'_>, x: ValueId, op: Resize) -> Result<ValueId> {
    if op.axes.is_empty() { Ok(x) } else { cx.add(op, &[x]) }
}

/// The form without coordinates: an output lies `1 / scale` elements after the one before it.
fn simple(cx: &mut Context<'_>, scales: Option<Vec<f32>>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let mode = mode(cx)?;
    let Some(scales) = scales else { return cx.refuse("has no scales") };
    let places: Vec<usize> = (0..cx.rank(x)).collect();
    let axes = by_scales(cx, x, &places, &scales)?;
    let form = Resize { mode, ..Resize::repeated(&[], 1) };
    // The nearest element is the one before when there are more, the one after when there are fewer, as onnxruntime has it.
    let (fewer, more) = axes.into_iter().partition(|entry| entry.scale < 1.0);
    let nearest = ResizeRounding::Ceil;
    let x = finish(cx, x, Resize { axes: fewer, nearest, ..form.clone() })?;
    finish(cx, x, Resize { axes: more, ..form })
}

fn mode(cx: &mut Context<'_>) -> Result<ResizeMode> {
    match cx.text("mode", "nearest")?.as_str() {
        "nearest" => Ok(ResizeMode::Nearest),
        "linear" | "bilinear" => Ok(ResizeMode::Linear),
        "cubic" => Ok(ResizeMode::Cubic),
        other => cx.refuse(format!("with mode {other} is not supported")),
    }
}

/// All but the axes.
fn form(cx: &mut Context<'_>) -> Result<Resize> {
    let mode = mode(cx)?;
    let coordinates = match cx.text("coordinate_transformation_mode", "half_pixel")?.as_str() {
        "half_pixel" => ResizeCoordinates::HalfPixel,
        "half_pixel_symmetric" => ResizeCoordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => ResizeCoordinates::PytorchHalfPixel,
        "align_corners" => ResizeCoordinates::AlignCorners,
        "asymmetric" => ResizeCoordinates::Asymmetric,
        other => return cx.refuse(format!("with coordinates {other} is not supported")),
    };
    let nearest = match cx.text("nearest_mode", "round_prefer_floor")?.as_str() {
        "round_prefer_floor" => ResizeRounding::RoundPreferFloor,
        "round_prefer_ceil" => ResizeRounding::RoundPreferCeil,
        "floor" => ResizeRounding::Floor,
        "ceil" => ResizeRounding::Ceil,
        other => return cx.refuse(format!("with nearest_mode {other} is not supported")),
    };
    cx.pass(&["extrapolation_value"]);
    Ok(Resize {
        axes: Vec::new(),
        mode,
        coordinates,
        nearest,
        cubic_coeff_a: cx.float("cubic_coeff_a", -0.75)?,
        exclude_outside: cx.flag("exclude_outside")?,
        antialias: cx.flag("antialias")?,
    })
}

fn by_scales(
    cx: &Context<'_>,
    x: ValueId,
    places: &[usize],
    scales: &[f32],
) -> Result<Vec<ResizeAxis>> {
    if scales.len() != places.len() {
        return cx.refuse(format!("has {} scales over {}", scales.len(), cx.shape(x)));
    }
    let pairs = places.iter().zip(scales).filter(|(_, scale)| **scale != 1.0);
    Ok(pairs.map(|(&axis, &scale)| ResizeAxis { axis, scale, size: None }).collect())
}

fn by_sizes(
    cx: &Context<'_>,
    x: ValueId,
    places: &[usize],
    sizes: &[Extent],
) -> Result<Vec<ResizeAxis>> {
    let shape = cx.shape(x);
    let refuse = || cx.refuse(format!("of {shape} to sizes {} is not supported", listed(sizes)));
    if sizes.len() != places.len() {
        return refuse();
    }
    let mut axes = Vec::new();
    for (&axis, size) in places.iter().zip(sizes) {
        let (old, new) = (&shape.0[axis], size.dim());
        match (old.fixed(), new.as_ref().and_then(Dim::fixed)) {
            _ if new.as_ref() == Some(old) => {}
            (Some(n), Some(m)) if n > 0 => {
                axes.push(ResizeAxis { axis, scale: m as f32 / n as f32, size: Some(m) });
            }
            _ => match new.and_then(|new| new.divided_by(old)?.fixed()) {
                Some(times) => axes.push(ResizeAxis { axis, scale: times as f32, size: None }),
                None => return refuse(),
            },
        }
    }
    Ok(axes)
}

/// One scale for all axes, so that nothing gets larger, or smaller, than the sizes.
fn by_aspect(
    cx: &Context<'_>,
    x: ValueId,
    (places, sizes): (&[usize], &[Extent]),
    policy: &str,
) -> Result<Vec<ResizeAxis>> {
    let shape = cx.shape(x);
    let old: Option<Vec<usize>> = places.iter().map(|&axis| shape.0[axis].fixed()).collect();
    let new: Option<Vec<i64>> = sizes.iter().map(Extent::number).collect();
    let (Some(old), Some(new), true) = (old, new, sizes.len() == places.len()) else {
        return cx.refuse(format!("of {shape} to sizes {} is not supported", listed(sizes)));
    };
    let scales = old.iter().zip(&new).map(|(&n, &m)| m as f32 / n as f32);
    let scale = match policy {
        "not_larger" => scales.fold(f32::INFINITY, f32::min),
        "not_smaller" => scales.fold(0.0, f32::max),
        other => return cx.refuse(format!("with keep_aspect_ratio_policy {other}")),
    };
    let size = |n: usize| Some((scale * n as f32 + 0.5) as usize);
    let pairs = places.iter().zip(&old);
    Ok(pairs.map(|(&axis, &n)| ResizeAxis { axis, scale, size: size(n) }).collect())
}
