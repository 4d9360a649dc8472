//! What a report is made from: the result, and the few things `result.json` is too small for.
//!
//! Invariants (held by [`Evidence::check`], which rendering runs): the result agrees with
//! itself, a map has a count for every pixel, and both histograms of a layer have the same bins.
//! Not here: the page (`page`).

use crate::error::{Error, Result};
use crate::result::RunResult;

/// Everything a report shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The numbers.
    pub result: RunResult,
    /// One entry a layer, in the order of the graph; may be empty.
    pub histograms: Vec<WeightHistogram>,
    /// Where the first layer still looks, for networks that look at images.
    pub pixel_map: Option<PixelMap>,
    /// The recipe as text, for `recipe.toml`.
    pub recipe: String,
}

impl Evidence {
    /// Checks that the parts agree with each other.
    ///
    /// # Errors
    /// [`Error::Evidence`] names the first part that does not.
    pub fn check(&self) -> Result<()> {
        self.result.check()?;
        for histogram in &self.histograms {
            let what = || format!("histogram of `{}`", histogram.layer);
            same_length(what, histogram.after.len(), histogram.before.len())?;
        }
        let Some(map) = &self.pixel_map else { return Ok(()) };
        same_length(|| "pixel map".into(), map.counts.len(), map.height * map.width)
    }
}

fn same_length(what: impl Fn() -> String, got: usize, need: usize) -> Result<()> {
    if got == need {
        return Ok(());
    }
    Err(Error::Evidence {
        what: what(),
        got: format!("{got} entries"),
        need: format!("{need} entries"),
    })
}

/// How the weights of one layer are spread, before and after, exact zeros left out.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightHistogram {
    /// Name of the weight.
    pub layer: String,
    /// The bins divide `[-limit, limit]` into equal parts.
    pub limit: f64,
    /// Weights in each bin before compression.
    pub before: Vec<u64>,
    /// Weights in each bin after compression.
    pub after: Vec<u64>,
}

impl WeightHistogram {
    /// Bins the weights of a layer before and after compression. Zeros and what is not finite
    /// are left out; the bins reach as far as the largest weight of both.
    ///
    /// # Example
    /// ```
    /// use hoyer::report::WeightHistogram;
    ///
    /// let bins = WeightHistogram::of("fc1", &[-1.0, 0.1, 1.0], &[0.0, 0.0, 2.0], 4);
    /// assert_eq!((bins.limit, &bins.before[..]), (2.0, &[0, 1, 1, 1][..]));
    /// assert_eq!(bins.after, [0, 0, 0, 1]);
    /// ```
    pub fn of(layer: &str, before: &[f32], after: &[f32], bins: usize) -> Self {
        let finite = |weights: &[f32]| -> Vec<f64> {
            weights.iter().filter(|w| w.is_finite() && **w != 0.0).map(|w| f64::from(*w)).collect()
        };
        let (before, after) = (finite(before), finite(after));
        let limit = before.iter().chain(&after).fold(0.0_f64, |limit, w| limit.max(w.abs()));
        let counts = |weights: &[f64]| {
            let mut counts = vec![0; bins];
            for weight in weights {
                let place = (weight / limit + 1.0) / 2.0 * bins as f64;
                if let Some(last) = bins.checked_sub(1) {
                    counts[(place as usize).min(last)] += 1;
                }
            }
            counts
        };
        Self { layer: layer.into(), limit, before: counts(&before), after: counts(&after) }
    }
}

/// What the cells of a [`PixelMap`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapOf {
    /// Pixels of the input, read by a linear layer.
    InputPixels,
    /// Positions in the kernel of a convolution.
    KernelPositions,
}

/// How many weights of the first layer are left at each pixel of the input (or, for a
/// convolution, at each position of its kernel).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelMap {
    /// What a cell is.
    pub of: MapOf,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Weights left a cell, row by row.
    pub counts: Vec<u64>,
    /// Weights a cell had before.
    pub possible: u64,
}

impl PixelMap {
    /// Counts the weights of a linear first layer that read each pixel, over all channels.
    ///
    /// # Shapes
    /// - `weights`: `[out, channels * height * width]`
    /// - `image`: `[channels, height, width]`
    ///
    /// # Errors
    /// [`Error::Evidence`] if `weights` is not made of whole images.
    ///
    /// # Example
    /// ```
    /// use hoyer::report::PixelMap;
    ///
    /// let map = PixelMap::of_linear(&[0.5, 0.0, -0.1, 0.0], [1, 1, 2])?;
    /// assert_eq!((map.counts, map.possible), (vec![2, 0], 2));
    /// # Ok::<(), hoyer::Error>(())
    /// ```
    pub fn of_linear(weights: &[f32], image: [usize; 3]) -> Result<Self> {
        Self::of(MapOf::InputPixels, weights, image)
    }

    /// Counts the weights of a convolution at each position of its kernel, over all channels.
    ///
    /// # Shapes
    /// - `weights`: `[out, in / groups, height, width]`
    /// - `kernel`: `[in / groups, height, width]`
    ///
    /// # Errors
    /// [`Error::Evidence`] if `weights` is not made of whole kernels.
    pub fn of_convolution(weights: &[f32], kernel: [usize; 3]) -> Result<Self> {
        Self::of(MapOf::KernelPositions, weights, kernel)
    }

    fn of(of: MapOf, weights: &[f32], [channels, height, width]: [usize; 3]) -> Result<Self> {
        let plane = height * width;
        if plane == 0 || channels == 0 || !weights.len().is_multiple_of(channels * plane) {
            return Err(Error::Evidence {
                what: "weights of the first layer".into(),
                got: weights.len().to_string(),
                need: format!("a multiple of {channels} x {height} x {width}"),
            });
        }
        let mut counts = vec![0; plane];
        for image in weights.chunks_exact(plane) {
            for (count, weight) in counts.iter_mut().zip(image) {
                *count += u64::from(*weight != 0.0);
            }
        }
        Ok(Self { of, height, width, counts, possible: (weights.len() / plane) as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_weight_that_is_not_zero_is_in_one_bin() {
        let before: Vec<f32> = (-50..50).map(|i| i as f32 / 7.0).collect();
        let after = [0.0, f32::NAN, f32::INFINITY, 3.0];
        let bins = WeightHistogram::of("w", &before, &after, 9);
        assert_eq!(bins.before.iter().sum::<u64>(), 99);
        assert_eq!(bins.after.iter().sum::<u64>(), 1);
    }

    #[test]
    fn no_weights_and_no_bins_make_an_empty_histogram() {
        assert_eq!(WeightHistogram::of("w", &[], &[0.0], 3).before, [0, 0, 0]);
        assert!(WeightHistogram::of("w", &[1.0], &[1.0], 0).before.is_empty());
    }

    #[test]
    fn channels_of_a_pixel_are_counted_together() {
        let map =
            PixelMap::of_linear(&[1.0, 0.0, 2.0, 0.0, 0.0, 3.0, 0.0, 0.0], [2, 1, 2]).unwrap();
        assert_eq!((map.counts, map.possible), (vec![2, 1], 4));
    }

    #[test]
    fn weights_that_are_no_whole_images_are_refused() {
        let error = PixelMap::of_linear(&[1.0; 5], [1, 2, 2]).unwrap_err().to_string();
        assert_eq!(error, "weights of the first layer: got 5, need a multiple of 1 x 2 x 2");
        assert!(PixelMap::of_convolution(&[1.0; 5], [0, 2, 2]).is_err());
    }
}
