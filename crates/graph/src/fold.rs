//! Batch normalizations taken into the layers before them, for networks that only answer.
//!
//! ```text
//! scale · (w ∗ x + b − mean) / √(var + ε) + shift  =  (s · w) ∗ x + (s · (b − mean) + shift)      s = scale / √(var + ε)
//! ```
//! Invariants: zero weights stay zero; the network says the same, but for rounding.
//! Not here: the training form, where statistics change (`training`).

use crate::graph::{Graph, Node, NodeId, ParamId, Role, Source, ValueId};
use crate::op::{BatchNormalization, Op};
use crate::rewrite::Rewrite;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// The network without the normalizations that follow a convolution or a linear layer which nobody else reads.
///
/// # Errors
/// [`Error::Node`] if a node does not take its inputs.
///
/// # Panics
/// If a node reads a value that no earlier node, parameter or input gives.
///
/// # Example
/// ```
/// use hoyer_graph::{BatchNormalization, Gemm, Graph, Role, Tensor, Type, fold_batch_normalization};
///
/// let mut g = Graph::new("net");
/// let x = g.input("x", Type::f32([8, 3]));
/// let w = g.param("w", Role::Weight, Tensor::full(&[2, 3], 0.5))?;
/// let mut inputs = vec![g.add("fc", Gemm::linear(), &[x, w])?];
/// for (name, role, value) in [
///     ("scale", Role::NormScale, 3.0),
///     ("shift", Role::NormShift, 0.25),
///     ("mean", Role::Statistic, 0.0),
///     ("var", Role::Statistic, 4.0),
/// ] {
///     inputs.push(g.param(name, role, Tensor::full(&[2], value))?);
/// }
/// let norm = BatchNormalization { epsilon: 0.0, ..BatchNormalization::default() };
/// let y = g.add("norm", norm, &inputs)?;
/// g.outputs.push(y);
/// let folded = fold_batch_normalization(&g)?;
/// assert_eq!((folded.nodes.len(), folded.params[0].tensor.data()[0]), (1, 0.75));
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn fold_batch_normalization(graph: &Graph) -> Result<Graph> {
    let folds = folds(graph);
    let folded = |id: NodeId| folds.iter().find(|fold| fold.layer == id);
    let gone = |id: NodeId| folds.iter().any(|fold| fold.norm == id);
    let read_by = readers_without(graph, &folds);
    let mut copy = Rewrite::begin(graph, |id| read_by[id.0])?;
    for (i, node) in graph.nodes.iter().enumerate() {
        if gone(NodeId(i)) {
            continue;
        }
        let Some(fold) = folded(NodeId(i)) else {
            copy.node(node)?;
            continue;
        };
        let mut inputs: Vec<ValueId> = node.inputs.iter().map(|id| copy.of(*id)).collect();
        fold.apply(graph, &mut copy.to, &mut inputs)?;
        let made = copy.to.add_all(&node.name, node.op.clone(), &inputs)?;
        copy.put(&graph.node(fold.norm).outputs, &made);
    }
    Ok(copy.finish())
}

/// A layer and the normalization that goes into it.
struct Fold {
    layer: NodeId,
    norm: NodeId,
}

/// All that can be folded.
fn folds(graph: &Graph) -> Vec<Fold> {
    let readers = graph.readers();
    let alone = |id: ValueId| readers[id.0].len() == 1 && !graph.outputs.contains(&id);
    let fold = |(i, node): (usize, &Node)| {
        let Op::BatchNormalization(BatchNormalization { training: false, .. }) = node.op else {
            return None;
        };
        let Source::Node(layer, 0) = graph.value(node.inputs[0]).source else { return None };
        let before = graph.node(layer);
        let fits = match &before.op {
            Op::Conv(_) => true,
            Op::Gemm(gemm) => gemm.trans_b && gemm.alpha == 1.0 && gemm.beta == 1.0,
            _ => false,
        };
        let stored = |id: &ValueId| graph.param_of(*id).is_some();
        let per_channel = |id: &ValueId| graph.value(*id).kind.shape.rank() == 1;
        let bias = before.inputs.get(2);
        let fits = fits
            && node.inputs[1..].iter().all(stored)
            && before.inputs[1..].iter().all(stored)
            && before.inputs[1..].iter().all(|id| alone(*id))
            && bias.is_none_or(|id| {
                per_channel(id) && graph.value(*id).kind == graph.value(node.inputs[2]).kind
            })
            && (bias.is_some() || alone(node.inputs[2]))
            && alone(node.inputs[0]);
        fits.then_some(Fold { layer, norm: NodeId(i) })
    };
    graph.nodes.iter().enumerate().filter_map(fold).collect()
}

/// Which values are still read, or asked for, when the normalizations are gone.
fn readers_without(graph: &Graph, folds: &[Fold]) -> Vec<bool> {
    let mut read = vec![false; graph.values.len()];
    graph.outputs.iter().for_each(|id| read[id.0] = true);
    for (i, node) in graph.nodes.iter().enumerate() {
        if folds.iter().all(|fold| fold.norm != NodeId(i)) {
            node.inputs.iter().for_each(|id| read[id.0] = true);
        }
    }
    read
}

impl Fold {
    /// Scales the layer's weights in the new graph, and gives it the bias that the normalization leaves.
    fn apply(&self, graph: &Graph, new: &mut Graph, inputs: &mut Vec<ValueId>) -> Result<()> {
        let norm = graph.node(self.norm);
        let Op::BatchNormalization(op) = &norm.op else { return Ok(()) };
        let numbers = |id: ValueId| -> Vec<f64> {
            let param = graph.param_of(id).map(|param| graph.param_at(param));
            let data = param.map(|param| param.tensor.data()).unwrap_or_default();
            data.iter().map(|x| f64::from(*x)).collect()
        };
        let [scale, shift, mean, var] = [1, 2, 3, 4].map(|i| numbers(norm.inputs[i]));
        let factor = |c: usize| scale[c] / (var[c] + f64::from(op.epsilon)).sqrt();
        let ParamId(weight) = param(new, inputs[1])?;
        let rows = scale.len().max(1);
        let data = new.params[weight].tensor.data_mut();
        let columns = (data.len() / rows).max(1);
        for (c, row) in data.chunks_exact_mut(columns).enumerate() {
            row.iter_mut().for_each(|w| *w = (f64::from(*w) * factor(c)) as f32);
        }
        let bias = |c: usize, b: f64| (factor(c) * (b - mean[c]) + shift[c]) as f32;
        if let Some(id) = inputs.get(2) {
            let ParamId(at) = param(new, *id)?;
            let param = &mut new.params[at];
            for (c, b) in param.tensor.data_mut().iter_mut().enumerate() {
                *b = bias(c, f64::from(*b));
                param.mask.iter_mut().for_each(|mask| mask[c] |= *b != 0.0);
            }
            return Ok(());
        }
        let name = &graph.value(norm.inputs[2]).name;
        let data = (0..scale.len()).map(|c| bias(c, 0.0)).collect();
        inputs.push(new.param(name, Role::Bias, Tensor::new(&[scale.len()], data)?)?);
        Ok(())
    }
}

fn param(graph: &Graph, id: ValueId) -> Result<ParamId> {
    let unknown = || Error::Unknown {
        graph: graph.name.clone(),
        kind: "parameter",
        name: graph.value(id).name.clone(),
    };
    graph.param_of(id).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Numbers;
    use crate::op::{Add, Conv, Relu, Window};
    use crate::{Array, Type, evaluate};

    fn norm(g: &mut Graph, name: &str, x: ValueId, numbers: &mut Numbers) -> ValueId {
        let mut inputs = vec![x];
        for (part, role) in [
            ("scale", Role::NormScale),
            ("shift", Role::NormShift),
            ("mean", Role::Statistic),
            ("var", Role::Statistic),
        ] {
            let mut tensor = numbers.tensor(&[4]);
            if part == "var" {
                tensor.data_mut().iter_mut().for_each(|x| *x = x.abs() + 0.1);
            }
            inputs.push(g.param(&format!("{name}.{part}"), role, tensor).unwrap());
        }
        g.add(name, BatchNormalization::default(), &inputs).unwrap()
    }

    /// One fold without and one with a bias, and a normalization that must stay: its layer is read twice.
    fn net() -> Graph {
        let mut numbers = Numbers(3);
        let mut g = Graph::new("net");
        let x = g.input("x", Type::f32([2, 4, 5, 5]));
        let mut layer = |g: &mut Graph, name: &str, x: ValueId, bias: bool| {
            let mut w = numbers.tensor(&[4, 4, 3, 3]);
            w.data_mut()[7] = 0.0;
            let mut inputs = vec![x, g.param(&format!("{name}.weight"), Role::Weight, w).unwrap()];
            if bias {
                let b = numbers.tensor(&[4]);
                inputs.push(g.param(&format!("{name}.bias"), Role::Bias, b).unwrap());
            }
            let y = g.add(name, Conv::new(Window::square(3, 1, 1)), &inputs).unwrap();
            (y, norm(g, &format!("{name}.norm"), y, &mut numbers))
        };
        let (_, y) = layer(&mut g, "a", x, false);
        let y = g.add("relu", Relu, &[y]).unwrap();
        let (_, y) = layer(&mut g, "b", y, true);
        let (raw, y) = layer(&mut g, "c", y, false);
        let y = g.add("sum", Add, &[raw, y]).unwrap();
        g.outputs.push(y);
        g
    }

    #[test]
    fn a_folded_network_says_the_same() {
        let g = net();
        let folded = fold_batch_normalization(&g).unwrap();
        assert_eq!((g.nodes.len(), folded.nodes.len()), (8, 6));
        let x = [Array::from_fn(&[2, 4, 5, 5], |i| ((i * 7919) % 101) as f64 / 50.0 - 1.0)];
        let want = evaluate(&g, &x, &g.outputs, 0).unwrap();
        let got = evaluate(&folded, &x, &folded.outputs, 0).unwrap();
        for (got, want) in got[0].data.iter().zip(&want[0].data) {
            assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{got}, need {want}");
        }
        assert_eq!(
            folded
                .params
                .iter()
                .filter(|p| p.tensor.data()[7 % p.tensor.data().len()] == 0.0)
                .count(),
            3
        );
        crate::container::validate(&folded).unwrap();
    }
}
