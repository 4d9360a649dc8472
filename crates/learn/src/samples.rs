//! Where samples come from: the trainer asks, any thread may answer.
//!
//! Not here: data sets and augmentation (`hoyer-zoo`).

/// Samples of one epoch, numbered from 0 in the order in which they are used.
///
/// What a sample is must depend on its number and the epoch alone, so that a run resumes anywhere
/// and does not depend on threads.
pub trait Samples: Sync {
    /// Draws the order of an epoch, counted over all stages of a run.
    fn start_epoch(&mut self, epoch: u64);

    /// How many samples an epoch has.
    fn len(&self) -> usize;

    /// Whether an epoch has no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many numbers one sample has.
    fn sample_len(&self) -> usize;

    /// Writes sample `at` of the epoch.
    ///
    /// # Shapes
    /// - `input`: `[sample_len]`
    fn fill(&self, at: usize, input: &mut [f32]);

    /// Writes sample `first` of the epoch and those after it, as many as there is room for.
    ///
    /// # Shapes
    /// - `input`: `[samples, sample_len]`
    fn fill_all(&self, first: usize, input: &mut [f32]) {
        let parts = input.chunks_exact_mut(self.sample_len().max(1));
        parts.enumerate().for_each(|(i, part)| self.fill(first + i, part));
    }

    /// The class of sample `at` of the epoch.
    fn label(&self, at: usize) -> i64;
}

/// What a run learns from and what it is judged by.
pub struct Data<'a> {
    /// Shuffled and varied anew in every epoch.
    pub training: &'a mut dyn Samples,
    /// The same in every epoch; never trained on.
    pub validation: &'a dyn Samples,
}

impl std::fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Data")
            .field("training", &self.training.len())
            .field("validation", &self.validation.len())
            .finish()
    }
}
