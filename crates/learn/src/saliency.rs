//! How much the loss would lose with a weight.
//!
//! ```text
//! v <- memory · v + (1 - memory) · g²        g: gradient of the task's loss, one batch
//! score = |w| √v                             orders as w² v does, and does not underflow
//! ```
//!
//! Source: LeCun, Denker & Solla (1990), "Optimal Brain Damage", equation 5, with the running mean of squared
//! batch gradients in place of the diagonal of the Hessian.
//! Not here: what is cut (`stage`).

use hoyer_kernels::pool::{Chunks, Pool};

/// Weights a task works on.
const CHUNK: usize = 1 << 14;

/// Running means of squared gradients, one list for each pruned tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Saliency {
    memory: f32,
    pub(crate) means: Vec<Vec<f32>>,
}

impl Saliency {
    pub(crate) fn new(memory: f64, lengths: impl Iterator<Item = usize>) -> Self {
        Self { memory: memory as f32, means: lengths.map(|len| vec![0.0; len]).collect() }
    }

    /// Takes in the gradients of one step, in the order of the tensors.
    pub(crate) fn look_at<'g>(&mut self, gradients: impl Iterator<Item = &'g [f32]>, pool: &Pool) {
        let (memory, rest) = (self.memory, 1.0 - self.memory);
        for (mean, gradient) in self.means.iter_mut().zip(gradients) {
            let tasks = mean.len().div_ceil(CHUNK);
            pool.for_each(tasks, Chunks::new(mean, CHUNK), |task, part| {
                for (v, g) in part.iter_mut().zip(&gradient[task * CHUNK..]) {
                    *v = memory * *v + rest * g * g;
                }
            });
        }
    }

    /// The scores of tensor `at`.
    pub(crate) fn scores(&self, at: usize, weights: &[f32]) -> Vec<f32> {
        weights.iter().zip(&self.means[at]).map(|(w, v)| w.abs() * v.sqrt()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_that_the_loss_does_not_feel_scores_zero() {
        let mut saliency = Saliency::new(0.5, [3].into_iter());
        let pool = Pool::new(1);
        for _ in 0..2 {
            saliency.look_at([&[2.0, 0.0, -4.0][..]].into_iter(), &pool);
        }
        assert_eq!(saliency.means, [[3.0, 0.0, 12.0]]);
        let scores = saliency.scores(0, &[1.0, 9.0, -1.0]);
        assert_eq!(scores[1], 0.0);
        assert!(scores[2] == 2.0 * scores[0]);
    }
}
