//! What a network is trained for: losses, composed of ops.
//!
//! ```text
//! cross entropy        −(1/N) Σ_n log softmax(z_n)[label_n]
//! mean squared error   mean of (prediction − target)²
//! distillation         (1 − weight) · cross entropy + weight · T² · (1/N) Σ_n KL(p_n ‖ q_n)
//!                      p = softmax(teacher / T), q = softmax(student / T)
//! ```
//! Units: nats for the first and the last.
//! Not here: penalties on weights (crate `hoyer-learn`).

use crate::graph::{Graph, Source, ValueId};
use crate::op::{
    Add, LogSoftmax, Mul, Op, ReduceMean, ReduceSum, Softmax, SoftmaxCrossEntropyLoss, Sub,
};
use crate::tensor::Tensor;
use crate::{Error, Mismatch, Result, Role};

/// The logits behind an answer: what goes into the softmax over its last axis, if it ends in one; else the answer.
///
/// # Example
/// ```
/// use hoyer_graph::{Graph, Softmax, Type, loss};
///
/// let mut g = Graph::new("g");
/// let z = g.input("z", Type::f32([8, 10]));
/// let p = g.add("p", Softmax { axis: -1 }, &[z])?;
/// assert_eq!((loss::logits(&g, p), loss::logits(&g, z)), (z, z));
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
#[must_use]
pub fn logits(graph: &Graph, answer: ValueId) -> ValueId {
    let Source::Node(at, 0) = graph.value(answer).source else { return answer };
    let (node, rank) = (graph.node(at), graph.value(answer).kind.shape.rank());
    match node.op {
        Op::Softmax(Softmax { axis }) if axis == -1 || axis + 1 == rank as i64 => node.inputs[0],
        _ => answer,
    }
}

/// Mean cross-entropy of logits `[samples, classes]` against labels `[samples]` (i64).
///
/// # Errors
/// [`Error::Node`] if the shapes or types do not fit.
///
/// # Example
/// ```
/// use hoyer_graph::{Array, Graph, Type, evaluate, loss};
///
/// let mut g = Graph::new("g");
/// let logits = g.input("logits", Type::f32([1, 4]));
/// let labels = g.input("labels", Type::i64([1]));
/// let loss = loss::cross_entropy(&mut g, logits, labels)?;
/// let found = evaluate(&g, &[Array::zeros(&[1, 4]), Array::zeros(&[1])], &[loss], 0)?;
/// assert!((found[0].data[0] - 4f64.ln()).abs() < 1e-12);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn cross_entropy(graph: &mut Graph, logits: ValueId, labels: ValueId) -> Result<ValueId> {
    graph.add("cross_entropy", SoftmaxCrossEntropyLoss, &[logits, labels])
}

/// Mean over all elements of the squared difference.
///
/// # Errors
/// [`Error::Node`] if the shapes differ.
pub fn mean_squared_error(
    graph: &mut Graph,
    prediction: ValueId,
    target: ValueId,
) -> Result<ValueId> {
    const NAME: &str = "mean_squared_error";
    let [got, need] = [prediction, target].map(|id| graph.value(id).kind.shape.clone());
    if got != need {
        let (op, what, need) = (NAME, "the prediction", need.to_string());
        let source = Mismatch::Shape { op, what, got, need };
        return Err(Error::Node { node: NAME.to_owned(), source });
    }
    let gap = graph.add(&format!("{NAME}.gap"), Sub, &[prediction, target])?;
    let square = graph.add(&format!("{NAME}.square"), Mul, &[gap, gap])?;
    graph.add(NAME, ReduceMean { axes: vec![], keepdims: false }, &[square])
}

/// How a student is taught, next to the labels, by a teacher's answers.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `temperature` | – | (0, inf) | divides both networks' logits; larger softens the answers |
/// | `weight` | – | [0, 1] | share of the loss that comes from the teacher |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distillation {
    /// Divides the logits.
    pub temperature: f32,
    /// Share of the teacher.
    pub weight: f32,
}

impl Distillation {
    fn check(&self) -> Result<()> {
        let Self { temperature, weight } = *self;
        let (attribute, got, need) = if !(temperature > 0.0 && temperature.is_finite()) {
            ("temperature", temperature, "(0, inf)")
        } else if !(0.0..=1.0).contains(&weight) {
            ("weight", weight, "[0, 1]")
        } else {
            return Ok(());
        };
        let (op, got, need) = ("distillation", got.to_string(), need.to_owned());
        let source = Mismatch::Attribute { op, attribute, got, need };
        Err(Error::Node { node: op.to_owned(), source })
    }
}

/// The mean of what several networks answer, all of one shape.
///
/// # Errors
/// [`Error::Node`] if there are none, or if shapes differ.
///
/// # Example
/// ```
/// use hoyer_graph::{Array, Graph, Type, evaluate, loss};
///
/// let mut g = Graph::new("g");
/// let [a, b] = ["a", "b"].map(|name| g.input(name, Type::f32([1, 2])));
/// let mean = loss::mean_of_answers(&mut g, &[a, b])?;
/// let given = [[1.0, 2.0], [3.0, 6.0]].map(|row| Array::new(&[1, 2], row.to_vec()));
/// assert_eq!(evaluate(&g, &given, &[mean], 0)?[0].data, [2.0, 4.0]);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn mean_of_answers(graph: &mut Graph, answers: &[ValueId]) -> Result<ValueId> {
    const NAME: &str = "mean_of_answers";
    let wrong = |source| Error::Node { node: NAME.to_owned(), source };
    let Some((&first, rest)) = answers.split_first() else {
        return Err(wrong(Mismatch::InputCount { op: NAME, need: "at least 1", got: 0 }));
    };
    let mut sum = first;
    for &answer in rest {
        let [got, need] = [answer, first].map(|id| graph.value(id).kind.shape.clone());
        if got != need {
            let (op, what, need) = (NAME, "an answer", need.to_string());
            return Err(wrong(Mismatch::Shape { op, what, got, need }));
        }
        sum = graph.add(&format!("{NAME}.sum{}", graph.nodes.len()), Add, &[sum, answer])?;
    }
    if rest.is_empty() { Ok(sum) } else { scaled(graph, NAME, sum, 1.0 / answers.len() as f32) }
}

/// Cross-entropy against labels, mixed with the divergence from a teacher's softened answers; both networks'
/// logits are `[samples, classes]`, the labels `[samples]`. The teacher's nodes are in the same graph (see
/// [`append`](crate::append)), its parameters constants.
///
/// # Errors
/// [`Error::Node`] if a setting is out of its range, or shapes or types do not fit.
///
/// # Source
/// Hinton, Vinyals, Dean (2015), <https://arxiv.org/abs/1503.02531>, section 2: the factor T² keeps the
/// gradients of soft targets as large as those of labels. The divergence differs from the paper's
/// cross-entropy with soft targets by the teacher's entropy, which is constant.
pub fn distillation(
    graph: &mut Graph,
    student: ValueId,
    teacher: ValueId,
    labels: ValueId,
    settings: Distillation,
) -> Result<ValueId> {
    settings.check()?;
    let [got, need] = [teacher, student].map(|id| graph.value(id).kind.shape.clone());
    if got != need {
        let (op, what, need) = ("distillation", "the teacher's output", need.to_string());
        let source = Mismatch::Shape { op, what, got, need };
        return Err(Error::Node { node: op.to_owned(), source });
    }
    let Distillation { temperature, weight } = settings;
    let hard = cross_entropy(graph, student, labels)?;
    let hard = scaled(graph, "distillation.hard", hard, 1.0 - weight)?;
    let soft = divergence(graph, student, teacher, temperature)?;
    let soft = scaled(graph, "distillation.soft", soft, weight * temperature * temperature)?;
    graph.add("distillation", Add, &[hard, soft])
}

/// `(1/N) Σ_n KL(softmax(teacher / T) ‖ softmax(student / T))`.
fn divergence(
    graph: &mut Graph,
    student: ValueId,
    teacher: ValueId,
    temperature: f32,
) -> Result<ValueId> {
    let axis = -1;
    let student = scaled(graph, "distillation.student", student, 1.0 / temperature)?;
    let teacher = scaled(graph, "distillation.teacher", teacher, 1.0 / temperature)?;
    let mut add = |name: &str, op: Op, inputs: &[ValueId]| {
        graph.add(&format!("distillation.{name}"), op, inputs)
    };
    let log_q = add("log_q", LogSoftmax { axis }.into(), &[student])?;
    let log_p = add("log_p", LogSoftmax { axis }.into(), &[teacher])?;
    let p = add("p", Softmax { axis }.into(), &[teacher])?;
    let gap = add("gap", Sub.into(), &[log_p, log_q])?;
    let terms = add("terms", Mul.into(), &[p, gap])?;
    let sums = add("sums", ReduceSum { axes: vec![axis], keepdims: false }.into(), &[terms])?;
    add("divergence", ReduceMean { axes: vec![], keepdims: false }.into(), &[sums])
}

/// `value · scale`.
fn scaled(graph: &mut Graph, name: &str, value: ValueId, scale: f32) -> Result<ValueId> {
    let constant = format!("{name}.scale{}", graph.nodes.len());
    let scale = graph.param(&constant, Role::Constant, Tensor::full(&[], scale))?;
    graph.add(name, Mul, &[value, scale])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, Numbers};
    use crate::{Array, Dim, Shape, Type, evaluate};

    const SHAPE: [usize; 2] = [5, 3];

    fn param(g: &mut Graph, name: &str, seed: u64) -> ValueId {
        g.param(name, Role::Weight, Numbers(seed).tensor(&SHAPE)).unwrap()
    }

    fn labels(g: &mut Graph) -> (ValueId, Array) {
        (g.input("labels", Type::i64([5])), Array::new(&[5], vec![0.0, 2.0, 1.0, 1.0, 0.0]))
    }

    #[test]
    fn gradients_match_central_differences() {
        for seed in 0..8 {
            let mut g = Graph::new("g");
            let (a, b) = (param(&mut g, "a", seed), param(&mut g, "b", seed + 100));
            let (labels, given) = labels(&mut g);
            let settings = Distillation { temperature: 3.0, weight: 0.7 };
            for (loss, wrt) in [
                (cross_entropy(&mut g, a, labels).unwrap(), vec![a]),
                (mean_squared_error(&mut g, a, b).unwrap(), vec![a, b]),
                (distillation(&mut g, a, b, labels, settings).unwrap(), vec![a, b]),
            ] {
                let given = std::slice::from_ref(&given);
                let error = check::graph_gradient(&g, loss, &wrt, given, 0).unwrap();
                assert!(error < 1e-6, "{} is off by {error:e}", g.value(loss).name);
            }
        }
    }

    #[test]
    fn distillation_is_the_formula_written_out() {
        let mut g = Graph::new("g");
        let (student, teacher) = (param(&mut g, "student", 1), param(&mut g, "teacher", 2));
        let (labels, given) = labels(&mut g);
        let settings = Distillation { temperature: 2.0, weight: 0.25 };
        let hard = cross_entropy(&mut g, student, labels).unwrap();
        let loss = distillation(&mut g, student, teacher, labels, settings).unwrap();
        let found = evaluate(&g, &[given], &[hard, loss, student, teacher], 0).unwrap();
        let soft = |row: &[f64]| {
            let powers: Vec<f64> = row.iter().map(|z| (z / 2.0).exp()).collect();
            let total: f64 = powers.iter().sum();
            powers.into_iter().map(|power| power / total).collect::<Vec<_>>()
        };
        let rows = |i: usize| found[i].data.chunks_exact(3).map(soft);
        let divergence: f64 = rows(3)
            .zip(rows(2))
            .map(|(p, q)| p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum::<f64>())
            .sum::<f64>()
            / 5.0;
        let expected = 0.75 * found[0].data[0] + 0.25 * 4.0 * divergence;
        assert!((found[1].data[0] - expected).abs() < 1e-9);
    }

    #[test]
    fn no_answers_or_answers_of_other_shapes_have_no_mean() {
        let mut g = Graph::new("g");
        let a = param(&mut g, "a", 1);
        let row = g.input("row", Type::f32([1, 3]));
        assert!(mean_of_answers(&mut g, &[]).is_err());
        assert!(mean_of_answers(&mut g, &[a, row]).is_err());
        assert_eq!(mean_of_answers(&mut g, &[a]).unwrap(), a);
    }

    #[test]
    fn a_student_that_answers_like_its_teacher_pays_for_the_labels_alone() {
        let mut g = Graph::new("g");
        let z = param(&mut g, "z", 1);
        let (labels, given) = labels(&mut g);
        let hard = cross_entropy(&mut g, z, labels).unwrap();
        let settings = Distillation { temperature: 4.0, weight: 0.5 };
        let loss = distillation(&mut g, z, z, labels, settings).unwrap();
        let found = evaluate(&g, &[given], &[hard, loss], 0).unwrap();
        assert!((found[1].data[0] - 0.5 * found[0].data[0]).abs() < 1e-12);
    }

    #[test]
    fn losses_take_a_symbolic_batch() {
        let mut g = Graph::new("g");
        let shape = || Shape(vec![Dim::symbol("batch"), Dim::from(3)]);
        let (a, b) = (g.input("a", Type::f32(shape())), g.input("b", Type::f32(shape())));
        let labels = g.input("labels", Type::i64(Shape(vec![Dim::symbol("batch")])));
        let settings = Distillation { temperature: 3.0, weight: 0.7 };
        for loss in [
            mean_squared_error(&mut g, a, b).unwrap(),
            distillation(&mut g, a, b, labels, settings).unwrap(),
        ] {
            let da = crate::gradient(&mut g.clone(), loss, &[a]);
            assert!(da.is_ok(), "{da:?}");
        }
    }

    #[test]
    fn settings_and_shapes_that_make_no_sense_are_refused() {
        let mut g = Graph::new("g");
        let z = param(&mut g, "z", 1);
        let other = g.param("other", Role::Weight, Tensor::full(&[5, 1], 0.0)).unwrap();
        let (labels, _) = labels(&mut g);
        for (temperature, weight) in [
            (0.0, 0.5),
            (-1.0, 0.5),
            (f32::NAN, 0.5),
            (f32::INFINITY, 0.5),
            (1.0, 1.5),
            (1.0, f32::NAN),
        ] {
            let settings = Distillation { temperature, weight };
            assert!(distillation(&mut g, z, z, labels, settings).is_err(), "{settings:?}");
        }
        let settings = Distillation { temperature: 1.0, weight: 0.5 };
        assert!(distillation(&mut g, z, other, labels, settings).is_err());
        assert!(mean_squared_error(&mut g, z, other).is_err());
        assert!(cross_entropy(&mut g, z, z).is_err());
    }
}
