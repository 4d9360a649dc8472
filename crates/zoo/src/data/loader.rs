//! Batches: which samples, in which order, as normalized f32 and labels in buffers of the caller.
//!
//! Invariants: the order of an epoch and the variation of a sample are pure functions of the seed
//! and the epoch number, so a run resumes anywhere and any thread can fill any sample of a batch;
//! nothing is allocated after [`Loader`] is made.
//! Not here: the split ([`super::split`]), threads (the caller hands out samples).

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::augment::{Variation, convert};
use super::normalize::Affine;
use super::warp::Pixel;
use super::{Augmentation, Features, Normalization, draw};
use crate::{Dataset, Error, Result};

/// Keeps the shuffling apart from the draws of samples, which use the bare epoch key.
const SHUFFLE: u32 = u32::MAX;

/// How many features are read ahead of their conversion; a few of these fit in a second-level
/// cache.
const AHEAD: usize = 1 << 16;
const CACHE_LINE_BYTES: usize = 64;

/// How batches are made for training.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `batch` | – | 1 to the number of samples | samples | size of every batch |
/// | `seed` | – | any | – | order and variations |
/// | `augmentation` | none | see [`Augmentation`] | – | how images are varied |
/// | `normalization` | none | see [`Normalization`] | – | per channel |
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the table above has one row per field")]
pub struct Training {
    pub batch: usize,
    pub seed: u64,
    pub augmentation: Augmentation,
    pub normalization: Normalization,
}

/// Batches of a list of samples, epoch after epoch.
///
/// # Example
/// ```
/// use hoyer_zoo::data::{Augmentation, Loader, Normalization, digits, loader::Training};
///
/// let digits = digits::load()?;
/// let how = Training {
///     batch: 64,
///     seed: 1,
///     augmentation: Augmentation { crop: 1, ..Augmentation::default() },
///     normalization: Normalization::default(),
/// };
/// let mut loader = Loader::training(&digits, &digits.train, &how)?;
/// let (mut inputs, mut labels) = (vec![0.0; 64 * loader.sample_len()], vec![0; 64]);
/// for epoch in 0..2 {
///     loader.start_epoch(epoch);
///     for batch in loader.batches() {
///         assert_eq!(batch.fill(&mut inputs, &mut labels)?, 64);
///     }
/// }
/// # Ok::<(), hoyer_zoo::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Loader<'a> {
    dataset: &'a Dataset,
    indices: &'a [u32],
    order: Vec<u32>,
    batch: usize,
    batches: usize,
    maps: Vec<Affine>,
    variation: Option<Random>,
    epoch: u64,
}

/// What is random about a training loader.
#[derive(Debug, Clone)]
struct Random {
    seed: u64,
    augmentation: Augmentation,
}

impl<'a> Loader<'a> {
    /// Shuffled, varied batches, standing at epoch 0.
    ///
    /// Every batch is full: the samples that are left over at the end of an epoch are dropped, and
    /// another shuffle drops others in the next.
    ///
    /// # Errors
    /// - [`Error::Range`] if the batch is 0 or larger than the list, or a setting does not suit
    ///   the samples
    /// - [`Error::Shape`] if the data set is unsound, or an index is out of range or given twice
    pub fn training(dataset: &'a Dataset, indices: &'a [u32], how: &Training) -> Result<Self> {
        how.augmentation.check(dataset)?;
        let random = Random { seed: how.seed, augmentation: how.augmentation };
        let mut loader = Self::evaluation(dataset, indices, how.batch, &how.normalization)?;
        if how.batch > indices.len() {
            return Err(Error::Range {
                name: "batch",
                value: how.batch.to_string(),
                need: format!("1 to {}, the number of training samples", indices.len()),
            });
        }
        loader.batches = indices.len() / how.batch;
        loader.variation = Some(random);
        loader.start_epoch(0);
        Ok(loader)
    }

    /// Every sample once, in the order of the list, as stored; the last batch may be smaller.
    ///
    /// # Errors
    /// As [`Self::training`], but the batch may be larger than the list.
    pub fn evaluation(
        dataset: &'a Dataset,
        indices: &'a [u32],
        batch: usize,
        normalization: &Normalization,
    ) -> Result<Self> {
        dataset.check()?;
        super::dataset::check_indices("indices", indices, &mut vec![false; dataset.len()])?;
        if batch == 0 {
            return Err(Error::Range {
                name: "batch",
                value: "0".into(),
                need: "at least 1 sample".into(),
            });
        }
        Ok(Self {
            dataset,
            indices,
            order: indices.to_vec(),
            batch,
            batches: indices.len().div_ceil(batch),
            maps: normalization.build(dataset)?,
            variation: None,
            epoch: 0,
        })
    }

    /// Shuffles for `epoch`; an evaluation loader keeps its order.
    pub fn start_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
        if let Some(random) = &self.variation {
            self.order.copy_from_slice(self.indices);
            let seed = draw::bits(draw::key(random.seed, epoch), SHUFFLE);
            self.order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        }
    }

    /// How many batches an epoch has.
    pub fn len(&self) -> usize {
        self.batches
    }

    /// Whether an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// How many numbers one sample has.
    pub fn sample_len(&self) -> usize {
        self.dataset.sample_len()
    }

    /// The batches of this epoch.
    pub fn batches(&self) -> impl ExactSizeIterator<Item = Batch<'_>> {
        (0..self.batches).map(|index| self.batch(index))
    }

    /// Batch `index` of this epoch.
    ///
    /// # Panics
    /// If `index` is not below [`Self::len`].
    pub fn batch(&self, index: usize) -> Batch<'_> {
        assert!(index < self.batches, "batch {index}, need below {}", self.batches);
        let start = index * self.batch;
        self.samples(start, self.batch.min(self.order.len() - start))
    }

    /// So many samples from number `first` of this epoch on, wherever batches begin.
    ///
    /// # Panics
    /// If the epoch has fewer.
    pub fn samples(&self, first: usize, count: usize) -> Batch<'_> {
        let samples = &self.order[first..first + count];
        let variation = match &self.variation {
            Some(random) if !random.augmentation.is_none() => {
                Some((random.augmentation, draw::key(random.seed, self.epoch)))
            }
            _ => None,
        };
        Batch { dataset: self.dataset, samples, maps: &self.maps, variation }
    }
}

/// The samples of one batch: cheap to copy, to be filled by any number of threads.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    dataset: &'a Dataset,
    samples: &'a [u32],
    maps: &'a [Affine],
    variation: Option<(Augmentation, u64)>,
}

impl Batch<'_> {
    /// How many samples it has.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether it has no samples, which no batch of a [`Loader`] has.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The indices of its samples in the data set.
    pub fn samples(&self) -> &[u32] {
        self.samples
    }

    /// The label of sample `i` of the batch.
    ///
    /// # Panics
    /// If `i` is not below [`Self::len`].
    pub fn label(&self, i: usize) -> i64 {
        self.dataset.labels[self.samples[i] as usize].into()
    }

    /// Fills both buffers from the front and returns how many samples they now hold; what lies
    /// behind is left as it is.
    ///
    /// # Shapes
    /// - `inputs`: `[at least len, sample…]`
    /// - `labels`: `[at least len]`
    ///
    /// # Errors
    /// [`Error::Shape`] if a buffer is too small.
    pub fn fill(&self, inputs: &mut [f32], labels: &mut [i64]) -> Result<usize> {
        let (count, sample) = (self.len(), self.dataset.sample_len());
        if inputs.len() < count * sample || labels.len() < count {
            return Err(Error::Shape {
                what: "batch buffers",
                got: format!("{} inputs and {} labels", inputs.len(), labels.len()),
                need: format!("{} and {count}", count * sample),
            });
        }
        self.fill_part(0, &mut inputs[..count * sample]);
        for (i, label) in labels[..count].iter_mut().enumerate() {
            *label = self.label(i);
        }
        Ok(count)
    }

    /// Fills `inputs` with samples `first`, `first + 1`, … of the batch, as many as it is long:
    /// what one of several threads does.
    ///
    /// # Shapes
    /// - `inputs`: `[samples, sample…]`
    ///
    /// # Panics
    /// If `inputs` is no whole number of samples, or more than the batch has from `first` on.
    pub fn fill_part(&self, first: usize, inputs: &mut [f32]) {
        let sample = self.dataset.sample_len();
        assert_eq!(inputs.len() % sample, 0, "a buffer of whole samples");
        let group = (AHEAD / sample).max(1);
        let mut i = first;
        for inputs in inputs.chunks_mut(group * sample) {
            self.touch(&self.samples[i..i + inputs.len() / sample]);
            for input in inputs.chunks_exact_mut(sample) {
                self.fill_sample(i, input);
                i += 1;
            }
        }
    }

    /// Reads a value of every cache line of these samples. Shuffled samples lie where no
    /// prefetcher looks; this sets all lines on their way at once, where converting sample by
    /// sample would wait for each in turn.
    fn touch(&self, samples: &[u32]) {
        fn lines<T: Copy + Into<f32>>(features: &[T]) -> f32 {
            let line = CACHE_LINE_BYTES / size_of::<T>();
            features.iter().step_by(line).fold(0.0, |sum, &feature| sum + feature.into())
        }
        let sample = self.dataset.sample_len();
        for &i in samples {
            let range = i as usize * sample..(i as usize + 1) * sample;
            std::hint::black_box(match &self.dataset.features {
                Features::U8(values) => lines(&values[range]),
                Features::F32(values) => lines(&values[range]),
            });
        }
    }

    /// Fills `input` with sample `i` of the batch: converted, varied and normalized in one pass.
    ///
    /// # Panics
    /// If `i` is not below [`Self::len`], or `input` is not exactly one sample long.
    pub fn fill_sample(&self, i: usize, input: &mut [f32]) {
        let sample = self.samples[i];
        assert_eq!(input.len(), self.dataset.sample_len(), "a buffer of one sample");
        let variation =
            self.variation.map(|(augmentation, key)| augmentation.draw(draw::bits(key, sample)));
        let range = sample as usize * input.len()..(sample as usize + 1) * input.len();
        match &self.dataset.features {
            Features::U8(values) => self.convert(&values[range], variation, input),
            Features::F32(values) => self.convert(&values[range], variation, input),
        }
    }

    fn convert<T: Pixel>(&self, features: &[T], variation: Option<Variation>, input: &mut [f32]) {
        let channel = input.len() / self.maps.len();
        let planes = features.chunks_exact(channel).zip(input.chunks_exact_mut(channel));
        let columns = self.dataset.shape[self.dataset.shape.len() - 1];
        for ((plane, out), &map) in planes.zip(self.maps) {
            match variation {
                Some(variation) => variation.convert(plane, columns, map, out),
                None => convert(plane, map, out),
            }
        }
    }
}

#[cfg(test)]
mod tests;
