//! `hoyer compress`: the main job, from a fresh network to a small one with its evidence.
//!
//! Invariants: OUT belongs to one run; with several seeds, each has its own folder in it.
//! Not here: the stages (`hoyer_learn`), what a result holds (`hoyer::compress`).

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hoyer::compress::evidence;
use hoyer::report::render;
use hoyer::result::{RunResult, SeedRun, SeedSummary};
use hoyer_graph::{container, onnx};
use hoyer_learn::recipe::Recipe;

use super::one_run::OneRun;
use super::out_folder::OutFolder;
use super::recipe_flags::RecipeFlags;
use super::run_options::RunOptions;
use super::{Verdict, conclude};

/// What the seeds share, the folder that the user named, and each seed's place and recipe.
type Started = (OneRun, OutFolder, Vec<(OutFolder, Recipe)>);

/// Train a network, make it sparse, prune it, finetune it, and write the evidence
///
/// Models: lenet-300-100, lenet-5 and others; an unknown name lists them. OUT will hold
/// model.hoyer, model.onnx, result.json, report.html, recipe.toml and checkpoints/.
/// Without a recipe, a network from a file, or with weights from one, is taken as trained; and images of
/// cifar-10 are cropped and mirrored while a network learns.
#[derive(clap::Args)]
pub(crate) struct Compress {
    #[command(flatten)]
    recipe: RecipeFlags,
    /// Folder to write to; must not hold another run
    #[arg(long, short, value_name = "OUT", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Go on with a run that was stopped, in this folder; the result is as if it had not been
    #[arg(long, value_name = "OUT", conflicts_with_all = ["out", "recipe", "model", "weights", "data", "method", "lambda", "budget", "validation", "seed", "seeds", "teacher", "round_to", "branches", "bits", "inputs", "mean", "std"])]
    resume: Option<PathBuf>,
    /// Run so many seeds, counted up from the seed, and give mean and spread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    #[command(flatten)]
    options: RunOptions,
}

impl Compress {
    /// # Errors
    /// If the run cannot be made, or `out` cannot be written.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<Verdict> {
        let (one_run, folder, runs) = match (&self.resume, &self.out) {
            (Some(path), _) => self.go_on(path)?,
            (None, Some(path)) => self.start(path)?,
            (None, None) => bail!("give a folder to write to with -o"),
        };
        let mut results = Vec::new();
        for (place, recipe) in &runs {
            results.push(one_run.finish(place, recipe, folder.path())?);
        }
        let result = if results.len() == 1 {
            results.swap_remove(0)
        } else {
            join(&folder, &runs[0], one_run.image(), results)?
        };
        conclude(&result, &folder, self.options.json, out)
    }

    /// Claims a folder, and one in it for each of several seeds; whatever cannot be run is known
    /// before.
    fn start(&self, path: &Path) -> anyhow::Result<Started> {
        let mut recipe = self.recipe.recipe()?;
        let one_run = OneRun::new(&recipe, &self.options)?;
        if !self.recipe.is_from_file() {
            one_run.suit(&mut recipe);
        }
        OutFolder::check_free(path)?;
        let mut runs = Vec::new();
        if self.seeds > 1 {
            for seed in recipe.seed..recipe.seed.saturating_add(self.seeds) {
                let recipe = Recipe { seed, ..recipe.clone() };
                recipe.check()?;
                let place = path.join(format!("seed-{seed}"));
                runs.push((OutFolder::claim(&place, &recipe.text())?, recipe));
            }
        }
        // Last, so that a folder with a recipe has all its seeds.
        let folder = OutFolder::take(path, &recipe.text())?;
        if runs.is_empty() {
            runs.push((folder.clone(), recipe));
        }
        Ok((one_run, folder, runs))
    }

    /// The runs that were started in a folder.
    fn go_on(&self, path: &Path) -> anyhow::Result<Started> {
        let (folder, recipe) = open(path)?;
        let one_run = OneRun::new(&recipe, &self.options)?;
        let places = (recipe.seed..).map(|seed| path.join(format!("seed-{seed}")));
        let mut runs = places
            .take_while(|place| place.is_dir())
            .map(|place| open(&place))
            .collect::<Result<Vec<_>, _>>()?;
        if runs.is_empty() {
            runs.push((folder.clone(), recipe));
        }
        Ok((one_run, folder, runs))
    }
}

fn open(path: &Path) -> anyhow::Result<(OutFolder, Recipe)> {
    let (folder, text) = OutFolder::reopen(path)?;
    let recipe = Recipe::parse(&text).with_context(|| folder.recipe().display().to_string())?;
    Ok((folder, recipe))
}

/// Gives the first seed's result the lines of all, and puts its model and page beside it.
fn join(
    folder: &OutFolder,
    (first, recipe): &(OutFolder, Recipe),
    image: Option<[usize; 3]>,
    results: Vec<RunResult>,
) -> anyhow::Result<RunResult> {
    let seeds: Vec<SeedRun> = results.iter().map(SeedRun::from).collect();
    let mut result = results.into_iter().next().context("there is no seed")?;
    result.command = format!("{} --seeds {}", result.command, seeds.len());
    result.seed_summary = SeedSummary::of(&seeds);
    result.seeds = seeds;
    let (dense, _) = container::load(&first.dense())?;
    let (model, facts) = container::load(&first.model())?;
    let evidence = evidence(result, &dense, &model, recipe, image)?;
    container::save(&folder.model(), &model, &facts)?;
    if first.onnx().is_file() {
        container::write_atomic(&folder.onnx(), &onnx::export(&model, &facts)?)?;
    }
    container::write_atomic(&folder.report(), render(&evidence)?.as_bytes())?;
    container::write_atomic(&folder.result(), evidence.result.to_json()?.as_bytes())?;
    Ok(evidence.result)
}
