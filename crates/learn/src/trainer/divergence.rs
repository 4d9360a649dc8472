//! Where a loss that is not finite began.

use std::sync::Arc;

use hoyer_graph::{Bindings, DType, Graph, Node, ValueId};
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;

use crate::Result;

/// Names the first parameter, else the first value in running order, that is not finite when the batch that `fill`
/// fills is run once more.
pub(super) fn culprit(
    graph: &Graph,
    batch: usize,
    step: u64,
    fill: impl FnOnce(&mut Program) -> Result<()>,
) -> Result<String> {
    let is_bad = |numbers: &[f32]| numbers.iter().any(|x| !x.is_finite());
    if let Some(param) = graph.params.iter().find(|param| is_bad(param.tensor.data())) {
        return Ok(format!("the weights of `{}`, which the step before left so", param.name));
    }
    let is_f32 = |id: &ValueId| graph.value(*id).kind.dtype == DType::F32;
    // Views have no numbers of their own, and what they show comes before them.
    let computes = |node: &&Node| !matches!(node.op.name(), "Reshape" | "Flatten" | "Identity");
    let nodes = graph.nodes.iter().filter(computes);
    let outputs: Vec<ValueId> =
        nodes.flat_map(|node| node.outputs.clone()).filter(is_f32).collect();
    let sizes = Bindings::from([("batch".to_owned(), batch)]);
    let mut program = Program::compile(graph, &sizes, &outputs, &Arc::new(Pool::new(1)))?;
    fill(&mut program)?;
    if is_bad(program.input_mut(graph.inputs[0])) {
        return Ok("a sample".into());
    }
    program.run(&mut graph.params.clone(), step);
    let bad = outputs.iter().find(|id| is_bad(program.value(**id)));
    Ok(bad.map_or("the square of a gradient".into(), |id| {
        format!("node `{}`", graph.value(*id).name)
    }))
}
