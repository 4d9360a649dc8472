//! Adam, and `AdamW` with its decoupled weight decay.
//!
//! ```text
//! m = β₁ m + (1 - β₁) g        v = β₂ v + (1 - β₂) g²
//! w -= η (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)
//! Adam: g = gradient + decay · w        AdamW: first w -= η · decay · w
//! ```
//!
//! The kernel sees `√v + ε s` and `η s / (1 - β₁ᵗ)` with `s = √(1 - β₂ᵗ)`, which is the same.

use hoyer_kernels::update::{Adam, Rule};
use serde::{Deserialize, Serialize};

use super::Decay;
use crate::Result;
use crate::error::within;

/// Adam.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `lr` | 0.001 | >= 0 | - | learning rate: about how far a weight moves in a step |
/// | `beta1` | 0.9 | [0, 1) | - | share of the running mean of the gradient that a step keeps |
/// | `beta2` | 0.999 | [0, 1) | - | the same for the running mean of its square |
/// | `eps` | 1e-8 | >= 1e-30 | gradient | keeps the division finite where there is no gradient |
/// | `decay` | 0 | >= 0 | - | weight decay, added to the gradient |
///
/// # Source
/// Kingma & Ba (2015), arXiv 1412.6980, Algorithm 1, in the form of PyTorch's `Adam`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct AdamConfig {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub decay: Decay,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: Decay::default() }
    }
}

/// Adam whose weight decay does not pass through the running means.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `lr`, `beta1`, `beta2`, `eps` | | | | as [`AdamConfig`] |
/// | `decay` | 0.01 for weights | >= 0 | - | share `lr · decay` of a weight is lost each step |
///
/// # Source
/// Loshchilov & Hutter (2019), arXiv 1711.05101, Algorithm 2, in the form of PyTorch's `AdamW`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct AdamWConfig {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub decay: Decay,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        let decay = Decay { weights: 0.01, ..Decay::default() };
        let AdamConfig { lr, beta1, beta2, eps, .. } = AdamConfig::default();
        Self { lr, beta1, beta2, eps, decay }
    }
}

impl AdamConfig {
    pub(super) fn check(&self) -> Result<()> {
        within("lr", self.lr, "[0, inf)", |x| x >= 0.0)?;
        within("beta1", self.beta1, "[0, 1)", |x| (0.0..1.0).contains(&x))?;
        within("beta2", self.beta2, "[0, 1)", |x| (0.0..1.0).contains(&x))?;
        within("eps", self.eps, "at least 1e-30", |x| x >= 1e-30)?;
        self.decay.check()
    }

    /// The arithmetic of step `step`, counted from 1; `keep` is what decoupled decay leaves.
    pub(super) fn rule(&self, step: u64, lr: f64, keep: f64) -> Rule {
        let unbiased = |beta: f64| 1.0 - beta.powf(step as f64);
        let root = unbiased(self.beta2).sqrt();
        Rule::Adam(Adam {
            step_size: (lr * root / unbiased(self.beta1)) as f32,
            mean_step: (1.0 - self.beta1) as f32,
            square_step: (1.0 - self.beta2) as f32,
            eps: (self.eps * root) as f32,
            keep: keep as f32,
        })
    }
}

impl AdamWConfig {
    /// The same without the difference.
    pub(super) fn adam(&self) -> AdamConfig {
        let Self { lr, beta1, beta2, eps, decay } = *self;
        AdamConfig { lr, beta1, beta2, eps, decay }
    }
}
