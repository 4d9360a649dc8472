//! Limits, and their gradient.

use super::elementwise;
use crate::kernel::Kernel;
use hoyer_graph::Clip;

pub(crate) fn forward(op: &Clip) -> Option<Box<dyn Kernel>> {
    let [min, max] = op.bounds();
    elementwise::unary(move |x| {
        // Two tests and no `clamp`: a NaN passes, and the loop vectorizes.
        let x = if x < min { min } else { x };
        if x > max { max } else { x }
    })
}

pub(crate) fn gradient(op: &Clip) -> Option<Box<dyn Kernel>> {
    let [min, max] = op.bounds();
    elementwise::gradient(move |dy, y| if (min < y) & (y < max) { dy } else { 0.0 })
}
