//! The embedded data set: 1,797 real 8x8 digits, values 0 to 16, in every build.
//!
//! It brings no test set: a fifth of every class is held out, the same samples for every run.
//! Origin and licence (CC BY 4.0, UCI) are in `digits/README.md` beside the data.
//!
//! # Source
//! Alpaydin, Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI Machine Learning
//! Repository, <https://doi.org/10.24432/C50P49>.

use super::dataset::numbered_classes;
use super::file::DataFile;
use super::{Features, Holdout, Split, idx};
use crate::{Dataset, Result};

static IMAGES: &[u8] = include_bytes!("../../digits/digits-images-idx3-ubyte.gz");
static LABELS: &[u8] = include_bytes!("../../digits/digits-labels-idx1-ubyte.gz");

/// Share of the samples that is held out where a data set brings no test set of its own.
pub const TEST_SHARE: f64 = 0.2;
/// The seed of that split: a constant, so that test metrics of different runs compare.
pub const TEST_SEED: u64 = 0;

/// The digits, shape `[1, 8, 8]`, scaled from 0..=16 to 0..=1.
///
/// # Errors
/// None that a sound build can give: the data is embedded and checked like any file.
///
/// # Example
/// ```
/// let digits = hoyer_zoo::data::digits::load()?;
/// assert_eq!((digits.train.len(), digits.test.len()), (1438, 359));
/// # Ok::<(), hoyer_zoo::Error>(())
/// ```
pub fn load() -> Result<Dataset> {
    let images = idx::images(DataFile::from_bytes("digits-images (embedded)", IMAGES)?)?;
    let labels = idx::labels(DataFile::from_bytes("digits-labels (embedded)", LABELS)?, 10)?;
    let dataset = Dataset {
        name: "digits".into(),
        shape: vec![1, images.rows, images.columns],
        classes: numbered_classes(10),
        scale: 1.0 / 16.0,
        train: (0..images.count() as u32).collect(),
        test: Vec::new(),
        features: Features::U8(images.pixels),
        labels,
    };
    with_test_set(dataset)
}

/// Holds [`TEST_SHARE`] of the training samples out as the test set.
pub(crate) fn with_test_set(dataset: Dataset) -> Result<Dataset> {
    let split = Split { validation: Holdout::Share(TEST_SHARE), seed: TEST_SEED };
    let parts = split.of(&dataset, &dataset.train)?;
    Ok(Dataset { train: parts.train, test: parts.validation, ..dataset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_the_uci_test_part() {
        let digits = load().unwrap();
        let all: Vec<u32> = (0..digits.len() as u32).collect();
        // The class counts UCI's optdigits.names gives for the testing set.
        assert_eq!(digits.class_counts(&all), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let Features::U8(pixels) = &digits.features else { panic!("digits are bytes") };
        assert_eq!(pixels.iter().copied().max(), Some(16));
        // The first row of optdigits.tes.
        assert_eq!(pixels[..16], [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]);
        assert_eq!(digits.labels[0], 0);
    }

    #[test]
    fn the_test_set_holds_a_fifth_of_every_class_and_never_moves() {
        let digits = load().unwrap();
        assert_eq!(digits.class_counts(&digits.test).iter().sum::<usize>(), 359);
        assert!(digits.class_counts(&digits.test).iter().all(|n| (34..=37).contains(n)));
        assert_eq!(load().unwrap(), digits);
    }
}
