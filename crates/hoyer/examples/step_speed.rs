//! How fast hoyer trains a network on images like MNIST's or CIFAR-10's, or on series of numbers at the nodes of a graph: whole steps, as the trainer takes them.
//!
//! ```text
//! step_speed MODEL BATCH [optimizer=adam|sgd] [lr=RATE] [penalties=LIST] [seconds=S] [blocks=N] [threads=T] [load=FOLDER]
//!     [sparsity=SHARE] [layers=model|dense|sparse]
//! ```
//! A step is forward, backward and the optimizer's pass (Adam, or SGD with Nesterov momentum) over a batch that is copied in. Blocks of
//! `seconds` alternate between the penalties of `LIST`, so that a change of the machine's speed hits all.
//! `load` names a folder with `weights.f32`, `images.f32` and `labels.i64` or, for series, `targets.f32` (plain little-endian
//! numbers, parameters one after the other) so that another program can start from the same state; without it the
//! weights are the model's own and the batch is made up. With a `sparsity`, weights that are zero are masked: those of
//! the folder, or that share at random; `layers` then says how layers run, by default as the executor thinks best. Prints JSON: for each
//! penalty the first losses, and samples per second; and, with a sparsity, what runs how.
//! Not here: the comparison with PyTorch (`benches/vs-torch`).

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be made should say where and stop"
)]

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_learn::optimizer::{Config, Optimizer, Pace, Parameter, SgdConfig, Tensor as Layer, on};
use hoyer_learn::penalty::{ByName, View};
use hoyer_run::{Choice, Plan, Program};
use hoyer_zoo::model;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Losses to report: enough for another program to see that it does the same.
const LOSSES: usize = 10;
/// MNIST's, for the LeNets.
const GRAY: [usize; 3] = [1, 28, 28];
/// CIFAR-10's, for all others that take images.
const COLOR: [usize; 3] = [3, 32, 32];
const CLASSES: usize = 10;
/// Twelve steps at 207 nodes, for `graph-lstm`, which learns the numbers of the next step.
const SERIES: [usize; 2] = [12, 207];
const LR_ADAM: f64 = 1e-3;
const LR_SGD: f64 = 1e-2;
const LAMBDA: f64 = 2e-4;

fn main() {
    let run = Settings::from_args();
    let pool = Arc::new(Pool::new(run.threads));
    let mut trainers: Vec<Trainer> =
        run.penalties.iter().map(|penalty| Trainer::new(&run, penalty, &pool)).collect();
    let losses: Vec<Vec<f32>> =
        trainers.iter_mut().map(|trainer| (0..LOSSES).map(|_| trainer.step()).collect()).collect();
    let mut speeds = vec![Vec::new(); trainers.len()];
    for block in 0..=run.blocks {
        for (trainer, speeds) in trainers.iter_mut().zip(&mut speeds) {
            let speed = trainer.samples_per_second(run.batch, run.block);
            // The first block warms up.
            if block > 0 {
                speeds.push(speed);
            }
        }
    }
    let results = run.penalties.iter().zip(losses).zip(speeds);
    let results = results.map(|((penalty, losses), speeds)| {
        let mut sorted = speeds.clone();
        sorted.sort_by(f64::total_cmp);
        json!({
            "penalty": penalty, "losses": losses, "blocks": speeds,
            "samples_per_second": { "median": sorted[sorted.len() / 2], "min": sorted[0],
                "max": sorted[sorted.len() - 1] },
        })
    });
    let results = results.collect::<Vec<_>>();
    let mut found = json!({ "model": run.model, "batch": run.batch, "threads": pool.threads(), "runs": results });
    if run.sparsity > 0.0 {
        found["sparsity"] = json!(run.sparsity);
        found["layers"] = json!(trainers[0].plan.summary());
    }
    println!("{found}");
}

/// What to measure.
struct Settings {
    model: String,
    batch: usize,
    optimizer: Config,
    lr: f64,
    penalties: Vec<String>,
    block: Duration,
    blocks: usize,
    threads: usize,
    load: Option<PathBuf>,
    sparsity: f64,
    choice: Choice,
}

impl Settings {
    fn from_args() -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let given = |name: &str| {
            args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let number = |name: &str, default: f64| given(name).map_or(default, |n| n.parse().unwrap());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let penalties = given("penalties").unwrap_or_else(|| "none,hoyer-square".to_owned());
        let (optimizer, lr) = match given("optimizer").as_deref() {
            None | Some("adam") => (Config::default(), LR_ADAM),
            Some("sgd") => {
                let sgd = SgdConfig { momentum: 0.9, nesterov: true, ..SgdConfig::default() };
                (Config::Sgd(sgd), LR_SGD)
            }
            Some(other) => panic!("no optimizer `{other}`, need adam or sgd"),
        };
        Self {
            optimizer,
            lr: number("lr", lr),
            model: args.first().expect("the first argument is a model").clone(),
            batch: args.get(1).expect("the second argument is a batch size").parse().unwrap(),
            penalties: penalties.split(',').map(str::to_owned).collect(),
            block: Duration::from_secs_f64(number("seconds", 1.0)),
            blocks: number("blocks", 5.0) as usize,
            threads: number("threads", cores as f64) as usize,
            load: given("load").map(PathBuf::from),
            sparsity: number("sparsity", 0.0),
            choice: match given("layers").as_deref() {
                None | Some("model") => Choice::Model,
                Some("dense") => Choice::Dense,
                Some("sparse") => Choice::Sparse,
                Some(other) => panic!("no layers `{other}`, need model, dense or sparse"),
            },
        }
    }
}

/// A network in training.
struct Trainer {
    graph: Graph,
    program: Program,
    optimizer: Optimizer,
    lr: f64,
    pool: Arc<Pool>,
    /// Gradients of the trained parameters, in the graph's order.
    gradients: Vec<ValueId>,
    loss: ValueId,
    input: ValueId,
    batch: Batch,
    /// What the network is to learn.
    wanted: ValueId,
    steps: u64,
    /// How the masked layers run.
    plan: Plan,
}

/// What a step reads.
struct Batch {
    samples: Vec<f32>,
    wanted: Wanted,
}

enum Wanted {
    Labels(Vec<i64>),
    Values(Vec<f32>),
}

impl Trainer {
    fn new(run: &Settings, penalty: &str, pool: &Arc<Pool>) -> Self {
        let is_series = run.model == "graph-lstm";
        let (sample, outputs): (&[usize], usize) = match run.model.as_str() {
            _ if is_series => (&SERIES, SERIES[1]),
            name if name.starts_with("lenet") => (&GRAY, CLASSES),
            _ => (&COLOR, CLASSES),
        };
        let mut graph = training(&model::build(&run.model, sample, outputs, 1).unwrap()).unwrap();
        let trained = trained(&graph);
        let batch = match &run.load {
            Some(folder) => load(folder, &mut graph, is_series),
            None => made_up(run.batch, sample.iter().product(), is_series.then_some(outputs)),
        };
        if run.sparsity > 0.0 {
            mask(&mut graph, run);
        }
        let (prediction, input) = (graph.outputs[0], graph.inputs[0]);
        let size = Dim::symbol("batch");
        let (wanted, loss) = if is_series {
            let wanted = graph.input("wanted", Type::f32(Shape(vec![size, outputs.into()])));
            (wanted, loss::mean_squared_error(&mut graph, prediction, wanted).unwrap())
        } else {
            let wanted = graph.input("wanted", Type::i64(Shape(vec![size])));
            (wanted, loss::cross_entropy(&mut graph, prediction, wanted).unwrap())
        };
        let gradients = gradient(&mut graph, loss, &trained).unwrap();
        let outputs: Vec<ValueId> =
            [loss, prediction].into_iter().chain(gradients.clone()).collect();
        let sizes = Bindings::from([("batch".to_owned(), run.batch)]);
        let params: Vec<ParamId> = trained.iter().filter_map(|id| graph.param_of(*id)).collect();
        let pairs: Vec<_> = params.into_iter().zip(gradients.iter().copied()).collect();
        let read = hoyer_run::Wanted { outputs: &outputs, gradients: &pairs };
        let (program, plan) = Program::masked(&graph, &sizes, read, pool, run.choice).unwrap();
        let penalty = (penalty != "none").then(|| penalty.parse::<ByName>().unwrap().0);
        let parameter = |param: &Param| Parameter {
            view: View::of(param.tensor.shape()),
            role: param.role,
            penalty: penalty.filter(|_| param.role == Role::Weight),
        };
        let parameters: Vec<Parameter> =
            graph.params.iter().filter(|param| param.role.is_trained()).map(parameter).collect();
        let optimizer = Optimizer::new(run.optimizer.build().unwrap(), &parameters);
        let pool = Arc::clone(pool);
        let (lr, steps) = (run.lr, 0);
        Self {
            graph,
            program,
            optimizer,
            lr,
            pool,
            gradients,
            loss,
            input,
            batch,
            wanted,
            steps,
            plan,
        }
    }

    /// Takes a step and gives its loss, penalty not included.
    fn step(&mut self) -> f32 {
        self.program.input_mut(self.input).copy_from_slice(&self.batch.samples);
        match &self.batch.wanted {
            Wanted::Labels(labels) => self.program.labels_mut(self.wanted).copy_from_slice(labels),
            Wanted::Values(values) => self.program.input_mut(self.wanted).copy_from_slice(values),
        }
        self.program.run(&mut self.graph.params, self.steps);
        let trained = self.graph.params.iter_mut().filter(|param| param.role.is_trained());
        let layers = trained.zip(&self.gradients);
        let layers = layers.map(|(param, id)| Layer {
            weights: param.tensor.data_mut(),
            gradient: self.program.value(*id),
            mask: param.mask.as_deref(),
        });
        let pace = Pace { lr: self.lr, lambda: LAMBDA, gradient_scale: 1.0 };
        self.optimizer.step(pace, layers, on(&self.pool)).unwrap();
        self.steps += 1;
        self.program.value(self.loss)[0]
    }

    fn samples_per_second(&mut self, batch: usize, block: Duration) -> f64 {
        let (start, mut steps) = (Instant::now(), 0);
        while start.elapsed() < block {
            self.step();
            steps += 1;
        }
        (steps * batch) as f64 / start.elapsed().as_secs_f64()
    }
}

/// Masks the weights that are zero; without a folder, a share of them at random is made so first.
fn mask(graph: &mut Graph, run: &Settings) {
    let mut numbers = Numbers(3);
    for param in graph.params.iter_mut().filter(|param| param.role == Role::Weight) {
        if run.load.is_none() {
            let dies = |_: &&mut f32| numbers.index(1_000_000) < (run.sparsity * 1e6) as usize;
            param.tensor.data_mut().iter_mut().filter(dies).for_each(|w| *w = 0.0);
        }
        param.mask = Some(param.tensor.data().iter().map(|w| *w != 0.0).collect());
    }
}

/// Samples of some numbers each, and what belongs to them: labels, or as many numbers as `targets` says.
fn made_up(batch: usize, numbers: usize, targets: Option<usize>) -> Batch {
    let mut draw = Numbers(2);
    let samples = draw.tensor(&[batch * numbers]).data().to_vec();
    let wanted = match targets {
        Some(targets) => Wanted::Values(draw.tensor(&[batch * targets]).data().to_vec()),
        None => Wanted::Labels((0..batch).map(|_| draw.index(CLASSES) as i64).collect()),
    };
    Batch { samples, wanted }
}

/// Puts the folder's weights into the graph, and gives its batch.
fn load(folder: &Path, graph: &mut Graph, is_series: bool) -> Batch {
    let floats = |name: &str| -> Vec<f32> {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let mut weights = floats("weights.f32").into_iter();
    for param in graph.params.iter_mut().filter(|param| param.role.is_trained()) {
        param.tensor.data_mut().fill_with(|| weights.next().expect("a number for every weight"));
    }
    assert!(weights.next().is_none(), "as many numbers as weights");
    let wanted = if is_series {
        Wanted::Values(floats("targets.f32"))
    } else {
        let bytes = std::fs::read(folder.join("labels.i64")).unwrap();
        Wanted::Labels(bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
    };
    Batch { samples: floats("images.f32"), wanted }
}
