//! The stage that quantizes: squared gradients are gathered, and one λ is looked for that gives the smallest network whose
//! accuracy is enough.
//!
//! Batch normalizations go into the layers before them first, since weights and biases have levels and what norms are made of has
//! not. Dead channels are taken out next, since what they say goes into biases, and again if weights vanished: then biases get
//! their levels anew.

use hoyer_graph::groups::{dead, groups, remove};
use hoyer_graph::{Param, Role, fold_batch_normalization};
use hoyer_run::Choice;

use super::Run;
use super::cut::search;
use crate::Result;
use crate::quantize::{Layer, Levels, short};
use crate::recipe::{Learn, Precision, Quantize, long};
use crate::snapshot::{Biases, mask, prunable};
use crate::trainer::{Score, Settings, Trainer};

/// λ falls by 2 to the 1 / `PARTS` from one candidate to the next, `CANDIDATES` times.
const PARTS: f64 = 4.0;
const CANDIDATES: usize = 160;
/// How many candidates beyond the one that bisection found are looked at too: accuracy does not fall evenly.
const BEYOND: usize = 8;
/// Share of a layer's mean importance that every weight has.
const FLOOR: f32 = 0.05;

/// Importance by place of the parameter; none for what has no gradient here.
type Importance = Vec<Option<Vec<f32>>>;

impl Run<'_> {
    pub(super) fn quantize(&mut self, quantize: &Quantize) -> Result<Score> {
        self.fold()?;
        self.take_out_dead()?;
        let importance = self.importance(quantize.batches)?;
        self.graph.params = self.chosen(quantize, &importance)?;
        if self.take_out_dead()? {
            let mut importance = self.importance(quantize.batches)?;
            for (param, importance) in self.graph.params.iter().zip(&mut importance) {
                importance.take_if(|_| param.role == Role::Weight);
            }
            self.graph.params = self.chosen(quantize, &importance)?;
        }
        self.score()
    }

    fn chosen(&mut self, quantize: &Quantize, importance: &Importance) -> Result<Vec<Param>> {
        match quantize.precision(self.setup.recipe.promise)? {
            Precision::Bits(bits) => {
                Ok(self.with(importance, |layer| layer.with_bits(bits, quantize.levels).weights))
            }
            Precision::Accuracy(least) => self.smallest(importance, quantize.levels, least),
        }
    }

    fn fold(&mut self) -> Result<()> {
        let folded = fold_batch_normalization(&self.graph)?;
        if folded.nodes.len() < self.graph.nodes.len() {
            self.rebuild(folded)?;
        }
        Ok(())
    }

    fn take_out_dead(&mut self) -> Result<bool> {
        let found = groups(&self.graph)?;
        let channels = dead(&self.graph, &found);
        if channels.is_empty() {
            return Ok(false);
        }
        let small = remove(&self.graph, &found, &channels)?.graph;
        self.rebuild(small)?;
        Ok(true)
    }

    /// Mean squared gradients of weights and biases.
    fn importance(&mut self, batches: usize) -> Result<Importance> {
        let recipe = self.setup.recipe;
        let (batch, seed, pool) = (recipe.batch, recipe.seed, self.setup.pool);
        // Dead weights matter too: what all gradients are on average is the floor below.
        let choice = Choice::Dense;
        let settings = Settings { batch, seed, biases: Biases::Included, pool, choice };
        let mut trainer = Trainer::new(&self.graph, None, &Learn::new(1), settings)?;
        trainer.check(self.setup.data.training)?;
        trainer.watch(long());
        self.setup.data.training.start_epoch(self.state.epochs);
        let samples = &*self.setup.data.training;
        for at in 0..batches.min(samples.len() / batch).max(1) {
            self.check_stop()?;
            trainer.look(samples, at * batch, at as u64)?;
        }
        let mut all: Importance = vec![None; self.graph.params.len()];
        let means = trainer.saliency().map(|found| found.means.clone()).unwrap_or_default();
        for (place, mut means) in
            prunable(&self.graph.params, Biases::Included).into_iter().zip(means)
        {
            let floor = FLOOR * means.iter().sum::<f32>() / means.len().max(1) as f32;
            means.iter_mut().for_each(|f| *f += floor.max(f32::MIN_POSITIVE));
            all[place] = Some(means);
        }
        Ok(all)
    }

    /// The parameters with levels for those whose importance is known, and short numbers for the rest.
    fn with(&self, importance: &Importance, levels: impl Fn(&Layer<'_>) -> Vec<f32>) -> Vec<Param> {
        let mut params = self.graph.params.clone();
        for (param, importance) in params.iter_mut().zip(importance) {
            let new = match importance {
                Some(importance) => levels(&Layer { weights: param.tensor.data(), importance }),
                None if matches!(param.role, Role::Weight | Role::Constant) => continue,
                None => param.tensor.data().iter().map(|x| short(*x)).collect(),
            };
            param.tensor.data_mut().copy_from_slice(&new);
            if param.role == Role::Weight {
                let keep: Vec<bool> = new.iter().map(|x| *x != 0.0).collect();
                mask(param, &keep);
            }
        }
        params
    }

    /// The parameters for the largest λ that is found to keep `least`.
    fn smallest(
        &mut self,
        importance: &Importance,
        levels: Levels,
        least: f64,
    ) -> Result<Vec<Param>> {
        let largest = largest(&self.graph.params, importance);
        let at = |run: &Self, candidate: usize| {
            let lambda = largest * (-(candidate as f64) / PARTS).exp2();
            run.with(importance, |layer| layer.with_lambda(lambda, levels).weights)
        };
        let is_enough = |run: &mut Self, candidate: usize| {
            run.check_stop()?;
            let mut params = at(run, candidate);
            let score = run.evaluator.score(&mut params, run.setup.data.validation)?;
            Ok(score.accuracy >= least)
        };
        let mut found = search(CANDIDATES, |candidate| is_enough(self, candidate))?;
        for candidate in found.saturating_sub(BEYOND)..found {
            if is_enough(self, candidate)? {
                found = candidate;
                break;
            }
        }
        Ok(at(self, found))
    }
}

/// The λ that is worth a bit for no weight: nothing is left beyond it.
fn largest(params: &[Param], importance: &Importance) -> f64 {
    let of = |(param, f): (&Param, &Option<Vec<f32>>)| {
        let data = param.tensor.data().iter().zip(f.iter().flatten());
        data.map(|(w, f)| f64::from(*f) * f64::from(*w).powi(2)).fold(0.0, f64::max)
    };
    params.iter().zip(importance).map(of).fold(0.0, f64::max)
}
