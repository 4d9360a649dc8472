//! `.hoyer` files on disk: written whole or not at all.
//!
//! Not here: what is in them (`container`).

use super::{Metadata, from_bytes, to_bytes};
use crate::{Error, Graph, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a network to a `.hoyer` file; see [`write_atomic`].
///
/// # Errors
/// As [`to_bytes`] and [`write_atomic`].
pub fn save(path: &Path, graph: &Graph, metadata: &Metadata) -> Result<()> {
    write_atomic(path, &to_bytes(graph, metadata)?)
}

/// Reads a network from a `.hoyer` file.
///
/// # Errors
/// - [`Error::Read`] if the file cannot be read
/// - [`Error::File`] around what is wrong with its bytes, see [`from_bytes`]
pub fn load(path: &Path) -> Result<(Graph, Metadata)> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
    from_bytes(&bytes).map_err(|source| Error::File { path: path.into(), source: Box::new(source) })
}

/// Writes a file so that at any moment, even if the machine stops, `path` holds either what it held before or
/// all of `bytes`: a file of another name in the same folder is written, flushed to the disk and renamed.
///
/// A link stays a link to the file that is replaced; a device or pipe is written to directly.
///
/// # Errors
/// [`Error::Write`] if the folder is not there or cannot be written, or the disk is full; nothing is left behind.
///
/// # Example
/// ```
/// let path = std::env::temp_dir().join(format!("hoyer-write-atomic-{}", std::process::id()));
/// hoyer_graph::container::write_atomic(&path, b"one")?;
/// hoyer_graph::container::write_atomic(&path, b"two")?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"two");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes).map_err(|source| Error::Write { path: path.into(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => {
            return OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        Ok(_) => fs::canonicalize(path)?,
        Err(_) => path.to_owned(),
    };
    let (temporary, mut file) = create_beside(&target)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    let renamed = written.and_then(|()| fs::rename(&temporary, &target));
    if renamed.is_err() {
        // The first error is the one to tell; what is left behind is only a file of no use.
        let _ = fs::remove_file(&temporary);
        return renamed;
    }
    // Makes the new name last through a loss of power. Some systems cannot open folders; the file itself is
    // whole either way.
    if let Ok(folder) = File::open(folder_of(&target)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file in the same folder, under a name that nothing else has.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let process = std::process::id();
    for attempt in 0.. {
        let temporary = folder_of(path).join(format!(".{name}.{process}-{attempt}.tmp"));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => {}
            opened => return opened.map(|file| (temporary, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
