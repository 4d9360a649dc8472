//! Recipes: what a run does, as a TOML file that can be kept beside its result.
//!
//! ```toml
//! model = "lenet-300-100"
//! data = "mnist"
//! seed = 1
//! promise = { accuracy = 0.984, weights = 4884 }
//!
//! [[stage]]
//! kind = "train"
//! epochs = 40
//! schedule = { name = "cosine", to = 0.01 }
//!
//! [[stage]]
//! kind = "sparsify"
//! epochs = 30
//! penalty = "hoyer-square"
//! lambda = 2e-4
//! distill = { temperature = 1.0, weight = 1.0 }
//!
//! [[stage]]
//! kind = "prune"
//! weights = 4884
//! ```
//!
//! Invariants: an unknown key is an error; every number was checked when a [`Recipe`] exists through [`Recipe::parse`].
//! Not here: running it (`stage`), the folder of models and data (`hoyer-zoo`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::within;
use crate::{Error, Result};

mod calibrate;
mod cut;
mod holdout;
mod learn;
mod nearest;
mod quantize;
mod teachers;
#[cfg(test)]
mod tests;
mod words;

pub use calibrate::Calibrate;
pub use cut::{Auto, ChannelRule, Cut, Rule};
pub use holdout::Holdout;
pub(crate) use learn::long;
pub use learn::{Choose, Distill, Gradual, Learn, Narrow, Price, Score};
pub(crate) use quantize::Precision;
pub use quantize::Quantize;
pub use teachers::Teachers;

use crate::record::StageKind;

/// A run from a fresh network to a sparse one.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `model` | – | known to the zoo | – | which network, or the path of one |
/// | `weights-file` | none | a `.safetensors` file | – | parameters to start from, by name |
/// | `teacher` | the dense network | a network's path, or a list of them | – | whose answers (the mean of them) stages with `distill` learn from; they see samples as this network does |
/// | `data` | – | known to the zoo | – | which data set |
/// | `seed` | 0 | 0 to 2⁶³ - 1 | – | of everything that is drawn |
/// | `validation` | 5000, or a fifth if that is less | >= 1, or (0, 1) | samples, or a share of them | held back from the training set, to choose by |
/// | `batch` | 128 | >= 1 | samples | size of a training batch |
/// | `normalization` | none | see [`Normalization`] | – | what is done to every sample before the network sees it |
/// | `augmentation` | none | see [`Augmentation`] | – | how training images are varied |
/// | `promise` | none | see [`Promise`] | – | what the result must keep |
/// | `biases` | false | – | – | whether biases are penalized and pruned too |
/// | `inputs` | false | – | – | whether inputs that a first linear layer reads may be left out, one by one, as channels are |
/// | `stage` | – | at least one | – | what is done, in order |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Recipe {
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_file: Option<String>,
    #[serde(default, skip_serializing_if = "Teachers::is_empty")]
    pub teacher: Teachers,
    pub data: String,
    #[serde(default)]
    pub seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Holdout>,
    #[serde(default = "a_batch")]
    pub batch: usize,
    #[serde(default, skip_serializing_if = "Normalization::is_none")]
    pub normalization: Normalization,
    #[serde(default)]
    pub augmentation: Augmentation,
    #[serde(default)]
    pub promise: Promise,
    #[serde(default)]
    pub biases: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub inputs: bool,
    pub stage: Vec<Stage>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn a_batch() -> usize {
    128
}

/// Samples of a batch where nobody says: 128, or fewer where an epoch of so many samples would have less than 64 steps, but at least 16.
///
/// # Example
/// ```
/// use hoyer_learn::recipe::usual_batch;
///
/// assert_eq!([60_000, 5_000, 1_000].map(usual_batch), [128, 64, 16]);
/// ```
#[must_use]
pub fn usual_batch(samples: usize) -> usize {
    [128, 64, 32].into_iter().find(|batch| samples / batch >= 64).unwrap_or(16)
}

/// What the network wants done to samples: `(x - mean) / std`, per channel; `hoyer_zoo` does it.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `mean` | none | one per channel, or one for all | of a sample (0 to 1 for images) | subtracted |
/// | `std` | none | > 0; as many as `mean` | of a sample (0 to 1 for images) | divided by |
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Normalization {
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

impl Normalization {
    /// Whether samples are taken as they are.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.mean.is_empty() && self.std.is_empty()
    }
}

impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_none() {
            true => f.write_str("none"),
            false => write!(f, "mean {:?}, std {:?}", self.mean, self.std),
        }
    }
}

/// How training images are varied; `hoyer_zoo` does it.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `crop` | 0 | >= 0 | pixels | largest shift in each direction |
/// | `flip` | false | – | – | mirror left and right in half of the draws |
/// | `rotate` | 0 | [0, 180] | degrees | largest turn, in each direction |
/// | `scale` | 0 | [0, 1) | share | images get up to so much larger or smaller |
/// | `move` | 0 | [0, 1] | pixels | largest shift by a part of a pixel, in each direction |
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Augmentation {
    pub crop: usize,
    pub flip: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub rotate: f64,
    #[serde(skip_serializing_if = "is_zero")]
    pub scale: f64,
    #[serde(rename = "move", skip_serializing_if = "is_zero")]
    pub shift: f64,
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

/// What the result must keep; what is not named is not promised.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `accuracy` | none | [0, 1] | share | least share of samples answered correctly |
/// | `weights` | none | >= 1 | weights | most weights that are not zero |
/// | `macs` | none | >= 1 | multiply-accumulates | most for one sample, zeros inside what is left counted too |
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Promise {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macs: Option<u64>,
}

/// One stage of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Stage {
    /// Dense training; the network it leaves is the teacher of later stages, if the recipe names none.
    Train(Learn),
    /// Training with a penalty, or with pruning in small steps.
    Sparsify(Learn),
    /// One cut.
    Prune(Cut),
    /// Statistics of batch normalization are measured anew.
    Calibrate(Calibrate),
    /// Weights and biases take few different numbers.
    Quantize(Quantize),
    /// Training of what is left.
    Finetune(Learn),
}

impl Stage {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> StageKind {
        match self {
            Self::Train(_) => StageKind::Train,
            Self::Sparsify(_) => StageKind::Sparsify,
            Self::Prune(_) => StageKind::Prune,
            Self::Calibrate(_) => StageKind::Calibrate,
            Self::Quantize(_) => StageKind::Quantize,
            Self::Finetune(_) => StageKind::Finetune,
        }
    }

    /// How it trains, if it does.
    #[must_use]
    pub fn learn(&self) -> Option<&Learn> {
        match self {
            Self::Train(learn) | Self::Sparsify(learn) | Self::Finetune(learn) => Some(learn),
            Self::Prune(_) | Self::Calibrate(_) | Self::Quantize(_) => None,
        }
    }

    /// As [`Self::learn`], to be changed.
    pub fn learn_mut(&mut self) -> Option<&mut Learn> {
        match self {
            Self::Train(learn) | Self::Sparsify(learn) | Self::Finetune(learn) => Some(learn),
            Self::Prune(_) | Self::Calibrate(_) | Self::Quantize(_) => None,
        }
    }

    /// Epochs it takes; 0 if it does not train.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        self.learn().map_or(0, |learn| learn.epochs)
    }

    fn check(&self, promise: Promise) -> Result<()> {
        match self {
            Self::Prune(cut) => cut.check(promise),
            Self::Calibrate(calibrate) => calibrate.check(),
            Self::Quantize(quantize) => quantize.check(promise),
            Self::Train(learn) if learn.penalty.is_some() || learn.cuts() => {
                let text = "train has neither penalty nor gradual nor narrow; such a stage is kind = \"sparsify\"";
                Err(Error::Recipe(text.into()))
            }
            Self::Sparsify(learn) if learn.penalty.is_none() && !learn.cuts() => {
                let text = "sparsify needs a penalty, gradual or narrow";
                Err(Error::Recipe(text.into()))
            }
            Self::Train(learn) | Self::Sparsify(learn) | Self::Finetune(learn) => learn.check(),
        }
    }
}

impl Recipe {
    /// These stages on a network of the zoo or of a file, everything else at its default.
    #[must_use]
    pub fn new(model: &str, data: &str, stage: Vec<Stage>) -> Self {
        Self {
            model: model.to_owned(),
            weights_file: None,
            teacher: Teachers::default(),
            data: data.to_owned(),
            seed: 0,
            validation: None,
            batch: a_batch(),
            normalization: Normalization::default(),
            augmentation: Augmentation::default(),
            promise: Promise::default(),
            biases: false,
            inputs: false,
            stage,
        }
    }

    /// Reads a recipe and checks it.
    ///
    /// # Errors
    /// - [`Error::Recipe`] in one line: where it is no recipe, or the nearest known key to an unknown one, or
    ///   which stage makes no sense and why
    ///
    /// # Example
    /// ```
    /// use hoyer_learn::recipe::Recipe;
    ///
    /// let text = "model = 'm'\ndata = 'd'\n[[stage]]\nkind = 'train'\nepochs = 3\n";
    /// assert_eq!(Recipe::parse(text)?.stage[0].epochs(), 3);
    /// let error = Recipe::parse(&text.replace("epochs", "epoch")).unwrap_err().to_string();
    /// assert_eq!(error, "recipe: line 5: unknown key `epoch`, did you mean `epochs`?");
    /// # Ok::<(), hoyer_learn::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let recipe: Self =
            toml::from_str(text).map_err(|error| Error::Recipe(nearest::message(text, &error)))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// Whether any stage trains.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.stage.iter().any(|stage| stage.learn().is_some())
    }

    /// Whether it learns from the answers of a network that has learned nothing, unless the model is a trained one.
    #[must_use]
    pub fn teaches_itself(&self) -> bool {
        let distills = |stage: &Stage| stage.learn().is_some_and(|learn| learn.distill.is_some());
        let first = self.stage.iter().position(distills);
        let trains = |stage: &Stage| stage.kind() == StageKind::Train && !distills(stage);
        self.teacher.is_empty()
            && first.is_some_and(|first| !self.stage[..first].iter().any(trains))
    }

    /// The recipe as text that [`Self::parse`] reads.
    ///
    /// # Panics
    /// If the seed is above 2⁶³ - 1, which TOML cannot write.
    #[must_use]
    pub fn text(&self) -> String {
        toml::to_string(self).expect("a recipe is a table of plain values")
    }

    /// Checks what TOML cannot.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn check(&self) -> Result<()> {
        within("batch", self.batch as f64, "at least 1", |x| x >= 1.0)?;
        self.validation.map_or(Ok(()), Holdout::check)?;
        within("seed", self.seed as f64, "0 to 2^63 - 1", |x| x < i64::MAX as f64)?;
        if let Some(accuracy) = self.promise.accuracy {
            within("promise.accuracy", accuracy, "[0, 1]", |x| (0.0..=1.0).contains(&x))?;
        }
        if let Some(weights) = self.promise.weights {
            within("promise.weights", weights as f64, "at least 1", |x| x >= 1.0)?;
        }
        if let Some(macs) = self.promise.macs {
            within("promise.macs", macs as f64, "at least 1", |x| x >= 1.0)?;
        }
        if self.stage.is_empty() {
            return Err(Error::Recipe("recipe: there is no [[stage]]".into()));
        }
        let distills = |stage: &Stage| stage.learn().is_some_and(|learn| learn.distill.is_some());
        if !self.teacher.is_empty() && !self.stage.iter().any(distills) {
            return Err(Error::Needs { what: "teacher", need: "a stage with distill" });
        }
        self.teacher.check()?;
        for (at, stage) in self.stage.iter().enumerate() {
            let place = |error| {
                let kind = stage.kind().name();
                Error::Recipe(format!("recipe: stage {} ({kind}): {error}", at + 1))
            };
            stage.check(self.promise).map_err(place)?;
            let cuts = |stage: &Stage| {
                stage.kind() == StageKind::Prune || stage.learn().is_some_and(Learn::cuts)
            };
            if stage.kind() == StageKind::Train && self.stage[..at].iter().any(cuts) {
                let text = "what it leaves is what results are compared with, so nothing may be cut before; \
                            such a stage is kind = \"finetune\"";
                return Err(place(Error::Recipe(text.into())));
            }
            let is_last = at + 1 == self.stage.len();
            if stage.kind() == StageKind::Quantize && !is_last {
                let text = "it has to be the last stage: what comes after it would undo it";
                return Err(place(Error::Recipe(text.into())));
            }
        }
        Ok(())
    }
}
