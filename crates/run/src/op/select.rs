//! Chosen elements of an axis.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::Select;

/// How the input lies: `blocks` times `size` rows of `row` numbers.
struct Choice {
    indices: Vec<usize>,
    size: usize,
    row: usize,
}

struct Forward(Choice);

struct Gradient(Choice);

fn choice(op: &Select, shape: &[usize]) -> Choice {
    let axis = if op.axis < 0 { op.axis + shape.len() as i64 } else { op.axis } as usize;
    Choice {
        indices: op.indices.clone(),
        size: shape[axis],
        row: shape[axis + 1..].iter().product(),
    }
}

/// Takes inputs with elements.
pub(crate) fn forward(op: &Select, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let choice = choice(op, &site.inputs[0]);
    let is_empty = site.inputs[0].contains(&0) || choice.indices.is_empty();
    (!is_empty).then(|| Box::new(Forward(choice)) as Box<dyn Kernel>)
}

/// As [`forward`], for its gradient.
pub(crate) fn gradient(op: &Select, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let choice = choice(op, &site.outputs[0]);
    let is_empty = site.outputs[0].contains(&0) || choice.indices.is_empty();
    (!is_empty).then(|| Box::new(Gradient(choice)) as Box<dyn Kernel>)
}

impl Kernel for Forward {
    fn run(&self, call: &mut Call<'_, '_>) {
        let Choice { indices, size, row } = &self.0;
        let blocks = call.input(0).chunks_exact(size * row);
        for (x, y) in blocks.zip(call.outputs[0].chunks_exact_mut(indices.len() * row)) {
            for (y, index) in y.chunks_exact_mut(*row).zip(indices) {
                y.copy_from_slice(&x[index * row..][..*row]);
            }
        }
    }
}

impl Kernel for Gradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let Choice { indices, size, row } = &self.0;
        let blocks = call.input(0).chunks_exact(indices.len() * row);
        for (dy, dx) in blocks.zip(call.outputs[0].chunks_exact_mut(size * row)) {
            dx.fill(0.0);
            for (dy, index) in dy.chunks_exact(*row).zip(indices) {
                dx[index * row..][..*row].iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy);
            }
        }
    }
}
