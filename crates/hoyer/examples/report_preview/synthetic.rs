//! Evidence of a run that never happened, shaped like one that could have: LeNet-300-100 made
//! sparse in four stages, three seeds. Only for looking at the page and for testing it.

use hoyer::report::{Evidence, PixelMap, WeightHistogram};
use hoyer::result::{
    Compressed, Dense, Layer, Machine, Promise, Quantity, RESULT_VERSION, Ratios, RunResult,
    SeedRun, SeedSummary, Split,
};
use hoyer_learn::record::{EpochRecord, StageKind, StageRecord};

const SHAPES: [(&str, u64, u64); 3] = [("fc1", 300, 784), ("fc2", 100, 300), ("fc3", 10, 100)];
const BIASES: u64 = 410;
const RECIPE: &str = "\
model = \"lenet-300-100\"
data = \"mnist\"
seed = 7

[[stage]]
kind = \"train\"
epochs = 20

[[stage]]
kind = \"sparsify\"
penalty = \"hoyer-square\"
lambda = 2e-4
epochs = 40

[[stage]]
kind = \"prune\"
threshold = \"auto\"

[[stage]]
kind = \"finetune\"
epochs = 15
";

/// The whole evidence.
pub(crate) fn evidence() -> Evidence {
    let weights = SHAPES.map(|shape| layer_weights(shape.1, shape.2));
    let result = result(&weights);
    let histogram = |((name, ..), w): (&(&str, u64, u64), &Weights)| {
        WeightHistogram::of(name, &w.before, &w.after, 41)
    };
    Evidence {
        histograms: SHAPES.iter().zip(&weights).map(histogram).collect(),
        pixel_map: PixelMap::of_linear(&weights[0].after, [1, 28, 28]).ok(),
        recipe: RECIPE.into(),
        result,
    }
}

/// Weights of one layer before and after.
struct Weights {
    before: Vec<f32>,
    after: Vec<f32>,
}

impl Weights {
    fn left(&self) -> u64 {
        self.after.iter().filter(|w| **w != 0.0).count() as u64
    }
}

/// A number in `[0, 1)` that looks random and is the same every time.
fn noise(i: u64) -> f64 {
    let mixed = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 29)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Bell-shaped weights; what is left sits in the middle of the picture and has grown.
fn layer_weights(outputs: u64, inputs: u64) -> Weights {
    let bell =
        |i: u64| (0..6).map(|k| noise(6 * i + k) - 0.5).sum::<f64>() / (inputs as f64).sqrt();
    let before: Vec<f32> = (0..outputs * inputs).map(|i| bell(i) as f32).collect();
    let keep = |i: u64| {
        let (row, column) = ((i % inputs / 28) as f64 - 13.5, (i % inputs % 28) as f64 - 13.5);
        let center = (-(row * row + column * column) / 70.0).exp();
        noise(7 * i + 3) < if inputs == 784 { 0.05 * center } else { 12.0 / inputs as f64 * 0.6 }
    };
    let grown =
        |(i, w): (usize, &f32)| if keep(i as u64) { 3.0 * w + w.signum() * 0.08 } else { 0.0 };
    let after = before.iter().enumerate().map(grown).collect();
    Weights { before, after }
}

fn result(weights: &[Weights; 3]) -> RunResult {
    let left: u64 = weights.iter().map(Weights::left).sum();
    let (dense, compressed) = (dense(), compressed(left));
    let stages = stages(left);
    let mut result = RunResult {
        schema: RESULT_VERSION,
        hoyer: env!("CARGO_PKG_VERSION").into(),
        model: "lenet-300-100".into(),
        data: "mnist".into(),
        method: "hoyer-square".into(),
        metric: "accuracy".into(),
        seed: 7,
        seconds: stages.iter().map(|stage| stage.seconds).sum(),
        epochs: stages.iter().map(|stage| stage.epochs.len() as u64).sum(),
        threads: 2,
        machine: Machine { cpu: "AMD EPYC 7763 64-Core Processor".into(), cores: 2 },
        command: "hoyer compress --recipe recipes/lenet-300-100-hoyer-square.toml --seeds 3 -o OUT"
            .into(),
        promises: vec![
            Promise::judge(Quantity::Metric, 0.984, 0.9853).on(Split::Validation),
            Promise::judge(Quantity::FileBytes, 40_960.0, compressed.file_bytes as f64),
        ],
        stages,
        dense,
        compressed,
        ratios: Ratios::of(&dense, &compressed),
        layers: SHAPES.iter().zip(weights).map(layer).collect(),
        test_metric: compressed.metric,
        test_best_epoch: Some(0.9847),
        seeds: Vec::new(),
        seed_summary: None,
    };
    result.seeds = (0..3).map(|i| seed(&result, i)).collect();
    result.seed_summary = SeedSummary::of(&result.seeds);
    result
}

fn layer((&(name, outputs, inputs), weights): (&(&str, u64, u64), &Weights)) -> Layer {
    Layer {
        name: name.into(),
        kind: "Gemm".into(),
        shape: vec![outputs, inputs],
        nonzero: weights.left(),
        total: outputs * inputs,
        bits: 32.0,
        macs: outputs * inputs,
        macs_nonzero: weights.left(),
    }
}

fn dense() -> Dense {
    Dense {
        metric: 0.9852,
        validation_metric: Some(0.9866),
        weights: 266_200,
        weights_with_biases: 266_200 + BIASES,
        params: 266_200 + BIASES,
        macs: 266_200,
        file_bytes: 4 * (266_200 + BIASES),
        latency_us: Some(21.7),
    }
}

fn compressed(left: u64) -> Compressed {
    let dense = dense();
    Compressed {
        metric: 0.9841,
        validation_metric: Some(0.9853),
        weights: dense.weights,
        weights_with_biases: dense.weights_with_biases,
        params: dense.params,
        macs: dense.macs,
        file_bytes: 8 * left + 1_913,
        latency_us: Some(3.21),
        weights_nonzero: left,
        weights_with_biases_nonzero: left + BIASES - 37,
        params_nonzero: left + BIASES - 37,
        macs_nonzero: left,
        bits: 32.0,
    }
}

fn seed(result: &RunResult, i: u64) -> SeedRun {
    let mut run = SeedRun::from(result);
    let shift = 0.0009 * (noise(i + 40) - 0.5) * i as f64;
    run.seed += i;
    run.test_metric += shift;
    run.dense_metric -= shift / 2.0;
    run.weights_nonzero += 61 * i;
    run.params_nonzero += 61 * i;
    run.file_bytes += 488 * i;
    run.seconds += 3.7 * i as f64;
    run
}

fn stages(left: u64) -> Vec<StageRecord> {
    let stage = |kind, settings: &str, nonzero: u64, metrics: [Option<f64>; 3]| StageRecord {
        settings: settings.into(),
        train_metric: metrics[0],
        validation_metric_before: metrics[1],
        validation_metric: metrics[2],
        weights_nonzero: Some(nonzero),
        weights_total: Some(266_200),
        ..StageRecord::new(kind)
    };
    let train = "Adam 1e-3, batch 64, cosine, shifts of one pixel";
    let sparsify = "Hoyer-Square, lambda 2e-4, Adam 1e-3, distillation from the dense network";
    let prune = "largest threshold that keeps 98.4 % on validation data: 0.031 of each layer’s sd";
    let finetune = "Adam 5e-4, cosine, masks held";
    let mut stages = vec![
        stage(StageKind::Train, train, 266_200, [Some(0.9991), None, Some(0.9866)]),
        stage(StageKind::Sparsify, sparsify, 266_200, [Some(0.9968), Some(0.9866), Some(0.9858)]),
        stage(StageKind::Prune, prune, left, [None, Some(0.9858), Some(0.9841)]),
        stage(StageKind::Finetune, finetune, left, [Some(0.9963), Some(0.9841), Some(0.9853)]),
    ];
    for (stage, epochs) in stages.iter_mut().zip([20, 40, 0, 15]) {
        stage.epochs = (1..=epochs).map(|epoch| self::epoch(stage, epoch, epochs)).collect();
        stage.chosen_epoch = epochs.checked_sub(2).filter(|epoch| *epoch > 0);
        stage.seconds = stage.epochs.iter().map(|epoch| epoch.seconds).sum::<f64>() + 0.4;
    }
    stages
}

fn epoch(stage: &StageRecord, epoch: u32, epochs: u32) -> EpochRecord {
    let (done, wobble) = (f64::from(epoch) / f64::from(epochs), noise(u64::from(epoch)) - 0.5);
    let sparsify = stage.kind == StageKind::Sparsify;
    let start = if stage.kind == StageKind::Train { 0.06 } else { 0.021 };
    let wrong = 0.0145 + (start - 0.0145) * (-5.0 * done).exp() + 0.0016 * wobble;
    EpochRecord {
        epoch,
        seconds: 1.02 + 0.05 * wobble,
        learning_rate: Some(1e-3 * (1.0 - done).max(0.01)),
        lambda: sparsify.then_some(2e-4),
        train_loss: Some(0.11 * wrong / 0.06 * (1.1 - 0.8 * done)),
        penalty: sparsify.then_some(2e-4 * (20_000.0 * (-4.0 * done).exp() + 1_800.0)),
        train_accuracy: Some(1.0 - wrong * (0.95 - 0.75 * done)),
        validation_loss: Some(2.9 * wrong),
        validation_accuracy: Some(1.0 - wrong),
        weights_nonzero: stage.weights_nonzero,
        weights_small_share: sparsify.then_some(1.0 - 0.35 * (-3.4 * done).exp() - 0.008),
        samples_per_second: Some(54_000.0 + 900.0 * wobble),
        data_share: Some(0.015),
    }
}
