//! Whole runs on two dimensions of signal in a sea of noise: small enough to look at.

use std::cell::RefCell;
use std::path::PathBuf;

use hoyer_graph::{Dim, Gemm, Relu, Role, Shape, Tensor, Type};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::observer::{Progress, Silent};
use crate::record::EpochRecord;
use crate::samples::Samples;

mod channels;
mod quantize;

const INPUTS: usize = 16;

/// Blobs: the class moves the first three inputs, the rest is noise.
struct Blobs {
    count: usize,
    epoch: u64,
    /// Samples from this number on (of every epoch) are not finite.
    bad_from: usize,
}

impl Blobs {
    fn new(count: usize) -> Self {
        Self { count, epoch: u64::MAX, bad_from: usize::MAX }
    }
}

impl Samples for Blobs {
    fn start_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    fn len(&self) -> usize {
        self.count
    }

    fn sample_len(&self) -> usize {
        INPUTS
    }

    fn fill(&self, at: usize, input: &mut [f32]) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.epoch ^ (at as u64) << 20);
        let center = [2.0, -2.0, 0.5][self.label(at) as usize];
        for (i, x) in input.iter_mut().enumerate() {
            let noise: f32 = (0..4).map(|_| rng.random_range(-0.6..0.6)).sum();
            *x = noise + if i < 3 { center } else { 0.0 };
        }
        if at >= self.bad_from {
            input[0] = f32::NAN;
        }
    }

    fn label(&self, at: usize) -> i64 {
        (at % 3) as i64
    }
}

fn net(seed: u64) -> Graph {
    layers(seed, [20, 12])
}

/// Linear layers with so many features between them.
fn layers(seed: u64, [first, second]: [usize; 2]) -> Graph {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut g = Graph::new("net");
    let shape = Shape(vec![Dim::symbol("batch"), Dim::from(INPUTS)]);
    let mut value = g.input("x", Type::f32(shape));
    for (name, inp, out) in [("fc1", INPUTS, first), ("fc2", first, second), ("fc3", second, 3)] {
        let reach = (3.0 / inp as f32).sqrt();
        let data = (0..inp * out).map(|_| rng.random_range(-reach..reach)).collect();
        let weight = Tensor::new(&[out, inp], data).unwrap();
        let w = g.param(&format!("{name}.weight"), Role::Weight, weight).unwrap();
        let b = g.param(&format!("{name}.bias"), Role::Bias, Tensor::full(&[out], 0.0)).unwrap();
        value = g.add(name, Gemm::linear(), &[value, w, b]).unwrap();
        if name != "fc3" {
            value = g.add(&format!("{name}.relu"), Relu, &[value]).unwrap();
        }
    }
    g.outputs.push(value);
    g
}

/// A layer, three residual branches of two layers with 16 features inside, and a last layer.
fn residual(seed: u64) -> Graph {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut g = Graph::new("net");
    let shape = Shape(vec![Dim::symbol("batch"), Dim::from(INPUTS)]);
    let mut value = g.input("x", Type::f32(shape));
    let mut layer = |g: &mut Graph, name: &str, value, [out, inp]: [usize; 2]| {
        let reach = (3.0 / inp as f32).sqrt();
        let data = (0..inp * out).map(|_| rng.random_range(-reach..reach)).collect();
        let weight = Tensor::new(&[out, inp], data).unwrap();
        let w = g.param(&format!("{name}.weight"), Role::Weight, weight).unwrap();
        g.add(name, Gemm::linear(), &[value, w]).unwrap()
    };
    value = layer(&mut g, "first", value, [8, INPUTS]);
    value = g.add("first.relu", Relu, &[value]).unwrap();
    for name in ["a", "b", "c"] {
        let mut branch = layer(&mut g, &format!("{name}1"), value, [16, 8]);
        branch = g.add(&format!("{name}1.relu"), Relu, &[branch]).unwrap();
        branch = layer(&mut g, &format!("{name}2"), branch, [8, 16]);
        value = g.add(&format!("{name}.sum"), hoyer_graph::Add, &[value, branch]).unwrap();
        value = g.add(&format!("{name}.relu"), Relu, &[value]).unwrap();
    }
    value = layer(&mut g, "last", value, [3, 8]);
    g.outputs.push(value);
    g
}

const RECIPE: &str = r#"
model = "net"
data = "blobs"
batch = 24
validation = 100
promise = { accuracy = 0.9, weights = 40 }
[[stage]]
kind = "train"
epochs = 3
optimizer = { name = "adam", lr = 0.01 }
schedule = { name = "cosine", to = 0.1 }
[[stage]]
kind = "sparsify"
epochs = 3
optimizer = { name = "adam", lr = 0.01 }
penalty = "hoyer-square"
lambda = 1e-3
distill = { temperature = 1.0, weight = 1.0 }
[[stage]]
kind = "prune"
weights = 200
[[stage]]
kind = "sparsify"
epochs = 4
penalty = "hoyer-square"
lambda = 1e-3
gradual = { weights = 40, every = 4, until = 0.7, score = "fisher" }
average = 0.9
distill = { weight = 0.5 }
[[stage]]
kind = "prune"
channels = 0.25
[[stage]]
kind = "finetune"
epochs = 3
clip = { norm = 1.0 }
average = 0.9
optimizer = { name = "sgd", lr = 0.01, decay = { weights = 1e-4 } }
"#;

/// The first stage of the recipe.
fn trained() -> &'static str {
    &RECIPE[..RECIPE.find("[[stage]]\nkind = \"sparsify\"").unwrap()]
}

fn recipe(text: &str) -> Recipe {
    Recipe::parse(text).unwrap()
}

/// Where and when a run is made to stop.
struct How<'a> {
    threads: usize,
    checkpoint: Option<&'a Path>,
    observer: &'a dyn Observer,
    stop: &'a AtomicBool,
}

fn run_how(recipe: &Recipe, training: &mut Blobs, how: &How<'_>) -> Result<Outcome> {
    let pool = Arc::new(Pool::new(how.threads));
    let graph = match recipe.model.as_str() {
        "wide" => layers(1, [200, 150]),
        "residual" => residual(1),
        _ => net(1),
    };
    let mut validation = Blobs::new(101);
    validation.start_epoch(1 << 40);
    run(Setup {
        recipe,
        graph: &graph,
        teachers: &[],
        data: Data { training, validation: &validation },
        observer: how.observer,
        checkpoint: how.checkpoint,
        stop: how.stop,
        pool: &pool,
    })
}

fn run_on(threads: usize, recipe: &Recipe, checkpoint: Option<&Path>) -> Result<Outcome> {
    let stop = AtomicBool::new(false);
    let how = How { threads, checkpoint, observer: &Silent, stop: &stop };
    run_how(recipe, &mut Blobs::new(490), &how)
}

/// Bits of all parameters.
fn bits(graph: &Graph) -> Vec<u32> {
    graph.params.iter().flat_map(|param| param.tensor.data().iter().map(|x| x.to_bits())).collect()
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("state")
}

#[test]
fn a_recipe_gives_an_accurate_network_of_the_promised_size() {
    let outcome = run_on(1, &recipe(RECIPE), None).unwrap();
    assert!(outcome.dense_accuracy > 0.95, "{}", outcome.dense_accuracy);
    assert!(outcome.accuracy > 0.95, "{}", outcome.accuracy);
    let left = weights_left(&outcome.network.params);
    assert!((20..=40).contains(&left), "{left}");
    let widths =
        |graph: &Graph| graph.params[0].tensor.shape()[0] + graph.params[2].tensor.shape()[0];
    assert_eq!((widths(&outcome.dense), widths(&outcome.network)), (32, 24));
    assert_eq!(outcome.records.len(), 6);
    assert_eq!(outcome.records[5].weights_nonzero, Some(left));
    assert_eq!(outcome.records[5].weights_total, Some(weights_total(&outcome.dense.params)));
    assert_eq!(outcome.records[1].epochs.len(), 3);
    assert_eq!(outcome.records[2].validation_metric_before, outcome.records[1].validation_metric);
    assert_eq!(weights_left(&outcome.dense.params), weights_total(&outcome.dense.params));
}

#[test]
fn the_penalty_and_the_loss_fall() {
    let outcome = run_on(2, &recipe(RECIPE), None).unwrap();
    let first = &outcome.records[0].epochs;
    assert!(first[2].train_loss < first[0].train_loss);
    let sparsify = &outcome.records[1].epochs;
    assert!(sparsify[2].penalty < sparsify[0].penalty);
}

#[test]
fn masks_hold_to_the_end() {
    let outcome = run_on(1, &recipe(RECIPE), None).unwrap();
    for param in &outcome.network.params {
        let Some(mask) = &param.mask else { continue };
        let dead = param.tensor.data().iter().zip(mask).filter(|(_, live)| !**live);
        assert!(dead.clone().count() > 0 && dead.clone().all(|(w, _)| w.to_bits() == 0));
    }
    let weights = outcome.network.params.iter().filter(|param| param.role == Role::Weight);
    assert!(weights.clone().all(|param| param.mask.is_some()));
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let networks =
        [1, 2, 3].map(|threads| bits(&run_on(threads, &recipe(RECIPE), None).unwrap().network));
    assert!(networks[0] == networks[1] && networks[0] == networks[2]);
}

/// Stops a run at a step, counted over the run.
struct StopAt<'a> {
    left: RefCell<u32>,
    stop: &'a AtomicBool,
}

impl Observer for StopAt<'_> {
    fn step(&self, _: Progress) {
        let mut left = self.left.borrow_mut();
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs a recipe, stopped after so many steps and resumed, and compares with a run that never stopped.
fn check_resume(recipe: &Recipe, stops: &[u32]) {
    let whole = run_on(2, recipe, None).unwrap();
    for &steps in stops {
        let folder = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let observer = StopAt { left: RefCell::new(steps), stop: &stop };
        let path = file(&folder);
        let how = How { threads: 1, checkpoint: Some(&path), observer: &observer, stop: &stop };
        let error = run_how(recipe, &mut Blobs::new(490), &how).unwrap_err();
        assert!(matches!(error, Error::Interrupted { .. }), "{error}");
        let resumed = run_on(2, recipe, Some(&path)).unwrap();
        assert!(bits(&resumed.network) == bits(&whole.network), "stopped after {steps}");
        assert!(bits(&resumed.dense) == bits(&whole.dense));
        assert_eq!(resumed.accuracy.to_bits(), whole.accuracy.to_bits());
        let epochs = |outcome: &Outcome| {
            let all = outcome.records.iter().flat_map(|record| &record.epochs);
            all.map(|epoch| (epoch.train_loss, epoch.weights_nonzero)).collect::<Vec<_>>()
        };
        assert_eq!(epochs(&resumed), epochs(&whole));
    }
}

#[test]
fn a_run_stopped_anywhere_ends_with_the_same_bytes() {
    // In the first epoch, within each stage, at the end of an epoch, near the end.
    let stops = [1, 30, 60, 61, 100, 145, 160, 190, 220, 250, 259];
    check_resume(&recipe(RECIPE), &stops);
}

const WIDE: &str = r#"
model = "wide"
data = "blobs"
batch = 24
validation = 100
[[stage]]
kind = "train"
epochs = 1
optimizer = { name = "adam", lr = 0.01 }
[[stage]]
kind = "finetune"
epochs = 3
gradual = { weights = 600, every = 7, until = 0.7, score = "fisher" }
[[stage]]
kind = "finetune"
epochs = 2
clip = { norm = 0.5 }
"#;

#[test]
fn layers_that_empty_run_sparse_and_the_run_resumes_so() {
    struct Heard(RefCell<Vec<String>>);
    impl Observer for Heard {
        fn message(&self, text: &str) {
            self.0.borrow_mut().push(text.to_owned());
        }
    }
    let (heard, stop) = (Heard(RefCell::default()), AtomicBool::new(false));
    let how = How { threads: 1, checkpoint: None, observer: &heard, stop: &stop };
    let outcome = run_how(&recipe(WIDE), &mut Blobs::new(490), &how).unwrap();
    let layers: Vec<_> = outcome.records.iter().map(|record| &record.masked_layers).collect();
    assert_eq!(layers[0], &None);
    // Nothing has a mask when the second stage begins.
    assert_eq!(heard.0.into_inner(), [layers[2].clone().unwrap()]);
    for line in [layers[1], layers[2]] {
        let line = line.as_ref().unwrap();
        assert!(line.contains("of 3 masked layers run") && !line.starts_with('0'), "{line}");
    }
    assert!(outcome.accuracy > 0.5, "{}", outcome.accuracy);
    check_resume(&recipe(WIDE), &[21, 27, 28, 41, 60, 79, 81, 95]);
}

const NARROWING: &str = r#"
[[stage]]
kind = "sparsify"
epochs = 7
optimizer = { name = "adam", lr = 0.01 }
penalty = "group-hoyer-square"
lambda = 1e-3
distill = { weight = 0.5 }
narrow = { macs = 150, until = 0.45 }
average = 0.9
"#;

#[test]
fn a_network_is_narrowed_while_it_learns_and_resumes_so() {
    let recipe = recipe(&format!("{}{NARROWING}", trained()));
    let outcome = run_on(1, &recipe, None).unwrap();
    let counts: Vec<u64> =
        outcome.records[1].epochs.iter().map(|epoch| epoch.weights_nonzero.unwrap()).collect();
    assert!(counts[0] == 596 && counts[1] < 450 && counts[2] < 300, "{counts:?}");
    assert!((100..=150).contains(&counts[3]) && counts[4] == counts[3], "{counts:?}");
    assert!(outcome.records[1].chosen_epoch > Some(3));
    assert!(outcome.accuracy > 0.9, "{}", outcome.accuracy);
    check_resume(&recipe, &[61, 81, 101, 121, 141, 199]);
}

#[test]
fn channels_go_by_what_their_readers_say_together_and_the_run_resumes_so() {
    let text = trained();
    let narrowing = NARROWING.replace("until = 0.45", "until = 0.45, score = \"taylor\"");
    let recipe = recipe(&format!("{text}{narrowing}"));
    let outcome = run_on(1, &recipe, None).unwrap();
    assert!(outcome.accuracy > 0.9, "{}", outcome.accuracy);
    check_resume(&recipe, &[61, 81, 101, 121, 141, 199]);
    let of_weights = RECIPE.replace("score = \"fisher\"", "score = \"taylor\"");
    let error = Recipe::parse(&of_weights).unwrap_err().to_string();
    assert!(error.contains("score = \"taylor\" is for channels"), "{error}");
}

#[test]
fn channels_that_the_loss_does_not_feel_go_first_and_the_run_resumes_so() {
    let text = trained();
    let fisher = NARROWING.replace("until = 0.45", "until = 0.45, score = 'fisher'");
    let recipe = recipe(&format!("{text}{fisher}"));
    let outcome = run_on(1, &recipe, None).unwrap();
    assert!(outcome.accuracy > 0.9, "{}", outcome.accuracy);
    check_resume(&recipe, &[81, 121, 141]);
}

#[test]
fn a_finished_run_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    let first = run_on(1, &recipe(RECIPE), Some(&path)).unwrap();
    let again = run_on(1, &recipe(RECIPE), Some(&path)).unwrap();
    assert_eq!(first, again);
}

#[test]
fn a_checkpoint_of_another_recipe_or_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    let text = trained();
    run_on(1, &recipe(text), Some(&path)).unwrap();
    let other = recipe(&text.replace("epochs = 3", "epochs = 4"));
    let error = run_on(1, &other, Some(&path)).unwrap_err().to_string();
    assert!(error.ends_with("state is a checkpoint of another recipe or network"), "{error}");
    let good = std::fs::read(&path).unwrap();
    for at in [0, 8, 60, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let error = run_on(1, &recipe(text), Some(&path)).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        std::fs::write(&path, &good[..at]).unwrap();
        let error = run_on(1, &recipe(text), Some(&path)).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}

#[test]
fn auto_keeps_the_accuracy_with_few_weights() {
    let text = &RECIPE[..RECIPE.find("[[stage]]\nkind = \"prune\"").unwrap()];
    for auto in ["accuracy = 0.95", "accuracy = 0.95, of-std = true"] {
        let text = format!("{text}[[stage]]\nkind = \"prune\"\nauto = {{ {auto} }}\n");
        let outcome = run_on(1, &recipe(&text), None).unwrap();
        assert!(outcome.accuracy >= 0.95, "{}", outcome.accuracy);
        let left = weights_left(&outcome.network.params);
        assert!(left < weights_total(&outcome.network.params) / 4, "{left}");
    }
}

#[test]
fn a_loss_that_is_not_finite_names_where_it_began_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    let stop = AtomicBool::new(false);
    let how = How { threads: 1, checkpoint: Some(&path), observer: &Silent, stop: &stop };
    let mut samples = Blobs { bad_from: 100, ..Blobs::new(490) };
    let error = run_how(&recipe(RECIPE), &mut samples, &how).unwrap_err().to_string();
    assert_eq!(error, "loss or gradient is not finite in step 4; it began with a sample");
    assert!(!path.exists());

    let wild = RECIPE.replace("\"adam\", lr = 0.01 }\npenalty", "\"sgd\", lr = 1e30 }\npenalty");
    let error = run_on(1, &recipe(&wild), Some(&path)).unwrap_err().to_string();
    assert!(error.contains("; it began with "), "{error}");
    assert!(error.contains("fc"), "{error}");
    let state = checkpoint::read(&path, &name(&recipe(&wild), &[]).unwrap(), &net(1)).unwrap();
    assert_eq!(state.stage, 1);
}

#[test]
fn epochs_are_told_in_order() {
    struct Heard(RefCell<Vec<(usize, u32)>>);
    impl Observer for Heard {
        fn epoch_done(&self, index: usize, record: &EpochRecord) {
            self.0.borrow_mut().push((index, record.epoch));
        }
    }
    let heard = Heard(RefCell::default());
    let stop = AtomicBool::new(false);
    let how = How { threads: 1, checkpoint: None, observer: &heard, stop: &stop };
    run_how(&recipe(RECIPE), &mut Blobs::new(490), &how).unwrap();
    let told = heard.0.into_inner();
    assert_eq!(told.len(), 13);
    assert!(told.is_sorted());
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let few = run_how(
        &recipe(RECIPE),
        &mut Blobs::new(10),
        &How { threads: 1, checkpoint: None, observer: &Silent, stop: &AtomicBool::new(false) },
    );
    let text = "training samples: got 10, need at least one batch of 24";
    assert_eq!(few.unwrap_err().to_string(), text);
}

const BRANCHES: &str = r#"
[[stage]]
kind = "sparsify"
epochs = 5
optimizer = { name = "adam", lr = 0.01 }
narrow = { macs = 420, until = 0.6, score = "fisher", round-to = 8, branches = true }
average = 0.9
"#;

#[test]
fn branches_go_whole_while_a_network_learns_and_it_resumes_so() {
    for score in ["fisher", "taylor", "magnitude"] {
        let text = format!("{}{BRANCHES}", trained().replace("\"net\"", "\"residual\""));
        let recipe = recipe(&text.replace("fisher", score));
        let outcome = run_on(1, &recipe, None).unwrap();
        let network = &outcome.network;
        // 152 are outside of branches, 128 in each block of 8.
        let inside: Vec<usize> = ["a1", "b1", "c1"]
            .iter()
            .map(|name| {
                let named = |param: &&hoyer_graph::Param| param.name == format!("{name}.weight");
                network.params.iter().find(named).map_or(0, |param| param.tensor.shape()[0])
            })
            .collect();
        assert_eq!(inside.iter().sum::<usize>(), 16, "{score}: {inside:?}");
        assert!(inside.contains(&0) && inside.iter().all(|width| width % 8 == 0), "{inside:?}");
        assert!(outcome.accuracy > 0.8, "{score}: {}", outcome.accuracy);
        check_resume(&recipe, &[61, 81, 101, 121, 159]);
    }
}
