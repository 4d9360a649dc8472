//! What is measured: a network, a batch, and an optimizer that takes steps over it.

use hoyer_graph::check::Numbers;
use hoyer_graph::{Graph, Role};
use hoyer_kernels::pool::Pool;
use hoyer_learn::optimizer::{Config, Pace, SgdConfig};
use hoyer_learn::penalty::ByName;
use hoyer_learn::step::{Goal, Setup, Step};
use hoyer_run::Choice;
use hoyer_zoo::model;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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

/// How it is measured.
pub(crate) struct Settings {
    pub(crate) cases: Vec<String>,
    pub(crate) penalties: Vec<String>,
    pub(crate) block: Duration,
    pub(crate) blocks: usize,
    pub(crate) pool: Arc<Pool>,
    optimizer: Option<String>,
    lr: Option<f64>,
    load: Option<PathBuf>,
    choice: Choice,
}

impl Settings {
    pub(crate) fn new(args: &[String]) -> Self {
        let given = |name: &str| {
            args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let number = |name: &str| given(name).map(|n| n.parse::<f64>().unwrap());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = number("threads").map_or(cores, |n| n as usize);
        let is_case = |arg: &&String| !arg.contains('=') && arg.contains("-b");
        Self {
            cases: args.iter().filter(is_case).cloned().collect(),
            penalties: given("penalties")
                .as_deref()
                .unwrap_or("none")
                .split(',')
                .map(str::to_owned)
                .collect(),
            block: Duration::from_secs_f64(number("seconds").unwrap_or(0.5)),
            blocks: number("blocks").map_or(5, |n| n as usize),
            pool: Arc::new(Pool::new(threads)),
            optimizer: given("optimizer"),
            lr: number("lr"),
            load: given("load").map(PathBuf::from),
            choice: match given("layers").as_deref() {
                None | Some("model") => Choice::Model,
                Some("dense") => Choice::Dense,
                Some("sparse") => Choice::Sparse,
                Some(other) => panic!("no layers `{other}`, need model, dense or sparse"),
            },
        }
    }

    /// The optimizer of a model, and its learning rate.
    fn optimizer(&self, model: &str) -> (Config, f64) {
        let usual =
            if model.starts_with("lenet") || model == "graph-lstm" { "adam" } else { "sgd" };
        let (config, lr) = match self.optimizer.as_deref().unwrap_or(usual) {
            "adam" => (Config::default(), LR_ADAM),
            "sgd" => {
                let sgd = SgdConfig { momentum: 0.9, nesterov: true, ..SgdConfig::default() };
                (Config::Sgd(sgd), LR_SGD)
            }
            other => panic!("no optimizer `{other}`, need adam or sgd"),
        };
        (config, self.lr.unwrap_or(lr))
    }
}

/// What is trained.
pub(crate) struct Case {
    pub(crate) model: String,
    pub(crate) batch: usize,
    /// Share of weights that are masked zeros.
    pub(crate) sparsity: f64,
}

impl Case {
    /// Reads `MODEL-bBATCH` or `MODEL-bBATCH-sparseN`.
    pub(crate) fn parse(name: &str) -> Self {
        let (dense, percent) = name.split_once("-sparse").unwrap_or((name, "0"));
        let (model, batch) = dense.rsplit_once("-b").expect("a case is MODEL-bBATCH");
        let sparsity = percent.parse::<f64>().expect("percent") / 100.0;
        Self { model: model.to_owned(), batch: batch.parse().expect("a batch size"), sparsity }
    }

    fn goal(&self) -> Goal {
        if self.model == "graph-lstm" { Goal::Values } else { Goal::Classes }
    }

    /// The network, with the folder's weights or its own, and masks on the zeros.
    pub(crate) fn graph(&self, run: &Settings) -> Graph {
        let (sample, outputs): (&[usize], usize) = match self.model.as_str() {
            "graph-lstm" => (&SERIES, SERIES[1]),
            name if name.starts_with("lenet") => (&GRAY, CLASSES),
            _ => (&COLOR, CLASSES),
        };
        let mut graph = model::build(&self.model, sample, outputs, 1).unwrap();
        if let Some(folder) = &run.load {
            load_weights(folder, &mut graph);
        }
        if self.sparsity > 0.0 {
            self.mask(&mut graph, run.load.is_none());
        }
        graph
    }

    /// Masks the weights that are zero; a share of them at random is made so first if that is asked for.
    fn mask(&self, graph: &mut Graph, at_random: bool) {
        let mut numbers = Numbers(3);
        for param in graph.params.iter_mut().filter(|param| param.role == Role::Weight) {
            if at_random {
                let dies = |_: &&mut f32| numbers.index(1_000_000) < (self.sparsity * 1e6) as usize;
                param.tensor.data_mut().iter_mut().filter(dies).for_each(|w| *w = 0.0);
            }
            param.mask = Some(param.tensor.data().iter().map(|w| *w != 0.0).collect());
        }
    }
}

/// A network in training, and what a step reads.
pub(crate) struct Trainer {
    pub(crate) step: Step,
    pub(crate) batch: usize,
    pace: Pace,
    samples: Vec<f32>,
    wanted: Wanted,
}

enum Wanted {
    Labels(Vec<i64>),
    Values(Vec<f32>),
}

impl Trainer {
    pub(crate) fn new(case: &Case, run: &Settings, penalty: &str) -> Self {
        Self::of(&case.graph(run), case, run, penalty)
    }

    pub(crate) fn of(graph: &Graph, case: &Case, run: &Settings, penalty: &str) -> Self {
        let (optimizer, lr) = run.optimizer(&case.model);
        let setup = Setup {
            goal: case.goal(),
            batch: case.batch,
            optimizer,
            penalty: (penalty != "none").then(|| penalty.parse::<ByName>().unwrap().0),
            pool: &run.pool,
            choice: run.choice,
        };
        let mut step = Step::new(graph, &setup).unwrap();
        let mut draw = Numbers(2);
        let mut floats = |name: &str, len: usize| match &run.load {
            Some(folder) => read_floats(&folder.join(name)),
            None => draw.tensor(&[len]).data().to_vec(),
        };
        let samples = floats("images.f32", step.input_mut().len());
        let wanted = match case.goal() {
            Goal::Values => Wanted::Values(floats("targets.f32", step.values_mut().len())),
            Goal::Classes => Wanted::Labels(match &run.load {
                Some(folder) => read_labels(&folder.join("labels.i64")),
                None => (0..case.batch).map(|i| (i * 7 % CLASSES) as i64).collect(),
            }),
        };
        let pace = Pace { lr, lambda: LAMBDA, gradient_scale: 1.0 };
        Self { step, batch: case.batch, pace, samples, wanted }
    }

    /// Copies the batch in, takes a step and gives its loss, penalty not included.
    pub(crate) fn take(&mut self) -> f32 {
        self.step.input_mut().copy_from_slice(&self.samples);
        match &self.wanted {
            Wanted::Labels(labels) => self.step.labels_mut().copy_from_slice(labels),
            Wanted::Values(values) => self.step.values_mut().copy_from_slice(values),
        }
        self.step.take(self.pace).unwrap()
    }
}

/// Puts the folder's weights into the graph.
fn load_weights(folder: &Path, graph: &mut Graph) {
    let mut weights = read_floats(&folder.join("weights.f32")).into_iter();
    for param in graph.params.iter_mut().filter(|param| param.role.is_trained()) {
        param.tensor.data_mut().fill_with(|| weights.next().expect("a number for every weight"));
    }
    assert!(weights.next().is_none(), "as many numbers as weights");
}

fn read_floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn read_labels(path: &Path) -> Vec<i64> {
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
}
