//! What a training stage leaves behind: plain data that results and reports are made of.
//!
//! Invariants: metrics and accuracies are shares in `[0, 1]`; epochs count from 1 within their
//! stage; a value that does not apply, or that is not a finite number, is `None` once it went
//! through JSON. Nothing here reads a clock or a weight.
//! Not here: running a stage (`stage`), the file `result.json` (`hoyer::result`), the charts
//! (`hoyer::report`).

use serde::{Deserialize, Serialize};

/// The kinds of stages a recipe is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageKind {
    /// Dense training without a penalty.
    Train,
    /// Training with a sparsity penalty.
    Sparsify,
    /// Weights are set to zero and masked; no training.
    Prune,
    /// Statistics of batch normalization are measured anew; no training.
    Calibrate,
    /// Weights and biases take few different numbers; no training.
    Quantize,
    /// Training of what is left, the mask held.
    Finetune,
}

impl StageKind {
    /// The word that recipes, JSON and reports use for this kind.
    ///
    /// # Example
    /// ```
    /// assert_eq!(hoyer_learn::record::StageKind::Sparsify.name(), "sparsify");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Sparsify => "sparsify",
            Self::Prune => "prune",
            Self::Calibrate => "calibrate",
            Self::Quantize => "quantize",
            Self::Finetune => "finetune",
        }
    }
}

/// What one stage did, and where it left the network.
///
/// # Example
/// ```
/// use hoyer_learn::record::{StageKind, StageRecord};
///
/// let cut = StageRecord {
///     settings: "threshold 0.03 of each layer's standard deviation".into(),
///     weights_nonzero: Some(4_884),
///     weights_total: Some(266_200),
///     ..StageRecord::new(StageKind::Prune)
/// };
/// assert_eq!(cut.density(), Some(4_884.0 / 266_200.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// What kind of stage this was.
    pub kind: StageKind,
    /// Its settings in words a person can read, one line.
    pub settings: String,
    /// Wall-clock time in seconds, evaluation included.
    pub seconds: f64,
    /// One record an epoch, in order; empty for a stage that does not train.
    pub epochs: Vec<EpochRecord>,
    /// The epoch (from 1) whose weights were kept, chosen on validation data.
    pub chosen_epoch: Option<u32>,
    /// Metric on the training data after the stage.
    pub train_metric: Option<f64>,
    /// Metric on the validation data before the stage.
    pub validation_metric_before: Option<f64>,
    /// Metric on the validation data after the stage.
    pub validation_metric: Option<f64>,
    /// Convolution and linear weights that are not exactly zero after the stage.
    pub weights_nonzero: Option<u64>,
    /// All convolution and linear weights, zeros included.
    pub weights_total: Option<u64>,
    /// How many layers that have a mask skipped its zeros in the last steps, and why others did not, in a line; `None` if nothing was
    /// trained or no layer had a mask.
    #[serde(default)]
    pub masked_layers: Option<String>,
}

impl StageRecord {
    /// An empty record of a stage of this kind.
    pub fn new(kind: StageKind) -> Self {
        Self {
            kind,
            settings: String::new(),
            seconds: 0.0,
            epochs: Vec::new(),
            chosen_epoch: None,
            train_metric: None,
            validation_metric_before: None,
            validation_metric: None,
            weights_nonzero: None,
            weights_total: None,
            masked_layers: None,
        }
    }

    /// Share of weights that are not zero after the stage, if it was counted.
    pub fn density(&self) -> Option<f64> {
        let total = self.weights_total.filter(|&total| total > 0)?;
        Some(self.weights_nonzero? as f64 / total as f64)
    }
}

/// What one epoch did. The default is an epoch of which nothing is known.
///
/// # Units
/// - losses and `penalty` (already times lambda) in the unit of the task loss, means over the epoch
/// - accuracies and `weights_small_share` are shares in `[0, 1]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Number of the epoch within its stage, from 1.
    pub epoch: u32,
    /// Wall-clock time in seconds, evaluation included.
    pub seconds: f64,
    /// Learning rate of the last step.
    pub learning_rate: Option<f64>,
    /// Strength of the penalty at the last step; `None` without a penalty.
    pub lambda: Option<f64>,
    /// Task loss on the training data, the penalty not included.
    pub train_loss: Option<f64>,
    /// Penalty times lambda; `None` without a penalty.
    pub penalty: Option<f64>,
    /// Share of the training samples answered correctly, counted while training.
    pub train_accuracy: Option<f64>,
    /// Task loss on the validation data.
    pub validation_loss: Option<f64>,
    /// Share of the validation samples answered correctly.
    pub validation_accuracy: Option<f64>,
    /// Convolution and linear weights that are not exactly zero.
    pub weights_nonzero: Option<u64>,
    /// Share of those weights whose magnitude lies below the coming pruning threshold, exact
    /// zeros included: this is how sparsity shows before anything is cut.
    pub weights_small_share: Option<f64>,
    /// Training samples a second, evaluation not included.
    pub samples_per_second: Option<f64>,
    /// Share of the time of training in which no step was taken because samples were shuffled, varied and converted.
    #[serde(default)]
    pub data_share: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> StageRecord {
        StageRecord {
            settings: "Hoyer-Square, lambda 2e-4".into(),
            seconds: 12.5,
            epochs: vec![EpochRecord {
                epoch: 1,
                train_loss: Some(0.25),
                weights_nonzero: Some(266_200),
                weights_small_share: Some(0.5),
                ..EpochRecord::default()
            }],
            chosen_epoch: Some(1),
            validation_metric: Some(0.984),
            ..StageRecord::new(StageKind::Sparsify)
        }
    }

    #[test]
    fn json_gives_the_record_back() {
        let text = serde_json::to_string(&stage()).unwrap();
        assert_eq!(serde_json::from_str::<StageRecord>(&text).unwrap(), stage());
    }

    #[test]
    fn a_loss_that_is_not_a_number_becomes_unknown() {
        let mut before = stage();
        before.epochs[0].train_loss = Some(f64::NAN);
        let text = serde_json::to_string(&before).unwrap();
        let after: StageRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(after.epochs[0].train_loss, None);
    }

    #[test]
    fn kinds_are_written_by_their_name() {
        for kind in [
            StageKind::Train,
            StageKind::Sparsify,
            StageKind::Prune,
            StageKind::Calibrate,
            StageKind::Quantize,
            StageKind::Finetune,
        ] {
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(text, format!("\"{}\"", kind.name()));
        }
    }

    #[test]
    fn density_of_no_weights_is_unknown() {
        let empty = StageRecord {
            weights_nonzero: Some(0),
            weights_total: Some(0),
            ..StageRecord::new(StageKind::Prune)
        };
        assert_eq!(empty.density(), None);
        assert_eq!(stage().density(), None);
    }
}
