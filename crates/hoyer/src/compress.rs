//! A recipe and a data set in, a small network and its evidence out.
//!
//! ```text
//! recipe, dataset ─► split ─► stages (hoyer_learn::run) ─► test data, read once ─► evidence
//! ```
//!
//! Invariants: every choice was made on validation data before the test data is touched; the
//! model's bytes depend on recipe, the networks it names, data and build only.
//! Not here: folders and files (the command), the stages (`hoyer_learn`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hoyer_graph::Graph;
use hoyer_graph::container::{self, Metadata};
use hoyer_graph::groups::select_inputs;
use hoyer_kernels::pool::Pool;
use hoyer_learn::observer::Observer;
use hoyer_learn::recipe::{Holdout, Normalization, Recipe, Stage};
use hoyer_learn::samples::Data;
use hoyer_learn::{Outcome, Setup, check_can_learn};
use hoyer_zoo::Dataset;
use hoyer_zoo::data::{self, Parts, Split};

use crate::assemble::{self, Metrics, cost_of_one};
use crate::error::{Error, Result};
use crate::model_file::{self, is_model_file};
use crate::report::Evidence;
use crate::result::{
    self, Compressed, Machine, Promise, Quantity, RESULT_VERSION, Ratios, RunResult,
};
use crate::samples::{LoaderSamples, normalization};
use crate::score::{check_fit, score};
use crate::without_dead::without_dead;

/// Name of the file in the checkpoints' folder.
const CHECKPOINT: &str = "run.checkpoint";

/// How a run is made; none of it changes the model.
pub struct Settings<'a> {
    /// Threads to compute on.
    pub pool: &'a Arc<Pool>,
    /// Folder where the run saves how far it is, and goes on from; `None` saves nothing.
    pub checkpoints: Option<&'a Path>,
    /// Who is told how it goes.
    pub observer: &'a dyn Observer,
    /// Set to stop at the next good place.
    pub stop: &'a AtomicBool,
}

/// What a run leaves.
#[derive(Debug)]
pub struct Compression {
    /// The network after dense training.
    pub dense: Graph,
    /// The small network.
    pub model: Graph,
    /// The bytes of the small network's `.hoyer` file.
    pub file: Vec<u8>,
    /// The bytes of the small network's ONNX file, or why there is none.
    pub onnx: hoyer_graph::Result<Vec<u8>>,
    /// The bytes of the dense network's `.hoyer` file.
    pub dense_file: Vec<u8>,
    /// The numbers, and all that a report shows.
    pub evidence: Evidence,
}

/// Checks that a recipe can be run on these samples, without running it.
///
/// # Errors
/// If the model is unknown, or model, samples and recipe do not go together.
pub fn check(recipe: &Recipe, dataset: &Dataset) -> Result<()> {
    recipe.check()?;
    Networks::of(recipe, dataset)?;
    let parts = split(recipe, dataset)?;
    LoaderSamples::training(dataset, &parts.train, recipe)?;
    Ok(())
}

/// Runs a recipe from where its checkpoint stands, or from the beginning.
///
/// # Errors
/// - as [`check`]
/// - what the trainer refuses: a loss that is not finite, a checkpoint of another recipe, a stop
///
/// # Example
/// ```
/// use std::sync::{Arc, atomic::AtomicBool};
/// use hoyer::compress::{Settings, compress};
///
/// let recipe = hoyer::learn::recipe::Recipe::parse(
///     "model = 'mlp-64-32'\ndata = 'digits'\nvalidation = 288\n\
///      [[stage]]\nkind = 'train'\nepochs = 2\n[[stage]]\nkind = 'prune'\nsparsity = 0.5\n",
/// )?;
/// let digits = hoyer::zoo::data::load("digits", &[])?;
/// let settings = Settings {
///     pool: &Arc::new(hoyer::kernels::pool::Pool::new(1)),
///     checkpoints: None,
///     observer: &hoyer::learn::observer::Silent,
///     stop: &AtomicBool::new(false),
/// };
/// let done = compress(&recipe, &digits, &settings)?;
/// assert_eq!(done.evidence.result.compressed.weights_nonzero, 3_232);
/// # Ok::<(), hoyer::Error>(())
/// ```
pub fn compress(recipe: &Recipe, dataset: &Dataset, settings: &Settings) -> Result<Compression> {
    recipe.check()?;
    let Networks { model, teachers } = Networks::of(recipe, dataset)?;
    let parts = split(recipe, dataset)?;
    let mut training = LoaderSamples::training(dataset, &parts.train, recipe)?;
    let validation = LoaderSamples::plain(dataset, &parts.validation, recipe)?;
    let checkpoint = settings.checkpoints.map(|folder| folder.join(CHECKPOINT));
    let setup = Setup {
        recipe,
        graph: &model,
        teachers: &teachers,
        data: Data { training: &mut training, validation: &validation },
        observer: settings.observer,
        checkpoint: checkpoint.as_deref(),
        stop: settings.stop,
        pool: settings.pool,
    };
    let outcome = hoyer_learn::run(setup)?;
    conclude(recipe, dataset, outcome, settings.pool)
}

/// A recipe's model before any training, and the networks that it names as teachers.
struct Networks {
    model: Graph,
    teachers: Vec<Graph>,
}

impl Networks {
    /// Reads or makes them, and checks that they go with the samples and with each other.
    fn of(recipe: &Recipe, dataset: &Dataset) -> Result<Self> {
        let is_trained = is_model_file(Path::new(&recipe.model)) || recipe.weights_file.is_some();
        if recipe.teaches_itself() && !is_trained {
            let need = "a teacher, or a train stage before, or a trained model";
            return Err(hoyer_learn::Error::Needs { what: "distill", need }.into());
        }
        let model = fresh(recipe, dataset)?;
        let fits = |graph: &Graph, teachers: &[Graph]| -> Result<()> {
            check_fit(graph, dataset)?;
            if recipe.learns() {
                check_can_learn(&model, teachers, recipe.batch)?;
            }
            Ok(())
        };
        in_file(&recipe.model, fits(&model, &[]))?;
        let teacher = |path: &String| {
            let graph = from_file(path, recipe)?;
            in_file(path, fits(&graph, std::slice::from_ref(&graph)))?;
            Ok(graph)
        };
        let teachers = recipe.teacher.0.iter().map(teacher).collect::<Result<_>>()?;
        Ok(Self { model, teachers })
    }
}

/// Says which file an error is about, if it is a file's.
fn in_file<T>(path: &str, result: Result<T>) -> Result<T> {
    result.map_err(|error| match is_model_file(Path::new(path)) {
        true => Error::File { file: path.to_owned(), source: Box::new(error) },
        false => error,
    })
}

/// The network in a file; it must want samples as the recipe gives them. A file of hoyer that says nothing wants them as they are.
fn from_file(path: &str, recipe: &Recipe) -> Result<Graph> {
    let (graph, metadata) = model_file::load(Path::new(path))?;
    let said: Option<Normalization> = metadata.get("normalization")?;
    let is_ours = metadata.get::<String>("hoyer")?.is_some();
    let wants = said.or_else(|| is_ours.then(Normalization::default));
    match wants.filter(|wants| *wants != recipe.normalization) {
        Some(wants) => Err(Error::Evidence {
            what: format!("normalization of samples for `{path}`"),
            got: recipe.normalization.to_string(),
            need: wants.to_string(),
        }),
        None => Ok(graph),
    }
}

/// The network before any training.
fn fresh(recipe: &Recipe, dataset: &Dataset) -> Result<Graph> {
    let (path, classes) = (Path::new(&recipe.model), dataset.classes.len());
    let mut graph = if is_model_file(path) {
        from_file(&recipe.model, recipe)?
    } else {
        hoyer_zoo::model::build(&recipe.model, &dataset.shape, classes, recipe.seed)?
    };
    if let Some(file) = &recipe.weights_file {
        hoyer_graph::weights::load(&mut graph, Path::new(file))?;
    }
    Ok(if recipe.inputs { select_inputs(&graph)? } else { graph })
}

fn split(recipe: &Recipe, dataset: &Dataset) -> Result<Parts> {
    let held = recipe.validation.unwrap_or(Holdout::usual(dataset.train.len()));
    let validation = match held {
        Holdout::Count(count) => data::Holdout::Count(count),
        Holdout::Share(share) => data::Holdout::Share(share),
    };
    Ok(Split { validation, seed: recipe.seed }.of(dataset, &dataset.train)?)
}

/// Reads the test data and gathers what is known.
fn conclude(
    recipe: &Recipe,
    dataset: &Dataset,
    outcome: Outcome,
    pool: &Arc<Pool>,
) -> Result<Compression> {
    let outcome = Outcome { network: without_dead(&outcome.network, pool)?, ..outcome };
    let normalization = normalization(&recipe.normalization);
    let test = |graph: &Graph| {
        score(graph, (dataset, &dataset.test), &normalization, pool).map(|s| s.accuracy)
    };
    let metrics = |graph: &Graph, validation: f64| -> Result<Metrics> {
        Ok(Metrics { test: test(graph)?, validation: Some(validation) })
    };
    let before = metrics(&outcome.dense, outcome.dense_accuracy)?;
    let after = metrics(&outcome.network, outcome.accuracy)?;
    let known = facts(recipe, dataset, after)?;
    let file = container::to_bytes(&outcome.network, &known)?;
    let onnx = hoyer_graph::onnx::export(&outcome.network, &known);
    let dense_file = container::to_bytes(&outcome.dense, &facts(recipe, dataset, before)?)?;
    let dense_cost = cost_of_one(&outcome.dense)?;
    let dense = assemble::dense(&dense_cost, before);
    let cost = cost_of_one(&outcome.network)?;
    let parts = container::parts(&file)?;
    let compressed = assemble::compressed(&cost, after, &parts);
    let result = RunResult {
        schema: RESULT_VERSION,
        hoyer: env!("CARGO_PKG_VERSION").into(),
        model: model_name(&recipe.model),
        data: dataset.name.clone(),
        method: method(recipe),
        metric: "accuracy".into(),
        seed: recipe.seed,
        seconds: outcome.records.iter().map(|record| record.seconds).sum(),
        epochs: outcome.records.iter().map(|record| record.epochs.len() as u64).sum(),
        threads: pool.threads() as u32,
        machine: Machine::here(),
        command: "hoyer compress --recipe recipe.toml -o OUT".into(),
        promises: promises(recipe, &compressed),
        stages: outcome.records,
        ratios: Ratios::of(&dense, &compressed),
        dense,
        compressed,
        layers: assemble::layers(&dense_cost, &cost, Some(&parts))?,
        test_metric: compressed.metric,
        test_best_epoch: None,
        seeds: Vec::new(),
        seed_summary: None,
    };
    let evidence = evidence(result, &outcome.dense, &outcome.network, recipe, dataset.image())?;
    let (dense, model) = (outcome.dense, outcome.network);
    Ok(Compression { dense, model, file, onnx, dense_file, evidence })
}

/// A result and what a report shows beside it.
///
/// # Errors
/// If the first layer does not fit `image`, the channels, rows and columns of a sample.
pub fn evidence(
    result: RunResult,
    dense: &Graph,
    model: &Graph,
    recipe: &Recipe,
    image: Option<[usize; 3]>,
) -> Result<Evidence> {
    Ok(Evidence {
        histograms: assemble::histograms(dense, model),
        pixel_map: assemble::pixel_map(model, image)?,
        recipe: recipe.text(),
        result,
    })
}

/// What is kept in the file beside the network.
fn facts(recipe: &Recipe, dataset: &Dataset, metrics: Metrics) -> Result<Metadata> {
    let mut facts = Metadata::default();
    facts.set("data", &recipe.data)?;
    facts.set("classes", &dataset.classes)?;
    facts.set("sample_shape", &dataset.shape)?;
    facts.set("scale", &dataset.scale)?;
    if !recipe.normalization.is_none() {
        facts.set("normalization", &recipe.normalization)?;
    }
    facts.set("seed", &recipe.seed)?;
    facts.set("recipe", &recipe.text())?;
    facts.set("test_accuracy", &metrics.test)?;
    facts.set("validation_accuracy", &metrics.validation)?;
    facts.set("hoyer", env!("CARGO_PKG_VERSION"))?;
    Ok(facts)
}

/// A network's name; of a file, its name without the folder.
fn model_name(model: &str) -> String {
    let path = Path::new(model);
    let name = path.file_name().filter(|_| is_model_file(path));
    name.map_or_else(|| model.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The penalties of the recipe, or how it prunes without one.
fn method(recipe: &Recipe) -> String {
    let mut names: Vec<String> = Vec::new();
    for learn in recipe.stage.iter().filter_map(Stage::learn) {
        let name = match (&learn.penalty, learn.cuts()) {
            (Some(penalty), _) => penalty.to_string(),
            (None, true) => "gradual".into(),
            (None, false) => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { "magnitude".into() } else { names.join(" + ") }
}

fn promises(recipe: &Recipe, reached: &Compressed) -> Vec<Promise> {
    let accuracy = recipe.promise.accuracy.map(|limit| {
        let reached = reached.validation_metric.unwrap_or(f64::NAN);
        Promise::judge(Quantity::Metric, limit, reached).on(result::Split::Validation)
    });
    let weights = recipe.promise.weights.map(|limit| {
        Promise::judge(Quantity::Weights, limit as f64, reached.weights_nonzero as f64)
    });
    let macs = recipe
        .promise
        .macs
        .map(|limit| Promise::judge(Quantity::Macs, limit as f64, reached.macs as f64));
    accuracy.into_iter().chain(weights).chain(macs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(stages: &str) -> Recipe {
        let text = format!("model='m'\ndata='d'\npromise={{accuracy=0.9,weights=10}}\n{stages}");
        Recipe::parse(&text).unwrap()
    }

    #[test]
    fn a_network_from_a_file_is_named_without_its_folder() {
        assert_eq!(model_name("nets/of mine/a.onnx"), "a.onnx");
        assert_eq!(model_name("lenet-5"), "lenet-5");
    }

    #[test]
    fn a_method_is_named_after_its_penalty() {
        let sparse = "[[stage]]\nkind='sparsify'\nepochs=1\npenalty='hoyer-square'\n";
        let cut = "[[stage]]\nkind='prune'\nsparsity=0.5\n";
        assert_eq!(method(&recipe(&format!("{sparse}{sparse}{cut}"))), "hoyer-square");
        assert_eq!(method(&recipe(cut)), "magnitude");
    }

    #[test]
    fn both_promises_are_judged() {
        let recipe = recipe("[[stage]]\nkind='prune'\nsparsity=0.5\n");
        let cost = hoyer_graph::Cost { weights_nonzero: 11, ..Default::default() };
        let metrics = Metrics { test: 0.5, validation: Some(0.9) };
        let parts = container::parts(
            &container::to_bytes(&Graph::new("none"), &Metadata::default()).unwrap(),
        );
        let compressed = assemble::compressed(&cost, metrics, &parts.unwrap());
        let promises = promises(&recipe, &compressed);
        assert_eq!(promises.iter().map(|p| p.kept).collect::<Vec<_>>(), [true, false]);
    }
}
