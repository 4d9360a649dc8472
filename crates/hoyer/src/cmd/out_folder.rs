//! The folder a run writes to: claimed when it starts, and never one that holds another run.
//!
//! ```text
//! OUT/recipe.toml      what is run, all defaults and flags in it; there from the start
//! OUT/checkpoints/     where a stopped run goes on
//! OUT/model.hoyer  OUT/model.onnx  OUT/result.json  OUT/report.html      there at the end
//! ```
//!
//! Invariants: nothing that was there before is written over; one process at a time is at a run.
//! Not here: what the files hold.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use hoyer_graph::container::write_atomic;

const CHECKPOINTS: &str = "checkpoints";

/// A folder that belongs to one run.
#[derive(Debug, Clone)]
pub(crate) struct OutFolder {
    path: PathBuf,
    /// Held as long as the process is at it; not every system can.
    _lock: Option<Arc<File>>,
}

impl OutFolder {
    /// Makes a folder that is new, or empty, the place of this run.
    ///
    /// # Errors
    /// If it holds anything, or cannot be made or written.
    pub(crate) fn claim(path: &Path, recipe: &str) -> anyhow::Result<Self> {
        Self::check_free(path)?;
        Self::take(path, recipe)
    }

    /// Checks that nothing is in a folder that is to be claimed.
    ///
    /// # Errors
    /// If there is.
    pub(crate) fn check_free(path: &Path) -> anyhow::Result<()> {
        if let Ok(mut entries) = std::fs::read_dir(path)
            && entries.next().is_some()
        {
            bail!("{}", occupied(path));
        }
        ensure!(!path.is_file(), "{} is a file, need a folder", path.display());
        Ok(())
    }

    /// As [`Self::claim`], where [`Self::check_free`] has passed; the recipe is written last.
    ///
    /// # Errors
    /// If the folder cannot be made or written.
    pub(crate) fn take(path: &Path, recipe: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path.join(CHECKPOINTS))
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let folder = Self::locked(path)?;
        write_atomic(&folder.recipe(), recipe.as_bytes())?;
        Ok(folder)
    }

    /// The folder of a run that was started before, and its recipe.
    ///
    /// # Errors
    /// If no run was started there.
    pub(crate) fn reopen(path: &Path) -> anyhow::Result<(Self, String)> {
        let folder = Self::locked(path)?;
        let recipe = std::fs::read_to_string(folder.recipe()).with_context(|| {
            format!("no run was started in {}: cannot read its recipe.toml", path.display())
        })?;
        Ok((folder, recipe))
    }

    fn locked(path: &Path) -> anyhow::Result<Self> {
        let lock = File::create(path.join(CHECKPOINTS).join("lock")).ok();
        if let Some(Err(TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock) {
            bail!("another process is at the run in {}", path.display());
        }
        Ok(Self { path: path.to_path_buf(), _lock: lock.map(Arc::new) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn recipe(&self) -> PathBuf {
        self.path.join("recipe.toml")
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.path.join("model.hoyer")
    }

    /// The same network for other runtimes.
    pub(crate) fn onnx(&self) -> PathBuf {
        self.path.join("model.onnx")
    }

    /// The network after dense training, to compare with.
    pub(crate) fn dense(&self) -> PathBuf {
        self.checkpoints().join("dense.hoyer")
    }

    pub(crate) fn result(&self) -> PathBuf {
        self.path.join("result.json")
    }

    pub(crate) fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }
}

fn occupied(path: &Path) -> String {
    let shown = path.display();
    if path.join("result.json").is_file() {
        return format!("{shown} holds a finished run; name another folder with -o");
    }
    if path.join("recipe.toml").is_file() {
        return format!(
            "{shown} holds another run; go on with it by `hoyer compress --resume {shown}`, or name \
             another folder with -o"
        );
    }
    format!("{shown} is not empty; name another folder with -o")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_run_is_not_claimed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        OutFolder::claim(&path, "seed = 1\n").unwrap();
        let error = OutFolder::claim(&path, "seed = 2\n").unwrap_err().to_string();
        assert!(error.contains("holds another run; go on with it by `hoyer compress --resume"));
        assert_eq!(OutFolder::reopen(&path).unwrap().1, "seed = 1\n");
    }

    #[test]
    fn a_run_that_a_process_is_at_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let run = OutFolder::claim(&path, "seed = 1\n").unwrap();
        let error = OutFolder::reopen(&path).unwrap_err().to_string();
        assert!(error.starts_with("another process is at the run in "), "{error}");
        drop(run);
        assert!(OutFolder::reopen(&path).is_ok());
    }

    #[test]
    fn a_folder_with_anything_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.txt"), "").unwrap();
        let error = OutFolder::claim(folder.path(), "").unwrap_err().to_string();
        assert!(error.ends_with("is not empty; name another folder with -o"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_without_a_run_cannot_be_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let error = OutFolder::reopen(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("no run was started in "), "{error}");
    }
}
