//! `hoyer demo`: the whole tour in less than a minute, on data that is always there.
//!
//! Not here: what is run (`recipes/demo.toml`).

use std::io::Write;
use std::path::{Path, PathBuf};

use hoyer_learn::recipe::Recipe;

use super::one_run::OneRun;
use super::out_folder::OutFolder;
use super::run_options::RunOptions;
use super::{Verdict, conclude};

const RECIPE: &str = include_str!("../../../../recipes/demo.toml");
const FOLDER: &str = "hoyer-demo";

/// Train and compress a small network on embedded digits; needs nothing, takes seconds
#[derive(clap::Args)]
pub(crate) struct Demo {
    /// Folder to write to; default: hoyer-demo, or the next that is free
    #[arg(long, short, value_name = "OUT")]
    out: Option<PathBuf>,
    #[command(flatten)]
    options: RunOptions,
}

impl Demo {
    /// # Errors
    /// If the folder cannot be written or holds another run.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<Verdict> {
        let recipe = Recipe::parse(RECIPE)?;
        let one_run = OneRun::new(&recipe, &self.options)?;
        let path = self.out.unwrap_or_else(|| free(FOLDER));
        let folder = OutFolder::claim(&path, &recipe.text())?;
        let result = one_run.finish(&folder, &recipe, folder.path())?;
        conclude(&result, &folder, self.options.json, out)
    }
}

/// `name`, or `name-2`, `name-3`, … if that is taken.
fn free(name: &str) -> PathBuf {
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !Path::new(name).exists()).expect("there are more names than folders").into()
}
