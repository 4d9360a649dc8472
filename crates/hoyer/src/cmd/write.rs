//! Writing a file so that it is either all there or not at all.
//!
//! Invariant: the bytes go to a temporary name beside the file, reach the disk, and only then get
//! the file's name.
//! Not here: which folder may be written to (`out_folder`).

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

/// Writes `bytes` to `path`, replacing what is there.
///
/// # Errors
/// If the file cannot be written; the temporary file is then gone again.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let put = || -> std::io::Result<()> {
        let mut file = File::create(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(temporary, path)
    };
    put()
        .inspect_err(|_| {
            // What is left of it is of no use, and if it cannot be removed either, the error says enough.
            let _ = std::fs::remove_file(temporary);
        })
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = write(Path::new("/no/such/folder/a"), b"").unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot write /no/such/folder/a: "), "{error:#}");
    }
}
