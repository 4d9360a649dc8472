//! `hoyer train`: dense training, one stage.
//!
//! Invariant: until the model is written, what is needed to go on lies beside it in `MODEL.run/`;
//! the same command goes on from there.
//! Not here: making anything small (`compress`).

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use hoyer_graph::container::write_atomic;
use hoyer_learn::optimizer::{AdamConfig, Config};
use hoyer_learn::recipe::{Holdout, Learn, Recipe, Stage};
use hoyer_learn::schedule;

use super::one_run::OneRun;
use super::out_folder::OutFolder;
use super::recipe_flags::said_by;
use super::run_options::RunOptions;
use super::table::percent;

/// Train a dense network: Adam, learning rate falling along a cosine
///
/// Images of cifar-10 are cropped and mirrored; all other samples are taken as they are.
#[derive(clap::Args)]
pub(crate) struct Train {
    /// Network: lenet-300-100, lenet-5 and others; an unknown name lists them
    #[arg(value_name = "MODEL")]
    model: String,
    /// Data set: a name of `hoyer data list` or a path
    #[arg(long, value_name = "DATA")]
    data: String,
    /// Parameters to start from, by name: a .safetensors file
    #[arg(long, value_name = "FILE")]
    weights: Option<String>,
    /// Model file to write, .hoyer
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Passes over the training data
    #[arg(long, value_name = "N", default_value_t = 20)]
    epochs: u32,
    /// Samples of a training batch [default: 128, fewer where there are few samples]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Learning rate to begin with
    #[arg(long, value_name = "X", default_value_t = 1e-3, allow_negative_numbers = true)]
    learning_rate: f64,
    /// Samples held back from the training data, to choose by: a count or a share like 0.1 [default: 5000, at most a fifth]
    #[arg(long, value_name = "N")]
    validation: Option<Holdout>,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    options: RunOptions,
}

impl Train {
    /// # Errors
    /// If the network cannot be trained, or the file cannot be written or is there already.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        let file = self.out.display();
        ensure!(!self.out.exists(), "{file} is there already; name another file with -o");
        ensure!(
            self.out.extension().is_some_and(|ending| ending == "hoyer"),
            "{file}: a trained network is a .hoyer file; name one with -o, and `hoyer export` makes others of it"
        );
        let mut recipe = self.recipe()?;
        recipe.check()?;
        let one_run = OneRun::new(&recipe, &self.options)?;
        one_run.suit(&mut recipe);
        recipe.batch = self.batch.unwrap_or(recipe.batch);
        let folder = claim(&self.out, &recipe)?;
        let again = "give the same command again to go on";
        let done = one_run.compress(&folder, &recipe, again)?;
        write_atomic(&self.out, &done.file)?;
        std::fs::remove_dir_all(folder.path())
            .with_context(|| format!("cannot remove {}", folder.path().display()))?;
        let result = &done.evidence.result;
        if self.options.json {
            write!(out, "{}", result.to_json()?)?;
            return Ok(());
        }
        let validation = result.compressed.validation_metric.map_or_else(String::new, percent);
        let (test, seconds) = (percent(result.test_metric), result.seconds);
        writeln!(out, "{file}: test accuracy {test}, validation {validation}, {seconds:.1} s")?;
        Ok(())
    }

    fn recipe(&self) -> anyhow::Result<Recipe> {
        let learn = Learn {
            optimizer: Config::Adam(AdamConfig { lr: self.learning_rate, ..Default::default() }),
            schedule: schedule::Config::Cosine { to: 0.01, warm_up: 0.0 },
            ..Learn::new(self.epochs)
        };
        let recipe = Recipe::new(&self.model, &self.data, vec![Stage::Train(learn)]);
        Ok(Recipe {
            normalization: said_by(&self.model)?,
            weights_file: self.weights.clone(),
            seed: self.seed,
            validation: self.validation,
            // Until it is known how many samples there are.
            batch: self.batch.unwrap_or(recipe.batch),
            ..recipe
        })
    }
}

/// The folder of this very run: new, or left by a stop.
fn claim(file: &Path, recipe: &Recipe) -> anyhow::Result<OutFolder> {
    let mut path = file.as_os_str().to_owned();
    path.push(".run");
    let path = Path::new(&path);
    match OutFolder::reopen(path) {
        Ok((folder, text)) if text == recipe.text() => Ok(folder),
        _ => OutFolder::claim(path, &recipe.text()),
    }
}
