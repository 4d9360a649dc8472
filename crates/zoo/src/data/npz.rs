//! `.npz`: zipped NumPy arrays, features and class labels side by side.
//!
//! | arrays | meaning |
//! | --- | --- |
//! | `x`, `y` | samples; a fifth of every class is held out as the test set, always the same |
//! | `x_train`, `y_train`, `x_test`, `y_test` | samples, already split |
//!
//! `x` is `[samples, shape…]`, of `uint8` (scaled by 1/255, as images are) or of floats or wider
//! integers (taken as they are); `y` is `[samples]` or `[samples, 1]`, of integers from 0.
//! Not here: the arrays themselves (`npy`), which files are read ([`super::lookup`]).

use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::dataset::{numbered_classes, pool};
use super::digits::with_test_set;
use super::file::{DataFile, GET_AGAIN, Storage};
use super::npy::Header;
use super::{Features, lookup};
use crate::{Dataset, Error, Result};

/// Samples of one shape with their labels.
struct Samples {
    shape: Vec<usize>,
    features: Features,
    labels: Vec<u16>,
    /// Where they came from, for messages.
    source: String,
}

/// Reads a data set from one file; it is called by the file's name.
///
/// # Errors
/// - [`Error::Read`] if the file cannot be opened
/// - [`Error::Data`] if it is damaged, lacks arrays, holds a number that is not finite or a label
///   that is no class, or its arrays do not fit together
///
/// # Example
/// ```
/// // numpy.savez("points.npz", x=numpy.float32([[0, 1], [2, 3]] * 5), y=[0, 1] * 5)
/// let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/points.npz"));
/// let points = hoyer_zoo::data::npz::read(path)?;
/// assert_eq!((points.name.as_str(), &points.shape[..], points.len()), ("points", &[2][..], 10));
/// assert_eq!((points.train.len(), points.test.len()), (8, 2));
/// # Ok::<(), hoyer_zoo::Error>(())
/// ```
pub fn read(path: &Path) -> Result<Dataset> {
    let mut archive = open(path)?;
    let names: Vec<String> = archive.file_names().flatten().map(Cow::into_owned).collect();
    let has = |array: &str| names.contains(&format!("{array}.npy"));
    let name = lookup::stem(path);
    if has("x") && has("y") {
        let all = samples(&mut archive, path, ["x", "y"])?;
        return with_test_set(join(name, all, None)?);
    }
    if ["x_train", "y_train", "x_test", "y_test"].into_iter().all(has) {
        let train = samples(&mut archive, path, ["x_train", "y_train"])?;
        let test = samples(&mut archive, path, ["x_test", "y_test"])?;
        return join(name, train, Some(test));
    }
    let mut came: Vec<&str> = names.iter().map(|n| n.strip_suffix(".npy").unwrap_or(n)).collect();
    came.sort_unstable();
    Err(Error::Data {
        file: path.display().to_string(),
        at: "list of arrays".into(),
        came: if came.is_empty() { "nothing".into() } else { came.join(", ") },
        need: "x and y, or x_train, y_train, x_test and y_test".into(),
        hint: "write it with numpy.savez(path, x=…, y=…)",
    })
}

/// Reads a data set from two files that each have `x` and `y`.
///
/// # Errors
/// As [`read`].
pub fn read_split(name: &str, train: &Path, test: &Path) -> Result<Dataset> {
    let train = samples(&mut open(train)?, train, ["x", "y"])?;
    let test = samples(&mut open(test)?, test, ["x", "y"])?;
    join(name.into(), train, Some(test))
}

fn open(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let refused = |source| Error::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(refused)?;
    ZipArchive::new(BufReader::new(file)).map_err(|e| match e {
        zip::result::ZipError::Io(source) if source.raw_os_error().is_some() => refused(source),
        other => Error::Data {
            file: path.display().to_string(),
            at: "archive".into(),
            came: other.to_string(),
            need: "a zip archive of NumPy arrays".into(),
            hint: GET_AGAIN,
        },
    })
}

/// Reads the arrays called `names`: features, then labels.
fn samples(
    archive: &mut ZipArchive<BufReader<File>>,
    path: &Path,
    names: [&str; 2],
) -> Result<Samples> {
    let source = format!("{}, array `{}`", path.display(), names[0]);
    let (mut shape, features) = array(archive, path, names[0], |header, file| {
        Ok((header.shape.clone(), header.features(file)?))
    })?;
    let labels = array(archive, path, names[1], |header, file| {
        let labels = header.labels(file)?;
        match header.shape[..] {
            [_] | [_, 1] => Ok(labels),
            _ => {
                Err(misfit(file.name(), format!("shape {:?}", header.shape), "one label a sample"))
            }
        }
    })?;
    if shape.is_empty() || features.is_empty() {
        return Err(misfit(
            &source,
            format!("shape {shape:?}"),
            "[samples, shape…], none of them 0",
        ));
    }
    if shape[0] != labels.len() {
        let labels = format!("{} labels in `{}`", labels.len(), names[1]);
        return Err(misfit(&source, format!("{} samples", shape[0]), &labels));
    }
    shape.remove(0);
    if shape.is_empty() {
        shape.push(1);
    }
    Ok(Samples { shape, features, labels, source })
}

fn array<T>(
    archive: &mut ZipArchive<BufReader<File>>,
    path: &Path,
    name: &str,
    read: impl FnOnce(&Header, &mut DataFile) -> Result<T>,
) -> Result<T> {
    let title = format!("{}, array `{name}`", path.display());
    let file_bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
    let member = archive.by_name(&format!("{name}.npy")).map_err(|e| Error::Data {
        file: title.clone(),
        at: "archive".into(),
        came: e.to_string(),
        need: "a readable array".into(),
        hint: "write it with numpy.savez or numpy.savez_compressed",
    })?;
    let storage = match member.compression() {
        CompressionMethod::Stored => Storage::Plain,
        _ => Storage::Deflate,
    };
    // The archive may lie about its members; the file cannot hold more than it is long.
    let stored_bytes = member.compressed_size().min(file_bytes);
    let mut file = DataFile::member(title, stored_bytes, storage, Box::new(member));
    let header = Header::read(&mut file)?;
    read(&header, &mut file)
}

/// Makes one data set of training and test samples, or of training samples alone.
fn join(name: String, train: Samples, test: Option<Samples>) -> Result<Dataset> {
    let train_count = train.labels.len();
    let Samples { shape, mut features, mut labels, .. } = train;
    if let Some(test) = test {
        if shape != test.shape {
            return Err(misfit(&test.source, shaped(&test.shape), &shaped(&shape)));
        }
        match (&mut features, test.features) {
            (Features::U8(all), Features::U8(more)) => all.extend(more),
            (Features::F32(all), Features::F32(more)) => all.extend(more),
            _ => {
                let need = "the type of the training samples (both uint8, or neither)";
                return Err(misfit(&test.source, "another type".into(), need));
            }
        }
        labels.extend(test.labels);
    }
    let classes = labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
    let (train, test) = pool(train_count, labels.len())?;
    Ok(Dataset {
        name,
        shape,
        classes: numbered_classes(classes),
        scale: if matches!(features, Features::U8(_)) { 1.0 / 255.0 } else { 1.0 },
        features,
        labels,
        train,
        test,
    })
}

fn shaped(shape: &[usize]) -> String {
    format!("samples of shape {shape:?}")
}

fn misfit(file: &str, came: String, need: &str) -> Error {
    Error::Data {
        file: file.into(),
        at: "shape".into(),
        came,
        need: need.into(),
        hint: "features and labels belong together: write them with one numpy.savez",
    }
}

#[cfg(test)]
mod tests;
