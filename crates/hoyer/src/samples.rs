//! Samples of a data set, handed to the trainer.
//!
//! Not here: order and variation (`hoyer_zoo::data::loader`), what the trainer does with them
//! (`hoyer_learn`).

use hoyer_learn::recipe::{self, Recipe};
use hoyer_learn::samples::Samples;
use hoyer_zoo::data::catalog::Entry;
use hoyer_zoo::data::loader::Training;
use hoyer_zoo::data::{Augmentation, Loader, Normalization};
use hoyer_zoo::{Dataset, Result};

/// A loader as the trainer wants it: sample by sample, for any thread.
#[derive(Debug, Clone)]
pub struct LoaderSamples<'a>(Loader<'a>);

impl<'a> LoaderSamples<'a> {
    /// Shuffled and varied as the recipe says.
    ///
    /// # Errors
    /// If the augmentation does not suit the samples, or there are none.
    pub fn training(dataset: &'a Dataset, indices: &'a [u32], recipe: &Recipe) -> Result<Self> {
        let how = Training {
            batch: 1,
            seed: recipe.seed,
            augmentation: Augmentation {
                crop: recipe.augmentation.crop,
                flip: recipe.augmentation.flip,
                rotate: recipe.augmentation.rotate,
                scale: recipe.augmentation.scale,
                shift: recipe.augmentation.shift,
            },
            normalization: normalization(&recipe.normalization),
        };
        Loader::training(dataset, indices, &how).map(Self)
    }

    /// In the order of `indices`, never varied.
    ///
    /// # Errors
    /// If an index is out of range or given twice, or the normalization does not suit the samples.
    pub fn plain(dataset: &'a Dataset, indices: &'a [u32], recipe: &Recipe) -> Result<Self> {
        Loader::evaluation(dataset, indices, 1, &normalization(&recipe.normalization)).map(Self)
    }
}

/// How training samples of a known data set are varied where nobody says.
#[must_use]
pub fn usual_augmentation(data: &str) -> recipe::Augmentation {
    let Augmentation { crop, flip, rotate, scale, shift } =
        Entry::find(data).map_or(Augmentation::NONE, |entry| entry.augmentation);
    recipe::Augmentation { crop, flip, rotate, scale, shift }
}

/// A recipe's normalization as the loader wants it.
pub fn normalization(recipe: &recipe::Normalization) -> Normalization {
    Normalization { mean: recipe.mean.clone(), std: recipe.std.clone() }
}

impl Samples for LoaderSamples<'_> {
    fn start_epoch(&mut self, epoch: u64) {
        self.0.start_epoch(epoch);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn sample_len(&self) -> usize {
        self.0.sample_len()
    }

    fn fill(&self, at: usize, input: &mut [f32]) {
        self.0.batch(at).fill_sample(0, input);
    }

    fn fill_all(&self, first: usize, input: &mut [f32]) {
        let count = input.len() / self.sample_len();
        self.0.samples(first, count).fill_part(0, input);
    }

    fn label(&self, at: usize) -> i64 {
        self.0.batch(at).label(0)
    }
}

#[cfg(test)]
mod tests {
    use hoyer_zoo::data::digits;

    use super::*;

    #[test]
    fn pictures_are_varied_and_digits_are_not() {
        let pictures = usual_augmentation("cifar-10");
        assert!(pictures.flip && pictures.crop == 4);
        assert_eq!(usual_augmentation("mnist"), recipe::Augmentation::default());
        assert_eq!(usual_augmentation("some/folder.npz"), recipe::Augmentation::default());
    }

    #[test]
    fn plain_samples_come_in_the_order_of_the_list() {
        let digits = digits::load().unwrap();
        let text = "model='m'\ndata='digits'\n[[stage]]\nkind='train'\nepochs=1\n";
        let recipe = Recipe::parse(text).unwrap();
        let samples = LoaderSamples::plain(&digits, &digits.test, &recipe).unwrap();
        assert_eq!((samples.len(), samples.sample_len()), (digits.test.len(), 64));
        for (at, &index) in digits.test.iter().enumerate() {
            assert_eq!(samples.label(at), i64::from(digits.labels[index as usize]));
        }
    }

    #[test]
    fn epochs_are_shuffled_by_number_and_come_again() {
        let digits = digits::load().unwrap();
        let text = "model='m'\ndata='digits'\nseed=3\n[[stage]]\nkind='train'\nepochs=1\n";
        let recipe = Recipe::parse(text).unwrap();
        let mut samples = LoaderSamples::training(&digits, &digits.train, &recipe).unwrap();
        let mut labels = |epoch| {
            samples.start_epoch(epoch);
            (0..samples.len()).map(|at| samples.label(at)).collect::<Vec<_>>()
        };
        let (first, second) = (labels(0), labels(1));
        assert_ne!(first, second);
        assert_eq!(first, labels(0));
    }
}
