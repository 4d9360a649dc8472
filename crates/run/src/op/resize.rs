//! Resized axes and their gradients, one axis after the other.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::Resize;
use hoyer_kernels::resample::Resample;

struct Passes {
    list: Vec<Resample>,
    /// Elements after each pass.
    lens: Vec<usize>,
}

/// Takes inputs with elements and at least one axis.
pub(crate) fn forward(op: &Resize, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let (mut shape, to) = (site.inputs[0].clone(), &site.outputs[0]);
    let mut list = Vec::new();
    for entry in &op.axes {
        list.push(pass(op, &shape, to[entry.axis], entry));
        shape[entry.axis] = to[entry.axis];
    }
    passes(list, &site.inputs[0])
}

/// The passes back, the last axis first.
pub(crate) fn gradient(op: &Resize, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let (mut shape, to) = (site.inputs[0].clone(), &site.outputs[0]);
    let mut list = Vec::new();
    for entry in op.axes.iter().rev() {
        let m = std::mem::replace(&mut shape[entry.axis], to[entry.axis]);
        list.push(pass(op, &shape, m, entry).transposed());
    }
    passes(list, &site.inputs[0])
}

fn pass(op: &Resize, shape: &[usize], m: usize, entry: &hoyer_graph::ResizeAxis) -> Resample {
    let (n, inner) = (shape[entry.axis], shape[entry.axis + 1..].iter().product());
    Resample::new(n, inner, &op.taps(entry, n, m))
}

fn passes(list: Vec<Resample>, input: &[usize]) -> Option<Box<dyn Kernel>> {
    let mut len: usize = input.iter().product();
    if len == 0 || list.is_empty() {
        return None;
    }
    let mut lens = Vec::new();
    for pass in &list {
        len = pass.output_len(len);
        lens.push(len);
    }
    Some(Box::new(Passes { list, lens }))
}

impl Passes {
    /// The longest result between two passes.
    fn between(&self) -> usize {
        self.lens[..self.lens.len() - 1].iter().copied().max().unwrap_or(0)
    }
}

impl Kernel for Passes {
    fn scratch_len(&self, _: usize) -> usize {
        2 * self.between()
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let (between, input) = (self.between(), call.input(0));
        let (mut from, mut into) = call.scratch[..2 * between].split_at_mut(between);
        let last = self.list.len() - 1;
        for (i, pass) in self.list.iter().enumerate() {
            let x = if i == 0 { input } else { &from[..self.lens[i - 1]] };
            let y = if i == last { &mut *call.outputs[0] } else { &mut into[..self.lens[i]] };
            pass.run(call.pool, x, y);
            std::mem::swap(&mut from, &mut into);
        }
    }
}
