//! Which optimizer, chosen by name, its hyper-parameters checked once.

use hoyer_graph::Role;
use hoyer_kernels::update::Rule;
use serde::{Deserialize, Serialize};

use super::{AdamConfig, AdamWConfig, Decay, RmsPropConfig, SgdConfig};
use crate::Result;

/// An optimizer as a recipe names it: `name = "adam"` and the fields of its own config.
///
/// # Example
/// ```
/// use hoyer_learn::optimizer::{Config, SgdConfig};
///
/// let config: Config = toml::from_str(
///     r#"
///     name = "sgd"
///     lr = 0.05
///     nesterov = true
///     decay = { weights = 1e-4 }
///     "#,
/// )?;
/// assert!(matches!(config, Config::Sgd(SgdConfig { momentum: 0.9, nesterov: true, .. })));
/// assert!(config.build().is_ok());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
#[expect(missing_docs, reason = "each variant is documented at its struct")]
pub enum Config {
    Sgd(SgdConfig),
    Adam(AdamConfig),
    AdamW(AdamWConfig),
    RmsProp(RmsPropConfig),
}

impl Default for Config {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

impl Config {
    /// The method, if every hyper-parameter is within its range.
    ///
    /// # Errors
    /// - [`Error::Range`](crate::Error::Range) naming the first that is not
    /// - [`Error::Needs`](crate::Error::Needs) if two do not go together
    pub fn build(self) -> Result<Method> {
        match self {
            Self::Sgd(config) => config.check(),
            Self::Adam(config) => config.check(),
            Self::AdamW(config) => config.adam().check(),
            Self::RmsProp(config) => config.check(),
        }?;
        Ok(Method(self))
    }
}

/// An optimizer whose hyper-parameters have been checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Method(Config);

impl Method {
    /// The learning rate of the config, before any schedule.
    #[must_use]
    pub fn lr(&self) -> f64 {
        match self.0 {
            Config::Sgd(config) => config.lr,
            Config::Adam(config) => config.lr,
            Config::AdamW(config) => config.lr,
            Config::RmsProp(config) => config.lr,
        }
    }

    /// The config it was made from.
    #[must_use]
    pub fn config(&self) -> Config {
        self.0
    }

    fn decay(&self) -> Decay {
        match self.0 {
            Config::Sgd(config) => config.decay,
            Config::Adam(config) => config.decay,
            Config::AdamW(config) => config.decay,
            Config::RmsProp(config) => config.decay,
        }
    }

    /// The arithmetic of step `step`, counted from 1, for a tensor with this role, and the decay
    /// that goes into its gradient.
    pub(super) fn rule(&self, step: u64, lr: f64, role: Role) -> (Rule, f64) {
        let decay = self.decay().of(role);
        match self.0 {
            Config::Sgd(config) => (config.rule(lr), decay),
            Config::Adam(config) => (config.rule(step, lr, 1.0), decay),
            Config::AdamW(config) => (config.adam().rule(step, lr, 1.0 - lr * decay), 0.0),
            Config::RmsProp(config) => (config.rule(lr), decay),
        }
    }

    /// How many numbers it keeps for each weight.
    pub(super) fn states(&self) -> usize {
        self.rule(1, 0.0, Role::Weight).0.states()
    }
}
