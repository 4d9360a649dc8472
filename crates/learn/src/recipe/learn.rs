//! A stage that trains.

use serde::{Deserialize, Serialize};

use crate::error::within;
use crate::penalty::ByName;
use crate::{Error, Result, clip, optimizer, schedule};

/// How a stage trains.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `epochs` | – | >= 1 | epochs | how long |
/// | `optimizer` | Adam, lr 1e-3 | see [`optimizer::Config`] | – | begins anew in every stage |
/// | `schedule` | constant | see [`schedule::Config`] | share of the learning rate | over the stage |
/// | `clip` | none | see [`clip::Config`]; by norm only | – | limits the gradient of the task |
/// | `penalty` | none | a name | – | what makes weights vanish |
/// | `lambda` | 0 | >= 0 | loss per unit of penalty | strength of the penalty |
/// | `coupled` | false | – | – | whether a penalty of groups sees channels through all their layers, not each layer alone |
/// | `lambda-schedule` | constant | see [`schedule::Config`] | share of lambda | over the stage |
/// | `distill` | none | see [`Distill`] | – | learns from a teacher |
/// | `gradual` | none | see [`Gradual`] | – | prunes while training |
/// | `narrow` | none | see [`Narrow`] | – | removes channels while training |
/// | `average` | none | [0, 1) | – | keeps the running mean of the weights: the share of it that a step leaves |
/// | `choose` | best | see [`Choose`] | – | which epoch is kept |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Learn {
    pub epochs: u32,
    #[serde(default)]
    pub optimizer: optimizer::Config,
    #[serde(default)]
    pub schedule: schedule::Config,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<clip::Config>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty: Option<ByName>,
    #[serde(default)]
    pub lambda: f64,
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub coupled: bool,
    #[serde(default)]
    pub lambda_schedule: schedule::Config,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distill: Option<Distill>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradual: Option<Gradual>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrow: Option<Narrow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    #[serde(default, skip_serializing_if = "Choose::is_best")]
    pub choose: Choose,
}

/// Which epoch a stage keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choose {
    /// The best by validation accuracy, then loss, of those after the last cut; but the last one if a penalty alone makes it sparse.
    #[default]
    Best,
    /// The last: where few samples are held back, or the network has seen them before, the best is one that was lucky.
    Last,
}

impl Choose {
    fn is_best(&self) -> bool {
        *self == Self::Best
    }
}

/// Learning from the answers of the recipe's teacher: the dense network, if it names none.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `temperature` | 1 | (0, inf) | divides both networks' logits; larger softens the answers |
/// | `weight` | 1 | [0, 1] | share of the loss that comes from the teacher, the rest from the labels |
///
/// # Source
/// Hinton, Vinyals & Dean (2015), arXiv 1503.02531, section 2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Distill {
    pub temperature: f64,
    pub weight: f64,
}

impl Default for Distill {
    fn default() -> Self {
        Self { temperature: 1.0, weight: 1.0 }
    }
}

/// Pruning in small steps while training: `n = n₀ (n₁ / n₀)^q`, a constant share at each cut.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `weights` | – | >= 1 | weights | how many are left in the end, `n₁` |
/// | `every` | 100 | >= 1 | steps | time between cuts |
/// | `until` | 1 | (0, 1] | share of the stage | when `n₁` is reached; `q` rises evenly to 1 by then |
/// | `score` | magnitude | see [`Score`] | – | what is kept |
/// | `price` | same | see [`Price`] | – | what a weight costs; it is kept for what it is worth at its price |
/// | `memory` | 0.995 | [0, 1) | – | share of the running mean of `g²` that a step keeps |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Gradual {
    pub weights: u64,
    #[serde(default = "a_hundred")]
    pub every: u64,
    #[serde(default = "one")]
    pub until: f64,
    #[serde(default)]
    pub score: Score,
    #[serde(default, skip_serializing_if = "Price::is_same")]
    pub price: Price,
    #[serde(default = "long")]
    pub memory: f64,
}

fn a_hundred() -> u64 {
    100
}

fn one() -> f64 {
    1.0
}

/// How long the running mean of `g²` remembers.
pub(crate) fn long() -> f64 {
    0.995
}

/// Removing channels while training, after every epoch: `n = n₀ (n₁ / n₀)^q`. The network is rebuilt, so that epochs
/// get faster.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `macs` | – | >= 1 | multiply-accumulates of one sample | how many are left in the end, `n₁` |
/// | `until` | 1 | (0, 1] | share of the stage | when `n₁` is reached; `q` rises evenly to 1 by then |
/// | `score` | magnitude | see [`Score`] | – | which channels go first; weights of a channel are added up |
/// | `round-to` | 1 | >= 1 | channels | every group keeps a multiple of it |
/// | `branches` | false | – | – | residual branches may go whole, with their last channels |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Narrow {
    pub macs: u64,
    #[serde(default = "one")]
    pub until: f64,
    #[serde(default, skip_serializing_if = "Score::is_magnitude")]
    pub score: Score,
    #[serde(default = "one_channel", skip_serializing_if = "is_one")]
    pub round_to: usize,
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub branches: bool,
}

pub(super) fn one_channel() -> usize {
    1
}

pub(super) fn is_one(count: &usize) -> bool {
    *count == 1
}

impl Narrow {
    /// The epoch of a stage after which the last channels go.
    #[must_use]
    pub fn last(self, epochs: u32) -> u32 {
        ((self.until * f64::from(epochs)).round() as u32).clamp(1, epochs.max(1))
    }

    /// How many multiply-accumulates are left after so many epochs of a stage that began with `from`; none if nothing
    /// goes then.
    #[must_use]
    pub fn after(self, epoch: u32, epochs: u32, from: u64) -> Option<u64> {
        let last = self.last(epochs);
        let q = f64::from(epoch) / f64::from(last);
        match epoch {
            _ if epoch > last => None,
            _ if epoch == last || self.macs >= from => Some(self.macs),
            _ => Some((from as f64 * (self.macs as f64 / from as f64).powf(q)).round() as u64),
        }
    }
}

/// What makes a weight worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Score {
    /// `|w|`.
    #[default]
    Magnitude,
    /// `w² v`, `v` a running mean of the squared gradient of the task's loss: about what the loss loses with the
    /// weight (after `OBD`, LeCun, Denker & Solla (1990), with the empirical Fisher information as curvature).
    Fisher,
    /// For channels: the running mean of `(Σ w g)²` over all that reads the channel, `g` the gradient of the task's loss: about
    /// what the loss loses with the channel (after Molchanov et al. (2019), arXiv 1906.10771, with a gate for each channel).
    Taylor,
}

/// What a weight costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Price {
    /// All cost the same: what is small is the file.
    #[default]
    Same,
    /// The multiply-accumulates that it takes part in for one sample: what is small is the time. Squares of scores are
    /// divided by it.
    Macs,
}

impl Price {
    fn is_same(&self) -> bool {
        *self == Self::Same
    }
}

impl Score {
    fn is_magnitude(&self) -> bool {
        *self == Self::Magnitude
    }
}

impl Learn {
    /// Training for so many epochs, everything else at its default.
    #[must_use]
    pub fn new(epochs: u32) -> Self {
        Self {
            epochs,
            optimizer: optimizer::Config::default(),
            schedule: schedule::Config::default(),
            clip: None,
            penalty: None,
            lambda: 0.0,
            coupled: false,
            lambda_schedule: schedule::Config::default(),
            distill: None,
            gradual: None,
            narrow: None,
            average: None,
            choose: Choose::Best,
        }
    }

    /// Whether anything is cut while it trains.
    #[must_use]
    pub fn cuts(&self) -> bool {
        self.gradual.is_some() || self.narrow.is_some()
    }

    pub(super) fn check(&self) -> Result<()> {
        within("epochs", f64::from(self.epochs), "at least 1", |x| x >= 1.0)?;
        within("lambda", self.lambda, "[0, inf)", |x| x >= 0.0)?;
        self.optimizer.build()?;
        self.schedule.clone().build()?;
        self.lambda_schedule.clone().build()?;
        if let Some(clip) = self.clip {
            clip.build()?;
            if matches!(clip, clip::Config::Value(_)) {
                return Err(Error::Recipe("clip takes a norm here, not a value".into()));
            }
        }
        if self.penalty.is_none() && self.lambda > 0.0 {
            return Err(Error::Needs { what: "lambda", need: "a penalty" });
        }
        if self.coupled && self.penalty.is_none_or(|penalty| penalty.0.over_channels().is_none()) {
            return Err(Error::Needs { what: "coupled", need: "a penalty of groups" });
        }
        if let Some(distill) = self.distill {
            within("distill.temperature", distill.temperature, "(0, inf)", |x| x > 0.0)?;
            within("distill.weight", distill.weight, "[0, 1]", |x| (0.0..=1.0).contains(&x))?;
        }
        if let Some(average) = self.average {
            within("average", average, "[0, 1)", |x| (0.0..1.0).contains(&x))?;
        }
        if let Some(narrow) = self.narrow {
            within("narrow.macs", narrow.macs as f64, "at least 1", |x| x >= 1.0)?;
            within("narrow.until", narrow.until, "(0, 1]", |x| x > 0.0 && x <= 1.0)?;
            within("narrow.round-to", narrow.round_to as f64, "at least 1", |x| x >= 1.0)?;
            if self.gradual.is_some() {
                return Err(Error::Recipe("narrow and gradual cannot be in one stage".into()));
            }
        }
        self.gradual.map_or(Ok(()), Gradual::check)
    }
}

impl Gradual {
    fn check(self) -> Result<()> {
        if self.score == Score::Taylor {
            let text = "gradual cuts weights, and score = \"taylor\" is for channels (narrow)";
            return Err(Error::Recipe(text.into()));
        }
        within("gradual.weights", self.weights as f64, "at least 1", |x| x >= 1.0)?;
        within("gradual.every", self.every as f64, "at least 1", |x| x >= 1.0)?;
        within("gradual.until", self.until, "(0, 1]", |x| x > 0.0 && x <= 1.0)?;
        let remembers = |x: f64| x >= 0.0 && (x as f32) < 1.0;
        within("gradual.memory", self.memory, "[0, 1), in single precision", remembers)?;
        Ok(())
    }
}
