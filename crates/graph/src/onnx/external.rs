//! Weights in files beside the model.
//!
//! Invariants: a file that is read lies inside the model's folder, links followed.
//! Not here: what the bytes mean (`stored`).

use super::messages::TensorProto;
use super::unusable;
use crate::{Error, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// Where weights outside the model are looked for, if anywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct External<'a>(pub Option<&'a Path>);

impl External<'_> {
    /// Weights outside the model are refused.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The bytes of a tensor that says they are in another file: `need` of them, which is checked before they are read.
    pub(crate) fn read(
        &self,
        name: &str,
        proto: &TensorProto,
        need: u64,
    ) -> Result<Option<Vec<u8>>> {
        if proto.data_location.unwrap_or_default() == 0 {
            return Ok(None);
        }
        let entry = |key: &str| {
            let found = proto.external_data.iter().find(|e| e.key.as_deref() == Some(key));
            found.and_then(|entry| entry.value.as_deref())
        };
        let number = |key: &str| match entry(key).map(str::parse::<u64>) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => unusable(format!("tensor `{name}`: {key} is no number")),
        };
        let Some(folder) = self.0 else {
            return unusable(format!(
                "tensor `{name}` lies in another file, but there is no folder"
            ));
        };
        let Some(location) = entry("location") else {
            return unusable(format!("tensor `{name}` does not say in which file it lies"));
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        self::read(name, folder, location, (offset, length, need)).map(Some)
    }
}

fn read(
    name: &str,
    folder: &Path,
    location: &str,
    (offset, length, need): (u64, Option<u64>, u64),
) -> Result<Vec<u8>> {
    let outside = || unusable(format!("tensor `{name}` lies in `{location}`, outside the folder"));
    if !Path::new(location)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return outside();
    }
    let path = folder.join(location);
    let failed = |source| Error::Read { path: path.clone(), source };
    let (real, root) =
        (path.canonicalize().map_err(failed)?, folder.canonicalize().map_err(failed)?);
    if !real.starts_with(root) {
        return outside();
    }
    let found = real.metadata().map_err(failed)?;
    if !found.is_file() {
        return unusable(format!("tensor `{name}` lies in `{location}`, which is no file"));
    }
    let size = found.len();
    let length = length.unwrap_or(size.saturating_sub(offset));
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return unusable(format!(
            "tensor `{name}` needs {length} bytes from {offset} on, `{location}` has {size}"
        ));
    }
    if length != need {
        return unusable(format!("tensor `{name}` has {length} bytes, its shape needs {need}"));
    }
    let mut file = File::open(&real).map_err(failed)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
