//! Folders that hold a data set: which files belong to it, and reading them together.
//!
//! Training samples come first in the pool, then test samples.
//! Not here: which folders are searched ([`super::lookup`]), single files ([`super::idx`],
//! [`super::cifar`], [`super::npz`]).

use std::path::{Path, PathBuf};

use super::dataset::{numbered_classes, pool};
use super::{Features, cifar, idx, lookup, npz};
use crate::{Dataset, Error, Result};

/// Training images and labels, then test images and labels.
pub(crate) const IDX_FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];
/// Training batches, then the test batch.
pub(crate) const CIFAR_FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

/// Which of a list of files a folder has, plain or with `.gz` at the end.
pub(crate) struct Inventory<'a> {
    /// The files that are there, in the order of the list.
    pub(crate) paths: Vec<PathBuf>,
    /// The names of those that are not.
    pub(crate) missing: Vec<&'a str>,
}

impl<'a> Inventory<'a> {
    /// Looks for `names` in `folder`.
    pub(crate) fn take(folder: &Path, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut inventory = Self { paths: Vec::new(), missing: Vec::new() };
        for name in names {
            let candidates = [folder.join(name), folder.join(format!("{name}.gz"))];
            match candidates.into_iter().find(|path| path.is_file()) {
                Some(path) => inventory.paths.push(path),
                None => inventory.missing.push(name),
            }
        }
        inventory
    }

    /// Whether nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Reads a folder whose kind is known by the files in it; it is called by the folder's name.
pub(crate) fn read_folder(folder: &Path) -> Result<Dataset> {
    let name = lookup::stem(folder);
    let idx_files = Inventory::take(folder, IDX_FILES);
    if idx_files.is_whole() {
        let dataset = read_idx(&idx_files.paths, 256)?;
        let classes = dataset.labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
        return Ok(Dataset { name, classes: numbered_classes(classes), ..dataset });
    }
    let cifar_files = Inventory::take(folder, CIFAR_FILES);
    if cifar_files.is_whole() {
        return Ok(Dataset { name, ..read_cifar(&cifar_files.paths)? });
    }
    let [train, test] = ["train.npz", "test.npz"].map(|file| folder.join(file));
    if train.is_file() && test.is_file() {
        return npz::read_split(&name, &train, &test);
    }
    Err(Error::Data {
        file: folder.display().to_string(),
        at: "folder".into(),
        came: contents(folder),
        need: format!(
            "the files {}; or {}; or train.npz and test.npz",
            IDX_FILES.join(", "),
            CIFAR_FILES.join(", ")
        ),
        hint: "give a folder that has one of these sets whole",
    })
}

/// Reads the four files of [`IDX_FILES`].
pub(crate) fn read_idx(paths: &[PathBuf], classes: usize) -> Result<Dataset> {
    let mut images = idx::read_images(&paths[0])?;
    let mut labels = idx::read_labels(&paths[1], classes)?;
    let train_count = images.count();
    agree(&paths[1], labels.len(), train_count)?;
    let test_images = idx::read_images(&paths[2])?;
    let test_labels = idx::read_labels(&paths[3], classes)?;
    agree(&paths[3], test_labels.len(), test_images.count())?;
    if (images.rows, images.columns) != (test_images.rows, test_images.columns) {
        return Err(Error::Data {
            file: paths[2].display().to_string(),
            at: "byte 8".into(),
            came: format!("images of {} x {}", test_images.rows, test_images.columns),
            need: format!("{} x {}, as the training images are", images.rows, images.columns),
            hint: "the files belong to different data sets",
        });
    }
    images.pixels.extend(test_images.pixels);
    labels.extend(test_labels);
    stored(vec![1, images.rows, images.columns], images.pixels, labels, train_count)
}

/// Reads the six files of [`CIFAR_FILES`].
pub(crate) fn read_cifar(paths: &[PathBuf]) -> Result<Dataset> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut train_count = 0;
    for path in paths {
        train_count = labels.len();
        cifar::append_records(path, &mut pixels, &mut labels)?;
    }
    stored(vec![3, 32, 32], pixels, labels, train_count)
}

/// A data set of images that has no name yet, with ten numbered classes.
fn stored(
    shape: Vec<usize>,
    pixels: Vec<u8>,
    labels: Vec<u16>,
    train_count: usize,
) -> Result<Dataset> {
    let (train, test) = pool(train_count, labels.len())?;
    Ok(Dataset {
        name: String::new(),
        shape,
        classes: numbered_classes(10),
        scale: 1.0 / 255.0,
        features: Features::U8(pixels),
        labels,
        train,
        test,
    })
}

fn agree(labels_path: &Path, labels: usize, images: usize) -> Result<()> {
    if labels == images {
        return Ok(());
    }
    Err(Error::Data {
        file: labels_path.display().to_string(),
        at: "byte 4".into(),
        came: format!("{labels} labels"),
        need: format!("{images}, one for each image"),
        hint: "images and labels belong to different data sets",
    })
}

/// The first few names in a folder, for a message.
pub(crate) fn contents(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    match names.len() {
        0 => "nothing".into(),
        1..=4 => names.join(", "),
        n => format!("{} and {} more", names[..3].join(", "), n - 3),
    }
}
