//! Tests of the IDX reader: what it accepts, and what it says about each kind of bad file.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use super::*;

fn header(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn some_images() -> Vec<u8> {
    [header(&[2051, 3, 2, 4]), (0..24).collect()].concat()
}

fn some_labels() -> Vec<u8> {
    [header(&[2049, 3]), vec![0, 9, 4]].concat()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn images_of(bytes: &[u8]) -> Result<Images> {
    images(DataFile::from_bytes("i", bytes)?)
}

fn labels_of(bytes: &[u8]) -> Result<Vec<u16>> {
    labels(DataFile::from_bytes("l", bytes)?, 10)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, need: &str) {
    assert_eq!(result.unwrap_err().to_string(), need);
}

#[test]
fn plain_and_gzip_read_alike() {
    let images = images_of(&some_images()).unwrap();
    assert_eq!((images.count(), images.rows, images.columns), (3, 2, 4));
    assert_eq!(images.pixels, (0..24).collect::<Vec<u8>>());
    assert_eq!(images_of(&gzip(&some_images())).unwrap(), images);
    assert_eq!(labels_of(&some_labels()).unwrap(), [0, 9, 4]);
    assert_eq!(labels_of(&gzip(&some_labels())).unwrap(), [0, 9, 4]);
}

#[test]
fn images_and_labels_are_told_apart() {
    let hint = "images and labels are mixed up: check the file names";
    refused(
        images_of(&some_labels()),
        &format!("i: byte 0: magic 2049 (labels), need 2051 (images); {hint}"),
    );
    refused(
        labels_of(&some_images()),
        &format!("l: byte 0: magic 2051 (images), need 2049 (labels); {hint}"),
    );
}

#[test]
fn another_format_is_refused_by_its_magic() {
    refused(
        images_of(b"PK\x03\x04 a zip file"),
        "i: byte 0: magic 1347093252, need 2051 (images); this is not an IDX file of unsigned \
         bytes: check the file name, or get it again",
    );
}

#[test]
fn a_cut_file_says_where_and_what_is_missing() {
    let hint = "the file is cut short: get it again";
    refused(
        images_of(&some_images()[..20]),
        &format!("i: byte 16: 4 bytes left, need 24 of pixels (3 x 2 x 4); {hint}"),
    );
    refused(
        images_of(&some_images()[..13]),
        &format!("i: byte 12: 1 bytes left, need 4 of the column count; {hint}"),
    );
    refused(
        images_of(&[]),
        &format!("i: byte 0: 0 bytes left, need 4 of the magic number; {hint}"),
    );
    refused(
        labels_of(&gzip(&some_labels()[..10])),
        &format!("l: byte 8: 2 bytes left, need 3 of labels; {hint}"),
    );
}

#[test]
fn bytes_behind_the_end_are_refused() {
    refused(
        labels_of(&[some_labels(), vec![1]].concat()),
        "l: byte 11: more bytes, need the end of the file (the header says 3 labels); the file is \
         damaged: get it again",
    );
}

#[test]
fn a_header_that_promises_more_than_the_file_can_hold_allocates_nothing() {
    let lie = header(&[2051, u32::MAX, u32::MAX, u32::MAX]);
    let message = images_of(&lie).unwrap_err().to_string();
    assert!(
        message.starts_with("i: byte 16: 0 bytes left, need 18446744073709551615"),
        "{message}"
    );
    let message = images_of(&gzip(&lie)).unwrap_err().to_string();
    assert!(message.starts_with("i: byte 16: at most "), "{message}");
    let zero = images_of(&header(&[2051, 1, 0, 28])).unwrap_err().to_string();
    assert!(zero.starts_with("i: byte 8: the row count is 0, need at least 1"), "{zero}");
}

#[test]
fn a_label_out_of_range_is_named_with_its_place() {
    refused(
        labels_of(&[header(&[2049, 2]), vec![3, 10]].concat()),
        "l: sample 1 (byte 9): label 10, need 0 to 9; the labels belong to another data set, or \
         the file is damaged",
    );
}

#[test]
fn damaged_gzip_is_called_damaged() {
    let mut bytes = gzip(&some_images());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    let message = images_of(&bytes).unwrap_err().to_string();
    assert!(message.contains("damaged compressed data ("), "{message}");
    let whole = gzip(&some_images());
    let message = images_of(&whole[..whole.len() - 2]).unwrap_err().to_string();
    assert!(message.contains("damaged compressed data ("), "{message}");
    let mut wrong_sum = gzip(&some_images());
    let crc = wrong_sum.len() - 8;
    wrong_sum[crc] ^= 1;
    let message = images_of(&wrong_sum).unwrap_err().to_string();
    assert!(message.contains("damaged compressed data ("), "{message}");
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("none"), folder.path().to_path_buf()] {
        let message = read_images(&path).unwrap_err().to_string();
        assert_eq!(message, format!("cannot read {}", path.display()));
    }
}

proptest! {
    #[test]
    fn every_file_of_the_format_reads_back(
        (rows, columns) in (1u32..6, 1u32..6),
        count in 1u32..20,
        seed: u8,
    ) {
        let len = rows * columns * count;
        let pixels: Vec<u8> = (0..len).map(|i| (i as u8).wrapping_mul(seed)).collect();
        let file = [header(&[2051, count, rows, columns]), pixels.clone()].concat();
        let images = images_of(&file).unwrap();
        prop_assert_eq!(images.count(), count as usize);
        prop_assert_eq!(images.pixels, pixels);
    }

    #[test]
    fn no_mutation_panics(
        base in 0usize..4,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut: Option<prop::sample::Index>,
    ) {
        let files =
            [some_images(), some_labels(), gzip(&some_images()), gzip(&some_labels())];
        let mut bytes = files[base].clone();
        for (place, value) in edits {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        // Only whether they return matters: some mutations are valid files.
        let _ = (images_of(&bytes), labels_of(&bytes));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = (images_of(&bytes), labels_of(&bytes));
        let zipped = gzip(&bytes);
        let _ = (images_of(&zipped), labels_of(&zipped));
    }
}
