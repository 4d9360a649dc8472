//! From a name to a data set: the data folders, in order, and which layouts they may have.
//!
//! | name | where, below each root |
//! | --- | --- |
//! | `digits` | nowhere: embedded |
//! | `mnist`, `fashion-mnist` | `mnist/`, `MNIST/raw/`, `MNIST/` (`fashion-mnist/`, `FashionMNIST/raw/`, …): four IDX files, plain or `.gz` |
//! | `cifar-10` | `cifar10/`, `cifar-10/`, `cifar-10-batches-bin/`: six binary files, plain or `.gz` |
//! | a path | an `.npz` file; or a folder of four IDX files, of six CIFAR-10 files, or of `train.npz` and `test.npz` |
//!
//! Not here: which roots there are (the caller says; nothing is read from the environment),
//! downloading ([`super::fetch`]).

use std::path::{Path, PathBuf};

use super::catalog::{Entry, Format};
use super::layout::{self, Inventory};
use super::{digits, npz};
use crate::{Dataset, Error, Result};

/// Loads the data set called `name`, or lying at the path `name`.
///
/// Something is a path if it has a separator in it or ends in `.npz`. The first root that has all
/// files of a named data set is taken, and must then hold as many samples as that set has.
///
/// # Errors
/// - [`Error::UnknownDataset`] if the name is neither known nor a path
/// - [`Error::NotFound`] if no root has all of its files: says where it was looked for, what is
///   there instead, and how to get it
/// - [`Error::Read`] or [`Error::Data`] if a file cannot be read or is not sound
///
/// # Example
/// ```
/// let digits = hoyer_zoo::data::load("digits", &[])?;
/// assert_eq!(digits.shape, [1, 8, 8]);
///
/// let nowhere = std::path::PathBuf::from("/no/such/folder");
/// let message = hoyer_zoo::data::load("mnist", &[nowhere]).unwrap_err().to_string();
/// assert!(message.ends_with("get it with `hoyer data fetch mnist`"));
/// # Ok::<(), hoyer_zoo::Error>(())
/// ```
pub fn load(name: &str, roots: &[PathBuf]) -> Result<Dataset> {
    let path = Path::new(name);
    if name.contains(std::path::is_separator) || path.extension().is_some_and(|e| e == "npz") {
        return if path.is_dir() { layout::read_folder(path) } else { npz::read(path) };
    }
    let entry = Entry::find(name)?;
    match entry.format {
        Format::Embedded => digits::load(),
        Format::Idx | Format::Cifar => read(entry, &find(entry, roots)?),
    }
}

/// The files of `entry` in the first folder that has them all.
///
/// # Errors
/// [`Error::NotFound`] if no root has them.
pub fn find(entry: &Entry, roots: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let names = || entry.files.iter().map(|file| file.name);
    let mut found = String::new();
    for root in roots {
        for folder in entry.folders.iter().map(|folder| root.join(folder)) {
            let inventory = Inventory::take(&folder, names());
            if inventory.is_whole() {
                return Ok(inventory.paths);
            }
            let contents = layout::contents(&folder);
            if contents != "nothing" {
                let missing = inventory.missing.join(", ");
                found += &format!("; {} holds {contents} but not {missing}", folder.display());
            }
        }
    }
    Err(Error::NotFound { name: entry.name.into(), looked: looked(entry, roots), found })
}

fn read(entry: &Entry, paths: &[PathBuf]) -> Result<Dataset> {
    let dataset = match entry.format {
        Format::Cifar => layout::read_cifar(paths)?,
        _ => layout::read_idx(paths, entry.classes.len())?,
    };
    let (train, test) = (dataset.train.len(), dataset.test.len());
    if (train, test) != (entry.train, entry.test) || dataset.shape != entry.shape {
        let folder = paths[0].parent().unwrap_or(Path::new("."));
        return Err(Error::Data {
            file: folder.display().to_string(),
            at: "folder".into(),
            came: format!("{train} + {test} samples of shape {:?}", dataset.shape),
            need: format!(
                "{} + {} of shape {:?}, as `{}` has",
                entry.train, entry.test, entry.shape, entry.name
            ),
            hint: "name another data set by the path of its folder",
        });
    }
    Ok(Dataset { name: entry.name.into(), classes: entry.class_names(), ..dataset })
}

fn looked(entry: &Entry, roots: &[PathBuf]) -> String {
    if roots.is_empty() {
        return "any data folder (none is given)".into();
    }
    let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    format!("{} (looked for {})", roots.join(", "), entry.folders.join(", "))
}

/// What a data set at `path` is called: the file's or folder's name without its ending.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "data".into(), |stem| stem.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
