//! Resizes, by scales where those say the sizes.

use crate::Result;
use crate::onnx::export::attribute::{flag, float, text};
use crate::onnx::export::writer::Draft;
use crate::op::{Resize, ResizeAxis, ResizeCoordinates, ResizeMode, ResizeRounding};
use crate::shape::Dim;

pub(crate) fn resize(op: &Resize, to: &mut Draft<'_, '_>) -> Result<()> {
    if op.antialias {
        return to.refuse("opset 17 has no filter against aliasing");
    }
    let coordinates = match op.coordinates {
        ResizeCoordinates::HalfPixel => "half_pixel",
        ResizeCoordinates::HalfPixelSymmetric => {
            return to.refuse("opset 17 has no symmetric half pixels");
        }
        ResizeCoordinates::PytorchHalfPixel => "pytorch_half_pixel",
        ResizeCoordinates::AlignCorners => "align_corners",
        ResizeCoordinates::Asymmetric => "asymmetric",
    };
    let mode = match op.mode {
        ResizeMode::Nearest => "nearest",
        ResizeMode::Linear => "linear",
        ResizeMode::Cubic => "cubic",
    };
    let nearest = match op.nearest {
        ResizeRounding::RoundPreferFloor => "round_prefer_floor",
        ResizeRounding::RoundPreferCeil => "round_prefer_ceil",
        ResizeRounding::Floor => "floor",
        ResizeRounding::Ceil => "ceil",
    };
    let attributes = vec![
        text("mode", mode),
        text("coordinate_transformation_mode", coordinates),
        text("nearest_mode", nearest),
        float("cubic_coeff_a", op.cubic_coeff_a),
        flag("exclude_outside", op.exclude_outside),
    ];
    let sizes = sizes(op, to)?;
    to.extended([vec![String::new()], sizes].concat(), attributes)
}

/// Scales of all axes, or nothing and then their sizes.
fn sizes(op: &Resize, to: &mut Draft<'_, '_>) -> Result<Vec<String>> {
    let from = to.shape(0).0.clone();
    let old = |entry: &ResizeAxis| from[entry.axis].fixed();
    let is_scaled = |entry: &ResizeAxis| match (old(entry), entry.size) {
        (Some(n), Some(m)) => (n as f32 * entry.scale) as usize == m,
        _ => entry.size.is_none(),
    };
    if op.axes.iter().all(is_scaled) {
        let mut scales = vec![1.0; from.len()];
        op.axes.iter().for_each(|entry| scales[entry.axis] = entry.scale);
        return Ok(vec![to.floats("scales", &[scales.len()], &scales)]);
    }
    let follows = |entry: &ResizeAxis| match (old(entry), entry.size) {
        (Some(n), Some(m)) => m as f32 / n as f32 == entry.scale,
        _ => false,
    };
    if !op.axes.iter().all(follows) {
        return to.refuse("its scales are not those of its sizes");
    }
    let dims: Vec<Dim> = to.graph().value(to.node.outputs[0]).kind.shape.0.clone();
    Ok(vec![String::new(), to.extents(&dims)?])
}
