//! Who wants to know how a run goes: progress bars, logs.
//!
//! Invariant: observing changes nothing.

use crate::recipe::Stage;
use crate::record::{EpochRecord, StageRecord};

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Place of the stage in the recipe, from 0.
    pub stage: usize,
    /// Epoch within the stage, from 1.
    pub epoch: u32,
    /// Steps taken in this epoch.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Task loss of the last batch.
    pub loss: f64,
}

/// Is told how a run goes; every method does nothing unless written.
pub trait Observer {
    /// Stage `index` (from 0) of `stages` begins; `epochs_done` is above 0 when a run is resumed.
    fn stage_started(&self, index: usize, stages: usize, stage: &Stage, epochs_done: u32) {
        let _ = (index, stages, stage, epochs_done);
    }

    /// A step was taken.
    fn step(&self, progress: Progress) {
        let _ = progress;
    }

    /// An epoch of stage `index` ended.
    fn epoch_done(&self, index: usize, record: &EpochRecord) {
        let _ = (index, record);
    }

    /// Stage `index` ended.
    fn stage_done(&self, index: usize, record: &StageRecord) {
        let _ = (index, record);
    }

    /// Something a person may want to read, one line.
    fn message(&self, text: &str) {
        let _ = text;
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
