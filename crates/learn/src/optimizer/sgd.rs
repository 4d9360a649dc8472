//! Stochastic gradient descent, with momentum if wanted.
//!
//! ```text
//! g = gradient + decay · w
//! b = μ b + g                       momentum
//! w -= η b                          or, Nesterov's:  w -= η (g + μ b)
//! ```

use hoyer_kernels::update::{Momentum, Rule, Sgd};
use serde::{Deserialize, Serialize};

use super::Decay;
use crate::error::within;
use crate::{Error, Result};

/// Stochastic gradient descent.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `lr` | 0.1 | >= 0 | - | learning rate: the share of the gradient that a step takes |
/// | `momentum` | 0.9 | [0, 1) | - | share of the last step's direction that the next one keeps |
/// | `nesterov` | false | - | - | look ahead: step as if the momentum had been applied already |
/// | `decay` | 0 | >= 0 | - | weight decay, added to the gradient |
///
/// # Source
/// Sutskever et al. (2013), "On the importance of initialization and momentum in deep learning",
/// in the form of PyTorch's `SGD` with dampening 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct SgdConfig {
    pub lr: f64,
    pub momentum: f64,
    pub nesterov: bool,
    pub decay: Decay,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self { lr: 0.1, momentum: 0.9, nesterov: false, decay: Decay::default() }
    }
}

impl SgdConfig {
    pub(super) fn check(&self) -> Result<()> {
        within("lr", self.lr, "[0, inf)", |x| x >= 0.0)?;
        within("momentum", self.momentum, "[0, 1)", |x| (0.0..1.0).contains(&x))?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(Error::Needs { what: "nesterov", need: "a momentum above 0" });
        }
        self.decay.check()
    }

    pub(super) fn rule(&self, lr: f64) -> Rule {
        let (lr, momentum) = (lr as f32, self.momentum as f32);
        match (self.momentum == 0.0, self.nesterov) {
            (true, _) => Rule::Sgd(Sgd { lr }),
            (false, true) => {
                let (from_gradient, from_buffer) = (1.0, momentum);
                Rule::Momentum(Momentum { lr, momentum, from_gradient, from_buffer })
            }
            (false, false) => {
                let (from_gradient, from_buffer) = (0.0, 1.0);
                Rule::Momentum(Momentum { lr, momentum, from_gradient, from_buffer })
            }
        }
    }
}
