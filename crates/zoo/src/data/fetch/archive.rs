//! Taking wanted files out of a tar archive, wherever in it they lie.

use std::io::Read;
use std::path::Path;

use super::{Attempt, Failure, Incoming};
use crate::data::catalog::FileEntry;

/// Unpacks the `wanted` files from the tar stream `content`; other members are passed over.
pub(super) fn unpack(content: impl Read, wanted: &[&FileEntry], folder: &Path) -> Attempt<()> {
    let mut left: Vec<&FileEntry> = wanted.to_vec();
    for_each_member(content, &mut |name, member| {
        if let Some(place) = left.iter().position(|file| file.name == name) {
            Incoming::start(left.swap_remove(place), folder)?.fill(member)?;
        }
        Ok(!left.is_empty())
    })?;
    all_came(&left)
}

/// Hands every file in the tar stream to `take` with its name without folders, until `take` has
/// had enough and says `false`.
pub(super) fn for_each_member(
    content: impl Read,
    take: &mut dyn FnMut(&str, &mut dyn Read) -> Attempt<bool>,
) -> Attempt<()> {
    let broken = |e: std::io::Error| Failure::Mirror(format!("unusable archive: {e}"));
    let mut archive = tar::Archive::new(content);
    for member in archive.entries().map_err(broken)? {
        let mut member = member.map_err(broken)?;
        if !member.header().entry_type().is_file() {
            continue;
        }
        let path = member.path().map_err(broken)?.into_owned();
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if !take(&name, &mut member)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Fails with the names of the files that are `left`.
pub(super) fn all_came(left: &[&FileEntry]) -> Attempt<()> {
    if left.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = left.iter().map(|file| file.name).collect();
    Err(Failure::Mirror(format!("the archive lacks {}", names.join(", "))))
}
