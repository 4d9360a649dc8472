//! A stage that prunes: one rule.

use serde::{Deserialize, Serialize};

use super::Promise;
use super::learn::is_one;
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
/// | `parameters` | >= 1 | numbers | channels are removed until so many are stored |
/// | `channel-norm` | >= 0 | share of the norm of an average channel of its layers | channels below are removed |
/// | `channel-elements` | >= 0 | standard deviations of the layer | channels are removed that have only smaller weights in a layer |
/// | `auto` | see [`Auto`] | – | as much as the validation metric allows |
///
/// With `round-to` (>= 1), a rule that removes channels leaves a multiple of so many in every group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
    pub parameters: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_norm: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_elements: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto: Option<Auto>,
    #[serde(skip_serializing_if = "is_one")]
    pub round_to: usize,
}

impl Default for Cut {
    fn default() -> Self {
        Self {
            std_share: None,
            absolute: None,
            layer_sparsity: None,
            sparsity: None,
            weights: None,
            channels: None,
            macs: None,
            parameters: None,
            channel_norm: None,
            channel_elements: None,
            auto: None,
            round_to: 1,
        }
    }
}

/// The largest threshold that keeps a metric.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `accuracy` | the recipe's promise | [0, 1] | least share of validation samples answered correctly |
/// | `of-std` | false | – | thresholds in standard deviations of each layer, not one for all |
/// | `channels` | false | – | removes channels, not weights: those that matter least for each multiply-accumulate first |
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Auto {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    pub of_std: bool,
    #[serde(skip_serializing_if = "super::is_false")]
    pub channels: bool,
}

/// The rule of a cut, all defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// A threshold that is known beforehand.
    Threshold(Threshold),
    /// So many weights are kept.
    Weights(u64),
    /// Whole channels are removed.
    Channels(ChannelRule),
    /// The largest threshold with at least this validation accuracy.
    Auto {
        /// Least share of validation samples answered correctly.
        accuracy: f64,
        /// What thresholds are measured in.
        scale: Scale,
    },
}

/// Which channels go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ChannelRule {
    /// This share of all.
    Share(f64),
    /// So many that at most so many multiply-accumulates are left.
    Macs(u64),
    /// So many that at most so many parameters are left.
    Parameters(u64),
    /// Those with a smaller norm than this share of an average channel's.
    Norm(f64),
    /// Those that have, in one of their layers, only weights below so many standard deviations of it: how DeepHoyer's code
    /// prunes structures.
    Elements(f64),
    /// As many as this validation accuracy allows.
    Auto {
        /// Least share of validation samples answered correctly.
        accuracy: f64,
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
            self.channels.map(|share| Rule::Channels(ChannelRule::Share(share))),
            self.macs.map(|macs| Rule::Channels(ChannelRule::Macs(macs))),
            self.parameters.map(|most| Rule::Channels(ChannelRule::Parameters(most))),
            self.channel_norm.map(|least| Rule::Channels(ChannelRule::Norm(least))),
            self.channel_elements.map(|least| Rule::Channels(ChannelRule::Elements(least))),
            self.auto.map(|auto| auto.rule(promise)).transpose()?,
        ];
        let mut given = rules.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(rule), None) => Ok(rule),
            _ => Err(Error::Recipe(
                "prune needs exactly one of std-share, absolute, layer-sparsity, sparsity, weights, \
                 channels, macs, parameters, channel-norm, channel-elements, auto"
                    .into(),
            )),
        }
    }

    pub(super) fn check(&self, promise: Promise) -> Result<()> {
        let in_range = |name, value: f64, range, allowed: fn(f64) -> bool| {
            within(name, value, range, allowed).map(|_| ())
        };
        let rule = self.rule(promise)?;
        in_range("round-to", self.round_to as f64, "at least 1", |x| x >= 1.0)?;
        if self.round_to > 1 && !matches!(rule, Rule::Channels(_)) {
            return Err(Error::Needs { what: "round-to", need: "a rule that removes channels" });
        }
        match rule {
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
            Rule::Channels(rule) => rule.check(),
            Rule::Auto { accuracy, .. } => {
                in_range("auto.accuracy", accuracy, "[0, 1]", |x| (0.0..=1.0).contains(&x))
            }
        }
    }
}

impl ChannelRule {
    fn check(self) -> Result<()> {
        let least_one: fn(f64) -> bool = |x| x >= 1.0;
        let positive: fn(f64) -> bool = |x| x >= 0.0;
        let share: fn(f64) -> bool = |x| (0.0..1.0).contains(&x);
        let closed: fn(f64) -> bool = |x| (0.0..=1.0).contains(&x);
        let (name, value, range, allowed) = match self {
            Self::Share(x) => ("channels", x, "[0, 1)", share),
            Self::Macs(x) => ("macs", x as f64, "at least 1", least_one),
            Self::Parameters(x) => ("parameters", x as f64, "at least 1", least_one),
            Self::Norm(x) => ("channel-norm", x, "[0, inf)", positive),
            Self::Elements(x) => ("channel-elements", x, "[0, inf)", positive),
            Self::Auto { accuracy } => ("auto.accuracy", accuracy, "[0, 1]", closed),
        };
        within(name, value, range, allowed).map(|_| ())
    }
}

impl Auto {
    fn rule(self, promise: Promise) -> Result<Rule> {
        let scale = if self.of_std { Scale::Deviation } else { Scale::Magnitude };
        let nothing = || Error::Recipe("auto needs an accuracy, its own or a promised one".into());
        let accuracy = self.accuracy.or(promise.accuracy).ok_or_else(nothing)?;
        Ok(match self.channels {
            true => Rule::Channels(ChannelRule::Auto { accuracy }),
            false => Rule::Auto { accuracy, scale },
        })
    }
}
