//! Whether a network that was exported for one sample may be given several: by running both.
//!
//! Not here: reading the file (`hoyer_graph::onnx`).

use std::sync::Arc;

use hoyer_graph::{Bindings, Graph, Op, cost};
use hoyer_kernels::pool::Pool;

use crate::probe::{Probe, apart};

/// Networks with more numbers in all their values are too large to be tried,
const MOST_ELEMENTS: usize = 1 << 28;
/// and those with more multiply-accumulates take too long.
const MOST_MACS: u64 = 10_000_000_000;

/// Whether the network is one for a single sample, as its file has it.
pub(crate) fn takes_one(graph: &Graph) -> bool {
    let first = |id| graph.value(id).kind.shape.0.first();
    graph.inputs.iter().any(|id| first(*id).is_some_and(hoyer_graph::Dim::is_one))
}

/// Whether `many`, which is `one` with a symbol for the number of samples, says of each of two samples what `one` says of it alone.
/// What cannot be run, because of its size or of other symbols, is believed.
pub(crate) fn samples_apart(one: &Graph, many: &Graph) -> bool {
    if !fits(many) {
        return true;
    }
    let pool = Arc::new(Pool::new(1));
    let Ok(probe) = Probe::new(many, 2) else { return true };
    let Ok(both) = probe.answers(many, &pool) else { return true };
    (0..2).all(|at| {
        let Ok(alone) = probe.sample(at).answers(one, &pool) else { return true };
        both.iter().zip(&alone).all(|(both, alone)| {
            let own = both.chunks_exact(alone.len().max(1)).nth(at).unwrap_or_default();
            let (far, most) = apart(alone, own);
            far <= most && both.len() == 2 * alone.len()
        })
    })
}

fn fits(graph: &Graph) -> bool {
    let sizes = Bindings::from([("batch".into(), 2)]);
    // Convolutions over three axes run by their definition.
    let is_slow = |op: &Op| matches!(op, Op::Conv(conv) if conv.window.kernel_shape.len() > 2);
    let macs = cost(graph, &sizes).map_or(u64::MAX, |cost| cost.macs);
    if macs > MOST_MACS || graph.nodes.iter().any(|node| is_slow(&node.op)) {
        return false;
    }
    let elements = graph.values.iter().map(|value| {
        let shape = value.kind.shape.bind(&sizes).ok()?;
        shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))
    });
    let sum = |sum: Option<usize>, count: Option<usize>| sum?.checked_add(count?);
    elements.fold(Some(0), sum).is_some_and(|sum| sum <= MOST_ELEMENTS)
}

#[cfg(test)]
mod tests {
    use hoyer_graph::{Dim, ReduceMax, Relu, Shape, Softmax, Type};

    use super::*;

    /// One op over `[first, 3]`.
    fn over(first: Dim, op: Op) -> Graph {
        let mut g = Graph::new("one op");
        let x = g.input("x", Type::f32(Shape(vec![first, Dim::from(3)])));
        let y = g.add("y", op, &[x]).unwrap();
        g.outputs.push(y);
        g
    }

    #[test]
    fn samples_that_are_read_together_are_found() {
        let kept = |op: &dyn Fn() -> Op| {
            samples_apart(&over(Dim::from(1), op()), &over(Dim::symbol("batch"), op()))
        };
        assert!(kept(&|| Relu.into()));
        assert!(kept(&|| Softmax { axis: 1 }.into()));
        assert!(!kept(&|| Softmax { axis: 0 }.into()));
        assert!(kept(&|| ReduceMax { axes: vec![1], keepdims: true }.into()));
        assert!(!kept(&|| ReduceMax { axes: vec![0], keepdims: true }.into()));
        assert!(!kept(&|| ReduceMax { axes: vec![], keepdims: true }.into()));
    }

    #[test]
    fn networks_too_large_to_be_tried_are_not() {
        let far = Dim::from(1 << 40);
        let wide = |first: Dim| {
            let mut g = Graph::new("wide");
            let x = g.input("x", Type::f32(Shape(vec![first, far.clone()])));
            g.outputs.push(x);
            g
        };
        assert!(samples_apart(&wide(Dim::from(1)), &wide(Dim::symbol("batch"))));
    }
}
