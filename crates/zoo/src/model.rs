//! Network families by name: one file each, one row each in [`MODELS`].
//!
//! Every builder gives an inference graph: input `input` (`[batch, …]`), output logits `[batch, classes]`.
//! Not here: first values (`init`), what the ops mean (`hoyer-graph`).

mod graph_lstm;
mod lenet;
mod mlp;
mod mobilenet;
mod normalized;
mod resnet;
mod vgg;

use crate::{Error, Result, init};
use hoyer_graph::{Dim, Gemm, Graph, Relu, Role, Shape, Type, ValueId};

/// A family: its name, what it is, and its builder.
#[derive(Debug)]
pub struct Model {
    /// Name in recipes and on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The builder.
    make: fn(&Plan<'_>) -> hoyer_graph::Result<Graph>,
    /// Whether samples must be images.
    needs_image: bool,
}

/// Every family.
pub const MODELS: &[Model] = &[
    Model {
        name: "lenet-300-100",
        about: "784-300-100-10 perceptron with ReLU (LeCun et al. 1998)",
        make: lenet::perceptron,
        needs_image: false,
    },
    Model {
        name: "lenet-5",
        about: "two 5x5 convolutions (20, 50), 500 hidden units: Caffe's LeNet, ReLU after both convolutions",
        make: lenet::convolutional,
        needs_image: true,
    },
    Model {
        name: "mlp-64-32",
        about: "perceptron with 64 and 32 hidden units, for small data",
        make: mlp::small,
        needs_image: false,
    },
    Model {
        name: "resnet-20",
        about: "residual network for 32x32 images, 20 layers, shortcuts without parameters (He et al. 2016)",
        make: |plan| resnet::residual(plan, 3),
        needs_image: true,
    },
    Model {
        name: "resnet-32",
        about: "the same with 32 layers",
        make: |plan| resnet::residual(plan, 5),
        needs_image: true,
    },
    Model {
        name: "resnet-56",
        about: "the same with 56 layers",
        make: |plan| resnet::residual(plan, 9),
        needs_image: true,
    },
    Model {
        name: "vgg-16",
        about: "thirteen 3x3 convolutions with batch normalization, for 32x32 images (Simonyan and Zisserman 2015)",
        make: vgg::sixteen,
        needs_image: true,
    },
    Model {
        name: "mobilenet-v2",
        about: "inverted residual blocks with depthwise convolutions, for 32x32 images (Sandler et al. 2018)",
        make: mobilenet::two,
        needs_image: true,
    },
    Model {
        name: "graph-lstm",
        about: "graph convolutions of three hops into an LSTM, for series [steps, nodes] (Cui et al. 2018)",
        make: graph_lstm::network,
        needs_image: false,
    },
];

/// What a builder is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) name: &'a str,
    /// Shape of one sample.
    pub(crate) sample: &'a [usize],
    pub(crate) classes: usize,
    pub(crate) seed: u64,
}

/// Builds a network for samples of this shape (`[channels, height, width]` or `[features]`).
///
/// # Errors
/// - [`Error::UnknownModel`] naming the nearest known one
/// - [`Error::Shape`] if the network cannot take such samples
/// - [`Error::Range`] if there are no classes
///
/// # Example
/// ```
/// let net = hoyer_zoo::model::build("lenet-5", &[1, 28, 28], 10, 1)?;
/// let weights = net.params.iter().filter(|p| p.role == hoyer_graph::Role::Weight);
/// assert_eq!(weights.map(|p| p.tensor.data().len()).sum::<usize>(), 430_500);
/// # Ok::<(), hoyer_zoo::Error>(())
/// ```
pub fn build(name: &str, sample: &[usize], classes: usize, seed: u64) -> Result<Graph> {
    let model = MODELS.iter().find(|model| model.name == name).ok_or_else(|| unknown(name))?;
    let refuse = |need: String| Error::Shape { what: "samples", got: format!("{sample:?}"), need };
    if classes == 0 {
        let (name, value) = ("classes", "0".to_owned());
        return Err(Error::Range { name, value, need: "at least 1".into() });
    }
    if hoyer_graph::elements(sample).unwrap_or(0) == 0 {
        return Err(refuse("at least one number, and not more than fit in memory".into()));
    }
    if model.needs_image && sample.len() != 3 {
        return Err(refuse(format!("[channels, height, width] for `{name}`")));
    }
    let plan = Plan { name, sample, classes, seed };
    (model.make)(&plan).map_err(|error| {
        let why = std::error::Error::source(&error).map(|why| format!(": {why}"));
        refuse(format!("what `{name}` can take ({error}{})", why.unwrap_or_default()))
    })
}

fn unknown(name: &str) -> Error {
    let near = MODELS.iter().map(|m| m.name).min_by_key(|known| strsim::levenshtein(name, known));
    let known = MODELS.iter().map(|m| m.name).collect::<Vec<_>>().join(", ");
    Error::UnknownModel { name: name.to_owned(), near: near.unwrap_or_default(), known }
}

impl Plan<'_> {
    /// An empty graph with its input.
    pub(crate) fn start(&self) -> (Graph, ValueId) {
        let mut g = Graph::new(self.name);
        let batch = std::iter::once(Dim::symbol("batch"));
        let dims = batch.chain(self.sample.iter().map(|&d| Dim::from(d))).collect();
        let input = g.input("input", Type::f32(Shape(dims)));
        (g, input)
    }

    /// Features of one sample.
    pub(crate) fn features(&self) -> usize {
        self.sample.iter().product()
    }

    /// A linear layer of `[inputs]` to `[outputs]`, initialized as PyTorch does.
    pub(crate) fn linear(
        &self,
        g: &mut Graph,
        name: &str,
        x: ValueId,
        [inputs, outputs]: [usize; 2],
    ) -> hoyer_graph::Result<ValueId> {
        let (w, b) = self.layer(g, name, &[outputs, inputs], inputs)?;
        g.add(name, Gemm::linear(), &[x, w, b])
    }

    /// As [`Self::linear`], with a ReLU behind it.
    pub(crate) fn linear_relu(
        &self,
        g: &mut Graph,
        name: &str,
        x: ValueId,
        sizes: [usize; 2],
    ) -> hoyer_graph::Result<ValueId> {
        let y = self.linear(g, name, x, sizes)?;
        g.add(&format!("{name}.relu"), Relu, &[y])
    }

    /// Weights of this shape and a bias per output.
    pub(crate) fn layer(
        &self,
        g: &mut Graph,
        name: &str,
        shape: &[usize],
        fan_in: usize,
    ) -> hoyer_graph::Result<(ValueId, ValueId)> {
        let (w, b) = (format!("{name}.weight"), format!("{name}.bias"));
        let weights = init::uniform(self.seed, &w, shape, fan_in)?;
        let biases = init::uniform(self.seed, &b, &shape[..1], fan_in)?;
        Ok((g.param(&w, Role::Weight, weights)?, g.param(&b, Role::Bias, biases)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::container::{Metadata, from_bytes, to_bytes};
    use hoyer_graph::{Array, Bindings, cost, evaluate, gradient, loss, trained, training};

    /// Samples as the papers have them.
    fn sample(name: &str) -> [usize; 3] {
        if name.starts_with("lenet") || name.starts_with("mlp") { [1, 28, 28] } else { [3, 32, 32] }
    }

    fn net(name: &str, seed: u64) -> Graph {
        build(name, &sample(name), 10, seed).unwrap()
    }

    #[test]
    fn counts_equal_the_published_ones() {
        for (name, weights, trained, macs) in [
            ("lenet-300-100", 266_200, 266_610, 266_200),
            ("lenet-5", 430_500, 431_080, 2_293_000),
            // He et al., table 6: 0.27 M, 0.46 M, 0.85 M.
            ("resnet-20", 268_336, 269_722, 40_551_040),
            ("resnet-32", 461_872, 464_154, 68_862_592),
            ("resnet-56", 848_944, 853_018, 125_485_696),
            // 14.99 M and 2.30 M in papers on CIFAR-10.
            ("vgg-16", 14_977_728, 14_987_210, 313_463_808),
            ("mobilenet-v2", 2_261_824, 2_296_922, 91_154_944),
        ] {
            let net = net(name, 1);
            let cost = cost(&net, &Bindings::from([("batch".into(), 1)])).unwrap();
            let learned = net.params.iter().filter(|param| param.role.is_trained());
            let learned: usize = learned.map(|param| param.tensor.data().len()).sum();
            assert_eq!((cost.weights, learned, cost.macs), (weights, trained, macs), "{name}");
        }
    }

    #[test]
    fn every_network_gives_finite_logits() {
        for Model { name, .. } in MODELS {
            let net = net(name, 5);
            let shape = [[1].as_slice(), &sample(name)].concat();
            let x = Array::from_fn(&shape, |i| (i % 255) as f64 / 255.0);
            let logits = evaluate(&net, &[x], &net.outputs, 0).unwrap().remove(0);
            assert_eq!(logits.shape, [1, 10], "{name}");
            assert!(logits.data.iter().all(|z| z.is_finite()), "{name}: {logits:?}");
            assert!(logits.data.iter().any(|z| *z != logits.data[0]), "{name}: {logits:?}");
        }
    }

    #[test]
    fn every_network_survives_a_file_and_the_same_seed_gives_the_same_bytes() {
        for Model { name, .. } in MODELS {
            let bytes = |net: &Graph| to_bytes(net, &Metadata::default()).unwrap();
            let first = bytes(&net(name, 5));
            assert_eq!(first, bytes(&net(name, 5)), "{name}");
            assert_ne!(first, bytes(&net(name, 6)), "{name}");
            assert_eq!(from_bytes(&first).unwrap().0, net(name, 5), "{name}");
        }
    }

    #[test]
    fn every_network_can_be_trained() {
        for Model { name, .. } in MODELS {
            let mut g = training(&net(name, 1)).unwrap();
            let wrt = trained(&g);
            let labels = g.input("labels", Type::i64(Shape(vec![Dim::symbol("batch")])));
            let logits = g.outputs[0];
            let loss = loss::cross_entropy(&mut g, logits, labels).unwrap();
            assert_eq!(gradient(&mut g, loss, &wrt).unwrap().len(), wrt.len(), "{name}");
            let normalizations = g.params.iter().filter(|p| p.role == Role::Statistic).count();
            assert_eq!(g.updates.len(), normalizations, "{name}");
        }
    }

    #[test]
    fn residual_networks_take_images_of_odd_sizes() {
        let net = build("resnet-20", &[1, 13, 7], 3, 1).unwrap();
        let x = Array::from_fn(&[2, 1, 13, 7], |i| (i % 7) as f64);
        assert_eq!(evaluate(&net, &[x], &net.outputs, 0).unwrap()[0].shape, [2, 3]);
    }

    #[test]
    fn an_unknown_model_names_the_nearest() {
        let error = build("lenet5", &[1, 28, 28], 10, 1).unwrap_err().to_string();
        assert!(
            error.starts_with("no model is called `lenet5`; did you mean `lenet-5`?"),
            "{error}"
        );
    }

    #[test]
    fn samples_that_do_not_fit_are_refused() {
        let error = build("lenet-5", &[784], 10, 1).unwrap_err().to_string();
        assert!(error.contains("[channels, height, width]"), "{error}");
        let error = build("lenet-5", &[1, 8, 8], 10, 1).unwrap_err().to_string();
        assert!(error.contains("(node `conv2`: Conv: the input has shape"), "{error}");
        assert!(build("vgg-16", &[3, 28, 28], 10, 1).is_err());
        for sample in [[0, 28, 28], [usize::MAX, 2, 2]] {
            assert!(MODELS.iter().all(|model| build(model.name, &sample, 10, 1).is_err()));
        }
        let error = build("mlp-64-32", &[64], 0, 1).unwrap_err().to_string();
        assert_eq!(error, "classes = 0, need at least 1");
    }
}
