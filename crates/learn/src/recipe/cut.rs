//! A stage that prunes: one rule.

use serde::{Deserialize, Serialize};

use super::Promise;
use crate::error::within;
use crate::threshold::{Scale, Threshold};
use crate::{Error, Result};

/// One cut by exactly one rule.
///
/// | field | range | unit | meaning |
/// | --- | --- | --- | --- |
/// | `std-share` | >= 0 | standard deviations of the layer | weights below are cut |
/// | `absolute` | >= 0 | weight | weights below are cut |
/// | `layer-sparsity` | [0, 1) | share of weights | how much of every layer is cut |
/// | `sparsity` | [0, 1) | share of weights | how much of all layers together is cut |
/// | `weights` | >= 1 | weights | how many of all layers together are kept |
/// | `channels` | [0, 1) | share of channels | how many of all layers together are removed, and the network with them |
/// | `macs` | >= 1 | multiply-accumulates | channels are removed until so many are left for one sample |
/// | `auto` | see [`Auto`] | – | as much as the validation metric allows |
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Cut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std_share: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer_sparsity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto: Option<Auto>,
}

/// The largest threshold that keeps a metric.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `accuracy` | the recipe's promise | [0, 1] | least share of validation samples answered correctly |
/// | `of-std` | false | – | thresholds in standard deviations of each layer, not one for all |
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Auto {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    pub of_std: bool,
}

/// The rule of a cut, all defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// A threshold that is known beforehand.
    Threshold(Threshold),
    /// So many weights are kept.
    Weights(u64),
    /// This share of channels is removed.
    Channels(f64),
    /// Channels are removed until at most so many multiply-accumulates are left.
    Macs(u64),
    /// The largest threshold with at least this validation accuracy.
    Auto {
        /// Least share of validation samples answered correctly.
        accuracy: f64,
        /// What thresholds are measured in.
        scale: Scale,
    },
}

impl Cut {
    /// A cut that keeps so many weights.
    #[must_use]
    pub fn to_weights(weights: u64) -> Self {
        Self { weights: Some(weights), ..Self::default() }
    }

    /// The one rule.
    ///
    /// # Errors
    /// - [`Error::Recipe`] if there is none or more than one, or `auto` has nothing to keep
    pub fn rule(&self, promise: Promise) -> Result<Rule> {
        let known = |threshold: fn(f64) -> Threshold| move |x| Rule::Threshold(threshold(x));
        let rules = [
            self.std_share.map(known(Threshold::Deviation)),
            self.absolute.map(known(Threshold::Absolute)),
            self.layer_sparsity.map(known(Threshold::LayerSparsity)),
            self.sparsity.map(known(Threshold::GlobalSparsity)),
            self.weights.map(Rule::Weights),
            self.channels.map(Rule::Channels),
            self.macs.map(Rule::Macs),
            self.auto.map(|auto| auto.rule(promise)).transpose()?,
        ];
        let mut given = rules.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(rule), None) => Ok(rule),
            _ => Err(Error::Recipe(
                "prune needs exactly one of std-share, absolute, layer-sparsity, sparsity, weights, \
                 channels, macs, auto"
                    .into(),
            )),
        }
    }

    pub(super) fn check(&self, promise: Promise) -> Result<()> {
        let in_range = |name, value: f64, range, allowed: fn(f64) -> bool| {
            within(name, value, range, allowed).map(|_| ())
        };
        match self.rule(promise)? {
            Rule::Threshold(_) => {
                let sparsity: fn(f64) -> bool = |x| (0.0..1.0).contains(&x);
                let positive: fn(f64) -> bool = |x| x >= 0.0;
                for (name, value, range, allowed) in [
                    ("std-share", self.std_share, "[0, inf)", positive),
                    ("absolute", self.absolute, "[0, inf)", positive),
                    ("layer-sparsity", self.layer_sparsity, "[0, 1)", sparsity),
                    ("sparsity", self.sparsity, "[0, 1)", sparsity),
                ] {
                    value.map_or(Ok(()), |value| in_range(name, value, range, allowed))?;
                }
                Ok(())
            }
            Rule::Weights(weights) => {
                in_range("weights", weights as f64, "at least 1", |x| x >= 1.0)
            }
            Rule::Channels(share) => {
                in_range("channels", share, "[0, 1)", |x| (0.0..1.0).contains(&x))
            }
            Rule::Macs(macs) => in_range("macs", macs as f64, "at least 1", |x| x >= 1.0),
            Rule::Auto { accuracy, .. } => {
                in_range("auto.accuracy", accuracy, "[0, 1]", |x| (0.0..=1.0).contains(&x))
            }
        }
    }
}

impl Auto {
    fn rule(self, promise: Promise) -> Result<Rule> {
        let scale = if self.of_std { Scale::Deviation } else { Scale::Magnitude };
        let nothing = || Error::Recipe("auto needs an accuracy, its own or a promised one".into());
        let accuracy = self.accuracy.or(promise.accuracy).ok_or_else(nothing)?;
        Ok(Rule::Auto { accuracy, scale })
    }
}
