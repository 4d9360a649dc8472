//! Cross-entropy from logits, and its gradient: one pass where both are wanted.

use super::softmax::log_sum;
use crate::kernel::{Call, Kernel, Site};

struct Loss {
    classes: usize,
}

struct Gradient {
    classes: usize,
}

pub(crate) fn forward(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let classes = site.inputs[0][1];
    (classes > 0).then(|| Box::new(Loss { classes }) as Box<dyn Kernel>)
}

pub(crate) fn gradient(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let classes = site.inputs[0][1];
    (classes > 0).then(|| Box::new(Gradient { classes }) as Box<dyn Kernel>)
}

impl Kernel for Loss {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (logits, labels) = (call.input(0), call.integers_of(1));
        let row = |(row, &label): (&[f32], &i64)| {
            let (max, log) = log_sum(row);
            f64::from(max + log - row[label as usize])
        };
        let total: f64 = logits.chunks_exact(self.classes).zip(labels).map(row).sum();
        call.outputs[0][0] = (total / labels.len() as f64) as f32;
    }
}

impl Kernel for Gradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (logits, labels) = (call.input(0), call.integers_of(1));
        let scale = call.input(2)[0] / labels.len() as f32;
        let rows = logits.chunks_exact(self.classes).zip(labels);
        let mut total = 0.0;
        for ((row, &label), dx) in rows.zip(call.outputs[0].chunks_exact_mut(self.classes)) {
            let (max, log) = log_sum(row);
            total += f64::from(max + log - row[label as usize]);
            dx.iter_mut().zip(row).for_each(|(dx, z)| *dx = scale * (z - max - log).exp());
            dx[label as usize] -= scale;
        }
        // The loss melted in.
        if let [_, loss] = call.outputs {
            loss[0] = (total / labels.len() as f64) as f32;
        }
    }
}
