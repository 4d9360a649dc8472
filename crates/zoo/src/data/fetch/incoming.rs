//! A file on its way in: hashed as it comes, and named only when it is the one that was wanted.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::download::{each_chunk, unpacked};
use super::{Attempt, Failure};
use crate::data::catalog::FileEntry;

/// A file that has not got its name yet; dropping it deletes it.
pub(super) struct Incoming<'e> {
    entry: &'e FileEntry,
    path: PathBuf,
    file: NamedTempFile,
    content: Content,
}

/// What identifies content.
#[derive(Default)]
struct Content {
    bytes: u64,
    hash: Sha256,
}

impl Content {
    fn take(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.hash.update(chunk);
    }

    /// Its SHA-256 in lower-case hexadecimal.
    fn sha256(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<'e> Incoming<'e> {
    /// Opens a temporary file beside the place where `entry` is to be.
    pub(super) fn start(entry: &'e FileEntry, folder: &Path) -> Attempt<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".incoming-");
        readable_by_all(&mut builder);
        let file = builder.tempfile_in(folder).map_err(|e| Failure::writing(folder, e))?;
        Ok(Self { entry, path: folder.join(entry.name), file, content: Content::default() })
    }

    /// Adds to the file; more than it may have is the mirror's failure.
    pub(super) fn write(&mut self, chunk: &[u8]) -> Attempt<()> {
        self.content.take(chunk);
        if self.content.bytes > self.entry.bytes {
            return Err(Failure::Mirror(format!("more than {} bytes", self.entry.bytes)));
        }
        self.file.write_all(chunk).map_err(|e| Failure::writing(&self.path, e))
    }

    /// Adds all of `reader`, then ends as [`Self::finish`]; a failure of the mirror is told with
    /// the name of the file.
    pub(super) fn fill(mut self, reader: &mut dyn Read) -> Attempt<()> {
        let name = self.entry.name;
        each_chunk(reader, &mut |chunk| self.write(chunk))
            .and_then(|()| self.finish())
            .map_err(|failure| failure.about(name))
    }

    /// Gives the file its name if its content is the one that was wanted.
    pub(super) fn finish(mut self) -> Attempt<()> {
        let content = std::mem::take(&mut self.content);
        if content.bytes != self.entry.bytes {
            let (came, need) = (content.bytes, self.entry.bytes);
            return Err(Failure::Mirror(format!("{came} bytes, need {need}")));
        }
        let sha256 = content.sha256();
        if sha256 != self.entry.sha256 {
            let need = self.entry.sha256;
            return Err(Failure::Mirror(format!("content with sha256 {sha256}, need {need}")));
        }
        self.file.as_file().sync_all().map_err(|e| Failure::writing(&self.path, e))?;
        let named = self.file.persist(&self.path);
        named.map_err(|e| Failure::writing(&self.path, e.error))?;
        Ok(())
    }
}

/// Whether the file at `path`, plain or gzip, has the content of `entry`.
pub(super) fn has_content(path: &Path, entry: &FileEntry) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    let mut content = Content::default();
    // One byte too many is enough to know.
    let limited = |reader| Box::new(Read::take(reader, entry.bytes + 1));
    let hashed = unpacked(file).map(limited).and_then(|mut reader| {
        each_chunk(&mut reader, &mut |chunk| {
            content.take(chunk);
            Ok(())
        })
    });
    hashed.is_ok() && content.bytes == entry.bytes && content.sha256() == entry.sha256
}

/// Temporary files are private by default; a data set is not.
#[cfg(unix)]
fn readable_by_all(builder: &mut tempfile::Builder) {
    use std::os::unix::fs::PermissionsExt;
    // The process's umask still applies.
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable_by_all(_: &mut tempfile::Builder) {}
