//! Max pooling over two spatial axes, and its gradient.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::MaxPool;
use hoyer_kernels::max_pool::{self, Geometry};

struct Forward(Geometry);

struct Gradient(Geometry);

pub(crate) fn forward(op: &MaxPool, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let g = geometry(op, &site.inputs[0], &site.outputs[0])?;
    Some(Box::new(Forward(g)))
}

pub(crate) fn gradient(op: &MaxPool, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let g = geometry(op, &site.inputs[1], &site.inputs[2])?;
    Some(Box::new(Gradient(g)))
}

/// The pool's numbers; `None` unless there are two spatial axes, no padding and no dilation.
fn geometry(op: &MaxPool, x: &[usize], y: &[usize]) -> Option<Geometry> {
    let window = &op.window;
    let plain = window.pads.iter().all(|&p| p == 0) && window.dilations.iter().all(|&d| d == 1);
    if x.len() != 4 || op.ceil_mode || !plain {
        return None;
    }
    let pair = |list: &[usize]| [list[0], list[1]];
    Some(Geometry {
        planes: x[0] * x[1],
        input: pair(&x[2..]),
        output: pair(&y[2..]),
        kernel: pair(&window.kernel_shape),
        stride: pair(&window.strides),
    })
}

impl Kernel for Forward {
    fn run(&self, call: &mut Call<'_, '_>) {
        max_pool::forward(call.pool, &self.0, call.input(0), call.outputs[0]);
    }
}

impl Kernel for Gradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, x, y) = (call.input(0), call.input(1), call.input(2));
        max_pool::gradient(call.pool, &self.0, (dy, x, y), call.outputs[0]);
    }
}
