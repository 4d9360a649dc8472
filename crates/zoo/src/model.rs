//! Network families by name: one file each, one row each in [`MODELS`].
//!
//! Every builder gives an inference graph: input `input` (`[batch, …]`), output logits `[batch, classes]`.
//! Not here: first values (`init`), what the ops mean (`hoyer-graph`).

mod lenet;
mod mlp;

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
    if model.needs_image && sample.len() != 3 {
        return Err(refuse(format!("[channels, height, width] for `{name}`")));
    }
    let plan = Plan { name, sample, classes, seed };
    (model.make)(&plan).map_err(|error| refuse(format!("what `{name}` can take ({error})")))
}

fn unknown(name: &str) -> Error {
    let near = MODELS.iter().map(|m| m.name).min_by_key(|known| distance(name, known));
    let known = MODELS.iter().map(|m| m.name).collect::<Vec<_>>().join(", ");
    Error::UnknownModel { name: name.to_owned(), near: near.unwrap_or_default(), known }
}

/// How many letters must be changed, added or removed (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
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
    use hoyer_graph::{Array, Bindings, cost, evaluate};

    #[test]
    fn counts_equal_the_published_ones() {
        let count = |name, sample: &[usize]| {
            let net = build(name, sample, 10, 1).unwrap();
            let cost = cost(&net, &Bindings::from([("batch".into(), 1)])).unwrap();
            (cost.weights, cost.weights_with_biases, cost.macs)
        };
        assert_eq!(count("lenet-300-100", &[1, 28, 28]), (266_200, 266_610, 266_200));
        assert_eq!(count("lenet-5", &[1, 28, 28]), (430_500, 431_080, 2_293_000));
    }

    #[test]
    fn every_network_gives_finite_logits_and_the_same_ones_for_the_same_seed() {
        for model in MODELS {
            let run = |seed| {
                let net = build(model.name, &[1, 28, 28], 7, seed).unwrap();
                let x = Array::from_fn(&[2, 1, 28, 28], |i| (i % 255) as f64 / 255.0);
                evaluate(&net, &[x], &net.outputs, 0).unwrap()[0].clone()
            };
            let logits = run(5);
            assert_eq!(logits.shape, [2, 7]);
            assert!(logits.data.iter().all(|z| z.is_finite()), "{}", model.name);
            assert_eq!(logits, run(5));
            assert_ne!(logits, run(6));
        }
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
        assert!(build("lenet-5", &[1, 8, 8], 10, 1).is_err());
    }
}
