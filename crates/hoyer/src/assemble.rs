//! Counts of two networks, before and after, as results and reports show them.
//!
//! Invariants: the compressed network has no layer that the dense one lacks, by name; everything is counted, nothing copied
//! from what someone said.
//! Not here: the numbers' meanings (`result`), the counting itself (`hoyer_graph::cost`).

use hoyer_graph::container::Parts;
use hoyer_graph::{Bindings, Cost, Graph, LayerCost, Op, ParamId, Role};

use crate::error::{Error, Result};
use crate::report::{PixelMap, WeightHistogram};
use crate::result::{Compressed, Dense, Layer};

/// Bits of a weight of a file that is not ours.
const FLOAT_BITS: f64 = 32.0;
const HISTOGRAM_BINS: usize = 41;

/// The metrics of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// On the test data, a share.
    pub test: f64,
    /// On the validation data, a share.
    pub validation: Option<f64>,
}

/// What a network stores and multiplies for one sample.
///
/// # Errors
/// If a symbol other than `batch` has no size.
pub fn cost_of_one(graph: &Graph) -> Result<Cost> {
    Ok(hoyer_graph::cost(graph, &Bindings::from([("batch".into(), 1)]))?)
}

/// The dense network's part of a result.
pub fn dense(cost: &Cost, metrics: Metrics) -> Dense {
    Dense {
        metric: metrics.test,
        validation_metric: metrics.validation,
        weights: cost.weights,
        weights_with_biases: cost.weights_with_biases,
        params: cost.parameters,
        macs: cost.macs,
        file_bytes: 4 * cost.parameters,
        latency_us: None,
    }
}

/// The compressed network's part of a result; `parts` are those of its `.hoyer` file.
pub fn compressed(cost: &Cost, metrics: Metrics, parts: &Parts) -> Compressed {
    let weights = cost.layers.iter().map(|layer| parts.of(&layer.name)).sum();
    Compressed {
        metric: metrics.test,
        validation_metric: metrics.validation,
        weights: cost.weights,
        weights_with_biases: cost.weights_with_biases,
        params: cost.parameters,
        macs: cost.macs,
        file_bytes: parts.bytes() as u64,
        latency_us: None,
        weights_nonzero: cost.weights_nonzero,
        weights_with_biases_nonzero: cost.weights_with_biases_nonzero,
        params_nonzero: cost.parameters_nonzero,
        macs_nonzero: cost.macs_nonzero,
        bits: bits(weights, cost.weights_nonzero),
    }
}

/// Bits of the file for each weight that is not zero, its place among the zeros included; 0 if all are.
fn bits(bytes: usize, nonzero: u64) -> f64 {
    if nonzero == 0 { 0.0 } else { 8.0 * bytes as f64 / nonzero as f64 }
}

/// One line a layer of the dense network, in its order: what there was, and what is left. Without `parts` the file holds floats.
///
/// # Errors
/// If the dense network lacks a layer.
pub fn layers(dense: &Cost, left: &Cost, parts: Option<&Parts>) -> Result<Vec<Layer>> {
    let is_known = |layer: &&LayerCost| dense.layers.iter().any(|other| other.name == layer.name);
    if let Some(layer) = left.layers.iter().find(|layer| !is_known(layer)) {
        return Err(Error::Evidence {
            what: format!("layer `{}`", layer.name),
            got: "none in the dense network".into(),
            need: "one".into(),
        });
    }
    let line = |whole: &LayerCost| {
        let found = left.layers.iter().find(|layer| layer.name == whole.name);
        layer(whole, found.unwrap_or(&gone(whole)), parts)
    };
    Ok(dense.layers.iter().map(line).collect())
}

/// What is left of a layer that went with its branch.
fn gone(layer: &LayerCost) -> LayerCost {
    let shape = Vec::new();
    LayerCost { shape, total: 0, nonzero: 0, macs: 0, macs_nonzero: 0, ..layer.clone() }
}

fn layer(dense: &LayerCost, cost: &LayerCost, parts: Option<&Parts>) -> Layer {
    Layer {
        name: cost.name.clone(),
        kind: cost.kind.clone(),
        shape: cost.shape.iter().map(|&dim| dim as u64).collect(),
        nonzero: cost.nonzero,
        total: dense.total,
        bits: parts.map_or(FLOAT_BITS, |parts| bits(parts.of(&cost.name), cost.nonzero)),
        macs: dense.macs,
        macs_nonzero: cost.macs_nonzero,
    }
}

/// How the weights of each layer are spread, before and after; of a layer that is gone, none are left.
#[must_use]
pub fn histograms(before: &Graph, after: &Graph) -> Vec<WeightHistogram> {
    let weights = before.params.iter().filter(|param| param.role == Role::Weight);
    weights
        .map(|param| {
            let left = after.params.iter().find(|other| other.name == param.name);
            let left = left.map_or(&[][..], |param| param.tensor.data());
            WeightHistogram::of(&param.name, param.tensor.data(), left, HISTOGRAM_BINS)
        })
        .collect()
}

/// Where the first layer still looks, if the network looks at images.
///
/// # Errors
/// If the first layer does not fit `image`, the channels, rows and columns of a sample.
pub fn pixel_map(graph: &Graph, image: Option<[usize; 3]>) -> Result<Option<PixelMap>> {
    let (Some(image), Some((kind, weight))) = (image, first_layer(graph)?) else {
        return Ok(None);
    };
    let tensor = &graph.param_at(weight).tensor;
    match (kind.as_str(), tensor.shape()) {
        ("Conv", &[_, channels, height, width]) => {
            PixelMap::of_convolution(tensor.data(), [channels, height, width]).map(Some)
        }
        ("Gemm", &[_, inputs]) => {
            let all = image.iter().product::<usize>();
            match selected(graph) {
                Some(pixels) if pixels.len() == inputs && pixels.iter().all(|p| *p < all) => {
                    PixelMap::of_linear(&spread(tensor.data(), pixels, all), image).map(Some)
                }
                None if inputs == all => PixelMap::of_linear(tensor.data(), image).map(Some),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// The pixels that the network reads, if it chooses some.
fn selected(graph: &Graph) -> Option<&[usize]> {
    graph.nodes.iter().find_map(|node| match &node.op {
        Op::Select(select) => Some(select.indices.as_slice()),
        _ => None,
    })
}

/// Rows over some pixels as rows over `all` of them, zero elsewhere.
fn spread(rows: &[f32], pixels: &[usize], all: usize) -> Vec<f32> {
    let mut whole = Vec::with_capacity(rows.len() / pixels.len().max(1) * all);
    for row in rows.chunks(pixels.len().max(1)) {
        let start = whole.len();
        whole.resize(start + all, 0.0);
        pixels.iter().zip(row).for_each(|(pixel, weight)| whole[start + pixel] = *weight);
    }
    whole
}

fn first_layer(graph: &Graph) -> Result<Option<(String, ParamId)>> {
    let cost = cost_of_one(graph)?;
    let Some(first) = cost.layers.into_iter().next() else { return Ok(None) };
    let weight = graph.param_named(&first.name).map_err(Error::from)?;
    Ok(Some((first.kind, weight)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::container::{self, Metadata};
    use hoyer_graph::{Dim, Gemm, Shape, Tensor, Type};

    /// Two inputs, three outputs, with these weights and a bias.
    fn net(weights: [f32; 6]) -> Graph {
        let mut g = Graph::new("net");
        let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(2)])));
        let w = Tensor::new(&[3, 2], weights.to_vec()).unwrap();
        let w = g.param("fc.weight", Role::Weight, w).unwrap();
        let b = g.param("fc.bias", Role::Bias, Tensor::full(&[3], 1.0)).unwrap();
        let y = g.add("fc", Gemm::linear(), &[x, w, b]).unwrap();
        g.outputs.push(y);
        g
    }

    #[test]
    fn the_parts_of_a_result_are_counted_from_the_networks() {
        let (before, after) = (net([1.0; 6]), net([0.0, 2.0, 0.0, 0.0, 1.0, 0.0]));
        let file = container::to_bytes(&after, &Metadata::default()).unwrap();
        let parts = container::parts(&file).unwrap();
        let (before, after) = (cost_of_one(&before).unwrap(), cost_of_one(&after).unwrap());
        let metrics = Metrics { test: 0.9, validation: None };
        let (dense, small) = (dense(&before, metrics), compressed(&after, metrics, &parts));
        assert_eq!((dense.weights, dense.params, dense.file_bytes), (6, 9, 36));
        assert_eq!((small.weights_nonzero, small.weights_with_biases_nonzero), (2, 5));
        assert_eq!((small.params_nonzero, small.macs_nonzero), (5, 2));
        assert_eq!(small.file_bytes, file.len() as u64);
        assert_eq!(small.bits, 8.0 * parts.of("fc.weight") as f64 / 2.0);
        assert_eq!(layers(&before, &after, Some(&parts)).unwrap()[0].nonzero, 2);
    }

    #[test]
    fn a_linear_first_layer_that_reads_every_pixel_has_a_map() {
        let net = net([0.0, 2.0, 0.0, 0.0, 1.0, 0.0]);
        let map = pixel_map(&net, Some([1, 1, 2])).unwrap().unwrap();
        assert_eq!(map.counts, [1, 1]);
        assert_eq!(pixel_map(&net, Some([1, 2, 2])).unwrap(), None);
        assert_eq!(pixel_map(&net, None).unwrap(), None);
    }

    #[test]
    fn biases_have_no_histogram() {
        let bins = histograms(&net([1.0; 6]), &net([0.0; 6]));
        assert_eq!((bins.len(), bins[0].layer.as_str()), (1, "fc.weight"));
        assert_eq!(bins[0].after.iter().sum::<u64>(), 0);
    }
}
