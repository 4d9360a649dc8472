//! A network that only answers: its weights are known, so zeros cost nothing and layers melt into one another.
//!
//! ```text
//! graph ─► batch normalization folded, `shortcut`s as layers ─► each layer dense or sparse (`cost`) ─► bias, activation, residual sum fused (`fuse`)
//!       ─► values between sparse layers in planes (`layout`) ─► a program, and a plan that says why (`plan`)
//! ```
//! Invariants: a run allocates nothing; the same input gives the same bits for any number of threads.
//! Not here: training, where weights change (`program`), the kernels (`hoyer_kernels::sparse`).

pub(crate) mod cost;
mod fuse;
pub(crate) mod layers;
mod layout;
pub(crate) mod plan;
mod shortcut;
mod steps;
mod tune;

pub use plan::{Format, Plan, PlanStep};

use crate::Result;
use crate::compile::Compiler;
use crate::program::Program;
use hoyer_graph::{Bindings, Graph, Param, ValueId, fold_batch_normalization};
use hoyer_kernels::pool::Pool;
use std::sync::Arc;

/// How it is chosen whether a layer runs dense or sparse.
#[derive(Debug, Clone, Copy, Default)]
pub enum Choice {
    /// By the cost model: the same on every machine and at every time.
    #[default]
    Model,
    /// Both are tried; the function tells the time in seconds.
    Measure(fn() -> f64),
    /// Dense wherever it can be.
    Dense,
    /// Sparse wherever it can be.
    Sparse,
}

/// A network made ready to answer batches of one size.
///
/// # Example
/// ```
/// use hoyer_graph::{Bindings, Dim, Gemm, Graph, Role, Shape, Tensor, Type};
/// use hoyer_kernels::pool::Pool;
/// use hoyer_run::{Choice, Inference};
/// use std::sync::Arc;
///
/// let mut g = Graph::new("tiny");
/// let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(2)])));
/// let w = g.param("w", Role::Weight, Tensor::new(&[1, 2], vec![3.0, 0.0])?)?;
/// let y = g.add("fc", Gemm::linear(), &[x, w])?;
/// g.outputs.push(y);
///
/// let sizes = Bindings::from([("batch".to_owned(), 1)]);
/// let mut net = Inference::compile(&g, &sizes, &Arc::new(Pool::new(1)), Choice::Sparse)?;
/// net.input_mut(0).copy_from_slice(&[10.0, 1.0]);
/// net.run();
/// assert_eq!(net.output(0), [30.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Inference {
    program: Program,
    params: Vec<Param>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    plan: Plan,
}

impl Inference {
    /// Makes the outputs of a network ready, for these sizes of symbols.
    ///
    /// # Errors
    /// - [`Error::Graph`](crate::Error::Graph) if a symbol has no size
    /// - [`Error::TooLarge`](crate::Error::TooLarge) if a value does not fit in memory
    pub fn compile(
        graph: &Graph,
        sizes: &Bindings,
        pool: &Arc<Pool>,
        choice: Choice,
    ) -> Result<Self> {
        let graph = shortcut::as_convolutions(fold_batch_normalization(graph)?)?;
        let compiler = Compiler::new(&graph, sizes, &graph.outputs)?;
        let layers = layers::decide(&graph, compiler.shapes(), choice);
        let fused = fuse::fuse(&graph, &layers);
        let layouts = layout::layouts(&graph, compiler.shapes(), &layers, &fused);
        let site = steps::Site { graph: &graph, shapes: compiler.shapes(), layouts: &layouts };
        let prepared = steps::prepare(&site, &layers, &fused);
        let lens = (0..graph.values.len()).map(|i| site.len(ValueId(i))).collect();
        let program = compiler.with(prepared, lens).trained().program(pool)?;
        let plan = plan::plan(&graph, &program, &layers, &fused);
        let (inputs, outputs) = (graph.inputs.clone(), graph.outputs.clone());
        Ok(Self { program, params: graph.params, inputs, outputs, plan })
    }

    /// The numbers of an f32 input, by its place among the network's inputs; to be filled before a run.
    ///
    /// # Panics
    /// If the network has no such input, or it is not f32.
    pub fn input_mut(&mut self, i: usize) -> &mut [f32] {
        self.program.input_mut(self.inputs[i])
    }

    /// The numbers of an integer input, by its place among the network's inputs; to be filled before a run.
    ///
    /// # Panics
    /// If the network has no such input, or it is f32.
    pub fn integers_mut(&mut self, i: usize) -> &mut [i64] {
        self.program.labels_mut(self.inputs[i])
    }

    /// Answers.
    pub fn run(&mut self) {
        self.program.run(&mut self.params, 0);
    }

    /// The numbers of an f32 output, by its place among the network's outputs, after a run.
    ///
    /// # Panics
    /// If the network has no such output, or it is not f32.
    pub fn output(&self, i: usize) -> &[f32] {
        self.program.value(self.outputs[i])
    }

    /// What runs, and why so.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Memory for values, in bytes.
    pub fn buffer_bytes(&self) -> usize {
        self.program.buffer_bytes()
    }

    /// Runs so many times and writes the median time of each step into the plan; `clock` tells the time in seconds.
    /// Reading the clock takes time too, about 20 ns a step.
    pub fn measure(&mut self, runs: usize, clock: impl Fn() -> f64) {
        let times = self.program.times(&self.params, runs, clock);
        for (step, time) in self.plan.steps.iter_mut().zip(times) {
            step.measured_us = Some(time);
        }
    }
}
