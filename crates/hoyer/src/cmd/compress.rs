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
use hoyer_graph::container;
use hoyer_learn::recipe::Recipe;

use super::Verdict;
use super::one_run::OneRun;
use super::out_folder::OutFolder;
use super::recipe_flags::RecipeFlags;
use super::run_options::RunOptions;
use super::summary::summary;

/// Train a network, make it sparse, prune it, finetune it, and write the evidence
///
/// Models: lenet-300-100, lenet-5 and others; an unknown name lists them. OUT will hold
/// model.hoyer, result.json, report.html, recipe.toml and checkpoints/.
#[derive(clap::Args)]
pub(crate) struct Compress {
    #[command(flatten)]
    recipe: RecipeFlags,
    /// Folder to write to; must not hold another run
    #[arg(long, short, value_name = "OUT", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Go on with a run that was stopped, in this folder; the result is as if it had not been
    #[arg(long, value_name = "OUT", conflicts_with_all = ["out", "recipe", "model", "data", "method", "lambda", "budget", "seed", "seeds"])]
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
        let (folder, runs, one_run) = self.open()?;
        let mut results = Vec::new();
        for (place, recipe) in &runs {
            results.push(one_run.finish(place, recipe, folder.path())?);
        }
        let result = if results.len() == 1 {
            results.swap_remove(0)
        } else {
            join(&folder, &runs[0], one_run.image(), results)?
        };
        if self.options.json {
            write!(out, "{}", result.to_json()?)?;
        } else {
            write!(out, "{}", summary(&result))?;
            writeln!(out, "\nmodel:  {}", folder.model().display())?;
            writeln!(out, "report: {}", folder.report().display())?;
        }
        Ok(Verdict::of(&result))
    }

    /// The folder, the runs in it, and what they share.
    fn open(&self) -> anyhow::Result<(OutFolder, Vec<(OutFolder, Recipe)>, OneRun)> {
        match (&self.resume, &self.out) {
            (Some(path), _) => {
                let (folder, runs) = reopen(path)?;
                let one_run = OneRun::new(&runs[0].1, &self.options)?;
                Ok((folder, runs, one_run))
            }
            (None, Some(path)) => {
                let recipe = self.recipe.recipe()?;
                // Whatever cannot be run must be known before a folder is claimed.
                let one_run = OneRun::new(&recipe, &self.options)?;
                let (folder, runs) = self.claim(path, recipe)?;
                Ok((folder, runs, one_run))
            }
            (None, None) => bail!("give a folder to write to with -o"),
        }
    }

    /// Claims a folder, and one in it for each of several seeds.
    fn claim(
        &self,
        path: &Path,
        recipe: Recipe,
    ) -> anyhow::Result<(OutFolder, Vec<(OutFolder, Recipe)>)> {
        let folder = OutFolder::claim(path, &recipe.text())?;
        if self.seeds == 1 {
            return Ok((folder.clone(), vec![(folder, recipe)]));
        }
        let mut runs = Vec::new();
        for seed in recipe.seed..recipe.seed + self.seeds {
            let recipe = Recipe { seed, ..recipe.clone() };
            let place = path.join(format!("seed-{seed}"));
            runs.push((OutFolder::claim(&place, &recipe.text())?, recipe));
        }
        Ok((folder, runs))
    }
}

/// The runs that were started in a folder.
fn reopen(path: &Path) -> anyhow::Result<(OutFolder, Vec<(OutFolder, Recipe)>)> {
    let (folder, recipe) = open(path)?;
    let mut runs = Vec::new();
    for seed in recipe.seed.. {
        let place = path.join(format!("seed-{seed}"));
        if !place.is_dir() {
            break;
        }
        runs.push(open(&place)?);
    }
    if runs.is_empty() {
        runs.push((folder.clone(), recipe));
    }
    Ok((folder, runs))
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
    container::write_atomic(&folder.report(), render(&evidence)?.as_bytes())?;
    container::write_atomic(&folder.result(), evidence.result.to_json()?.as_bytes())?;
    Ok(evidence.result)
}
