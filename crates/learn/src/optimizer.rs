//! Optimizers with penalties: one pass over memory for each step.
//!
//! ```text
//! step t:  factors <- penalty(sums of step t-1, λ)
//!          every chunk: g + ∂λR -> rule -> weights, state, mask, sums
//!          sums <- chunk sums, added in their order
//! ```
//!
//! [`Optimizer::step`] cuts all tensors into [`Job`]s and hands them to the caller, who runs them
//! in any order on any thread: [`on`] a pool, or [`one_by_one`].
//!
//! With [`Optimizer::coupled`], one penalty sees channels that run through several tensors.
//!
//! Invariants: the result does not depend on how the jobs are run; a masked weight is 0 and so is
//! its state; saved and restored, a run goes on as if never stopped, to the bit, for the sums are
//! a function of the weights.
//! Deviation from frameworks where a penalty is part of the loss: clipping (`gradient_scale`)
//! scales the gradient of the task alone.
//! Not here: the arithmetic (`hoyer_kernels::update`), learning rates over time (`schedule`).

use hoyer_graph::Role;
use serde::{Deserialize, Serialize};

use crate::error::within;
use crate::penalty::{Penalty, View};
use crate::{Error, Result};

mod adam;
mod coupling;
mod decay;
mod job;
mod method;
mod rmsprop;
mod sgd;
mod slot;
#[cfg(test)]
mod tests;
mod tracker;

pub use adam::{AdamConfig, AdamWConfig};
use coupling::Coupling;
pub use coupling::{Coupled, Member, Side};
pub use decay::Decay;
use job::emptied;
pub use job::{Job, on, one_by_one};
pub use method::{Config, Method};
pub use rmsprop::RmsPropConfig;
pub use sgd::SgdConfig;
use slot::Slot;
use tracker::Tracker;

/// What an optimizer must know of a tensor before training.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its shape.
    pub view: View,
    /// What it is for: which weight decay it gets.
    pub role: Role,
    /// What makes it sparse, if anything.
    pub penalty: Option<&'static dyn Penalty>,
}

/// One tensor at one step.
///
/// # Shapes
/// - all slices `[parameter.view.len()]`
#[derive(Debug)]
pub struct Tensor<'a> {
    /// The weights, row-major.
    pub weights: &'a mut [f32],
    /// Gradient of the task's loss.
    pub gradient: &'a [f32],
    /// False where a weight is dead; `None` if all live.
    pub mask: Option<&'a [bool]>,
}

/// What may change from step to step.
///
/// | field | range | unit | meaning |
/// | --- | --- | --- | --- |
/// | `lr` | >= 0 | - | learning rate |
/// | `lambda` | >= 0 | loss per unit of penalty | strength of the penalties |
/// | `gradient_scale` | >= 0 | - | what the task's gradient is multiplied with; see `clip` |
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the table names every field")]
pub struct Pace {
    pub lr: f64,
    pub lambda: f64,
    pub gradient_scale: f64,
}

/// Everything a checkpoint must hold besides weights and masks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Steps taken.
    pub steps: u64,
    /// State of each tensor, in the order of the parameters.
    pub moments: Vec<Moments>,
}

/// What the method keeps for each weight of one tensor; empty where it keeps nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Moments {
    /// Momentum buffer or running mean; for RMSprop the running mean square.
    pub first: Vec<f32>,
    /// Running mean square; for RMSprop the momentum buffer.
    pub second: Vec<f32>,
}

/// A method at work on the tensors of a network.
///
/// # Example
/// ```
/// use hoyer_graph::Role;
/// use hoyer_learn::optimizer::{Config, Optimizer, Pace, Parameter, Tensor, one_by_one};
/// use hoyer_learn::penalty::{HoyerSquare, View};
///
/// let mut weights = vec![0.5, 0.05, -0.5, 0.04];
/// let layer =
///     Parameter { view: View::of(&[2, 2]), role: Role::Weight, penalty: Some(&HoyerSquare) };
/// let mut adam = Optimizer::new(Config::default().build()?, &[layer]);
/// let pace = Pace { lr: 1e-3, lambda: 1.0, gradient_scale: 1.0 };
/// for _ in 0..20 {
///     let layer = Tensor { weights: &mut weights, gradient: &[0.0; 4], mask: None };
///     adam.step(pace, [layer], one_by_one)?;
/// }
/// assert!(weights[0] > 0.5 && weights[2] < -0.5, "large weights are let go");
/// assert!(weights[1].abs() < 0.04 && weights[3].abs() < 0.03, "small ones shrink");
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug)]
pub struct Optimizer {
    method: Method,
    steps: u64,
    slots: Vec<Slot>,
    /// If the penalties are those of channels that run through several tensors.
    coupling: Option<Coupling>,
    /// The allocation of the last step's jobs.
    spare: Vec<Job<'static>>,
}

impl Optimizer {
    /// A fresh start on these tensors.
    #[must_use]
    pub fn new(method: Method, parameters: &[Parameter]) -> Self {
        let slots = parameters.iter().map(|parameter| Slot::new(*parameter, &method)).collect();
        Self { method, steps: 0, slots, coupling: None, spare: Vec::new() }
    }

    /// As [`Self::new`], with the penalty of these channels in place of each tensor's own; [`Self::look`] must have seen
    /// the weights before the first step.
    ///
    /// # Errors
    /// - [`Error::Needs`] if a member's tensor has no penalty of groups
    ///
    /// # Panics
    /// If a member does not lie in its tensor.
    pub fn coupled(method: Method, parameters: &[Parameter], groups: Vec<Coupled>) -> Result<Self> {
        let mut optimizer = Self::new(method, parameters);
        let mut over = None;
        for member in groups.iter().flat_map(|group| &group.members) {
            let penalty = parameters[member.tensor].penalty;
            over =
                Some(penalty.and_then(Penalty::over_channels).ok_or(Error::Needs {
                    what: "coupled channels",
                    need: "a penalty of groups",
                })?);
        }
        optimizer.coupling = over.map(|over| Coupling::new(over, groups));
        Ok(optimizer)
    }

    /// Takes the sums of weights that were never seen, or changed since; one slice a tensor.
    ///
    /// # Panics
    /// If a slice is not as long as its tensor.
    pub fn look<'w>(&mut self, weights: impl IntoIterator<Item = &'w [f32]>) {
        for (slot, weights) in self.slots.iter_mut().zip(weights) {
            if let Some(tracker) = &mut slot.tracker {
                tracker.look_at(weights);
            }
        }
        if let Some(coupling) = &mut self.coupling {
            coupling.gather(&self.slots);
        }
    }

    /// Whether [`Self::look`] must see the weights before the next step.
    #[must_use]
    pub fn must_look(&self) -> bool {
        let mut trackers = self.slots.iter().filter_map(|slot| slot.tracker.as_ref());
        self.coupling.is_some() && !trackers.all(Tracker::is_fresh)
    }

    /// Takes one step: `run` must run every job; see [`on`] and [`one_by_one`].
    ///
    /// # Errors
    /// - [`Error::Length`] if tensors or their slices do not fit the parameters
    /// - [`Error::Range`] if a field of `pace` is negative or not finite
    ///
    /// Nothing has changed then.
    ///
    /// # Panics
    /// If `run` left a job undone.
    pub fn step<'t>(
        &mut self,
        pace: Pace,
        tensors: impl IntoIterator<Item = Tensor<'t>>,
        run: impl FnOnce(&mut [Job<'_>]),
    ) -> Result<()> {
        pace.check()?;
        if self.must_look() {
            return Err(Error::Needs { what: "a coupled penalty", need: "a look at the weights" });
        }
        let need = self.slots.len();
        if let Some(coupling) = &mut self.coupling {
            coupling.prepare(pace.lambda, &mut self.slots);
        }
        let coupled = self.coupling.is_some();
        let mut jobs: Vec<Job<'_>> = std::mem::take(&mut self.spare);
        let mut slots = self.slots.iter_mut();
        for (at, tensor) in tensors.into_iter().enumerate() {
            let slot = slots.next().ok_or_else(|| wrong_count(at + 1, need))?;
            slot.check(at, &tensor)?;
            let rule = self.method.rule(self.steps + 1, pace.lr, slot.parameter.role);
            slot.push_jobs(tensor, rule, (pace, coupled), &mut jobs);
        }
        if slots.len() > 0 {
            return Err(wrong_count(need - slots.len(), need));
        }
        run(&mut jobs);
        assert!(jobs.iter().all(Job::is_done), "every job of a step must be run");
        self.spare = emptied(jobs);
        self.steps += 1;
        self.slots.iter_mut().filter_map(|slot| slot.tracker.as_mut()).for_each(Tracker::gather);
        if let Some(coupling) = &mut self.coupling {
            coupling.gather(&self.slots);
        }
        Ok(())
    }

    /// Must be called when weights were changed by anything but [`Self::step`], such as pruning or
    /// loading: their sums are taken anew in the next step.
    pub fn weights_changed(&mut self) {
        self.slots.iter_mut().filter_map(|slot| slot.tracker.as_mut()).for_each(Tracker::forget);
        if let Some(coupling) = &mut self.coupling {
            coupling.forget();
        }
    }

    /// `Σ R(w)` over all penalized tensors as the last step left them, without `λ`; 0 without a
    /// penalty, NaN before the first step and after [`Self::weights_changed`].
    ///
    /// # Units
    /// - that of the penalty
    #[must_use]
    pub fn penalty(&self) -> f64 {
        if let Some(coupling) = &self.coupling {
            return coupling.value();
        }
        self.slots.iter().filter_map(|slot| slot.tracker.as_ref()).map(Tracker::value).sum()
    }

    /// The method at work.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Steps taken so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A copy of what a checkpoint must hold.
    #[must_use]
    pub fn state(&self) -> State {
        let moments = self.slots.iter().map(|slot| slot.moments.clone()).collect();
        State { steps: self.steps, moments }
    }

    /// Goes on from a checkpoint; masks and weights are the caller's to restore.
    ///
    /// # Errors
    /// - [`Error::Length`] if the state is that of another network or method; nothing has
    ///   changed then
    pub fn restore(&mut self, state: State) -> Result<()> {
        if state.moments.len() != self.slots.len() {
            return Err(wrong_count(state.moments.len(), self.slots.len()));
        }
        for (at, (slot, moments)) in self.slots.iter().zip(&state.moments).enumerate() {
            let pairs = [
                ("first", moments.first.len(), slot.moments.first.len()),
                ("second", moments.second.len(), slot.moments.second.len()),
            ];
            if let Some((which, got, need)) = pairs.into_iter().find(|(_, got, need)| got != need) {
                let what = format!("{which} optimizer state of tensor {at}");
                return Err(Error::Length { what, got, need });
            }
        }
        for (slot, moments) in self.slots.iter_mut().zip(state.moments) {
            slot.moments = moments;
        }
        self.steps = state.steps;
        self.weights_changed();
        Ok(())
    }
}

impl Pace {
    fn check(self) -> Result<()> {
        within("lr", self.lr, "[0, inf)", |x| x >= 0.0)?;
        within("lambda", self.lambda, "[0, inf)", |x| x >= 0.0)?;
        within("gradient_scale", self.gradient_scale, "[0, inf)", |x| x >= 0.0)?;
        Ok(())
    }
}

fn wrong_count(got: usize, need: usize) -> Error {
    Error::Length { what: "tensors of the network".into(), got, need }
}
