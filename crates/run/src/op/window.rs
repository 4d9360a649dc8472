//! Max and average pools over one or two spatial axes, and their gradients.

use super::max_pool;
use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::{AveragePool, MaxPool, Window};
use hoyer_kernels::window::{Axis, Windows};

struct Max(Windows);
struct MaxGradient(Windows);
struct Average(Windows);
struct AverageGradient(Windows);

pub(crate) fn max(op: &MaxPool, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    max_pool::forward(op, site).or_else(|| {
        let windows = windows(&op.window, &site.inputs[0], &site.outputs[0])?;
        Some(Box::new(Max(windows)))
    })
}

pub(crate) fn max_gradient(op: &MaxPool, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    max_pool::gradient(op, site).or_else(|| {
        let windows = windows(&op.window, &site.inputs[1], &site.inputs[2])?;
        Some(Box::new(MaxGradient(windows)))
    })
}

pub(crate) fn average(op: &AveragePool, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let windows = averages(op, &site.inputs[0], &site.outputs[0])?;
    Some(Box::new(Average(windows)))
}

pub(crate) fn average_gradient(op: &AveragePool, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let windows = averages(op, &site.outputs[0], &site.inputs[0])?;
    Some(Box::new(AverageGradient(windows)))
}

/// One spatial axis is seen as two; `None` for three and more, or empty ones.
fn windows(window: &Window, x: &[usize], y: &[usize]) -> Option<Windows> {
    let rank = window.kernel_shape.len();
    if !(1..=2).contains(&rank) || x.contains(&0) || y.contains(&0) {
        return None;
    }
    let axis = |i: usize| Axis {
        input: x[2 + i],
        output: y[2 + i],
        kernel: window.kernel_shape[i],
        stride: window.strides[i],
        dilation: window.dilations[i],
        pad: window.pads[i],
        divisors: Vec::new(),
    };
    let [kernel, stride, dilation] = [1; 3];
    let single =
        Axis { input: 1, output: 1, kernel, stride, dilation, pad: 0, divisors: vec![1.0] };
    let axes = if rank == 1 { [single, axis(0)] } else { [axis(0), axis(1)] };
    Some(Windows { planes: x[0] * x[1], axes })
}

/// As [`windows`], with what the average divides by.
fn averages(op: &AveragePool, x: &[usize], y: &[usize]) -> Option<Windows> {
    let mut windows = windows(&op.window, x, y)?;
    let rank = op.window.kernel_shape.len();
    for (i, axis) in windows.axes[2 - rank..].iter_mut().enumerate() {
        let padded = axis.input + axis.pad + op.window.pads[rank + i];
        // Taps beyond the end padding, which ceil mode reaches, never count.
        let within = |o: usize| (padded - o * axis.stride).div_ceil(axis.dilation).min(axis.kernel);
        let counts = if op.count_include_pad {
            (0..axis.output).map(within).collect()
        } else {
            axis.taps_inside()
        };
        axis.divisors = counts.into_iter().map(|count| count as f32).collect();
    }
    Some(windows)
}

impl Kernel for Max {
    fn run(&self, call: &mut Call<'_, '_>) {
        self.0.max(call.pool, call.input(0), call.outputs[0]);
    }
}

impl Kernel for MaxGradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, x) = (call.input(0), call.input(1));
        self.0.max_gradient(call.pool, (dy, x), call.outputs[0]);
    }
}

impl Kernel for Average {
    fn run(&self, call: &mut Call<'_, '_>) {
        self.0.average(call.pool, call.input(0), call.outputs[0]);
    }
}

impl Kernel for AverageGradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        self.0.average_gradient(call.pool, call.input(0), call.outputs[0]);
    }
}
