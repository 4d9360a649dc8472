//! What a penalty costs on top of the optimizer's own pass over memory.
//! `cargo bench -p hoyer-learn --bench update`; warm, the two LeNets with their biases; one core
//! where it does not say two.
//!
//! Bytes are those of the pass without a penalty: weights and state read and written, gradient
//! read. So a penalty that costs nothing shows the same rate.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use hoyer_graph::Role;
use hoyer_kernels::pool::Pool;
use hoyer_learn::optimizer::{
    AdamConfig, Config, Job, Optimizer, Pace, Parameter, SgdConfig, Tensor, on, one_by_one,
};
use hoyer_learn::penalty::{ByName, Penalty, View};

fn main() {
    divan::main();
}

const LENET_300_100: [&[usize]; 6] = [&[300, 784], &[300], &[100, 300], &[100], &[10, 100], &[10]];
const LENET_5: [&[usize]; 8] =
    [&[20, 1, 5, 5], &[20], &[50, 20, 5, 5], &[50], &[500, 800], &[500], &[10, 500], &[10]];

const PENALTIES: [&str; 7] =
    ["none", "l1", "transformed-l1", "hoyer", "hoyer-square", "group-lasso", "group-hoyer-square"];

/// A network with made-up weights and gradients, and what steps it.
struct Network {
    optimizer: Optimizer,
    weights: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    masks: Vec<Option<Vec<bool>>>,
}

impl Network {
    fn new(shapes: &[&[usize]], config: Config, penalty: &str) -> Self {
        let penalty = (penalty != "none").then(|| penalty.parse::<ByName>().expect("known").0);
        let parameters: Vec<Parameter> = shapes.iter().map(|s| parameter(s, penalty)).collect();
        let numbers = |seed: u64, scale: f32| -> Vec<Vec<f32>> {
            parameters.iter().map(|p| noise(p.view.len(), seed, scale)).collect()
        };
        let (weights, gradients) = (numbers(1, 0.05), numbers(2, 1e-3));
        let optimizer = Optimizer::new(config.build().expect("defaults are fine"), &parameters);
        Self { optimizer, masks: vec![None; weights.len()], weights, gradients }
    }

    fn step(&mut self, run: impl FnOnce(&mut [Job<'_>])) {
        let layers = self.weights.iter_mut().zip(&self.gradients).zip(&self.masks);
        let tensors = layers.map(|((weights, gradient), mask)| Tensor {
            weights,
            gradient: black_box(gradient),
            mask: mask.as_deref(),
        });
        let pace = Pace { lr: 1e-5, lambda: 1e-4, gradient_scale: 1.0 };
        self.optimizer.step(pace, tensors, run).expect("everything fits");
    }

    /// Runs steps; `states` numbers are kept for each weight.
    fn bench(mut self, bencher: Bencher<'_, '_>, states: usize) {
        let weights: usize = self.weights.iter().map(Vec::len).sum();
        let bytes = BytesCount::new(weights * 4 * (3 + 2 * states));
        self.step(one_by_one);
        bencher.counter(bytes).bench_local(|| self.step(one_by_one));
    }
}

fn parameter(shape: &[usize], penalty: Option<&'static dyn Penalty>) -> Parameter {
    let role = if shape.len() > 1 { Role::Weight } else { Role::Bias };
    Parameter { view: View::of(shape), role, penalty: penalty.filter(|_| role == Role::Weight) }
}

fn noise(len: usize, seed: u64, scale: f32) -> Vec<f32> {
    let mut state = seed;
    let draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        ((state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0) * scale
    };
    std::iter::repeat_with(draw).take(len).collect()
}

#[divan::bench(args = PENALTIES, sample_count = 5_000)]
fn lenet_300_100_adam(bencher: Bencher<'_, '_>, penalty: &str) {
    Network::new(&LENET_300_100, Config::Adam(AdamConfig::default()), penalty).bench(bencher, 2);
}

/// On two cores with nothing else to do: how much a whole training step becomes longer.
#[divan::bench(args = PENALTIES, sample_count = 5_000)]
fn lenet_300_100_adam_two_threads(bencher: Bencher<'_, '_>, penalty: &str) {
    let adam = Config::Adam(AdamConfig::default());
    let mut network = Network::new(&LENET_300_100, adam, penalty);
    let pool = Pool::new(2);
    bencher.bench_local(|| network.step(on(&pool)));
}

/// One weight in fifty lives, as after pruning.
#[divan::bench(args = ["none", "hoyer-square", "group-hoyer-square"], sample_count = 5_000)]
fn lenet_300_100_adam_masked(bencher: Bencher<'_, '_>, penalty: &str) {
    let adam = Config::Adam(AdamConfig::default());
    let mut network = Network::new(&LENET_300_100, adam, penalty);
    let mask = |w: &Vec<f32>| Some((0..w.len()).map(|i| i % 50 == 0).collect());
    network.masks = network.weights.iter().map(mask).collect();
    network.bench(bencher, 2);
}

#[divan::bench(args = PENALTIES, sample_count = 5_000)]
fn lenet_300_100_sgd(bencher: Bencher<'_, '_>, penalty: &str) {
    Network::new(&LENET_300_100, Config::Sgd(SgdConfig::default()), penalty).bench(bencher, 1);
}

#[divan::bench(args = PENALTIES, sample_count = 5_000)]
fn lenet_5_adam(bencher: Bencher<'_, '_>, penalty: &str) {
    Network::new(&LENET_5, Config::Adam(AdamConfig::default()), penalty).bench(bencher, 2);
}
