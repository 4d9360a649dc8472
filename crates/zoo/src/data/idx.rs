//! IDX, the format of MNIST and its kin: images and labels as unsigned bytes.
//!
//! ```text
//! images: magic 2051, count, rows, columns (u32, big-endian), then count · rows · columns bytes
//! labels: magic 2049, count                (u32, big-endian), then count bytes
//! ```
//!
//! Files may be plain or gzip; offsets in messages count uncompressed bytes.
//! Not here: which folders are searched (`lookup`).
//!
//! # Source
//! Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section
//! "File formats", <http://yann.lecun.com/exdb/mnist/>.

use std::path::Path;

use super::file::DataFile;
use crate::{Error, Result};

const IMAGES: u32 = 2051;
const LABELS: u32 = 2049;

/// Grey images of one size, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// `[count, rows, columns]`, row-major.
    pub pixels: Vec<u8>,
    /// Rows of one image.
    pub rows: usize,
    /// Columns of one image.
    pub columns: usize,
}

impl Images {
    /// How many images there are.
    pub fn count(&self) -> usize {
        self.pixels.len() / (self.rows * self.columns)
    }
}

/// Reads a file of images.
///
/// # Errors
/// - [`Error::Read`] if the file cannot be opened
/// - [`Error::Data`] if the magic is not 2051, a size is 0, the lengths do not agree, or a gzip
///   stream is damaged
///
/// # Example
/// ```
/// let path = std::env::temp_dir().join("hoyer-doc-images-idx3-ubyte");
/// let header = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2]; // one image of 1 x 2
/// std::fs::write(&path, [&header[..], &[7, 9]].concat())?;
/// let images = hoyer_zoo::data::idx::read_images(&path)?;
/// assert_eq!((images.count(), images.rows, images.columns), (1, 1, 2));
/// assert_eq!(images.pixels, [7, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_images(path: &Path) -> Result<Images> {
    images(DataFile::open(path)?)
}

/// Reads a file of labels, each of which must be below `classes`.
///
/// # Errors
/// - [`Error::Read`] if the file cannot be opened
/// - [`Error::Data`] if the magic is not 2049, the length is not the one the header says, a label
///   is out of range, or a gzip stream is damaged
///
/// # Example
/// ```
/// let path = std::env::temp_dir().join("hoyer-doc-labels-idx1-ubyte");
/// std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 2, 3, 12])?;
/// assert_eq!(hoyer_zoo::data::idx::read_labels(&path, 13)?, [3, 12]);
/// let message = hoyer_zoo::data::idx::read_labels(&path, 10).unwrap_err().to_string();
/// assert!(message.contains("sample 1 (byte 9): label 12, need 0 to 9"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_labels(path: &Path, classes: usize) -> Result<Vec<u16>> {
    labels(DataFile::open(path)?, classes)
}

pub(crate) fn images(mut file: DataFile) -> Result<Images> {
    magic(&mut file, IMAGES)?;
    let count = size(&mut file, "the image count")?;
    let rows = size(&mut file, "the row count")?;
    let columns = size(&mut file, "the column count")?;
    // Three u32 can overflow u64; a product that does cannot fit any file.
    let bytes = count.saturating_mul(rows).saturating_mul(columns);
    let what = format!("pixels ({count} x {rows} x {columns})");
    let mut pixels = Vec::new();
    file.append(bytes, &what, &mut pixels)?;
    file.end(&format!("the header says {count} images"))?;
    Ok(Images { pixels, rows: rows as usize, columns: columns as usize })
}

pub(crate) fn labels(mut file: DataFile, classes: usize) -> Result<Vec<u16>> {
    magic(&mut file, LABELS)?;
    let count = size(&mut file, "the label count")?;
    let mut labels = Vec::new();
    file.append(count, "labels", &mut labels)?;
    file.end(&format!("the header says {count} labels"))?;
    match labels.iter().position(|&label| usize::from(label) >= classes) {
        Some(i) => Err(Error::Data {
            file: file.name().into(),
            at: format!("sample {i} (byte {})", i + 8),
            came: format!("label {}", labels[i]),
            need: format!("0 to {}", classes.saturating_sub(1)),
            hint: "the labels belong to another data set, or the file is damaged",
        }),
        None => Ok(labels.into_iter().map(u16::from).collect()),
    }
}

fn magic(file: &mut DataFile, need: u32) -> Result<()> {
    let came = u32::from_be_bytes(file.array("the magic number")?);
    if came == need {
        return Ok(());
    }
    let hint = match came {
        IMAGES | LABELS => "images and labels are mixed up: check the file names",
        _ => "this is not an IDX file of unsigned bytes: check the file name, or get it again",
    };
    Err(Error::Data {
        file: file.name().into(),
        at: "byte 0".into(),
        came: format!("magic {came}{}", meaning(came)),
        need: format!("{need}{}", meaning(need)),
        hint,
    })
}

fn meaning(magic: u32) -> &'static str {
    match magic {
        IMAGES => " (images)",
        LABELS => " (labels)",
        _ => "",
    }
}

fn size(file: &mut DataFile, what: &str) -> Result<u64> {
    let at = file.offset();
    match u32::from_be_bytes(file.array(what)?) {
        0 => Err(Error::Data {
            file: file.name().into(),
            at: format!("byte {at}"),
            came: format!("{what} is 0"),
            need: "at least 1".into(),
            hint: "the file is empty or damaged: get it again",
        }),
        n => Ok(n.into()),
    }
}

#[cfg(test)]
mod tests;
