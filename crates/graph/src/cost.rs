//! What a network stores and multiplies, per layer and in all.
//!
//! Counts, as the words are used everywhere in hoyer:
//! - weights: of convolutions and linear layers only, as papers count
//! - weights with biases: the same layers' biases too
//! - parameters: everything stored, running statistics and constants too
//! - MACs: multiply-accumulates of those layers for the given sizes (batch 1); `macs_nonzero` counts every
//!   weight that is not zero as often as it is used
//!
//! Not here: bytes of a file, time.

use crate::graph::{Graph, Node, Param, ParamId, Role};
use crate::shape::Bindings;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The cost of one weight and the layers that read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerCost {
    /// Name of the weight, for example `fc1.weight`.
    pub name: String,
    /// ONNX operator of the layer: `Conv`, `Gemm` or `MatMul`.
    pub kind: String,
    /// Shape of the weight.
    pub shape: Vec<usize>,
    /// All weights.
    pub total: u64,
    /// Weights that are not zero.
    pub nonzero: u64,
    /// Multiply-accumulates of the dense shape.
    pub macs: u64,
    /// Multiply-accumulates with a weight that is not zero.
    pub macs_nonzero: u64,
}

/// The cost of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// One entry per weight of a convolution or linear layer, in the order of the layers.
    pub layers: Vec<LayerCost>,
    /// Weights of all layers.
    pub weights: u64,
    /// Those that are not zero.
    pub weights_nonzero: u64,
    /// Weights and biases of all layers.
    pub weights_with_biases: u64,
    /// Those that are not zero.
    pub weights_with_biases_nonzero: u64,
    /// Numbers stored.
    pub parameters: u64,
    /// Those that are not zero.
    pub parameters_nonzero: u64,
    /// Multiply-accumulates of all layers, dense shape.
    pub macs: u64,
    /// Multiply-accumulates with a weight that is not zero.
    pub macs_nonzero: u64,
}

/// Counts an inference graph; `sizes` are those of its symbols, for papers' MACs `batch = 1`. Counts that
/// overflow stay at the largest number. (A training graph's backward nodes would be counted as layers.)
///
/// # Errors
/// [`Error::Unbound`] if the symbol of a layer's shape has no size.
///
/// # Example
/// ```
/// use hoyer_graph::{Bindings, Dim, Gemm, Graph, Role, Shape, Tensor, Type, cost};
///
/// let mut g = Graph::new("net");
/// let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(2)])));
/// let w = g.param("fc.weight", Role::Weight, Tensor::new(&[3, 2], vec![1., 0., 2., 0., 0., 3.])?)?;
/// let b = g.param("fc.bias", Role::Bias, Tensor::full(&[3], 1.0))?;
/// g.add("fc", Gemm::linear(), &[x, w, b])?;
/// let cost = cost(&g, &Bindings::from([("batch".into(), 1)]))?;
/// assert_eq!((cost.weights, cost.weights_nonzero), (6, 3));
/// assert_eq!((cost.macs, cost.macs_nonzero, cost.parameters), (6, 3, 9));
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn cost(graph: &Graph, sizes: &Bindings) -> Result<Cost> {
    let mut cost = Cost::default();
    let (mut weights, mut biases): (Vec<ParamId>, Vec<ParamId>) = (Vec::new(), Vec::new());
    for node in &graph.nodes {
        let Some(weight) = weight_of(graph, node) else { continue };
        let macs = macs_of(graph, node, sizes)?;
        let at = weights.iter().position(|&known| known == weight).unwrap_or_else(|| {
            weights.push(weight);
            cost.layers.push(LayerCost::unused(graph.param_at(weight), node.op.name()));
            weights.len() - 1
        });
        cost.layers[at].add_use(macs);
        biases.extend(bias_of(graph, node).filter(|bias| !biases.contains(bias)));
    }
    let sum =
        |count: fn(&LayerCost) -> u64| cost.layers.iter().map(count).fold(0, u64::saturating_add);
    let stored = |params: &mut dyn Iterator<Item = &Param>| {
        params.fold((0, 0), |(all, nonzero), p| {
            (all + p.tensor.data().len() as u64, nonzero + p.nonzero() as u64)
        })
    };
    (cost.macs, cost.macs_nonzero) = (sum(|l| l.macs), sum(|l| l.macs_nonzero));
    (cost.weights, cost.weights_nonzero) = (sum(|l| l.total), sum(|l| l.nonzero));
    let (bias, bias_nonzero) = stored(&mut biases.iter().map(|&id| graph.param_at(id)));
    cost.weights_with_biases = cost.weights + bias;
    cost.weights_with_biases_nonzero = cost.weights_nonzero + bias_nonzero;
    (cost.parameters, cost.parameters_nonzero) = stored(&mut graph.params.iter());
    Ok(cost)
}

impl LayerCost {
    /// A layer that no node has read yet.
    fn unused(weight: &Param, kind: &str) -> Self {
        Self {
            name: weight.name.clone(),
            kind: kind.to_owned(),
            shape: weight.tensor.shape().to_vec(),
            total: weight.tensor.data().len() as u64,
            nonzero: weight.nonzero() as u64,
            macs: 0,
            macs_nonzero: 0,
        }
    }

    /// Every weight takes part in the same number of products.
    fn add_use(&mut self, macs: u64) {
        let uses = macs.checked_div(self.total).unwrap_or(0);
        self.macs = self.macs.saturating_add(macs);
        self.macs_nonzero = self.macs_nonzero.saturating_add(uses * self.nonzero);
    }
}

/// The weight of a convolution or linear layer.
fn weight_of(graph: &Graph, node: &Node) -> Option<ParamId> {
    let is_layer = matches!(node.op.name(), "Conv" | "Gemm" | "MatMul");
    let with_role = |&id: &crate::ValueId| {
        graph.param_of(id).filter(|&param| graph.param_at(param).role == Role::Weight)
    };
    // A weight is the second input; a transposed product has it first.
    node.inputs.iter().take(if is_layer { 2 } else { 0 }).rev().find_map(with_role)
}

fn bias_of(graph: &Graph, node: &Node) -> Option<ParamId> {
    let bias = node.inputs.get(2).and_then(|&id| graph.param_of(id));
    bias.filter(|&param| graph.param_at(param).role == Role::Bias)
}

fn macs_of(graph: &Graph, node: &Node, sizes: &Bindings) -> Result<u64> {
    let kinds = |ids: &[crate::ValueId]| -> Vec<crate::Type> {
        ids.iter().map(|&id| graph.value(id).kind.clone()).collect()
    };
    let macs = node.op.rule().macs(&kinds(&node.inputs), &kinds(&node.outputs));
    match macs.bind(sizes) {
        Ok(number) => Ok(number as u64),
        // The whole product comes back if it overflows, one symbol if that has no size.
        Err(product) if product.contains('*') => Ok(u64::MAX),
        Err(symbol) => Err(Error::Unbound { symbol, value: node.name.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Conv, Flatten, Gemm, MatMul, MaxPool, Window};
    use crate::{Dim, Shape, Tensor, Type, ValueId};

    fn input(g: &mut Graph, rest: &[usize]) -> ValueId {
        let rest = rest.iter().map(|&size| Dim::from(size));
        g.input("x", Type::f32(Shape(std::iter::once(Dim::symbol("batch")).chain(rest).collect())))
    }

    /// A weight in which every `keep`th number is not zero, and a bias of ones.
    fn params(g: &mut Graph, name: &str, shape: &[usize], keep: usize) -> [ValueId; 2] {
        let mut w = Tensor::full(shape, 0.0);
        w.data_mut().iter_mut().step_by(keep).for_each(|x| *x = 1.0);
        let b = Tensor::full(&shape[..1], 1.0);
        let w = g.param(&format!("{name}.weight"), Role::Weight, w).unwrap();
        [w, g.param(&format!("{name}.bias"), Role::Bias, b).unwrap()]
    }

    /// Caffe's LeNet-5 with ReLUs left out; the papers count 430,500 weights.
    fn lenet_5() -> Graph {
        let mut g = Graph::new("lenet-5");
        let mut y = input(&mut g, &[1, 28, 28]);
        for (name, shape, keep) in [("conv1", [20, 1, 5, 5], 1), ("conv2", [50, 20, 5, 5], 2)] {
            let [w, b] = params(&mut g, name, &shape, keep);
            y = g.add(name, Conv::new(Window::square(5, 1, 0)), &[y, w, b]).unwrap();
            y = g.add("pool", MaxPool::new(Window::square(2, 2, 0)), &[y]).unwrap();
        }
        y = g.add("flatten", Flatten { axis: 1 }, &[y]).unwrap();
        for (name, shape, keep) in [("fc1", [500, 800], 4), ("fc2", [10, 500], 5)] {
            let [w, b] = params(&mut g, name, &shape, keep);
            y = g.add(name, Gemm::linear(), &[y, w, b]).unwrap();
        }
        g.param("mean", Role::Statistic, Tensor::full(&[7], 0.0)).unwrap();
        g
    }

    fn batch(size: usize) -> Bindings {
        Bindings::from([("batch".to_owned(), size)])
    }

    #[test]
    fn lenet_5_costs_what_the_papers_say() {
        let cost = cost(&lenet_5(), &batch(1)).unwrap();
        assert_eq!(cost.weights, 430_500);
        assert_eq!(cost.weights_nonzero, 500 + 12_500 + 100_000 + 1_000);
        assert_eq!(cost.weights_with_biases, 430_500 + 580);
        assert_eq!(cost.parameters, 430_500 + 580 + 7);
        assert_eq!(cost.parameters_nonzero, cost.weights_nonzero + 580);
        let macs = [500 * 24 * 24, 25_000 * 8 * 8, 400_000, 5_000];
        assert_eq!(cost.macs, macs.iter().sum::<u64>());
        assert_eq!(cost.macs_nonzero, 500 * 24 * 24 + 12_500 * 8 * 8 + 100_000 + 1_000);
        let found: Vec<_> = cost.layers.iter().map(|l| (l.name.as_str(), l.macs)).collect();
        let names = ["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"];
        assert_eq!(found, names.into_iter().zip(macs).collect::<Vec<_>>());
    }

    #[test]
    fn groups_share_the_products() {
        let mut g = Graph::new("g");
        let x = input(&mut g, &[6, 5, 5]);
        let [w, b] = params(&mut g, "depthwise", &[6, 1, 3, 3], 2);
        let conv = Conv { group: 6, ..Conv::new(Window::square(3, 2, 1)) };
        g.add("depthwise", conv, &[x, w, b]).unwrap();
        let cost = cost(&g, &batch(1)).unwrap();
        assert_eq!((cost.macs, cost.macs_nonzero), (54 * 9, 27 * 9));
    }

    #[test]
    fn a_shared_weight_is_stored_once_and_used_twice() {
        let mut g = Graph::new("g");
        let x = input(&mut g, &[4, 4]);
        let [w, _] = params(&mut g, "w", &[4, 4], 2);
        let y = g.add("first", MatMul, &[x, w]).unwrap();
        g.add("second", MatMul, &[y, w]).unwrap();
        let cost = cost(&g, &batch(1)).unwrap();
        assert_eq!((cost.layers.len(), cost.weights), (1, 16));
        assert_eq!((cost.macs, cost.macs_nonzero), (2 * 64, 64));
    }

    #[test]
    fn products_without_a_weight_are_no_layers() {
        let mut g = Graph::new("g");
        let x = input(&mut g, &[4, 4]);
        g.add("square", MatMul, &[x, x]).unwrap();
        let w = g.param("teacher", Role::Constant, Tensor::full(&[4, 4], 1.0)).unwrap();
        g.add("frozen", MatMul, &[x, w]).unwrap();
        let cost = cost(&g, &batch(1)).unwrap();
        assert_eq!((cost.layers.len(), cost.macs, cost.parameters), (0, 0, 16));
    }

    #[test]
    fn a_symbol_without_a_size_is_named_and_overflow_saturates() {
        let error = cost(&lenet_5(), &Bindings::new()).unwrap_err();
        assert!(error.to_string().starts_with("dimension `batch` of `conv1`"), "{error}");
        assert_eq!(cost(&lenet_5(), &batch(usize::MAX)).unwrap().macs, u64::MAX);
    }
}
