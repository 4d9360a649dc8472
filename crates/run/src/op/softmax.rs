//! Softmax and log-softmax over the last axis, and their gradients.
//!
//! ```text
//! softmax      dx = y · (dy − Σ dy · y)
//! log-softmax  dx = dy − exp(y) · Σ dy
//! ```

use crate::kernel::{Call, Kernel, Site};

/// Whether the result is a probability or its logarithm.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

struct Forward {
    scale: Scale,
    classes: usize,
}

struct Gradient {
    scale: Scale,
    classes: usize,
}

pub(crate) fn forward(axis: i64, scale: Scale, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let classes = last_axis(axis, &site.outputs[0])?;
    Some(Box::new(Forward { scale, classes }))
}

pub(crate) fn gradient(axis: i64, scale: Scale, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let classes = last_axis(axis, &site.outputs[0])?;
    Some(Box::new(Gradient { scale, classes }))
}

fn last_axis(axis: i64, shape: &[usize]) -> Option<usize> {
    let is_last = axis == -1 || axis == shape.len() as i64 - 1;
    shape.last().copied().filter(|&classes| is_last && classes > 0)
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
