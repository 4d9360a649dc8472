//! A training step: forward, backward, and the optimizer's pass, over a batch that was put in.
//!
//! Invariants: a step allocates nothing; its result is a function of weights, batch and number, whatever the number of threads.
//! Not here: where batches come from and what is done in which epoch (`stage`), the update itself (`optimizer`).

use std::sync::Arc;

use hoyer_graph::{Bindings, Graph, Param, ParamId};
use hoyer_kernels::aligned::Aligned;
use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Plan, Profile, Program};

use crate::optimizer::{self, Optimizer, Pace, Parameter, Tensor, on};
use crate::penalty::{Penalty, View};
use crate::{Error, Result};

pub(crate) mod network;

pub use network::Goal;
use network::Training;

/// How steps are taken.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// What the network learns.
    pub goal: Goal,
    /// Samples of a step.
    pub batch: usize,
    /// What changes the weights.
    pub optimizer: optimizer::Config,
    /// Pushes weights, not biases, to zero.
    pub penalty: Option<&'static dyn Penalty>,
    /// Threads.
    pub pool: &'a Arc<Pool>,
    /// How layers with masks run.
    pub choice: Choice,
}

/// A network ready to take steps.
///
/// # Example
/// ```
/// use hoyer_graph::{Dim, Gemm, Graph, Role, Shape, Tensor, Type};
/// use hoyer_kernels::pool::Pool;
/// use hoyer_learn::optimizer::{Config, Pace, SgdConfig};
/// use hoyer_learn::step::{Goal, Setup, Step};
/// use std::sync::Arc;
///
/// let mut g = Graph::new("tiny");
/// let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(2)])));
/// let w = g.param("w", Role::Weight, Tensor::full(&[3, 2], 0.5))?;
/// let logits = g.add("fc", Gemm::linear(), &[x, w])?;
/// g.outputs.push(logits);
///
/// let setup = Setup {
///     goal: Goal::Classes,
///     batch: 2,
///     optimizer: Config::Sgd(SgdConfig::default()),
///     penalty: None,
///     pool: &Arc::new(Pool::new(1)),
///     choice: Default::default(),
/// };
/// let mut step = Step::new(&g, &setup)?;
/// step.input_mut().copy_from_slice(&[1.0, 2.0, 3.0, 4.0]);
/// step.labels_mut().copy_from_slice(&[0, 2]);
/// let pace = Pace { lr: 0.1, lambda: 0.0, gradient_scale: 1.0 };
/// let first = step.take(pace)?;
/// assert!((first - 3f32.ln()).abs() < 1e-6, "all classes are alike at first");
/// assert!(step.take(pace)? < first);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Step {
    pub(crate) training: Training,
    /// Those of the inference graph, then constants.
    pub(crate) params: Vec<Param>,
    pub(crate) program: Program,
    /// How the layers that have masks run.
    plan: Plan,
    choice: Choice,
    pub(crate) trained: Vec<ParamId>,
    pub(crate) optimizer: Optimizer,
    batch: usize,
    pub(crate) pool: Arc<Pool>,
    taken: u64,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step")
            .field("program", &self.program)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

impl Step {
    /// Makes a network ready, under the masks of its parameters.
    ///
    /// # Errors
    /// - [`Error::Data`] if the network is none with one input and one output, or for classes none with `[batch, classes]`
    /// - [`Error::Graph`] if an op has no gradient
    /// - what `setup.optimizer` refuses
    pub fn new(graph: &Graph, setup: &Setup<'_>) -> Result<Self> {
        let training = network::training_graph(graph, setup.goal, None, 0, setup.batch)?;
        Self::of(training, setup.batch, (setup.pool, setup.choice), |params, trained| {
            let parameter = |id: &ParamId| {
                let Param { role, tensor, .. } = &params[id.0];
                let penalty = setup.penalty.filter(|_| *role == hoyer_graph::Role::Weight);
                Parameter { view: View::of(tensor.shape()), role: *role, penalty }
            };
            let parameters: Vec<Parameter> = trained.iter().map(parameter).collect();
            Ok(Optimizer::new(setup.optimizer.build()?, &parameters))
        })
    }

    /// Makes a training graph ready; the optimizer is made for the parameters that are trained.
    pub(crate) fn of(
        mut training: Training,
        batch: usize,
        (pool, choice): (&Arc<Pool>, Choice),
        optimizer: impl FnOnce(&[Param], &[ParamId]) -> Result<Optimizer>,
    ) -> Result<Self> {
        let (program, plan) = training.compile(batch, pool, choice)?;
        let params = std::mem::take(&mut training.graph.params);
        let trained = trained_params(&params);
        let optimizer = optimizer(&params, &trained)?;
        let (pool, taken) = (Arc::clone(pool), 0);
        Ok(Self { training, params, program, plan, choice, trained, optimizer, batch, pool, taken })
    }

    /// The numbers of the batch, sample after sample.
    pub fn input_mut(&mut self) -> &mut [f32] {
        self.program.input_mut(self.training.input)
    }

    /// The class of each sample.
    ///
    /// # Panics
    /// If the network does not learn classes.
    pub fn labels_mut(&mut self) -> &mut [i64] {
        self.program.labels_mut(self.training.wanted)
    }

    /// What the network is to answer, number by number.
    ///
    /// # Panics
    /// If the network learns classes.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.program.input_mut(self.training.wanted)
    }

    /// Takes a step and gives its loss, that before the weights changed and without the penalty.
    ///
    /// # Errors
    /// [`Error::Data`] if a label is no class; what the optimizer refuses.
    pub fn take(&mut self, pace: Pace) -> Result<f32> {
        self.check_labels()?;
        self.compute(self.taken);
        self.update(pace)?;
        self.taken += 1;
        Ok(self.loss())
    }

    /// How many classes there are, if the network learns classes.
    pub fn classes(&self) -> Option<usize> {
        self.training.classes
    }

    /// How the layers with masks run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Memory for values, in bytes.
    pub fn buffer_bytes(&self) -> usize {
        self.program.buffer_bytes()
    }

    /// What each step of forward and backward takes over the batch that is in; no weight changes. `clock` tells the time in seconds.
    ///
    /// # Errors
    /// [`Error::Data`] if a label is no class.
    pub fn profile(&mut self, runs: usize, clock: impl Fn() -> f64) -> Result<Profile> {
        self.check_labels()?;
        Ok(self.program.profile(&self.training.graph, &self.params, runs, clock))
    }

    /// Takes the samples of a batch as [`Program::swap_input`] does.
    pub(crate) fn swap_input(&mut self, memory: &mut Aligned) {
        self.program.swap_input(self.training.input, memory);
    }

    /// Refuses labels that are no classes.
    pub(crate) fn check_labels(&mut self) -> Result<()> {
        let Some(classes) = self.training.classes else { return Ok(()) };
        let labels = self.program.labels_mut(self.training.wanted);
        labels.iter().try_for_each(|label| check_label(*label, classes))
    }

    /// Loss and gradients of the batch, as the step of this number.
    pub(crate) fn compute(&mut self, number: u64) {
        self.program.run(&mut self.params, number);
    }

    /// The loss of the last run.
    pub(crate) fn loss(&self) -> f32 {
        self.program.value(self.training.loss)[0]
    }

    /// Changes the weights along the gradients of the last run.
    pub(crate) fn update(&mut self, pace: Pace) -> Result<()> {
        let Self { params, trained, training, program, optimizer, pool, .. } = self;
        if optimizer.must_look() {
            optimizer.look(trained.iter().map(|id| params[id.0].tensor.data()));
        }
        let mut at = 0;
        let tensors = params.iter_mut().enumerate().filter_map(|(i, param)| {
            if trained.get(at).is_none_or(|id| id.0 != i) {
                return None;
            }
            let gradient = program.value(training.gradients[at]);
            at += 1;
            let mask = param.mask.as_deref();
            Some(Tensor { weights: param.tensor.data_mut(), gradient, mask })
        });
        optimizer.step(pace, tensors, on(pool))
    }

    /// Takes note of weights that do not live any more: what follows is what would follow had training begun with these masks.
    pub(crate) fn masks_changed(&mut self) -> Result<()> {
        self.optimizer.weights_changed();
        // The old memory goes before new memory is asked for.
        self.program = Program::compile(&Graph::new(""), &Bindings::new(), &[], &self.pool)?;
        std::mem::swap(&mut self.training.graph.params, &mut self.params);
        let compiled = self.training.compile(self.batch, &self.pool, self.choice);
        std::mem::swap(&mut self.training.graph.params, &mut self.params);
        (self.program, self.plan) = compiled?;
        Ok(())
    }
}

/// The parameters that learn, in the graph's order.
pub(crate) fn trained_params(params: &[Param]) -> Vec<ParamId> {
    (0..params.len()).filter(|&i| params[i].role.is_trained()).map(ParamId).collect()
}

/// Refuses what is no class.
pub(crate) fn check_label(label: i64, classes: usize) -> Result<()> {
    if usize::try_from(label).is_ok_and(|label| label < classes) {
        return Ok(());
    }
    let got = usize::try_from(label).unwrap_or(usize::MAX);
    Err(Error::Data { what: "a label", got, need: format!("below {classes}") })
}
