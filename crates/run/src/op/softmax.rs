//! Softmax and log-softmax, row by row over the last axis or column by column over others, and their gradients.
//!
//! ```text
//! softmax      dx = y · (dy − Σ dy · y)
//! log-softmax  dx = dy − exp(y) · Σ dy
//! ```

use crate::kernel::{Call, Kernel, Site};
use hoyer_kernels::softmax::Softmax;

pub(crate) use hoyer_kernels::softmax::Scale;

struct Forward {
    scale: Scale,
    classes: usize,
}

struct Gradient {
    scale: Scale,
    classes: usize,
}

struct ColumnsForward(Softmax);

struct ColumnsGradient(Softmax);

pub(crate) fn forward(axis: i64, scale: Scale, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let softmax = softmax(axis, scale, &site.outputs[0])?;
    let classes = softmax.classes;
    if softmax.inner > 1 {
        return Some(Box::new(ColumnsForward(softmax)));
    }
    Some(Box::new(Forward { scale, classes }))
}

pub(crate) fn gradient(axis: i64, scale: Scale, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let softmax = softmax(axis, scale, &site.outputs[0])?;
    let classes = softmax.classes;
    if softmax.inner > 1 {
        return Some(Box::new(ColumnsGradient(softmax)));
    }
    Some(Box::new(Gradient { scale, classes }))
}

/// Takes outputs with elements.
fn softmax(axis: i64, scale: Scale, shape: &[usize]) -> Option<Softmax> {
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis } as usize;
    let inner = shape[axis + 1..].iter().product();
    (!shape.contains(&0)).then(|| Softmax { scale, classes: shape[axis], inner })
}

/// The largest element and the logarithm of the sum of exponentials above it.
pub(crate) fn log_sum(row: &[f32]) -> (f32, f32) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (max, row.iter().map(|z| (z - max).exp()).sum::<f32>().ln())
}

impl Kernel for Forward {
    fn run(&self, call: &mut Call<'_, '_>) {
        let x = call.input(0).chunks_exact(self.classes);
        for (x, y) in x.zip(call.outputs[0].chunks_exact_mut(self.classes)) {
            let (max, log) = log_sum(x);
            for (x, y) in x.iter().zip(y) {
                let logarithm = x - max - log;
                *y = match self.scale {
                    Scale::Linear => logarithm.exp(),
                    Scale::Logarithmic => logarithm,
                };
            }
        }
    }
}

impl Kernel for Gradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, y) = (call.input(0), call.input(1));
        let rows = dy.chunks_exact(self.classes).zip(y.chunks_exact(self.classes));
        for ((dy, y), dx) in rows.zip(call.outputs[0].chunks_exact_mut(self.classes)) {
            let total: f32 = match self.scale {
                Scale::Linear => dy.iter().zip(y).map(|(dy, y)| dy * y).sum(),
                Scale::Logarithmic => dy.iter().sum(),
            };
            for ((dy, y), dx) in dy.iter().zip(y).zip(dx) {
                *dx = match self.scale {
                    Scale::Linear => y * (dy - total),
                    Scale::Logarithmic => dy - y.exp() * total,
                };
            }
        }
    }
}

impl Kernel for ColumnsForward {
    fn run(&self, call: &mut Call<'_, '_>) {
        self.0.forward(call.pool, call.input(0), call.outputs[0]);
    }
}

impl Kernel for ColumnsGradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, y) = (call.input(0), call.input(1));
        self.0.gradient(call.pool, (dy, y), call.outputs[0]);
    }
}
