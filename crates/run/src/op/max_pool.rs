//! Max pooling over windows of 2 x 2 side by side, and its gradient; other windows are in `window`.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::MaxPool;
use hoyer_kernels::gemm::Activation;
use hoyer_kernels::max_pool::{self, Before, Geometry};

struct Forward(Geometry);

struct Gradient(Geometry, Before);

pub(crate) fn forward(op: &MaxPool, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let g = geometry(op, &site.inputs[0], &site.outputs[0])?;
    Some(Box::new(Forward(g)))
}

pub(crate) fn gradient(op: &MaxPool, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let g = geometry(op, &site.inputs[1], &site.inputs[2])?;
    let before = if site.activation == Activation::Relu { Before::Relu } else { Before::Nothing };
    Some(Box::new(Gradient(g, before)))
}

/// Whether windows of 2 x 2 stand side by side; such a pool's gradient can have that of a ReLU before it in it.
pub(crate) fn is_2x2(op: &MaxPool) -> bool {
    let window = &op.window;
    let plain = window.pads.iter().all(|&p| p == 0) && window.dilations.iter().all(|&d| d == 1);
    window.kernel_shape == [2, 2] && window.strides == [2, 2] && plain && !op.ceil_mode
}

/// The pool's numbers; `None` unless windows of 2 x 2 stand side by side.
fn geometry(op: &MaxPool, x: &[usize], y: &[usize]) -> Option<Geometry> {
    if x.len() != 4 || !is_2x2(op) || x.contains(&0) || y.contains(&0) {
        return None;
    }
    let pair = |list: &[usize]| [list[0], list[1]];
    Some(Geometry { planes: x[0] * x[1], input: pair(&x[2..]), output: pair(&y[2..]) })
}

impl Kernel for Forward {
    fn run(&self, call: &mut Call<'_, '_>) {
        max_pool::forward(call.pool, &self.0, call.input(0), call.outputs[0]);
    }
}

impl Kernel for Gradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, x, y) = (call.input(0), call.input(1), call.input(2));
        max_pool::gradient(call.pool, (&self.0, self.1), (dy, x, y), call.outputs[0]);
    }
}
