//! The running mean of a network's numbers over the steps of a stage.
//!
//! ```text
//! w̄ <- m w̄ + (1 - m) w        m = min(memory, (1 + t) / (10 + t)), t: steps of the stage before this one
//! ```
//!
//! Source: Polyak & Juditsky (1992), "Acceleration of Stochastic Approximation by Averaging"; the exponential form
//! with its warm-up as in TensorFlow's `ExponentialMovingAverage`.
//! Not here: which epoch of a stage is kept (`stage`).

use hoyer_graph::Param;
use hoyer_kernels::pool::{Chunks, Pool};

/// Numbers a task works on.
const CHUNK: usize = 1 << 14;

/// Running means, one list for each parameter of a network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Average {
    memory: f64,
    pub(crate) means: Vec<Vec<f32>>,
}

impl Average {
    /// Begins with the numbers of these parameters.
    pub(crate) fn new(memory: f64, params: &[Param]) -> Self {
        let means = params.iter().map(|param| param.tensor.data().to_vec()).collect();
        Self { memory, means }
    }

    /// Takes in the parameters after step `t` of the stage.
    pub(crate) fn take_in(&mut self, t: u64, params: &[Param], pool: &Pool) {
        let memory = self.memory.min((1.0 + t as f64) / (10.0 + t as f64));
        let rest = (1.0 - memory) as f32;
        for (mean, param) in self.means.iter_mut().zip(params) {
            let tasks = mean.len().div_ceil(CHUNK);
            let numbers = param.tensor.data();
            pool.for_each(tasks, Chunks::new(mean, CHUNK), |task, part| {
                for (mean, now) in part.iter_mut().zip(&numbers[task * CHUNK..]) {
                    *mean += rest * (now - *mean);
                }
            });
        }
    }

    /// Adds to the means of some parameters what was added to the parameters since: what removed units always said.
    pub(crate) fn shift(&mut self, before: &[(usize, Vec<f32>)], params: &[Param]) {
        for (at, before) in before {
            let numbers = before.iter().zip(params[*at].tensor.data());
            for (mean, (before, now)) in self.means[*at].iter_mut().zip(numbers) {
                *mean += now - before;
            }
        }
    }

    /// Puts the means in place of the numbers; what is masked is zero.
    pub(crate) fn put(&self, params: &mut [Param]) {
        for (param, mean) in params.iter_mut().zip(&self.means) {
            param.tensor.data_mut().copy_from_slice(mean);
            if let Some(mask) = &param.mask {
                let numbers = param.tensor.data_mut().iter_mut();
                numbers.zip(mask).filter(|(_, live)| !**live).for_each(|(number, _)| *number = 0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::{Role, Tensor};

    fn param(values: [f32; 3], mask: Option<Vec<bool>>) -> Param {
        let tensor = Tensor::new(&[3], values.to_vec()).unwrap();
        Param { name: "w".into(), role: Role::Weight, tensor, mask }
    }

    #[test]
    fn what_was_added_to_parameters_is_added_to_their_means() {
        let mut average = Average::new(0.5, &[param([0.0, 1.0, 2.0], None)]);
        let before = [(0, vec![5.0, 5.0, 5.0])];
        average.shift(&before, &[param([5.0, 5.5, 4.0], None)]);
        assert_eq!(average.means[0], [0.0, 1.5, 1.0]);
    }

    #[test]
    fn the_first_steps_count_more_and_what_is_masked_is_zero() {
        let mut average = Average::new(0.5, &[param([0.0, 1.0, 2.0], None)]);
        let mut params = [param([10.0, 1.0, 0.0], Some(vec![true, true, false]))];
        let pool = Pool::new(1);
        average.take_in(0, &params, &pool);
        assert_eq!(average.means[0][..2], [9.0, 1.0], "m = 1/10");
        average.take_in(100, &params, &pool);
        average.put(&mut params);
        assert_eq!(params[0].tensor.data(), [9.5, 1.0, 0.0], "m = memory");
    }
}
