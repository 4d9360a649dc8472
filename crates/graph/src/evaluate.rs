//! What a graph means: every node computed plainly in f64, one after the other.
//!
//! This is the reference that gradients, rewrites and fast kernels are checked against.
//! Not here: running fast (crate `hoyer-run`).

use crate::graph::{Graph, Source, ValueId};
use crate::shape::Bindings;
use crate::tensor::Array;
use crate::{Error, Result};

/// Computes `wanted` from `inputs`, given in the order of `graph.inputs`. `step` counts runs: random ops
/// draw from it.
///
/// # Errors
/// [`Error::Input`] if an input is missing or does not fit its shape; symbols take their sizes from the inputs.
pub fn evaluate(
    graph: &Graph,
    inputs: &[Array],
    wanted: &[ValueId],
    step: u64,
) -> Result<Vec<Array>> {
    let params: Vec<Array> = graph.params.iter().map(|p| Array::from(&p.tensor)).collect();
    evaluate_with(graph, &params, inputs, wanted, step)
}

/// As [`evaluate`], with other values for the parameters (in the order of `graph.params`).
///
/// # Errors
/// As [`evaluate`].
///
/// # Panics
/// If there are fewer values than parameters, or one has another shape than its parameter.
pub fn evaluate_with(
    graph: &Graph,
    params: &[Array],
    inputs: &[Array],
    wanted: &[ValueId],
    step: u64,
) -> Result<Vec<Array>> {
    let bindings = bind_inputs(graph, inputs)?;
    let mut known: Vec<Option<Array>> = vec![None; graph.values.len()];
    for (id, array) in graph.inputs.iter().zip(inputs) {
        known[id.0] = Some(array.clone());
    }
    for (i, value) in graph.values.iter().enumerate() {
        if let Source::Param(param) = value.source {
            known[i] = Some(params[param.0].clone());
        }
    }
    for node in &graph.nodes {
        let shapes = node.outputs.iter().map(|id| bound(graph, *id, &bindings));
        let shapes = shapes.collect::<Result<Vec<_>>>()?;
        let read = |id: &ValueId| known[id.0].as_ref().expect("nodes read what exists before them");
        let arguments: Vec<&Array> = node.inputs.iter().map(read).collect();
        let results = node.op.rule().evaluate(&arguments, &shapes, step);
        for (id, result) in node.outputs.iter().zip(results) {
            known[id.0] = Some(result);
        }
    }
    Ok(wanted.iter().map(|id| known[id.0].clone().expect("every value is computed")).collect())
}

/// The concrete shape of a value.
///
/// # Errors
/// [`Error::Unbound`] if a symbol has no size.
pub fn bound(graph: &Graph, id: ValueId, bindings: &Bindings) -> Result<Vec<usize>> {
    let value = graph.value(id);
    let shape = value.kind.shape.bind(bindings);
    shape.map_err(|symbol| Error::Unbound { symbol, value: value.name.clone() })
}

/// The sizes that the inputs give to the symbols.
fn bind_inputs(graph: &Graph, inputs: &[Array]) -> Result<Bindings> {
    let mut bindings = Bindings::new();
    for (i, id) in graph.inputs.iter().enumerate() {
        let value = graph.value(*id);
        let got = inputs.get(i).map(|array| array.shape.clone()).unwrap_or_default();
        let refuse = || Error::Input {
            name: value.name.clone(),
            got: got.clone(),
            need: value.kind.shape.clone(),
        };
        if inputs.len() <= i || got.len() != value.kind.shape.rank() {
            return Err(refuse());
        }
        for (dim, &size) in value.kind.shape.0.iter().zip(&got) {
            if dim.fixed().is_none() {
                bindings.entry(dim.to_string()).or_insert(size);
            }
        }
        if value.kind.shape.bind(&bindings).ok() != Some(got.clone()) {
            return Err(refuse());
        }
    }
    Ok(bindings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Add;
    use crate::{Dim, Shape, Type};

    #[test]
    fn inputs_that_disagree_about_a_symbol_are_refused_by_name() {
        let mut g = Graph::new("g");
        let batch = || Type::f32(Shape(vec![Dim::symbol("batch")]));
        let (a, b) = (g.input("a", batch()), g.input("b", batch()));
        let sum = g.add("sum", Add, &[a, b]).unwrap();
        let run =
            |n: usize, m: usize| evaluate(&g, &[Array::zeros(&[n]), Array::zeros(&[m])], &[sum], 0);
        assert_eq!(run(3, 3).unwrap()[0].shape, [3]);
        let error = run(3, 4).unwrap_err();
        assert_eq!(error.to_string(), "input `b`: got shape [4], need [batch]");
    }
}
