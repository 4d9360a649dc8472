//! A data set in memory: one pool of samples of one shape, and which of them are for what.
//!
//! Invariants, held by [`Dataset::check`]: features, labels and index lists agree in length and
//! range, and no sample is both in `train` and in `test`. Bytes stay bytes until a batch is made.
//! Not here: taking validation samples out of `train` ([`super::split`]), batches
//! ([`super::loader`]).

use crate::{Error, Result};

/// The features of all samples, sample after sample, as they were stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Bytes, as in images.
    U8(Vec<u8>),
    /// Numbers, all finite.
    F32(Vec<f32>),
}

impl Features {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Samples with a class each, and the split into training and test samples.
///
/// | field | meaning |
/// | --- | --- |
/// | `name` | what messages and reports call it |
/// | `shape` | of one sample, e.g. `[1, 28, 28]` (channels, rows, columns) or `[784]` |
/// | `classes` | their names; a label is an index into it |
/// | `scale` | what a stored feature is multiplied by to become an input, e.g. 1/255 |
/// | `features` | `[samples, shape…]` |
/// | `labels` | `[samples]` |
/// | `train`, `test` | indices of the samples that are for training (validation is taken from these) and for the final test |
///
/// # Example
/// ```
/// use hoyer_zoo::data::{Dataset, Features};
/// let xor = Dataset {
///     name: "xor".into(),
///     shape: vec![2],
///     classes: vec!["even".into(), "odd".into()],
///     scale: 1.0,
///     features: Features::U8(vec![0, 0, 0, 1, 1, 0, 1, 1]),
///     labels: vec![0, 1, 1, 0],
///     train: vec![0, 1, 2, 3],
///     test: vec![],
/// };
/// xor.check()?;
/// assert_eq!((xor.len(), xor.sample_len()), (4, 2));
/// # Ok::<(), hoyer_zoo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the table above has one row per field")]
pub struct Dataset {
    pub name: String,
    pub shape: Vec<usize>,
    pub classes: Vec<String>,
    pub scale: f32,
    pub features: Features,
    pub labels: Vec<u16>,
    pub train: Vec<u32>,
    pub test: Vec<u32>,
}

impl Dataset {
    /// How many samples there are, training and test together.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many numbers one sample has.
    pub fn sample_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Channels, rows and columns of a sample that is an image: shape `[c, h, w]`, or `[h, w]`,
    /// which is one channel.
    pub fn image(&self) -> Option<[usize; 3]> {
        match self.shape[..] {
            [c, h, w] => Some([c, h, w]),
            [h, w] => Some([1, h, w]),
            _ => None,
        }
    }

    /// How many of the samples at `indices` are of each class.
    ///
    /// # Panics
    /// If an index or a label is out of range, which [`Self::check`] rules out for its own lists.
    pub fn class_counts(&self, indices: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &i in indices {
            counts[usize::from(self.labels[i as usize])] += 1;
        }
        counts
    }

    /// Checks that all parts fit together.
    ///
    /// # Errors
    /// [`Error::Shape`] for the first thing that does not fit.
    pub fn check(&self) -> Result<()> {
        let len = self.shape.iter().try_fold(self.len(), |len, &dim| len.checked_mul(dim));
        if len != Some(self.features.len()) || self.shape.contains(&0) {
            return Err(Error::Shape {
                what: "features",
                got: format!("{} numbers", self.features.len()),
                need: format!("{} samples of shape {:?}", self.len(), self.shape),
            });
        }
        self.check_labels()?;
        let mut seen = vec![false; self.len()];
        for (what, indices) in [("train", &self.train), ("test", &self.test)] {
            check_indices(what, indices, &mut seen)?;
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<()> {
        let classes = self.classes.len();
        match self.labels.iter().position(|&label| usize::from(label) >= classes) {
            Some(i) => Err(Error::Shape {
                what: "labels",
                got: format!("label {} at sample {i}", self.labels[i]),
                need: format!("labels below {classes}, the number of classes"),
            }),
            None => Ok(()),
        }
    }
}

/// Marks every index in `seen`; one that is out of range or marked already is an error.
pub(crate) fn check_indices(what: &'static str, indices: &[u32], seen: &mut [bool]) -> Result<()> {
    let samples = seen.len();
    for &i in indices {
        match seen.get_mut(i as usize) {
            Some(mark) if !*mark => *mark = true,
            Some(_) => {
                let got = format!("sample {i} twice");
                return Err(Error::Shape { what, got, need: "every sample at most once".into() });
            }
            None => {
                let need = format!("indices below {samples}, the number of samples");
                return Err(Error::Shape { what, got: format!("index {i}"), need });
            }
        }
    }
    Ok(())
}

/// The names "0", "1", … of classes that have no other.
pub(crate) fn numbered_classes(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

/// The index lists of a pool whose first `train` of `samples` samples are for training.
pub(crate) fn pool(train: usize, samples: usize) -> Result<(Vec<u32>, Vec<u32>)> {
    let (Ok(from), Ok(to)) = (u32::try_from(train), u32::try_from(samples)) else {
        let need = format!("at most {}", u32::MAX);
        return Err(Error::Shape { what: "samples", got: samples.to_string(), need });
    };
    Ok(((0..from).collect(), (from..to).collect()))
}
