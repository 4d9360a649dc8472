//! One recipe with one seed, from wherever it stands to its files.
//!
//! Invariant: `result.json` is written last; where it is, the run is finished.
//! Not here: several seeds, what is printed (`compress`, `demo`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, anyhow};
use hoyer::compress::{Compression, Settings, compress};
use hoyer::report::render;
use hoyer::result::RunResult;
use hoyer::samples::usual_augmentation;
use hoyer_graph::container::write_atomic;
use hoyer_kernels::pool::Pool;
use hoyer_learn::recipe::{Recipe, usual_batch};
use hoyer_zoo::Dataset;
use hoyer_zoo::data;

use super::interrupt::stop_flag;
use super::out_folder::OutFolder;
use super::progress::StageBar;
use super::roots::roots;
use super::run_options::RunOptions;

/// What the seeds of a run share.
pub(crate) struct OneRun {
    dataset: Dataset,
    pool: Arc<Pool>,
    stop: Arc<AtomicBool>,
    quiet: bool,
}

impl OneRun {
    /// Loads the data, and checks that the model takes them.
    ///
    /// # Errors
    /// If data or model are unknown or do not fit.
    pub(crate) fn new(recipe: &Recipe, options: &RunOptions) -> anyhow::Result<Self> {
        let dataset = data::load(&recipe.data, &roots(options.data_dir.clone()))?;
        hoyer::compress::check(recipe, &dataset)?;
        let pool = Arc::new(Pool::new(options.threads()));
        Ok(Self { dataset, pool, stop: stop_flag()?, quiet: options.quiet })
    }

    /// Sets what flags do not say and the samples suggest.
    pub(crate) fn suit(&self, recipe: &mut Recipe) {
        recipe.batch = usual_batch(self.dataset.train.len());
        recipe.augmentation = usual_augmentation(&recipe.data);
    }

    /// Channels, rows and columns of a sample, if it is an image.
    pub(crate) fn image(&self) -> Option<[usize; 3]> {
        self.dataset.image()
    }

    /// Runs what is left of a recipe and writes its files into `place`; `whole` is the folder
    /// that the user named.
    ///
    /// # Errors
    /// If the run was stopped, cannot go on, or its files cannot be written.
    pub(crate) fn finish(
        &self,
        place: &OutFolder,
        recipe: &Recipe,
        whole: &Path,
    ) -> anyhow::Result<RunResult> {
        if let Some(result) = finished(place)? {
            return Ok(result);
        }
        let again = format!("go on with `hoyer compress --resume {}`", whole.display());
        let done = self.compress(place, recipe, &again)?;
        let write = |path: &Path, bytes: &[u8]| {
            write_atomic(path, bytes)
                .map_err(|error| anyhow!("{:#}; make room and {again}", anyhow::Error::from(error)))
        };
        write(&place.dense(), &done.dense_file)?;
        write(&place.model(), &done.file)?;
        match &done.onnx {
            Ok(bytes) => write(&place.onnx(), bytes)?,
            Err(error) => eprintln!("no model.onnx: {error}"),
        }
        write(&place.report(), render(&done.evidence)?.as_bytes())?;
        write(&place.result(), done.evidence.result.to_json()?.as_bytes())?;
        Ok(done.evidence.result)
    }

    /// Runs what is left of a recipe; `again` says how to go on after a stop.
    ///
    /// # Errors
    /// If the run was stopped or cannot go on.
    pub(crate) fn compress(
        &self,
        place: &OutFolder,
        recipe: &Recipe,
        again: &str,
    ) -> anyhow::Result<Compression> {
        let bar = StageBar::new(self.quiet);
        let checkpoints = place.checkpoints();
        let settings = Settings {
            pool: &self.pool,
            checkpoints: Some(&checkpoints),
            observer: &bar,
            stop: &self.stop,
        };
        compress(recipe, &self.dataset, &settings)
            .map_err(|error| advise(error, place.path(), again))
    }
}

fn finished(place: &OutFolder) -> anyhow::Result<Option<RunResult>> {
    let path = place.result();
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(RunResult::from_json(&text).with_context(|| path.display().to_string())?))
}

/// Adds what to do, where something can be done.
fn advise(error: hoyer::Error, place: &Path, again: &str) -> anyhow::Error {
    use hoyer_learn::Error as Learn;
    let advice = match &error {
        hoyer::Error::Learn(Learn::Interrupted { .. }) => again.to_owned(),
        hoyer::Error::Learn(Learn::Write { .. }) => format!("make room and {again}"),
        hoyer::Error::Learn(Learn::Diverged { .. }) => format!(
            "the last good checkpoint is kept in {}; try a smaller learning rate or lambda",
            place.display()
        ),
        hoyer::Error::Learn(Learn::OtherRun { .. }) => {
            "put the recipe.toml back that it was made with, or start in another folder".into()
        }
        _ => return error.into(),
    };
    anyhow!("{:#}; {advice}", anyhow::Error::from(error))
}
