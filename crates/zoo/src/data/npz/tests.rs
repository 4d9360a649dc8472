//! Tests of the `.npz` reader: files NumPy wrote, and hostile ones made here.

use std::io::{Cursor, Write};

use proptest::prelude::*;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// An array file: a header with these words, then these bytes.
fn npy(descr: &str, fortran_order: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': {descr}, 'fortran_order': {fortran_order}, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(numbers);
    file
}

fn zipped(members: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Reads bytes as the file `d.npz`; messages have the folder taken out.
fn read_bytes(bytes: &[u8]) -> std::result::Result<Dataset, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("d.npz");
    std::fs::write(&path, bytes).unwrap();
    let prefix = format!("{}/", folder.path().display());
    read(&path).map_err(|e| e.to_string().replace(&prefix, ""))
}

fn read_xy(x: Vec<u8>, y: Vec<u8>) -> std::result::Result<Dataset, String> {
    read_bytes(&zipped(&[("x", x), ("y", y)], CompressionMethod::Stored))
}

/// Five samples of two features, and labels for them.
fn good_x() -> Vec<u8> {
    npy("'<f4'", "False", "(5, 2)", &floats(&[0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]))
}

fn good_y() -> Vec<u8> {
    npy("'|u1'", "False", "(5,)", &[0, 1, 0, 1, 0])
}

fn testdata(name: &str) -> Dataset {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)).unwrap()
}

#[test]
fn every_way_numpy_writes_the_same_numbers_reads_alike() {
    let points = testdata("points.npz");
    assert_eq!(points.features, Features::F32([0.0, 1.0, 2.0, 3.0].repeat(5)));
    assert_eq!(points.labels, [0, 1].repeat(5));
    assert_eq!((points.scale, points.classes.len()), (1.0, 2));
    for name in ["points-compressed", "points-fortran", "points-big-endian"] {
        let other = testdata(&format!("{name}.npz"));
        assert_eq!(Dataset { name: points.name.clone(), ..other }, points, "{name}");
    }
}

#[test]
fn four_arrays_are_a_split_and_bytes_stay_bytes() {
    let images = testdata("images.npz");
    assert_eq!(images.shape, [2, 3]);
    assert_eq!(images.features, Features::U8((0..36).collect()));
    assert_eq!(images.labels, [0, 1, 2, 0, 1, 2]);
    assert_eq!((images.train, images.test), (vec![0, 1, 2, 3], vec![4, 5]));
    assert_eq!(images.scale, 1.0 / 255.0);
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_sample() {
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let x = npy("'<f4'", "False", "(3, 2)", &floats(&[0.0, 1.0, 2.0, value, 4.0, 5.0]));
        assert_eq!(
            read_xy(x, npy("'|u1'", "False", "(3,)", &[0, 1, 0])).unwrap_err(),
            format!(
                "d.npz, array `x`: sample 1: {name}, need a finite 32-bit number; clean or drop \
                 the sample"
            )
        );
    }
    let x = npy("'<f4'", "True", "(3, 2)", &floats(&[0.0, 1.0, 2.0, f32::NAN, 4.0, 5.0]));
    let message = read_xy(x, npy("'|u1'", "False", "(3,)", &[0, 1, 0])).unwrap_err();
    assert!(message.contains("sample 0: NaN"), "{message}");
    let x = npy("'<f8'", "False", "(2,)", &[1.0, 1e300f64].map(f64::to_le_bytes).concat());
    let message = read_xy(x, npy("'|u1'", "False", "(2,)", &[0, 1])).unwrap_err();
    assert!(message.contains("sample 1: 1e300, need a finite 32-bit number"), "{message}");
}

#[test]
fn labels_that_are_no_classes_are_refused() {
    let refused = |y: Vec<u8>| read_xy(good_x(), y).unwrap_err();
    assert_eq!(
        refused(npy("'|i1'", "False", "(5,)", &[0, 1, 0xff, 1, 0])),
        "d.npz, array `y`: sample 2: label -1, need 0 to 65535; number the classes from 0"
    );
    assert_eq!(
        refused(npy("'<f4'", "False", "(5,)", &floats(&[0.0; 5]))),
        "d.npz, array `y`: header: type <f4, need integers; class numbers: save y.astype('int64')"
    );
    assert_eq!(
        refused(npy("'|u1'", "False", "(5, 2)", &[0; 10])),
        "d.npz, array `y`: shape: shape [5, 2], need one label a sample; features and labels \
         belong together: write them with one numpy.savez"
    );
    let most = npy("'<u8'", "False", "(5,)", &[u64::MAX.to_le_bytes(); 5].concat());
    assert!(refused(most).contains("label 18446744073709551615, need 0 to 65535"));
    assert!(refused(npy("'|u1'", "False", "(4,)", &[0; 4])).contains("5 samples, need 4 labels"));
}

#[test]
fn archives_without_the_arrays_say_what_they_have() {
    let only = zipped(&[("images", good_x()), ("arr_0", good_y())], CompressionMethod::Deflated);
    assert_eq!(
        read_bytes(&only).unwrap_err(),
        "d.npz: list of arrays: arr_0, images, need x and y, or x_train, y_train, x_test and \
         y_test; write it with numpy.savez(path, x=…, y=…)"
    );
    let message = read_bytes(b"no zip at all").unwrap_err();
    assert!(message.starts_with("d.npz: archive: "), "{message}");
    assert!(message.contains("need a zip archive of NumPy arrays"), "{message}");
}

#[test]
fn lying_headers_are_refused_before_memory_is_taken() {
    let refused = |x: Vec<u8>| read_xy(x, good_y()).unwrap_err();
    let huge = "(4294967296, 4294967296, 4294967296)";
    let message = refused(npy("'<f4'", "False", huge, &[0; 16]));
    assert!(message.contains("16 bytes left, need 18446744073709551615 of numbers"), "{message}");
    let deflated = zipped(
        &[("x", npy("'<f4'", "False", huge, &[])), ("y", good_y())],
        CompressionMethod::Deflated,
    );
    assert!(read_bytes(&deflated).unwrap_err().contains("at most "));
    let message = refused(npy("'|u1'", "True", "(0, 4294967296, 4294967296)", &[]));
    assert!(message.contains("none of them 0"), "{message}");
    let message = refused(npy("'<f4'", "False", "(5, 3)", &[0; 40]));
    assert!(message.contains("40 bytes left, need 60 of numbers"), "{message}");
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    assert!(refused(long).contains("a header of 4294967295 bytes, need at most 65536"));
}

#[test]
fn headers_of_other_things_are_refused() {
    let refused = |x: Vec<u8>| read_xy(x, good_y()).unwrap_err();
    let ten = [0; 10];
    for (x, need) in [
        (npy("[('a', '<f4')]", "False", "(5,)", &ten), "type [('a', '<f4')]"),
        (npy("'|O'", "False", "(5,)", &ten), "type '|O'"),
        (npy("'<f2'", "False", "(5,)", &ten), "type <f2, need 32- or 64-bit floats"),
        (npy("'<f4'", "Maybe", "(5,)", &ten), "fortran_order Maybe"),
        (npy("'<f4'", "False", "5", &ten), "shape 5"),
        (npy("'<f4'", "False", "(-5,)", &ten), "shape (-5,)"),
        (npy("'<f4'", "False", "()", &[0; 4]), "shape: shape [], need [samples, shape…]"),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "need the start of a NumPy array"),
        (vec![], "0 bytes left, need 8 of the magic and the version"),
        ([good_x(), vec![0]].concat(), "more bytes, need the end of the file"),
    ] {
        let message = refused(x);
        assert!(message.starts_with("d.npz, array `x`: ") && message.contains(need), "{message}");
    }
}

#[test]
fn a_flipped_bit_in_the_numbers_is_caught_by_the_checksum() {
    let mut bytes = zipped(&[("x", good_x()), ("y", good_y())], CompressionMethod::Stored);
    let place = bytes.windows(4).position(|w| w == 3f32.to_le_bytes()).unwrap();
    bytes[place] ^= 1;
    let message = read_bytes(&bytes).unwrap_err();
    assert!(message.contains("damaged compressed data ("), "{message}");
}

#[test]
fn test_samples_of_another_shape_are_refused() {
    let bytes = zipped(
        &[
            ("x_train", good_x()),
            ("y_train", good_y()),
            ("x_test", npy("'<f4'", "False", "(5, 1)", &[0; 20])),
            ("y_test", good_y()),
        ],
        CompressionMethod::Stored,
    );
    let message = read_bytes(&bytes).unwrap_err();
    assert!(
        message.starts_with(
            "d.npz, array `x_test`: shape: samples of shape [1], need samples of shape [2]"
        ),
        "{message}"
    );
}

#[test]
fn fortran_order_of_three_axes_is_put_right() {
    // Element [a][b][c] has the value 100a + 10b + c and lies at a + 2b + 6c.
    let mut numbers = vec![0; 24];
    for (a, b, c) in indices(2, 3, 4) {
        numbers[a + 2 * b + 6 * c] = (100 * a + 10 * b + c) as u8;
    }
    let x = npy("'|u1'", "True", "(2, 3, 4)", &numbers);
    let y = npy("'|u1'", "False", "(2,)", &[0, 1]);
    let dataset = read_xy(x, y).unwrap();
    let need = indices(2, 3, 4).map(|(a, b, c)| (100 * a + 10 * b + c) as u8).collect();
    assert_eq!(dataset.features, Features::U8(need));
}

/// All indices of three axes, last fastest.
fn indices(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a * b * c).map(move |i| (i / (b * c), i / c % b, i % c))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_mutation_panics(
        deflate: bool,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut: Option<prop::sample::Index>,
    ) {
        let method =
            if deflate { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let mut bytes = zipped(&[("x", good_x()), ("y", good_y())], method);
        for (place, value) in edits {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        // Only whether it returns matters: some mutations are valid files.
        let _ = read_bytes(&bytes);
    }

    #[test]
    fn no_header_panics(descr in ".{0,12}", order in ".{0,6}", shape in "[(),0-9L -]{0,40}") {
        let _ = read_xy(npy(&descr, &order, &shape, &[0; 32]), good_y());
        let _ = read_xy(npy("'<f4'", "True", &shape, &[0; 32]), good_y());
        let _ = read_xy(good_x(), npy("'|u1'", "False", &shape, &[0; 5]));
    }
}
