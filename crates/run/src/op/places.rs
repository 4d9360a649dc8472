//! Ops that only move numbers: each output is its input read at regular places.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::{Pad, PadMode, Slice, Transpose, strides};
use hoyer_kernels::places::{Axis, Places};

struct Gather {
    places: Places,
    fill: f32,
    scale: f32,
}

fn gather(places: Places, fill: f32) -> Option<Box<dyn Kernel>> {
    Some(Box::new(Gather { places, fill, scale: 1.0 }))
}

/// Axes of an output of this shape over an input that repeats where it has size 1.
fn repeats(input: &[usize], output: &[usize]) -> Vec<Axis> {
    let missing = output.len() - input.len();
    let own = strides(input);
    let axis = |(i, &len): (usize, &usize)| match i.checked_sub(missing) {
        Some(i) if input[i] != 1 => Axis::whole(len, own[i] as isize),
        _ => Axis::whole(len, 0),
    };
    output.iter().enumerate().map(axis).collect()
}

pub(crate) fn expand(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    gather(Places::new(0, &repeats(&site.inputs[0], &site.outputs[0])), 0.0)
}

/// The gradient of a mean over the axes flagged in `gone`: its gradient, repeated and divided by the count.
pub(crate) fn mean_gradient(gone: &[bool], site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let shape = &site.outputs[0];
    let kept: Vec<usize> =
        shape.iter().zip(gone).map(|(&len, &gone)| if gone { 1 } else { len }).collect();
    let count: usize =
        shape.iter().zip(gone).filter(|(_, gone)| **gone).map(|(len, _)| len).product();
    let places = Places::new(0, &repeats(&kept, shape));
    Some(Box::new(Gather { places, fill: 0.0, scale: (1.0 / count as f64) as f32 }))
}

pub(crate) fn transpose(op: &Transpose, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let own = strides(&site.inputs[0]);
    let axis = |(&len, &from): (&usize, &usize)| Axis::whole(len, own[from] as isize);
    let axes: Vec<Axis> = site.outputs[0].iter().zip(&op.perm).map(axis).collect();
    gather(Places::new(0, &axes), 0.0)
}

/// Takes constants around the input.
pub(crate) fn pad(op: &Pad, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let (input, output) = (&site.inputs[0], &site.outputs[0]);
    let own = strides(input);
    let axis = |i: usize| {
        let (len, count, step) = (output[i], input[i], own[i] as isize);
        Axis { len, first: op.pads[i], every: 1, count, step }
    };
    let axes: Vec<Axis> = (0..input.len()).map(axis).collect();
    if op.mode == PadMode::Constant { gather(Places::new(0, &axes), op.value) } else { None }
}

/// What a slice takes of one axis.
struct Part {
    start: usize,
    step: i64,
    count: usize,
}

/// What a slice takes of every axis of `whole`, where it leaves `part`.
fn parts(op: &Slice, whole: &[usize], part: &[usize]) -> Vec<Part> {
    let all = |&count: &usize| Part { start: 0, step: 1, count };
    let mut parts: Vec<Part> = part.iter().map(all).collect();
    for (entry, &axis) in op.axes.iter().enumerate() {
        let axis = if axis < 0 { axis + whole.len() as i64 } else { axis } as usize;
        let (size, count) = (whole[axis] as i64, part[axis]);
        // A step to nowhere may be as large as it likes.
        let direction = op.steps[entry].signum();
        let step = if count > 1 { op.steps[entry] } else { direction };
        let start = op.starts[entry];
        let start = if start < 0 { start.saturating_add(size) } else { start };
        let last = if step > 0 { size } else { size - 1 };
        let start = start.clamp(0, last.max(0)) as usize;
        parts[axis] = Part { start, step, count };
    }
    parts
}

pub(crate) fn slice(op: &Slice, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let own = strides(&site.inputs[0]);
    let parts = parts(op, &site.inputs[0], &site.outputs[0]);
    let start = parts.iter().zip(&own).map(|(part, step)| part.start * step).sum();
    let axis =
        |(part, &own): (&Part, &usize)| Axis::whole(part.count, part.step as isize * own as isize);
    let axes: Vec<Axis> = parts.iter().zip(&own).map(axis).collect();
    gather(Places::new(start, &axes), 0.0)
}

pub(crate) fn slice_gradient(op: &Slice, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let (part, whole) = (&site.inputs[0], &site.outputs[0]);
    let own = strides(part);
    let mut start = 0;
    let mut axes = Vec::with_capacity(whole.len());
    for ((taken, &len), &own) in parts(op, whole, part).iter().zip(whole).zip(&own) {
        let (every, count) = (taken.step.unsigned_abs() as usize, taken.count);
        let back = every * count.saturating_sub(1);
        // Read backwards, the slice's last element is the first along the axis.
        let (first, step) = if taken.step > 0 {
            (taken.start, own as isize)
        } else {
            start += own * count.saturating_sub(1);
            (taken.start - back, -(own as isize))
        };
        axes.push(Axis { len, first, every, count, step });
    }
    gather(Places::new(start, &axes), 0.0)
}

impl Kernel for Gather {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (x, y, scale) = (call.input(0), &mut *call.outputs[0], self.scale);
        if scale == 1.0 {
            self.places.gather(call.pool, x, y, self.fill, |x| x);
        } else {
            self.places.gather(call.pool, x, y, self.fill, |x| x * scale);
        }
    }
}
