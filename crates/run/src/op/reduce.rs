//! Sums, means, extremes and products over axes that stand together, and the gradient of means.

use super::places;
use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::{ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum};
use hoyer_kernels::reduce;

struct Reduction {
    sum: reduce::Sum,
    scale: f64,
}

/// Which of `rank` axes are reduced; no axes means all.
fn reduced(axes: &[i64], rank: usize) -> Vec<bool> {
    let mut gone = vec![axes.is_empty(); rank];
    for &axis in axes {
        let axis = if axis < 0 { axis + rank as i64 } else { axis };
        gone[axis as usize] = true;
    }
    gone
}

pub(crate) fn sum(op: &ReduceSum, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let shape = &site.inputs[0];
    let sum = reduce::Sum::new(shape, &reduced(&op.axes, shape.len()))?;
    Some(Box::new(Reduction { sum, scale: 1.0 }))
}

pub(crate) fn mean(axes: &[i64], site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let shape = &site.inputs[0];
    let sum = reduce::Sum::new(shape, &reduced(axes, shape.len()))?;
    Some(Box::new(Reduction { sum, scale: 1.0 / sum.count() as f64 }))
}

/// The mean of every channel: over all axes but the first two.
pub(crate) fn spatial_mean(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let axes: Vec<i64> = (2..site.inputs[0].len() as i64).collect();
    mean(&axes, site)
}

pub(crate) fn mean_gradient(op: &ReduceMean, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    places::mean_gradient(&reduced(&op.axes, site.outputs[0].len()), site)
}

/// A fold with a function whose operands may change places.
struct Fold<F> {
    axes: reduce::Sum,
    start: f32,
    f: F,
}

fn fold(
    axes: &[i64],
    site: &Site<'_>,
    (start, f): (f32, impl Fn(f32, f32) -> f32 + Send + Sync + 'static),
) -> Option<Box<dyn Kernel>> {
    let shape = &site.inputs[0];
    let axes = reduce::Sum::new(shape, &reduced(axes, shape.len()))?;
    Some(Box::new(Fold { axes, start, f }))
}

pub(crate) fn largest(op: &ReduceMax, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let larger = |a: f32, b: f32| if a > b || a.is_nan() { a } else { b };
    fold(&op.axes, site, (f32::NEG_INFINITY, larger))
}

pub(crate) fn smallest(op: &ReduceMin, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let smaller = |a: f32, b: f32| if a < b || a.is_nan() { a } else { b };
    fold(&op.axes, site, (f32::INFINITY, smaller))
}

pub(crate) fn product(op: &ReduceProd, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    fold(&op.axes, site, (1.0, |a: f32, b: f32| a * b))
}

impl<F: Fn(f32, f32) -> f32 + Send + Sync> Kernel for Fold<F> {
    fn run(&self, call: &mut Call<'_, '_>) {
        self.axes.fold(call.pool, call.input(0), call.outputs[0], (self.start, &self.f));
    }
}

impl Kernel for Reduction {
    fn run(&self, call: &mut Call<'_, '_>) {
        self.sum.run(call.pool, call.input(0), call.outputs[0], self.scale);
    }
}
