//! Few levels for the weights of a layer: what the loss loses, against the bits that are stored.
//!
//! ```text
//! J = Σᵢ fᵢ (wᵢ − l(qᵢ))² + λ Σᵢ bits(qᵢ)         fᵢ: mean squared gradient of the loss by wᵢ
//! bits(q) = −log₂(share of q among live weights) − log₂(share of live ones)    bits(0) = −log₂(share of zeros)
//! ```
//! A weight takes a cheaper level where that saves more than it costs. One λ for all layers gives each the step that suits it.
//!
//! Invariants: zero stays zero; levels have 8 significant bits, so that they take two bytes in a file and multiples of a step are
//! exact.
//! Not here: λ (the stage), the real number of bits (`hoyer_graph::container`).
//!
//! # Source
//! Wiedemann et al. (2020), "DeepCABAC", arXiv 1907.11900: rate-distortion quantization weighted by importance; Han, Mao & Dally (2016),
//! "Deep Compression", arXiv 1510.00149, section 3: k-means. Here bits come from counts, not from the coder's state, and
//! clusters begin at quantiles, not in equal distances.

use serde::{Deserialize, Serialize};

/// Most steps on either side of zero: Hoyer-Square leaves single weights that are hundreds of times as large as the others.
const MOST_STEPS: i32 = 4_095;
/// How often bits and levels are fitted to each other.
const ROUNDS: usize = 4;

/// Which numbers weights can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Levels {
    /// Multiples of a step.
    Uniform,
    /// Any few numbers.
    KMeans,
    /// What costs less, layer by layer.
    Either,
}

/// The weights of a layer and what they mean for the loss.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Zeros stay.
    pub weights: &'a [f32],
    /// One for each weight, not negative.
    pub importance: &'a [f32],
}

/// Weights that are levels, and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// One for each weight.
    pub weights: Vec<f32>,
    /// J of the module's formula, the levels' own bits included.
    pub cost: f64,
}

impl Layer<'_> {
    /// At most `2^bits` levels beside zero, by what the loss loses alone.
    ///
    /// # Units
    /// - `bits`: 1 to 8
    ///
    /// # Example
    /// ```
    /// use hoyer_learn::quantize::{Layer, Levels};
    ///
    /// let layer = Layer { weights: &[0.0, 0.9, 1.1, -2.0], importance: &[1.0; 4] };
    /// let found = layer.with_bits(1, Levels::KMeans);
    /// assert_eq!(found.weights, [0.0, 1.0, 1.0, -2.0]);
    /// ```
    #[must_use]
    pub fn with_bits(&self, bits: u8, levels: Levels) -> Quantized {
        match levels {
            Levels::Uniform => {
                let most = 1 << (bits - 1);
                let full = self.largest() / most as f32;
                let step = |quarter: i32| full * 0.5_f32.powf(quarter as f32 / 4.0);
                self.best((0..=32).map(|quarter| self.steps(step(quarter), most, 0.0)))
            }
            Levels::KMeans => self.best(std::iter::once_with(|| self.means(1 << bits, 0.0))),
            Levels::Either => self.best(
                [Levels::Uniform, Levels::KMeans]
                    .into_iter()
                    .map(|kind| self.with_bits(bits, kind)),
            ),
        }
    }

    /// The levels with the least J.
    ///
    /// # Units
    /// - `lambda`: loss per bit
    #[must_use]
    pub fn with_lambda(&self, lambda: f64, levels: Levels) -> Quantized {
        let uniform = (0..=24).map(|half| {
            let step = self.largest() * 0.5_f32.powf(half as f32 / 2.0);
            self.steps(step, MOST_STEPS, lambda)
        });
        match levels {
            Levels::Uniform => self.best(uniform),
            Levels::KMeans => self.best((1..=6).map(|bits| self.means(1 << bits, lambda))),
            Levels::Either => self.best(
                [Levels::Uniform, Levels::KMeans]
                    .map(|kind| self.with_lambda(lambda, kind))
                    .into_iter(),
            ),
        }
    }

    fn largest(&self) -> f32 {
        self.weights.iter().fold(0.0, |most, x| most.max(x.abs()))
    }

    /// The cheapest; the weights themselves if all are zero.
    fn best(&self, all: impl Iterator<Item = Quantized>) -> Quantized {
        let none = || Quantized { weights: self.weights.to_vec(), cost: 0.0 };
        if self.largest() == 0.0 {
            return none();
        }
        all.min_by(|a, b| a.cost.total_cmp(&b.cost)).unwrap_or_else(none)
    }

    /// Multiples of about `step`.
    fn steps(&self, step: f32, most: i32, lambda: f64) -> Quantized {
        let mut step = short(step);
        let count = ((self.largest() / step).ceil() as i32).clamp(1, most);
        let grid = |step: f32| (-count..=count).map(|q| q as f32 * step).collect::<Vec<f32>>();
        let mut book = Book::new(self, grid(step));
        for _ in 0..ROUNDS {
            book.assign(lambda);
            let (mut product, mut square) = (0.0, 0.0);
            for (i, &code) in book.codes.iter().enumerate() {
                let (q, f) = (code as f64 - f64::from(count), f64::from(self.importance[i]));
                product += f * q * f64::from(self.weights[i]);
                square += f * q * q;
            }
            if square > 0.0 && product > 0.0 {
                step = short((product / square) as f32);
                book.levels = grid(step);
            }
        }
        book.assign(lambda);
        book.done(lambda, 16.0)
    }

    /// The centers of `count` clusters.
    fn means(&self, count: usize, lambda: f64) -> Quantized {
        let mut live: Vec<f32> = self.weights.iter().copied().filter(|x| *x != 0.0).collect();
        live.sort_by(f32::total_cmp);
        let Some(last) = live.len().checked_sub(1) else { return self.best(std::iter::empty()) };
        let at = |i: usize| live[i * last / (count - 1)];
        let mut levels: Vec<f32> = (0..count).map(|i| short(at(i))).filter(|x| *x != 0.0).collect();
        levels.push(0.0);
        let mut book = Book::new(self, levels);
        for _ in 0..3 * ROUNDS {
            book.assign(lambda);
            book.center();
        }
        book.assign(lambda);
        let used = book.counts.iter().filter(|count| **count > 0.0).count();
        book.done(lambda, 16.0 * used as f64)
    }
}

/// Levels, and which of them each weight takes.
struct Book<'a> {
    layer: &'a Layer<'a>,
    /// Ascending; 0 is one of them.
    levels: Vec<f32>,
    codes: Vec<usize>,
    /// How many weights take each level; 0 where that is not known yet.
    counts: Vec<f64>,
}

impl<'a> Book<'a> {
    fn new(layer: &'a Layer<'a>, mut levels: Vec<f32>) -> Self {
        levels.sort_by(f32::total_cmp);
        levels.dedup();
        let (codes, counts) = (vec![0; layer.weights.len()], Vec::new());
        let mut book = Self { layer, levels, codes, counts };
        book.assign(0.0);
        book
    }

    fn zero(&self) -> usize {
        self.levels.partition_point(|x| *x < 0.0)
    }

    /// The bits of each level.
    fn bits(&self) -> Vec<f64> {
        if self.counts.is_empty() {
            return vec![0.0; self.levels.len()];
        }
        let (zero, all) = (self.zero(), self.layer.weights.len() as f64 + 1.0);
        let live = all - self.counts[zero];
        let of = |(i, count): (usize, &f64)| match i == zero {
            true => (all / (count + 0.5)).log2(),
            false => (all / live).log2() + (live / (count + 0.5)).log2().max(0.0),
        };
        self.counts.iter().enumerate().map(of).collect()
    }

    /// Gives each weight the level of least cost: the nearest, its neighbors, or zero.
    fn assign(&mut self, lambda: f64) {
        let (bits, zero) = (self.bits(), self.zero());
        let mut counts = vec![0.0; self.levels.len()];
        for (i, &w) in self.layer.weights.iter().enumerate() {
            if w == 0.0 {
                self.codes[i] = zero;
                continue;
            }
            let after = self.levels.partition_point(|x| *x < w).min(self.levels.len() - 1);
            let cost = |code: usize| {
                let far = f64::from(w) - f64::from(self.levels[code]);
                f64::from(self.layer.importance[i]) * far * far + lambda * bits[code]
            };
            let near = after.saturating_sub(2)..(after + 2).min(self.levels.len());
            let best = near.chain([zero]).min_by(|a, b| cost(*a).total_cmp(&cost(*b)));
            self.codes[i] = best.unwrap_or(zero);
            counts[self.codes[i]] += 1.0;
        }
        counts[zero] =
            self.layer.weights.len() as f64 - (counts.iter().sum::<f64>() - counts[zero]);
        self.counts = counts;
    }

    /// Moves each level to the mean of its weights.
    fn center(&mut self) {
        let mut sums = vec![(0.0, 0.0); self.levels.len()];
        for (i, &code) in self.codes.iter().enumerate() {
            let f = f64::from(self.layer.importance[i]);
            sums[code].0 += f * f64::from(self.layer.weights[i]);
            sums[code].1 += f;
        }
        let zero = self.zero();
        for (i, (sum, f)) in sums.into_iter().enumerate() {
            let mean = if f > 0.0 { short((sum / f) as f32) } else { 0.0 };
            // A level that changed its sign would be another's neighbor.
            if i != zero && mean * self.levels[i] > 0.0 {
                self.levels[i] = mean;
            }
        }
    }

    /// `extra`: bits of the levels themselves.
    fn done(self, lambda: f64, extra: f64) -> Quantized {
        let bits = self.bits();
        let weights: Vec<f32> = self.codes.iter().map(|&code| self.levels[code]).collect();
        let one = |(i, &code): (usize, &usize)| {
            let far = f64::from(self.layer.weights[i]) - f64::from(weights[i]);
            f64::from(self.layer.importance[i]) * far * far + lambda * bits[code]
        };
        let cost = self.codes.iter().enumerate().map(one).sum::<f64>() + lambda * extra;
        Quantized { weights, cost }
    }
}

/// The nearest number of 8 significant bits.
#[must_use]
pub fn short(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.saturating_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
    let near = f32::from_bits(rounded);
    if near.is_finite() { near } else { f32::from_bits(bits & 0xffff_0000) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::check::Numbers;

    fn weights(count: usize) -> Vec<f32> {
        let mut numbers = Numbers(5);
        let tensor = numbers.tensor(&[count]);
        tensor.data().iter().enumerate().map(|(i, x)| if i % 3 == 0 { 0.0 } else { *x }).collect()
    }

    fn different(weights: &[f32]) -> usize {
        let mut all: Vec<f32> = weights.iter().copied().filter(|x| *x != 0.0).collect();
        all.sort_by(f32::total_cmp);
        all.dedup();
        all.len()
    }

    fn error(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
    }

    #[test]
    fn zero_stays_zero_and_levels_are_as_few_as_asked_for() {
        let weights = weights(3_000);
        let importance = vec![1.0; weights.len()];
        let layer = Layer { weights: &weights, importance: &importance };
        for levels in [Levels::Uniform, Levels::KMeans] {
            let mut before = f64::INFINITY;
            for bits in 1..=8 {
                let found = layer.with_bits(bits, levels).weights;
                assert!(different(&found) <= 1 << bits, "{levels:?} {bits}");
                assert!(found.iter().zip(&weights).all(|(q, w)| *w != 0.0 || *q == 0.0));
                assert!(
                    found.iter().all(|x| x.to_bits() & 0xffff == 0 || levels == Levels::Uniform)
                );
                let now = error(&found, &weights);
                assert!(now <= 1.05 * before, "{levels:?} {bits}: {now} after {before}");
                before = now;
            }
            assert!(before < 0.01 * error(&[0.0; 3_000], &weights), "{levels:?}: {before}");
        }
    }

    #[test]
    fn dearer_bits_make_fewer_levels_and_more_zeros() {
        let weights = weights(3_000);
        let importance = vec![1.0; weights.len()];
        let layer = Layer { weights: &weights, importance: &importance };
        for levels in [Levels::Uniform, Levels::KMeans] {
            let found = [1e-6, 1e-2, 10.0].map(|lambda| layer.with_lambda(lambda, levels).weights);
            let nonzero = |w: &[f32]| w.iter().filter(|x| **x != 0.0).count();
            assert!(different(&found[0]) > different(&found[1]), "{levels:?}");
            assert!(nonzero(&found[0]) > nonzero(&found[1]), "{levels:?}");
            assert_eq!(nonzero(&found[2]), 0, "{levels:?}");
        }
    }

    #[test]
    fn what_the_loss_feels_is_kept_more_exactly() {
        let weights = weights(2_000);
        let importance: Vec<f32> = (0..2_000).map(|i| if i < 1_000 { 1.0 } else { 1e-3 }).collect();
        let layer = Layer { weights: &weights, importance: &importance };
        let found = layer.with_lambda(1e-2, Levels::Uniform).weights;
        let [felt, other] =
            [0..1_000, 1_000..2_000].map(|part| error(&found[part.clone()], &weights[part]));
        assert!(3.0 * felt < other, "{felt} and {other}");
    }

    #[test]
    fn short_numbers_are_the_nearest() {
        assert_eq!(short(1.0), 1.0);
        assert!((short(0.1) / 0.1 - 1.0).abs() < 1.0 / 256.0);
        assert!(short(f32::MAX).is_finite() && short(-0.37) < 0.0);
    }
}
