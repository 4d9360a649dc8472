//! `RMSprop`: the gradient over the root of its running mean square.
//!
//! ```text
//! g = gradient + decay · w
//! v = β₂ v + (1 - β₂) g²        w -= η g / (√v + ε)
//! with momentum:   b = μ b + g / (√v + ε)        w -= η b
//! ```

use hoyer_kernels::update::{RmsProp, RmsPropMomentum, Rule};
use serde::{Deserialize, Serialize};

use super::Decay;
use crate::Result;
use crate::error::within;

/// `RMSprop`, not centered.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `lr` | 0.01 | >= 0 | - | learning rate: about how far a weight moves in a step |
/// | `beta2` | 0.99 | [0, 1) | - | share of the running mean square that a step keeps |
/// | `eps` | 1e-8 | >= 1e-30 | gradient | keeps the division finite where there is no gradient |
/// | `momentum` | 0 | [0, 1) | - | share of the last step's direction that the next one keeps |
/// | `decay` | 0 | >= 0 | - | weight decay, added to the gradient |
///
/// # Source
/// Tieleman & Hinton (2012), Coursera lecture 6.5, in the form of PyTorch's `RMSprop`, where
/// `beta2` is called alpha; `centered` is left out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct RmsPropConfig {
    pub lr: f64,
    pub beta2: f64,
    pub eps: f64,
    pub momentum: f64,
    pub decay: Decay,
}

impl Default for RmsPropConfig {
    fn default() -> Self {
        Self { lr: 0.01, beta2: 0.99, eps: 1e-8, momentum: 0.0, decay: Decay::default() }
    }
}

impl RmsPropConfig {
    pub(super) fn check(&self) -> Result<()> {
        within("lr", self.lr, "[0, inf)", |x| x >= 0.0)?;
        within("beta2", self.beta2, "[0, 1)", |x| (0.0..1.0).contains(&x))?;
        within("eps", self.eps, "at least 1e-30", |x| x >= 1e-30)?;
        within("momentum", self.momentum, "[0, 1)", |x| (0.0..1.0).contains(&x))?;
        self.decay.check()
    }

    pub(super) fn rule(&self, lr: f64) -> Rule {
        let square_step = (1.0 - self.beta2) as f32;
        let step = RmsProp { lr: lr as f32, square_step, eps: self.eps as f32 };
        if self.momentum == 0.0 {
            return Rule::RmsProp(step);
        }
        Rule::RmsPropMomentum(RmsPropMomentum { step, momentum: self.momentum as f32 })
    }
}
