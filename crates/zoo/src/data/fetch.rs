//! Downloading a known data set: from the first mirror that has it whole.
//!
//! Invariants: a file appears under its name only when all of it has come and its content has the
//! hash the catalog gives, whatever it was packed in; files that are already there and sound are
//! not fetched again. The HTTP client follows the usual proxy variables and the system's
//! certificates.
//! Not here: which mirrors there are ([`super::catalog`]), reading the files ([`super::lookup`]).

mod archive;
mod cifar_png;
mod download;
mod incoming;

use std::path::{Path, PathBuf};

use super::catalog::{Entry, FileEntry, Mirror, Pack};
use super::layout::Inventory;
use crate::{Error, Result};
use incoming::Incoming;

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is being downloaded.
    pub url: &'a str,
    /// Bytes that have come.
    pub bytes: u64,
    /// Bytes there are, if the server says so.
    pub total_bytes: Option<u64>,
}

/// What a download came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The data set is part of the library: there was nothing to do.
    Embedded,
    /// All files were there already, and are sound.
    Present(PathBuf),
    /// Files were downloaded into this folder.
    Downloaded(PathBuf),
}

/// Why an attempt ended.
enum Failure {
    /// This mirror will not do; another may.
    Mirror(String),
    /// No mirror can help.
    Fatal(Error),
}

type Attempt<T> = std::result::Result<T, Failure>;

impl Failure {
    fn writing(path: &Path, source: std::io::Error) -> Self {
        Self::Fatal(Error::Write { path: path.to_path_buf(), source })
    }

    /// The same, with the name of the file it is about.
    fn about(self, name: &str) -> Self {
        match self {
            Self::Mirror(reason) => Self::Mirror(format!("{name}: {reason}")),
            fatal => fatal,
        }
    }
}

/// Downloads the files of `entry` that are missing or damaged to its folder below `root`, trying
/// `mirrors` (normally `entry.mirrors`) in order.
///
/// # Errors
/// - [`Error::Download`] if no mirror gave all files: says what each of them answered
/// - [`Error::Write`] if the folder cannot be written
///
/// # Example
/// ```
/// use hoyer_zoo::data::catalog::Entry;
/// use hoyer_zoo::data::fetch::{Fetched, fetch};
/// let digits = Entry::find("digits")?;
/// let root = std::path::Path::new("unused");
/// assert_eq!(fetch(digits, root, digits.mirrors, &mut |_| {})?, Fetched::Embedded);
/// # Ok::<(), hoyer_zoo::Error>(())
/// ```
pub fn fetch(
    entry: &Entry,
    root: &Path,
    mirrors: &[Mirror],
    progress: &mut dyn FnMut(&Progress),
) -> Result<Fetched> {
    let Some(folder) = entry.folders.first().map(|folder| root.join(folder)) else {
        return Ok(Fetched::Embedded);
    };
    std::fs::create_dir_all(&folder)
        .map_err(|source| Error::Write { path: folder.clone(), source })?;
    if unsound(entry, &folder).is_empty() {
        return Ok(Fetched::Present(folder));
    }
    let mut tried = Vec::new();
    for mirror in mirrors {
        match from_mirror(mirror, entry, &folder, progress) {
            Ok(()) => return Ok(Fetched::Downloaded(folder)),
            Err(Failure::Fatal(error)) => return Err(error),
            Err(Failure::Mirror(reason)) => tried.push(format!("{}: {reason}", mirror.url)),
        }
    }
    let files: Vec<&str> = unsound(entry, &folder).iter().map(|file| file.name).collect();
    Err(Error::Download {
        name: entry.name.into(),
        tried: if tried.is_empty() { "no mirror is known".into() } else { tried.join("; ") },
        files: files.join(", "),
        folder,
    })
}

/// The files of `entry` that `folder` does not have, or has with other content.
fn unsound<'e>(entry: &'e Entry, folder: &Path) -> Vec<&'e FileEntry> {
    let sound = |file: &FileEntry| {
        let found = Inventory::take(folder, [file.name]);
        found.paths.first().is_some_and(|path| incoming::has_content(path, file))
    };
    entry.files.iter().filter(|file| !sound(file)).collect()
}

fn from_mirror(
    mirror: &Mirror,
    entry: &Entry,
    folder: &Path,
    progress: &mut dyn FnMut(&Progress),
) -> Attempt<()> {
    let wanted = unsound(entry, folder);
    match mirror.pack {
        Pack::GzipFiles => {
            for file in &wanted {
                let url = format!("{}{}.gz", mirror.url, file.name);
                let body = download::get(&url, file.bytes, progress).and_then(download::unpacked);
                let mut content = body.map_err(|failure| failure.about(file.name))?;
                Incoming::start(file, folder)?.fill(&mut content)?;
            }
            Ok(())
        }
        Pack::TarGzip => {
            let body = download::get(mirror.url, entry.bytes(), progress)?;
            archive::unpack(download::unpacked(body)?, &wanted, folder)
        }
        Pack::CifarPng => {
            let mut body = download::get(mirror.url, entry.bytes(), progress)?;
            let mut tarball = download::keep(&mut body, folder)?;
            cifar_png::unpack(&mut tarball, &wanted, folder)
        }
    }
}

#[cfg(test)]
mod tests;
