//! A network that trains under masks: layers of which little lives skip what does not, forward and in both gradients.
//!
//! ```text
//! layer        y  = act(w ∗ x + b)       over the weights that live, their values taken anew in each run
//! gradients    dx = wᵀ ∗ dy              in one step, so that dy is copied once
//!              dw = dy · x               where weights live, else 0
//! ```
//! Which weights live is read from the masks when the program is compiled; a mask that loses more afterwards is still right, if
//! slower than it could be. A choice is made for each layer with a mask, by a cost model; everything else runs as in any program.
//! Invariants: as for [`Program`]; what is chosen follows from shapes and masks alone.
//! Not here: the kernels (`hoyer_kernels::sparse`), networks that only answer (`inference`).

mod cost;
mod layers;
mod steps;

use crate::Result;
use crate::compile::Compiler;
use crate::inference::{Choice, Plan};
use crate::program::Program;
use hoyer_graph::{Bindings, Graph, ParamId, ValueId};
use hoyer_kernels::pool::Pool;
use std::sync::Arc;

/// What a masked program computes.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Values to be read after a run.
    pub outputs: &'a [ValueId],
    /// Parameters and the gradients by them, which are among the outputs.
    pub gradients: &'a [(ParamId, ValueId)],
}

impl Program {
    /// As [`Program::compile`], for a graph whose parameters have masks, and says which layers run how. Parameters that are handed to a
    /// run must be zero wherever the graph's masks are not set.
    ///
    /// The gradient by a weight that does not live is zero or what it would be without the mask: neither may be used.
    ///
    /// # Errors
    /// As [`Program::compile`].
    ///
    /// # Example
    /// ```
    /// use hoyer_graph::{Bindings, Gemm, Graph, ReduceSum, Role, Tensor, Type, gradient};
    /// use hoyer_kernels::pool::Pool;
    /// use hoyer_run::{Choice, Program, Wanted};
    /// use std::sync::Arc;
    ///
    /// let mut g = Graph::new("tiny");
    /// let x = g.input("x", Type::f32([1, 2]));
    /// let w = g.param("w", Role::Weight, Tensor::new(&[1, 2], vec![3.0, 0.0])?)?;
    /// g.params[0].mask = Some(vec![true, false]);
    /// let y = g.add("fc", Gemm::linear(), &[x, w])?;
    /// let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[y])?;
    /// let dw = gradient(&mut g, loss, &[w])?[0];
    ///
    /// let gradients = [(g.param_of(w).unwrap(), dw)];
    /// let wanted = Wanted { outputs: &[loss, dw], gradients: &gradients };
    /// let pool = Arc::new(Pool::new(1));
    /// let (mut program, plan) = Program::masked(&g, &Bindings::new(), wanted, &pool, Choice::Sparse)?;
    /// program.input_mut(x).copy_from_slice(&[10.0, 20.0]);
    /// program.run(&mut g.params, 0);
    /// assert_eq!((program.value(loss), program.value(dw)), (&[30.0][..], &[10.0, 0.0][..]));
    /// assert_eq!(plan.summary(), "1 of 1 masked layers runs sparse");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn masked(
        graph: &Graph,
        sizes: &Bindings,
        wanted: Wanted<'_>,
        pool: &Arc<Pool>,
        choice: Choice,
    ) -> Result<(Self, Plan)> {
        let compiler = Compiler::new(graph, sizes, wanted.outputs)?;
        let layers = layers::find(graph, compiler.shapes(), wanted.gradients, choice);
        let prepared = steps::prepare(graph, &layers, compiler.absorbed());
        let lens = vec![None; graph.values.len()];
        let plan = Plan { steps: layers.iter().map(|layer| layer.plan_step(graph)).collect() };
        Ok((compiler.with(prepared, lens).program(pool)?, plan))
    }
}
