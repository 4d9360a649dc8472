//! How well a network answers: accuracy and loss over samples of a data set.
//!
//! Not here: choosing anything by it (`hoyer_learn`), what a metric means to a result (`result`).

use std::sync::Arc;

use hoyer_graph::{Bindings, DType, Dim, Graph, ValueId, loss};
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;
use hoyer_zoo::Dataset;
use hoyer_zoo::data::{Loader, Normalization};
use serde::Serialize;

use crate::error::{Error, Result};

/// Samples that are answered at once; what is measured does not depend on it.
const BATCH: usize = 256;

/// How a network did on some samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Share of samples answered correctly.
    pub accuracy: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// How many samples there were.
    pub samples: usize,
}

/// Checks that a network takes samples as floats in one input, and gives floats for each of them, computed from it.
///
/// # Errors
/// [`Error::NoAnswers`] if not.
pub fn check_answers(graph: &Graph) -> Result<()> {
    let refuse = |why: String| Err(Error::NoAnswers { model: graph.name.clone(), why });
    let kind = |id: &ValueId| &graph.value(*id).kind;
    let [input] = graph.inputs.as_slice() else {
        return refuse(format!("it has {} inputs", graph.inputs.len()));
    };
    let Some(output) = graph.outputs.first() else { return refuse("it has no output".into()) };
    for (what, id) in [("input", input), ("output", output)] {
        if kind(id).dtype != DType::F32 {
            return refuse(format!("its {what} is {:?}", kind(id).dtype));
        }
    }
    let (from, to) = (&kind(input).shape, &kind(output).shape);
    let samples = from.0.first().filter(|samples| samples.fixed() != Some(0));
    if samples.is_none() || samples != to.0.first() || graph.param_of(*output).is_some() {
        return refuse(format!("it makes {to} of {from}"));
    }
    Ok(())
}

/// Checks that a network takes samples like those of a data set (of their shape, but for axes of one, or as rows of all their numbers) and
/// answers with its classes.
///
/// # Errors
/// [`Error::DoesNotFit`] if not, [`Error::FixedBatch`] if it takes a fixed number of them, and as [`check_answers`].
pub fn check_fit(graph: &Graph, dataset: &Dataset) -> Result<()> {
    check_answers(graph)?;
    if let Some(id) = graph.inputs.first() {
        let shape = &graph.value(*id).kind.shape;
        if shape.0.first().is_some_and(|first| first.fixed().is_some()) {
            let (model, shape) = (graph.name.clone(), shape.to_string());
            return Err(Error::FixedBatch { model, shape });
        }
    }
    let of_one = |id: Option<&hoyer_graph::ValueId>| {
        let kind = &graph.value(*id?).kind;
        let shape = Some(&kind.shape).filter(|_| kind.dtype == DType::F32)?;
        shape.0.iter().skip(1).map(Dim::fixed).collect::<Option<Vec<usize>>>()
    };
    let (takes, gives) = (of_one(graph.inputs.first()), of_one(graph.outputs.first()));
    let (sample, classes) = (dataset.sample_len(), dataset.classes.len());
    let long =
        |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|n| *n > 1).collect() };
    let fits = |shape: &Vec<usize>| {
        let (theirs, ours) = (long(shape), long(&dataset.shape));
        let is_row = theirs.len() <= 1 || ours.len() <= 1;
        theirs == ours || (is_row && shape.iter().product::<usize>() == sample)
    };
    let answers = gives.as_ref().map(|shape| shape.iter().product::<usize>());
    if takes.as_ref().is_some_and(fits) && answers == Some(classes) {
        return Ok(());
    }
    let words = |shape: Option<&[usize]>| shape.map_or_else(|| "?".into(), by);
    let number = answers.map_or_else(|| "?".into(), |n| n.to_string());
    Err(Error::DoesNotFit {
        model: graph.name.clone(),
        takes: format!("samples of {} and gives {number} classes", words(takes.as_deref())),
        data: dataset.name.clone(),
        has: format!("samples of {} and {classes} classes", by(&dataset.shape)),
    })
}

/// A shape in words, as `3x32x32`.
fn by(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// Scores `graph` on the samples at `indices` of a data set.
///
/// # Errors
/// - [`Error::DoesNotFit`] if the network and the samples do not belong together
/// - what compiling the graph refuses
///
/// # Panics
/// If an index is out of range.
pub fn score(
    graph: &Graph,
    (dataset, indices): (&Dataset, &[u32]),
    normalization: &Normalization,
    pool: &Arc<Pool>,
) -> Result<Score> {
    check_fit(graph, dataset)?;
    let batch = BATCH.min(indices.len().max(1));
    let loader = Loader::evaluation(dataset, indices, batch, normalization)?;
    let (input, logits) = (graph.inputs[0], loss::logits(graph, graph.outputs[0]));
    let sizes = Bindings::from([("batch".into(), batch)]);
    let mut program = Program::compile(graph, &sizes, &[logits], pool)?;
    let mut params = graph.params.clone();
    let mut labels = vec![0; batch];
    let (mut right, mut loss) = (0_usize, 0.0);
    for (step, samples) in loader.batches().enumerate() {
        let count = samples.fill(program.input_mut(input), &mut labels)?;
        program.run(&mut params, step as u64);
        let rows = program.value(logits).chunks_exact(dataset.classes.len());
        for (row, &label) in rows.zip(&labels[..count]) {
            let label = usize::try_from(label).expect("a label of a checked data set");
            right += usize::from(largest(row) == label);
            loss += cross_entropy(row, label);
        }
    }
    let share = |sum: f64| sum / indices.len().max(1) as f64;
    Ok(Score { accuracy: share(right as f64), loss: share(loss), samples: indices.len() })
}

/// Where the largest number is, the first of several; a NaN is never the largest.
fn largest(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&z| f64::from(z - top).exp()).sum();
    sum.ln() - f64::from(logits[label] - top)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_graph::{Flatten, Gemm, Role, Shape, Softmax, Tensor, Type};
    use hoyer_zoo::data::Features;

    /// Samples that say their own class, and one that lies.
    fn dataset() -> Dataset {
        Dataset {
            name: "told".into(),
            shape: vec![2],
            classes: vec!["a".into(), "b".into()],
            scale: 1.0,
            features: Features::F32(vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]),
            labels: vec![0, 1, 0, 1],
            train: vec![],
            test: vec![0, 1, 2, 3],
        }
    }

    fn identity(inputs: usize) -> Graph {
        let mut g = Graph::new("identity");
        let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(inputs)])));
        let mut w = vec![0.0; 2 * inputs];
        (w[0], w[inputs + 1]) = (1.0, 1.0);
        let w = g.param("w", Role::Weight, Tensor::new(&[2, inputs], w).unwrap()).unwrap();
        let y = g.add("fc", Gemm::linear(), &[x, w]).unwrap();
        g.outputs.push(y);
        g
    }

    #[test]
    fn what_is_answered_right_is_counted() {
        let (data, pool) = (dataset(), Arc::new(Pool::new(1)));
        let score =
            score(&identity(2), (&data, &data.test), &Normalization::default(), &pool).unwrap();
        let (right, wrong) = ((1.0 + (-1f64).exp()).ln(), (1.0 + 1f64.exp()).ln());
        assert_eq!((score.accuracy, score.samples), (0.75, 4));
        assert!((score.loss - (3.0 * right + wrong) / 4.0).abs() < 1e-6, "{}", score.loss);
    }

    #[test]
    fn a_softmax_at_the_end_is_not_in_the_loss() {
        let (data, pool) = (dataset(), Arc::new(Pool::new(1)));
        let mut odds = identity(2);
        let logits = odds.outputs[0];
        odds.outputs = vec![odds.add("odds", Softmax { axis: 1 }, &[logits]).unwrap()];
        let of =
            |g: &Graph| score(g, (&data, &data.test), &Normalization::default(), &pool).unwrap();
        assert_eq!(of(&odds), of(&identity(2)));
    }

    #[test]
    fn a_network_for_other_samples_is_refused() {
        let (data, pool) = (dataset(), Arc::new(Pool::new(1)));
        let error = score(&identity(3), (&data, &data.test), &Normalization::default(), &pool)
            .unwrap_err()
            .to_string();
        let expected = "model `identity` takes samples of 3 and gives 2 classes, data set `told` has \
                        samples of 2 and 2 classes";
        assert_eq!(error, expected);
    }

    #[test]
    fn an_image_is_taken_as_it_is_or_as_a_row_but_not_with_its_channels_last() {
        let image = Dataset { shape: vec![3, 4, 4], ..dataset() };
        let takes = |shape: &[usize]| {
            let mut g = Graph::new("g");
            let batch = std::iter::once(Dim::symbol("batch"));
            let dims = batch.chain(shape.iter().map(|n| Dim::from(*n))).collect();
            let x = g.input("x", Type::f32(Shape(dims)));
            let y = g.add("flat", Flatten { axis: 1 }, &[x]).unwrap();
            let weight = Tensor::full(&[2, shape.iter().product()], 1.0);
            let w = g.param("w", Role::Weight, weight).unwrap();
            let y = g.add("y", Gemm::linear(), &[y, w]).unwrap();
            g.outputs.push(y);
            check_fit(&g, &image).is_ok()
        };
        assert!(takes(&[3, 4, 4]) && takes(&[48]) && takes(&[1, 3, 4, 4]));
        assert!(!takes(&[4, 4, 3]) && !takes(&[3, 16]) && !takes(&[47]));
    }

    #[test]
    fn a_network_that_says_nan_is_wrong_unless_the_first_class_is_right() {
        assert_eq!(largest(&[f32::NAN, 1.0]), 0);
        assert_eq!(largest(&[1.0, f32::NAN, 2.0]), 2);
    }
}
