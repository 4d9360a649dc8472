//! A piece of a step that any thread can do.

use hoyer_kernels::pool::{Chunks, Pool};
use hoyer_kernels::update::{self, Chunk, Rule, Sums, Term};

/// The update of one chunk of one tensor.
#[derive(Debug)]
pub struct Job<'a> {
    /// `None` when done.
    work: Option<(Chunk<'a>, Term<'a>)>,
    rule: Rule,
    sums: Option<&'a mut Sums>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        chunk: Chunk<'a>,
        term: Term<'a>,
        rule: Rule,
        sums: Option<&'a mut Sums>,
    ) -> Self {
        Self { work: Some((chunk, term)), rule, sums }
    }

    /// Does the work; a second call does nothing.
    pub fn run(&mut self) {
        let Some((chunk, term)) = self.work.take() else { return };
        let sums = update::update(chunk, &self.rule, term);
        if let Some(slot) = &mut self.sums {
            **slot = sums;
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.work.is_none()
    }
}

/// Runs all jobs here and now.
pub fn one_by_one(jobs: &mut [Job<'_>]) {
    jobs.iter_mut().for_each(Job::run);
}

/// Runs the jobs of a step on all threads of a pool.
///
/// # Example
/// ```
/// use hoyer_graph::Role;
/// use hoyer_kernels::pool::Pool;
/// use hoyer_learn::optimizer::{Config, Optimizer, Pace, Parameter, Tensor, on};
/// use hoyer_learn::penalty::View;
///
/// let layer = Parameter { view: View::of(&[2, 2]), role: Role::Weight, penalty: None };
/// let mut adam = Optimizer::new(Config::default().build()?, &[layer]);
/// let (pool, mut weights) = (Pool::new(2), vec![0.5; 4]);
/// let layer = Tensor { weights: &mut weights, gradient: &[1.0, -1.0, 0.0, 0.0], mask: None };
/// adam.step(Pace { lr: 0.25, lambda: 0.0, gradient_scale: 1.0 }, [layer], on(&pool))?;
/// assert_eq!(weights, [0.25, 0.75, 0.5, 0.5]);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
pub fn on(pool: &Pool) -> impl FnOnce(&mut [Job<'_>]) {
    |jobs| pool.for_each(jobs.len(), Chunks::new(jobs, 1), |_, job| job[0].run())
}

/// An empty list with the memory of `jobs`.
pub(super) fn emptied(mut jobs: Vec<Job<'_>>) -> Vec<Job<'static>> {
    jobs.clear();
    jobs.into_iter().map(|_| unreachable!("the list is empty")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_list_keeps_its_memory() {
        let mut jobs: Vec<Job<'_>> = Vec::with_capacity(100);
        let mut weights = [1.0];
        let chunk = Chunk {
            weights: &mut weights,
            gradient: &[0.0],
            gradient_scale: 1.0,
            first: &mut [],
            second: &mut [],
            mask: None,
        };
        let rule = Rule::Sgd(update::Sgd { lr: 0.0 });
        jobs.push(Job::new(chunk, Term::Scale { scale: 0.0 }, rule, None));
        assert!(emptied(jobs).capacity() >= 100);
    }
}
