//! How much of the training data is held back, to choose by.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

use crate::error::within;
use crate::{Error, Result};

/// Samples held back from the training data: so many, or a share of them.
///
/// # Example
/// ```
/// use hoyer_learn::recipe::Holdout;
///
/// assert_eq!("5000".parse::<Holdout>()?, Holdout::Count(5000));
/// assert_eq!("0.2".parse::<Holdout>()?, Holdout::Share(0.2));
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Holdout {
    /// So many samples, at least 1.
    Count(usize),
    /// This share of the samples, in (0, 1).
    Share(f64),
}

impl Holdout {
    /// Five thousand, or a fifth of the samples if that is less.
    #[must_use]
    pub fn usual(samples: usize) -> Self {
        Self::Count((samples / 5).clamp(1, 5_000))
    }

    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Count(count) => within("validation", count as f64, "at least 1", |x| x >= 1.0)?,
            Self::Share(share) => within("validation", share, "(0, 1)", |x| x > 0.0 && x < 1.0)?,
        };
        Ok(())
    }
}

impl FromStr for Holdout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let share = || text.parse().map(Self::Share);
        let held = text.parse().map(Self::Count).or_else(|_| share());
        let held = held.map_err(|_| {
            Error::Recipe(format!(
                "validation = {text}, need a count like 5000 or a share like 0.1"
            ))
        })?;
        held.check()?;
        Ok(held)
    }
}
