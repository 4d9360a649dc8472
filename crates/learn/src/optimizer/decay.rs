//! Weight decay by what a tensor is for.

use hoyer_graph::Role;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::within;

/// How strongly weights are pulled to zero besides any penalty.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `weights` | 0 | >= 0 | gradient per weight | for weights of convolutions and linear layers |
/// | `biases` | 0 | >= 0 | as above | for biases |
/// | `norms` | 0 | >= 0 | as above | for scales and shifts of batch normalization |
///
/// # Example
/// ```
/// use hoyer_graph::Role;
/// use hoyer_learn::optimizer::Decay;
///
/// let decay = Decay { weights: 1e-4, ..Decay::default() };
/// assert_eq!(decay.of(Role::Weight), 1e-4);
/// assert_eq!(decay.of(Role::Bias), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Decay {
    pub weights: f64,
    pub biases: f64,
    pub norms: f64,
}

impl Decay {
    /// The decay of a tensor with this role; 0 for what no optimizer changes.
    #[must_use]
    pub fn of(self, role: Role) -> f64 {
        match role {
            Role::Weight => self.weights,
            Role::Bias => self.biases,
            Role::NormScale | Role::NormShift => self.norms,
            Role::Statistic | Role::Constant => 0.0,
        }
    }

    pub(super) fn check(self) -> Result<()> {
        within("decay.weights", self.weights, "[0, inf)", |x| x >= 0.0)?;
        within("decay.biases", self.biases, "[0, inf)", |x| x >= 0.0)?;
        within("decay.norms", self.norms, "[0, inf)", |x| x >= 0.0)?;
        Ok(())
    }
}
