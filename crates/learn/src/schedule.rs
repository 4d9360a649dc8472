//! How a learning rate or a penalty's strength changes in the course of training.
//!
//! ```text
//! value(step) = base · factor(step, total)        factor is 1 where nothing else is said
//! warm-up of W steps: factor = (step + 1) / W · start, then the shape over what is left:
//! t = (step - W) / (total - W)
//! cosine  to + (1 - to) (1 + cos πt) / 2
//! linear  from + (to - from) t
//! step    factor^n after n of the given shares of all steps
//! ```
//!
//! Invariants: a pure function of step and total, so a resumed run needs no state for it; `t`
//! stays below 1, so the end value of a shape is approached and would be that of step `total`.
//! A penalty that ramps up and then stays is `constant` with a warm-up.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::within;
use crate::{Error, Result};

/// A schedule as recipes write it, for example `{ name = "cosine", warm-up = 0.05 }`.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `warm-up` | 0 | [0, 1) | share of all steps | time in which the factor rises from 0 |
/// | `at` | - | (0, 1), rising | share of all steps | when `step` multiplies |
/// | `by` | 0.1 | > 0 | - | what `step` multiplies with |
/// | `from` | 1 | >= 0 | share of the base | where `linear` begins |
/// | `to` | 0 | >= 0 | share of the base | where `linear` and `cosine` end |
///
/// # Source
/// Cosine: Loshchilov & Hutter (2017), arXiv 1608.03983, equation 5 without restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the table names every field")]
pub enum Config {
    /// Always 1.
    Constant {
        #[serde(default)]
        warm_up: f64,
    },
    /// Multiplied at certain moments.
    Step {
        at: Vec<f64>,
        #[serde(default = "a_tenth")]
        by: f64,
        #[serde(default)]
        warm_up: f64,
    },
    /// Half a cosine from 1 down.
    Cosine {
        #[serde(default)]
        to: f64,
        #[serde(default)]
        warm_up: f64,
    },
    /// A straight line.
    Linear {
        #[serde(default = "one")]
        from: f64,
        #[serde(default)]
        to: f64,
        #[serde(default)]
        warm_up: f64,
    },
}

fn a_tenth() -> f64 {
    0.1
}

fn one() -> f64 {
    1.0
}

impl Default for Config {
    fn default() -> Self {
        Self::Constant { warm_up: 0.0 }
    }
}

impl Config {
    /// The schedule, if every field is within its range.
    ///
    /// # Errors
    /// - [`Error::Range`] naming the first that is not
    /// - [`Error::Needs`] if the moments of `step` do not rise
    pub fn build(self) -> Result<Schedule> {
        let share = |x: f64| (0.0..1.0).contains(&x);
        within("warm-up", self.warm_up(), "[0, 1)", share)?;
        match &self {
            Self::Constant { .. } => {}
            Self::Step { at, by, .. } => {
                within("by", *by, "(0, inf)", |x| x > 0.0)?;
                for moment in at {
                    within("at", *moment, "(0, 1)", |x| share(x) && x > 0.0)?;
                }
                if !at.is_sorted() {
                    return Err(Error::Needs { what: "at", need: "rising moments" });
                }
            }
            Self::Cosine { to, .. } => {
                within("to", *to, "[0, inf)", |x| x >= 0.0)?;
            }
            Self::Linear { from, to, .. } => {
                within("from", *from, "[0, inf)", |x| x >= 0.0)?;
                within("to", *to, "[0, inf)", |x| x >= 0.0)?;
            }
        }
        Ok(Schedule(self))
    }

    fn warm_up(&self) -> f64 {
        match self {
            Self::Constant { warm_up }
            | Self::Step { warm_up, .. }
            | Self::Cosine { warm_up, .. }
            | Self::Linear { warm_up, .. } => *warm_up,
        }
    }
}

/// A schedule whose fields have been checked.
///
/// # Example
/// ```
/// use hoyer_learn::schedule::Config;
///
/// let cosine = Config::Cosine { to: 0.0, warm_up: 0.1 }.build()?;
/// assert_eq!(cosine.factor(4, 100), 0.5);
/// assert_eq!(cosine.factor(10, 100), 1.0);
/// assert!((cosine.factor(55, 100) - 0.5).abs() < 1e-12);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule(Config);

impl Schedule {
    /// What the base value is multiplied with in step `step` (from 0) of `total`; from `total` on
    /// it is the end value.
    #[must_use]
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        let moment = |share: f64| (share * total as f64).round() as u64;
        let warm = moment(self.0.warm_up());
        if step < warm {
            return self.shape(0.0, step, &moment) * (step + 1) as f64 / warm as f64;
        }
        let left = total.saturating_sub(warm).max(1);
        self.shape(((step - warm) as f64 / left as f64).min(1.0), step, &moment)
    }

    /// The shape at progress `t`; `moment` gives the step of a share of all steps.
    fn shape(&self, t: f64, step: u64, moment: &dyn Fn(f64) -> u64) -> f64 {
        match &self.0 {
            Config::Constant { .. } => 1.0,
            Config::Step { at, by, .. } => {
                by.powi(at.iter().filter(|share| moment(**share) <= step).count() as i32)
            }
            Config::Cosine { to, .. } => to + (1.0 - to) * (1.0 + (PI * t).cos()) / 2.0,
            Config::Linear { from, to, .. } => from + (to - from) * t,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(warm_up: f64) -> [Schedule; 4] {
        [
            Config::Constant { warm_up },
            Config::Step { at: vec![0.5, 0.75], by: 0.1, warm_up },
            Config::Cosine { to: 0.0, warm_up },
            Config::Linear { from: 0.5, to: 2.0, warm_up },
        ]
        .map(|config| config.build().unwrap())
    }

    #[test]
    fn cosine_is_that_of_pytorch() {
        #[derive(Deserialize)]
        struct Golden {
            cosine: Cosine,
        }
        #[derive(Deserialize)]
        struct Cosine {
            lr: f64,
            to: f64,
            values: Vec<f64>,
        }
        let text = include_str!("../../../oracle/optimizers.json");
        let Golden { cosine } = serde_json::from_str(text).unwrap();
        let ours = Config::Cosine { to: cosine.to, warm_up: 0.0 }.build().unwrap();
        for (step, want) in (0..).zip(&cosine.values) {
            let got = cosine.lr * ours.factor(step, cosine.values.len() as u64);
            assert!((got - want).abs() < 1e-12, "{step}: {got} {want}");
        }
    }

    #[test]
    fn shapes_begin_and_end_where_they_say() {
        let ends = shapes(0.0).map(|s| (s.factor(0, 164), s.factor(164, 164), s.factor(999, 164)));
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let want = [(1.0, 1.0), (1.0, 0.01), (1.0, 0.0), (0.5, 2.0)];
        for ((start, end, after), (first, last)) in ends.into_iter().zip(want) {
            assert!(close(start, first) && close(end, last) && close(after, last));
        }
    }

    #[test]
    fn steps_come_at_the_step_their_share_means() {
        // The classical CIFAR schedule: 164 epochs, a tenth after 81 and 122.
        let at = vec![81.0 / 164.0, 122.0 / 164.0];
        let schedule = Config::Step { at, by: 0.1, warm_up: 0.0 }.build().unwrap();
        for epoch in 0..164 {
            let want = if epoch < 81 {
                1.0
            } else if epoch < 122 {
                0.1
            } else {
                0.01
            };
            assert!((schedule.factor(epoch, 164) - want).abs() < 1e-12, "{epoch}");
        }
    }

    #[test]
    fn a_warm_up_rises_evenly_to_the_start_of_the_shape() {
        for (warm, cold) in shapes(0.25).iter().zip(&shapes(0.0)) {
            let start = cold.factor(0, 75);
            for step in 0..25 {
                let want = start * (step + 1) as f64 / 25.0;
                assert!((warm.factor(step, 100) - want).abs() < 1e-12);
            }
            assert_eq!(warm.factor(25, 100), start);
        }
    }

    #[test]
    fn no_schedule_leaves_its_bounds_even_for_odd_totals() {
        for schedule in shapes(0.0).iter().chain(&shapes(0.9)) {
            for (step, total) in (0..5).flat_map(|total| (0..7).map(move |step| (step, total))) {
                let factor = schedule.factor(step, total);
                assert!((0.0..=2.0).contains(&factor), "{schedule:?} {step} of {total}: {factor}");
            }
        }
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        let error = |config: Config| config.build().unwrap_err().to_string();
        let warm = Config::Constant { warm_up: 1.0 };
        assert_eq!(error(warm), "warm-up = 1, need [0, 1)");
        let linear = Config::Linear { from: -1.0, to: 0.0, warm_up: 0.0 };
        assert_eq!(error(linear), "from = -1, need [0, inf)");
        let early = Config::Step { at: vec![0.0], by: 0.1, warm_up: 0.0 };
        assert_eq!(error(early), "at = 0, need (0, 1)");
        let falling = Config::Step { at: vec![0.7, 0.5], by: 0.1, warm_up: 0.0 };
        assert_eq!(error(falling), "at needs rising moments");
    }

    #[test]
    fn schedules_are_read_by_name_and_unknown_fields_refused() {
        let read = |toml: &str| toml::from_str::<Config>(toml);
        let cosine = read("name = \"cosine\"\nwarm-up = 0.1").unwrap();
        assert_eq!(cosine, Config::Cosine { to: 0.0, warm_up: 0.1 });
        let linear = read("name = \"linear\"").unwrap();
        assert_eq!(linear, Config::Linear { from: 1.0, to: 0.0, warm_up: 0.0 });
        let error = read("name = \"cosine\"\nwarmup = 0.1").unwrap_err();
        assert!(error.message().starts_with("unknown field `warmup`"), "{error}");
        let error = read("name = \"cosin\"").unwrap_err();
        assert!(error.message().starts_with("unknown variant `cosin`"), "{error}");
        for schedule in shapes(0.5) {
            let text = toml::to_string(&schedule.0).unwrap();
            assert_eq!(read(&text).unwrap(), schedule.0);
        }
    }
}
