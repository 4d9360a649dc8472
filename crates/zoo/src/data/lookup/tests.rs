//! Tests of the search: roots in order, layouts, and what is said when nothing is whole.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::data::layout::{CIFAR_FILES, IDX_FILES};

fn images(count: u32, side: u32) -> Vec<u8> {
    let header = [2051, count, side, side].map(u32::to_be_bytes).concat();
    [header, vec![7; (count * side * side) as usize]].concat()
}

fn labels(labels: &[u8]) -> Vec<u8> {
    [[2049, labels.len() as u32].map(u32::to_be_bytes).concat(), labels.to_vec()].concat()
}

/// A folder with a tiny IDX data set, below a new root.
fn tiny(folder: &str) -> (TempDir, PathBuf) {
    let root = TempDir::new().unwrap();
    let path = root.path().join(folder);
    fs::create_dir_all(&path).unwrap();
    let contents = [images(3, 4), labels(&[0, 1, 2]), images(2, 4), labels(&[2, 0])];
    for (name, content) in IDX_FILES.iter().zip(contents) {
        fs::write(path.join(name), content).unwrap();
    }
    (root, path)
}

fn of(path: &Path) -> Result<Dataset> {
    load(path.to_str().unwrap(), &[])
}

#[test]
fn a_folder_of_idx_files_is_a_data_set_by_its_path() {
    let (_root, path) = tiny("shapes");
    let dataset = of(&path).unwrap();
    assert_eq!((dataset.name.as_str(), &dataset.shape[..]), ("shapes", &[1, 4, 4][..]));
    assert_eq!((&dataset.train[..], &dataset.test[..]), (&[0, 1, 2][..], &[3, 4][..]));
    assert_eq!((dataset.labels.as_slice(), dataset.classes.len()), (&[0, 1, 2, 2, 0][..], 3));
    dataset.check().unwrap();
}

#[test]
fn parts_of_different_data_sets_do_not_mix() {
    let (_root, path) = tiny("shapes");
    fs::write(path.join(IDX_FILES[1]), labels(&[0, 1])).unwrap();
    let message = of(&path).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "train-labels-idx1-ubyte: byte 4: 2 labels, need 3, one for each image; images and \
             labels belong to different data sets"
        ),
        "{message}"
    );
    fs::write(path.join(IDX_FILES[1]), labels(&[0, 1, 1])).unwrap();
    fs::write(path.join(IDX_FILES[2]), images(2, 5)).unwrap();
    let message = of(&path).unwrap_err().to_string();
    assert!(message.contains("images of 5 x 5, need 4 x 4, as the training images are"));
}

#[test]
fn a_name_stands_for_the_whole_set_and_nothing_smaller() {
    for folder in ["mnist", "MNIST/raw", "MNIST"] {
        let (root, _) = tiny(folder);
        let message = load("mnist", &[root.path().into()]).unwrap_err().to_string();
        let need = "folder: 3 + 2 samples of shape [1, 4, 4], need 60000 + 10000 of shape [1, 28, \
                    28], as `mnist` has; name another data set by the path of its folder";
        assert!(message.ends_with(need), "{message}");
    }
}

#[test]
fn a_partial_folder_is_passed_over_and_then_reported() {
    let (whole, path) = tiny("mnist");
    let partial = TempDir::new().unwrap();
    fs::create_dir(partial.path().join("mnist")).unwrap();
    fs::write(partial.path().join("mnist").join(IDX_FILES[0]), []).unwrap();
    let roots = [partial.path().to_path_buf(), whole.path().into()];
    let entry = Entry::find("mnist").unwrap();
    assert_eq!(find(entry, &roots).unwrap()[0], path.join(IDX_FILES[0]));
    assert_eq!(
        find(entry, &roots[..1]).unwrap_err().to_string(),
        format!(
            "data set `mnist` is not in {0} (looked for mnist, MNIST/raw, MNIST); {0}/mnist holds \
             train-images-idx3-ubyte but not train-labels-idx1-ubyte, t10k-images-idx3-ubyte, \
             t10k-labels-idx1-ubyte; get it with `hoyer data fetch mnist`",
            partial.path().display()
        )
    );
}

#[test]
fn a_sample_of_cifar_10_is_not_cifar_10() {
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("cifar10")).unwrap();
    fs::write(root.path().join("cifar10/test_first1000.bin.gz"), []).unwrap();
    let message = load("cifar-10", &[root.path().into()]).unwrap_err().to_string();
    assert!(
        message.contains("/cifar10 holds test_first1000.bin.gz but not data_batch_1.bin, "),
        "{message}"
    );
    assert!(message.ends_with("get it with `hoyer data fetch cifar-10`"), "{message}");
}

#[test]
fn cifar_folders_read_by_path_keep_the_test_batch_apart() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("two-each");
    fs::create_dir(&path).unwrap();
    for (i, name) in CIFAR_FILES.iter().enumerate() {
        fs::write(path.join(name), [vec![i as u8; 3073], vec![9; 3073]].concat()).unwrap();
    }
    let dataset = of(&path).unwrap();
    assert_eq!((dataset.train.len(), dataset.test.len()), (10, 2));
    assert_eq!(dataset.labels, [0, 9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
    dataset.check().unwrap();
}

#[test]
fn a_folder_of_two_npz_files_is_a_split() {
    let root = TempDir::new().unwrap();
    let points = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/points.npz");
    for name in ["train.npz", "test.npz"] {
        fs::copy(&points, root.path().join(name)).unwrap();
    }
    let dataset = of(root.path()).unwrap();
    assert_eq!((dataset.train.len(), dataset.test.len()), (10, 10));
}

#[test]
fn an_unusable_folder_says_what_it_holds_and_what_would_do() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("notes.txt"), "").unwrap();
    let message = of(root.path()).unwrap_err().to_string();
    assert!(message.contains("folder: notes.txt, need the files train-images-idx3-ubyte, "));
}

#[test]
fn unknown_names_list_the_known_ones() {
    assert_eq!(
        load("mnits", &[]).unwrap_err().to_string(),
        "no data set is called `mnits`; known are digits, mnist, fashion-mnist, cifar-10, or give \
         the path of an .npz file or a folder of IDX, CIFAR-10 or .npz files"
    );
    let message = load("nowhere.npz", &[]).unwrap_err().to_string();
    assert_eq!(message, "cannot read nowhere.npz");
}
