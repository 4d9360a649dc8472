//! CIFAR-10 binary: records of one label byte and a 3 x 32 x 32 image, plane by plane.
//!
//! Files may be plain or gzip; offsets in messages count uncompressed bytes.
//! Not here: which folders are searched ([`super::lookup`]), downloading ([`super::fetch`]).
//!
//! # Source
//! A. Krizhevsky, "The CIFAR-10 dataset", section "Binary version",
//! <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::path::Path;

use super::file::DataFile;
use crate::{Error, Result};

/// Pixel bytes of one image: 3 planes of 32 x 32.
pub const IMAGE_BYTES: usize = 3 * 32 * 32;
/// Bytes of one record: the label, then the image.
pub const RECORD_BYTES: usize = 1 + IMAGE_BYTES;
/// Classes of CIFAR-10.
const CLASSES: u8 = 10;

/// Appends the records of one file to `pixels` (`[count, 3, 32, 32]`) and `labels`, and returns
/// how many there were.
///
/// # Errors
/// - [`Error::Read`] if the file cannot be opened
/// - [`Error::Data`] if it is empty, ends within a record, holds a label above 9, or is a damaged
///   gzip stream; `pixels` and `labels` then hold the records before the fault
///
/// # Example
/// ```
/// use hoyer_zoo::data::cifar;
/// let path = std::env::temp_dir().join("hoyer-doc-cifar.bin");
/// let mut record = vec![128; cifar::RECORD_BYTES];
/// record[0] = 3; // a cat
/// std::fs::write(&path, record)?;
/// let (mut pixels, mut labels) = (Vec::new(), Vec::new());
/// assert_eq!(cifar::append_records(&path, &mut pixels, &mut labels)?, 1);
/// assert_eq!((pixels.len(), labels), (3072, vec![3]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn append_records(path: &Path, pixels: &mut Vec<u8>, labels: &mut Vec<u16>) -> Result<usize> {
    records(&mut DataFile::open(path)?, pixels, labels)
}

pub(crate) fn records(
    file: &mut DataFile,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<u16>,
) -> Result<usize> {
    let mut count = 0;
    while let Some(label) = file.next_byte()? {
        if label >= CLASSES {
            return Err(Error::Data {
                file: file.name().into(),
                at: format!("record {count} (byte {})", file.offset() - 1),
                came: format!("label {label}"),
                need: format!("0 to {}", CLASSES - 1),
                hint: "this is not CIFAR-10 in its binary form, or the file is damaged",
            });
        }
        file.append(IMAGE_BYTES as u64, "pixels (3 x 32 x 32)", pixels)?;
        labels.push(label.into());
        count += 1;
    }
    if count == 0 {
        return Err(Error::Data {
            file: file.name().into(),
            at: "byte 0".into(),
            came: "an empty file".into(),
            need: format!("records of {RECORD_BYTES} bytes"),
            hint: "the file is cut short: get it again",
        });
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(label: u8) -> Vec<u8> {
        let mut record = vec![label; RECORD_BYTES];
        record[1] = 200;
        record
    }

    fn read(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u16>)> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        records(&mut DataFile::from_bytes("c.bin", bytes)?, &mut pixels, &mut labels)?;
        Ok((pixels, labels))
    }

    #[test]
    fn labels_and_images_are_taken_apart() {
        let (pixels, labels) = read(&[record(3), record(9)].concat()).unwrap();
        assert_eq!(labels, [3, 9]);
        assert_eq!((pixels.len(), pixels[0], pixels[1]), (2 * IMAGE_BYTES, 200, 3));
        assert_eq!((pixels[IMAGE_BYTES], pixels[IMAGE_BYTES + 1]), (200, 9));
    }

    #[test]
    fn bad_files_are_named_with_record_and_byte() {
        let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(
            refused(&[record(3), record(10)].concat()),
            "c.bin: record 1 (byte 3073): label 10, need 0 to 9; this is not CIFAR-10 in its \
             binary form, or the file is damaged"
        );
        assert_eq!(
            refused(&[record(3), record(4)].concat()[..3100]),
            "c.bin: byte 3074: 26 bytes left, need 3072 of pixels (3 x 32 x 32); the file is cut \
             short: get it again"
        );
        assert_eq!(
            refused(&[]),
            "c.bin: byte 0: an empty file, need records of 3073 bytes; the file is cut short: get \
             it again"
        );
    }

    #[test]
    fn what_came_before_a_fault_is_whole() {
        let bytes = [record(3), record(4)].concat();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        let mut file = DataFile::from_bytes("c.bin", &bytes[..4000]).unwrap();
        assert!(records(&mut file, &mut pixels, &mut labels).is_err());
        assert_eq!((pixels.len(), labels), (IMAGE_BYTES, vec![3]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(label: u8, extra in prop::collection::vec(any::<u8>(), 0..8)) {
            let _ = read(&[record(label), extra.clone()].concat());
            let _ = read(&extra);
        }
    }
}
