//! Taking samples out of a list, class by class: validation from training, or a test set.
//!
//! ```text
//! held(c) ≈ held · n(c) / n, rounded by largest remainder, so that Σ held(c) = held
//! ```
//!
//! Invariants: a pure function of labels, list and seed; both parts come sorted; no copies of
//! samples. Not here: the test split of files that bring one (`lookup`).

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::draw;
use crate::{Dataset, Error, Result};

/// How much to hold out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Holdout {
    /// So many samples.
    Count(usize),
    /// This share of the samples, in [0, 1).
    Share(f64),
}

/// Which samples serve for validation.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `validation` | – | 0 ≤ count < samples, or 0 ≤ share < 1 | samples (an integer) or a share (with a decimal point) | how much is held out |
/// | `seed` | 0 | any | – | which samples are held out |
///
/// # Example
/// ```
/// use hoyer_zoo::data::{Holdout, Split, digits};
/// let digits = digits::load()?;
/// let parts = Split { validation: Holdout::Count(200), seed: 7 }.of(&digits, &digits.train)?;
/// assert_eq!(parts.validation.len(), 200);
/// assert_eq!(parts.train.len() + 200, digits.train.len());
/// # Ok::<(), hoyer_zoo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the table above has one row per field")]
pub struct Split {
    pub validation: Holdout,
    #[serde(default)]
    pub seed: u64,
}

/// Two lists of sample indices, each ascending, that together are the list that was split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// What is left for training.
    pub train: Vec<u32>,
    /// What is held out.
    pub validation: Vec<u32>,
}

impl Split {
    /// Splits `indices`, keeping the share of every class.
    ///
    /// # Errors
    /// - [`Error::Range`] if nothing would be left for training, or a share is not in [0, 1)
    /// - [`Error::Shape`] if an index is out of range or given twice, or the data set is unsound
    pub fn of(&self, dataset: &Dataset, indices: &[u32]) -> Result<Parts> {
        dataset.check()?;
        super::dataset::check_indices("indices", indices, &mut vec![false; dataset.len()])?;
        let held = self.count(indices.len())?;
        let mut classes = vec![Vec::new(); dataset.classes.len()];
        for &i in indices {
            classes[usize::from(dataset.labels[i as usize])].push(i);
        }
        let counts: Vec<usize> = classes.iter().map(Vec::len).collect();
        let quotas = quotas(&counts, held, indices.len());
        let mut parts = Parts { train: Vec::new(), validation: Vec::with_capacity(held) };
        for (class, (mut members, quota)) in classes.into_iter().zip(quotas).enumerate() {
            members.sort_unstable();
            members.shuffle(&mut ChaCha8Rng::seed_from_u64(draw::key(self.seed, class as u64)));
            parts.validation.extend_from_slice(&members[..quota]);
            parts.train.extend_from_slice(&members[quota..]);
        }
        parts.train.sort_unstable();
        parts.validation.sort_unstable();
        Ok(parts)
    }

    fn count(&self, samples: usize) -> Result<usize> {
        let (value, held) = match self.validation {
            Holdout::Count(count) => (count.to_string(), Some(count)),
            Holdout::Share(share) => {
                let sound = (0.0..1.0).contains(&share);
                (share.to_string(), sound.then(|| (share * samples as f64).round() as usize))
            }
        };
        match held {
            Some(held) if held < samples || held == 0 => Ok(held),
            _ => Err(Error::Range {
                name: "validation",
                value,
                need: format!(
                    "a count below {samples}, the training samples there are, or a share in [0, 1)"
                ),
            }),
        }
    }
}

/// Shares out `held` in proportion to `counts` by largest remainder, ties to the lower class.
fn quotas(counts: &[usize], held: usize, total: usize) -> Vec<usize> {
    let (held, total) = (held as u128, (total as u128).max(1));
    let exact = |class: usize| held * counts[class] as u128;
    let mut quotas: Vec<usize> = (0..counts.len()).map(|c| (exact(c) / total) as usize).collect();
    let missing = held as usize - quotas.iter().sum::<usize>();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by_key(|&class| (std::cmp::Reverse(exact(class) % total), class));
    for &class in &by_remainder[..missing] {
        quotas[class] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Features;
    use crate::data::dataset::numbered_classes;

    fn of_labels(labels: Vec<u16>) -> Dataset {
        let samples = labels.len();
        Dataset {
            name: "labels".into(),
            shape: vec![1],
            classes: numbered_classes(5),
            scale: 1.0,
            features: Features::U8(vec![0; samples]),
            labels,
            train: (0..samples as u32).collect(),
            test: vec![],
        }
    }

    #[test]
    fn counts_and_shares_are_told_apart_by_the_decimal_point() {
        let split = |text| toml::from_str::<Split>(text).map(|s| (s.validation, s.seed));
        assert_eq!(split("validation = 5000").unwrap(), (Holdout::Count(5000), 0));
        assert_eq!(split("validation = 0.1\nseed = 3").unwrap(), (Holdout::Share(0.1), 3));
        assert!(split("validation = 5000\nsede = 3").is_err());
    }

    #[test]
    fn holding_out_everything_is_refused_by_name() {
        let dataset = of_labels(vec![0, 1, 2, 3]);
        for validation in [Holdout::Count(4), Holdout::Share(1.0), Holdout::Share(-0.1)] {
            let message =
                Split { validation, seed: 0 }.of(&dataset, &dataset.train).unwrap_err().to_string();
            assert!(message.starts_with("validation = "), "{message}");
            assert!(message.contains("a count below 4"), "{message}");
        }
        let nan = Split { validation: Holdout::Share(f64::NAN), seed: 0 };
        assert!(nan.of(&dataset, &dataset.train).is_err());
    }

    #[test]
    fn a_foreign_or_doubled_index_is_refused() {
        let dataset = of_labels(vec![0, 1]);
        let split = Split { validation: Holdout::Count(1), seed: 0 };
        assert!(split.of(&dataset, &[0, 2]).is_err());
        assert!(split.of(&dataset, &[0, 0]).is_err());
    }

    #[test]
    fn another_seed_holds_out_other_samples() {
        let dataset = of_labels((0..200).map(|i| i % 5).collect());
        let held = |seed| {
            let split = Split { validation: Holdout::Share(0.2), seed };
            split.of(&dataset, &dataset.train).unwrap().validation
        };
        assert_eq!(held(1), held(1));
        assert_ne!(held(1), held(2));
    }

    proptest! {
        #[test]
        fn parts_are_a_partition_that_keeps_every_class_share(
            labels in prop::collection::vec(0u16..5, 1..300),
            share in 0.0..0.99f64,
            seed: u64,
        ) {
            let dataset = of_labels(labels);
            let split = Split { validation: Holdout::Share(share), seed };
            let Ok(parts) = split.of(&dataset, &dataset.train) else {
                prop_assert!((share * dataset.len() as f64).round() as usize == dataset.len());
                return Ok(());
            };
            let mut all = [parts.train.clone(), parts.validation.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(&all, &dataset.train);
            let counts = dataset.class_counts(&dataset.train);
            let held = dataset.class_counts(&parts.validation);
            for (count, held_here) in counts.iter().zip(held) {
                let exact = (parts.validation.len() * count) as f64 / dataset.len() as f64;
                prop_assert!((held_here as f64 - exact).abs() < 1.0);
            }
        }
    }
}
