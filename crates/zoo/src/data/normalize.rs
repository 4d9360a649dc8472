//! Normalizing inputs per channel: subtract a mean, divide by a standard deviation.
//!
//! ```text
//! input = (feature · scale − mean[c]) / std[c]
//! ```
//!
//! The mean and the deviation are in scaled units (0 to 1 for images).
//! Not here: applying it ([`super::loader`] does, in the pass that makes the batch).

use serde::{Deserialize, Serialize};

use super::Features;
use crate::{Dataset, Error, Result};

/// Mean and standard deviation per channel; empty lists leave inputs as scaled.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `mean` | empty | finite; one value per channel, or one for all | scaled input | subtracted |
/// | `std` | empty | > 0; as many as `mean` | scaled input | divided by |
///
/// Samples of shape `[c, h, w]` have `c` channels, all others one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the table above has one row per field")]
pub struct Normalization {
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

/// `input = feature · factor + offset` for one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    pub(crate) factor: f32,
    pub(crate) offset: f32,
}

impl Normalization {
    /// The mean and deviation of every channel over the samples at `indices`.
    ///
    /// A channel that never changes gets deviation 1. Sums are in f64 and in the order of
    /// `indices`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no samples, or an index is out of range or given twice.
    ///
    /// # Example
    /// ```
    /// use hoyer_zoo::data::{Normalization, digits};
    /// let digits = digits::load()?;
    /// let measured = Normalization::measure(&digits, &digits.train)?;
    /// assert!((measured.mean[0] - 0.305).abs() < 0.01);
    /// assert!((measured.std[0] - 0.376).abs() < 0.01);
    /// # Ok::<(), hoyer_zoo::Error>(())
    /// ```
    pub fn measure(dataset: &Dataset, indices: &[u32]) -> Result<Self> {
        dataset.check()?;
        super::dataset::check_indices("indices", indices, &mut vec![false; dataset.len()])?;
        if indices.is_empty() {
            let (what, need) = ("indices", "at least one sample to measure".into());
            return Err(Error::Shape { what, got: "none".into(), need });
        }
        let sums = match &dataset.features {
            Features::U8(values) => sums(dataset, values, indices),
            Features::F32(values) => sums(dataset, values, indices),
        };
        let values = (indices.len() * dataset.sample_len() / sums.len()) as f64;
        let scale = f64::from(dataset.scale);
        let mut measured = Self::default();
        for [sum, squares] in sums {
            let mean = sum / values;
            let deviation = (squares / values - mean * mean).max(0.0).sqrt() * scale;
            measured.mean.push((mean * scale) as f32);
            measured.std.push(if deviation > 0.0 { deviation as f32 } else { 1.0 });
        }
        Ok(measured)
    }

    /// The map from stored features to inputs, one per channel.
    pub(crate) fn build(&self, dataset: &Dataset) -> Result<Vec<Affine>> {
        let channels = channels(dataset);
        if self.mean.len() != self.std.len() || ![0, 1, channels].contains(&self.mean.len()) {
            return Err(Error::Range {
                name: "normalization",
                value: format!("{} means and {} stds", self.mean.len(), self.std.len()),
                need: format!("{channels} of each, one per channel, or 1 or none of each"),
            });
        }
        let of = |values: &[f32], none: f32, c: usize| match values {
            [] => none,
            [all] => *all,
            each => each[c],
        };
        (0..channels)
            .map(|c| affine(dataset.scale, of(&self.mean, 0.0, c), of(&self.std, 1.0, c)))
            .collect()
    }
}

fn affine(scale: f32, mean: f32, std: f32) -> Result<Affine> {
    let (factor, offset) = (scale / std, -mean / std);
    if std > 0.0 && factor.is_finite() && offset.is_finite() {
        return Ok(Affine { factor, offset });
    }
    Err(Error::Range {
        name: "normalization",
        value: format!("mean {mean} and std {std}"),
        need: "a finite mean and a std above 0".into(),
    })
}

fn channels(dataset: &Dataset) -> usize {
    if dataset.shape.len() == 3 { dataset.shape[0] } else { 1 }
}

/// `[Σ x, Σ x²]` of the stored features, per channel.
fn sums<T: Copy + Into<f64>>(dataset: &Dataset, features: &[T], indices: &[u32]) -> Vec<[f64; 2]> {
    let (sample, channels) = (dataset.sample_len(), channels(dataset));
    let mut sums = vec![[0.0; 2]; channels];
    for &i in indices {
        let start = i as usize * sample;
        let planes = features[start..start + sample].chunks_exact(sample / channels);
        for (plane, [sum, squares]) in planes.zip(&mut sums) {
            for &value in plane {
                let value: f64 = value.into();
                *sum += value;
                *squares += value * value;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;

    #[test]
    fn normalized_samples_have_mean_zero_and_deviation_one() {
        let digits = digits::load().unwrap();
        let measured = Normalization::measure(&digits, &digits.train).unwrap();
        let Affine { factor, offset } = measured.build(&digits).unwrap()[0];
        let Features::U8(pixels) = &digits.features else { panic!("digits are bytes") };
        let inputs: Vec<f64> = digits
            .train
            .iter()
            .flat_map(|&i| &pixels[i as usize * 64..][..64])
            .map(|&p| f64::from(f32::from(p) * factor + offset))
            .collect();
        let mean = inputs.iter().sum::<f64>() / inputs.len() as f64;
        let square = inputs.iter().map(|x| x * x).sum::<f64>() / inputs.len() as f64;
        assert!(mean.abs() < 1e-5 && (square - 1.0).abs() < 1e-5, "mean {mean}, square {square}");
    }

    #[test]
    fn a_setting_that_does_not_fit_the_channels_is_refused() {
        let digits = digits::load().unwrap();
        for (mean, std) in [
            (vec![0.1, 0.2], vec![1.0, 1.0]),
            (vec![0.1], vec![]),
            (vec![0.1], vec![0.0]),
            (vec![f32::NAN], vec![1.0]),
            (vec![0.0], vec![-1.0]),
        ] {
            assert!(Normalization { mean, std }.build(&digits).is_err());
        }
    }
}
