//! One tensor in the hands of an optimizer: its state, its penalty, its jobs.

use hoyer_kernels::update::{CHUNK, Chunk, Rule, Term};

use super::tracker::Tracker;
use super::{Job, Method, Moments, Pace, Parameter, Tensor};
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) parameter: Parameter,
    pub(super) moments: Moments,
    pub(super) tracker: Option<Tracker>,
}

impl Slot {
    pub(super) fn new(parameter: Parameter, method: &Method) -> Self {
        let state = |wanted: bool| if wanted { vec![0.0; parameter.view.len()] } else { vec![] };
        let first = state(method.states() >= 1);
        let second = state(method.states() >= 2);
        let tracker = parameter.penalty.map(|penalty| Tracker::new(penalty, parameter.view));
        Self { parameter, moments: Moments { first, second }, tracker }
    }

    /// Whether `tensor`, the `at`-th of the network, is the one this slot was made for.
    pub(super) fn check(&self, at: usize, tensor: &Tensor<'_>) -> Result<()> {
        let need = self.parameter.view.len();
        let fits = |what: &str, got: usize| {
            if got == need {
                return Ok(());
            }
            Err(Error::Length { what: format!("{what} of tensor {at}"), got, need })
        };
        fits("weights", tensor.weights.len())?;
        fits("gradient", tensor.gradient.len())?;
        fits("mask", tensor.mask.map_or(need, <[bool]>::len))
    }

    /// Appends a job for every chunk of `tensor`; the factors of a coupled penalty are there already.
    pub(super) fn push_jobs<'a>(
        &'a mut self,
        tensor: Tensor<'a>,
        (rule, decay): (Rule, f64),
        (pace, coupled): (Pace, bool),
        jobs: &mut Vec<Job<'a>>,
    ) {
        let length = self.tracker.as_ref().map_or(CHUNK, Tracker::chunk);
        let mut terms = self.tracker.as_mut().map(|tracker| {
            if !coupled {
                tracker.look_at(tensor.weights);
                tracker.penalize(pace.lambda);
            }
            tracker.prepare(decay);
            tracker.terms(decay)
        });
        let Moments { first, second } = &mut self.moments;
        let (mut first, mut second) = (first.as_mut_slice(), second.as_mut_slice());
        let Tensor { mut weights, mut gradient, mut mask } = tensor;
        while !weights.is_empty() {
            let len = length.min(weights.len());
            let chunk = Chunk {
                weights: cut_mut(&mut weights, len),
                gradient: cut(&mut gradient, len),
                gradient_scale: pace.gradient_scale as f32,
                first: cut_mut(&mut first, len),
                second: cut_mut(&mut second, len),
                mask: mask.as_mut().map(|mask| cut(mask, len)),
            };
            let (term, sums) = match &mut terms {
                Some(terms) => {
                    let (term, sums) = terms.next();
                    (term, Some(sums))
                }
                None => (Term::Scale { scale: decay as f32 }, None),
            };
            jobs.push(Job::new(chunk, term, rule, sums));
        }
    }
}

/// Takes the first `len` numbers off `slice`, or none off an empty one.
fn cut_mut<'a>(slice: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    slice.split_off_mut(..len.min(slice.len())).expect("no longer than the slice")
}

/// As [`cut_mut`], to read.
fn cut<'a, T>(slice: &mut &'a [T], len: usize) -> &'a [T] {
    slice.split_off(..len.min(slice.len())).expect("no longer than the slice")
}
