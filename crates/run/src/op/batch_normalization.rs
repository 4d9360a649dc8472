//! Batch normalization in both forms, and their gradients.

use crate::kernel::{self, Call, Kernel, Site};
use hoyer_graph::{BatchNormalization, BatchNormalizationInferenceGradient};
use hoyer_kernels::batch_norm::{
    self, Affine, Backward, Gate, Gradients, Sizes, Source, Statistics,
};
use hoyer_kernels::gemm::Activation;

struct Inference {
    sizes: Sizes,
    epsilon: f32,
    activation: Activation,
}

struct Training {
    sizes: Sizes,
    epsilon: f32,
    momentum: f32,
    activation: Activation,
}

struct Gradient {
    sizes: Sizes,
    gate: Option<kernel::Gate>,
}

struct InferenceGradient {
    sizes: Sizes,
    epsilon: f32,
}

fn sizes(x: &[usize]) -> Sizes {
    Sizes { batch: x[0], channels: x[1], space: x[2..].iter().product() }
}

/// Takes batches with elements: statistics of nothing are left to the reference.
pub(crate) fn forward(op: &BatchNormalization, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let (sizes, epsilon, momentum) = (sizes(&site.inputs[0]), op.epsilon, op.momentum);
    let activation = site.activation;
    if site.inputs[0].contains(&0) {
        return None;
    }
    if op.training {
        return Some(Box::new(Training { sizes, epsilon, momentum, activation }));
    }
    Some(Box::new(Inference { sizes, epsilon, activation }))
}

pub(crate) fn gradient(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let empty = site.inputs[1].contains(&0);
    let kernel = Gradient { sizes: sizes(&site.inputs[1]), gate: site.gate };
    (!empty).then(|| Box::new(kernel) as Box<dyn Kernel>)
}

pub(crate) fn inference_gradient(
    op: &BatchNormalizationInferenceGradient,
    site: &Site<'_>,
) -> Option<Box<dyn Kernel>> {
    let kernel = InferenceGradient { sizes: sizes(&site.inputs[1]), epsilon: op.epsilon };
    (!site.inputs[1].contains(&0)).then(|| Box::new(kernel) as Box<dyn Kernel>)
}

impl Kernel for Inference {
    fn run(&self, call: &mut Call<'_, '_>) {
        let affine = Affine { scale: call.input(1), shift: call.input(2) };
        let statistics = (call.input(3), call.input(4));
        let x = (call.input(0), &affine);
        let y = (&mut *call.outputs[0], self.activation);
        batch_norm::infer(call.pool, (&self.sizes, self.epsilon), x, statistics, y);
    }
}

impl Kernel for Training {
    fn run(&self, call: &mut Call<'_, '_>) {
        let affine = Affine { scale: call.input(1), shift: call.input(2) };
        let (old_mean, old_var, x) = (call.input(3), call.input(4), call.input(0));
        let [y, running_mean, running_var, mean, inv_std] = &mut *call.outputs else {
            panic!("training gives five outputs: shape inference says so");
        };
        // The running variance's place holds the batch's until it is blended.
        let mut statistics = Statistics { mean, var: running_var, inv_std };
        let sizes = (&self.sizes, self.epsilon);
        batch_norm::train(call.pool, sizes, (x, &affine), (y, self.activation), &mut statistics);
        running_mean.copy_from_slice(mean);
        self.blend(old_mean, running_mean);
        self.blend(old_var, running_var);
    }
}

impl Training {
    /// `running = momentum · old + (1 − momentum) · running`.
    fn blend(&self, old: &[f32], running: &mut [f32]) {
        let keep = self.momentum;
        running.iter_mut().zip(old).for_each(|(new, old)| *new = keep * old + (1.0 - keep) * *new);
    }
}

impl Kernel for Gradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (mean, inv_std) = (call.input(3), call.input(4));
        let gate = match self.gate {
            None => Gate::Open,
            Some(kernel::Gate::Given(limits)) => Gate::Given(call.input(5), limits),
            Some(kernel::Gate::Again(limits)) => Gate::Again(call.input(5), limits),
        };
        run_gradient(call, &self.sizes, (mean, inv_std), Source::Batch, gate);
    }
}

impl Kernel for InferenceGradient {
    fn scratch_len(&self, _: usize) -> usize {
        self.sizes.channels
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let (mean, var) = (call.input(3), call.input(4));
        let scratch = std::mem::take(&mut call.scratch);
        let inv_std = &mut scratch[..self.sizes.channels];
        for (inverse, var) in inv_std.iter_mut().zip(var) {
            *inverse = (1.0 / (f64::from(*var) + f64::from(self.epsilon)).sqrt()) as f32;
        }
        run_gradient(call, &self.sizes, (mean, inv_std), Source::Stored, Gate::Open);
    }
}

fn run_gradient(
    call: &mut Call<'_, '_>,
    sizes: &Sizes,
    (mean, inv_std): (&[f32], &[f32]),
    source: Source,
    gate: Gate<'_>,
) {
    let (dy, x, scale) = (call.input(0), call.input(1), call.input(2));
    let [dx, dscale, dshift] = &mut *call.outputs else {
        panic!("the gradient gives three outputs: shape inference says so");
    };
    let from = Backward { dy, x, scale, mean, inv_std, source, gate };
    batch_norm::gradient(call.pool, sizes, &from, &mut Gradients { dx, dscale, dshift });
}
