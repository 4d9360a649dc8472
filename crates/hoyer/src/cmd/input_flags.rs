//! What a network wants done to its samples.
//!
//! Not here: doing it (`hoyer_zoo::data`).

use hoyer_graph::container::Metadata;
use hoyer_learn::recipe::Normalization;

/// Normalization of the samples: `(x - mean) / std` per channel.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct InputFlags {
    /// Mean of each channel that the network wants subtracted, pixels from 0 to 1; default: what its file says
    #[arg(
        long,
        value_name = "X,…",
        value_delimiter = ',',
        allow_negative_numbers = true,
        requires = "std"
    )]
    mean: Vec<f32>,
    /// Standard deviation of each channel that it wants divided by
    #[arg(long, value_name = "X,…", value_delimiter = ',', requires = "mean")]
    std: Vec<f32>,
}

impl InputFlags {
    /// The flags, if they are given.
    pub(crate) fn given(&self) -> Option<Normalization> {
        let flags = Normalization { mean: self.mean.clone(), std: self.std.clone() };
        (!flags.is_none()).then_some(flags)
    }

    /// The flags, or else what the network's file says.
    ///
    /// # Errors
    /// If the file says something else than a normalization.
    pub(crate) fn or_of(&self, metadata: &Metadata) -> anyhow::Result<Normalization> {
        Ok(match self.given() {
            Some(flags) => flags,
            None => metadata.get("normalization")?.unwrap_or_default(),
        })
    }
}
