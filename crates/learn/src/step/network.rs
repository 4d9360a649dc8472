//! The graph that is trained: the network's training form, a loss, gradients, and a teacher if there is one.

use std::sync::Arc;

use hoyer_graph::loss::{self, Distillation};
use hoyer_graph::{
    Bindings, DType, Dim, Graph, Reshape, Shape, Type, ValueId, append, fold_batch_normalization,
    gradient, merge_products, seed_dropout, trained, training,
};

use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Plan, Program, Wanted};

use crate::recipe::Distill;
use crate::{Error, Result};

/// A training graph and what to find in it.
pub(crate) struct Training {
    pub(crate) graph: Graph,
    pub(crate) input: ValueId,
    /// Labels or values.
    pub(crate) wanted: ValueId,
    pub(crate) loss: ValueId,
    /// What the network answers; logits, for classes.
    pub(crate) answer: ValueId,
    pub(crate) gradients: Vec<ValueId>,
    /// How many there are, if it learns classes.
    pub(crate) classes: Option<usize>,
}

/// What a network learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The class of a sample: cross-entropy of logits, `[batch, classes]`.
    Classes,
    /// Numbers: mean squared error.
    Values,
}

impl Training {
    /// A program that takes steps under the masks of the graph's parameters, and how its masked layers run.
    pub(crate) fn compile(
        &self,
        batch: usize,
        pool: &Arc<Pool>,
        choice: Choice,
    ) -> Result<(Program, Plan)> {
        let gradients = self.gradients.iter().copied();
        let outputs: Vec<ValueId> =
            [self.loss, self.answer].into_iter().chain(gradients.clone()).collect();
        let trained = super::trained_params(&self.graph.params);
        let gradients: Vec<_> = trained.into_iter().zip(gradients).collect();
        let wanted = Wanted { outputs: &outputs, gradients: &gradients };
        Ok(Program::masked(&self.graph, &sizes(batch), wanted, pool, choice)?)
    }
}

/// What symbols stand for.
fn sizes(batch: usize) -> Bindings {
    Bindings::from([("batch".to_owned(), batch)])
}

/// Networks to learn from, at least one, and how.
#[derive(Clone, Copy)]
pub(crate) struct Teaching<'a> {
    pub(crate) teachers: &'a [Graph],
    pub(crate) distill: Distill,
}

/// Appends to the training form of `graph`, made for steps of so many samples; ids of parameters keep their meaning.
pub(crate) fn training_graph(
    graph: &Graph,
    goal: Goal,
    teaching: Option<Teaching<'_>>,
    seed: u64,
    batch: usize,
) -> Result<Training> {
    let merged = merge_products(graph, &sizes(batch))?;
    let graph = merged.as_ref().unwrap_or(graph);
    let (input, logits) = ends(graph)?;
    let answer = if goal == Goal::Classes { logits } else { graph.outputs[0] };
    let classes = if goal == Goal::Classes { Some(classes(graph)?) } else { None };
    let mut graph = training(graph)?;
    seed_dropout(&mut graph, seed);
    let taught = match teaching {
        Some(how) => Some((taught(&mut graph, how.teachers, input)?, how.distill)),
        None => None,
    };
    let wanted = match goal {
        Goal::Classes => labels(&mut graph),
        Goal::Values => {
            let kind = graph.value(answer).kind.clone();
            graph.input("wanted", kind)
        }
    };
    let loss = match taught {
        None if goal == Goal::Values => loss::mean_squared_error(&mut graph, answer, wanted)?,
        None => loss::cross_entropy(&mut graph, answer, wanted)?,
        Some((answers, Distill { temperature, weight })) => {
            let settings = Distillation { temperature: temperature as f32, weight: weight as f32 };
            loss::distillation(&mut graph, answer, answers, wanted, settings)?
        }
    };
    let wrt = trained(&graph);
    let gradients = gradient(&mut graph, loss, &wrt)?;
    Ok(Training { graph, input, wanted, loss, answer, gradients, classes })
}

/// Checks that a network can learn classes in batches of so many samples, from others' answers if there are teachers.
///
/// # Errors
/// - [`Error::Data`] if a network has not one input and one output `[batch, classes]`
/// - [`Error::Graph`] if a teacher answers in another shape, or the network cannot be trained
pub fn check_can_learn(graph: &Graph, teachers: &[Graph], batch: usize) -> Result<()> {
    let teaching = Teaching { teachers, distill: Distill::default() };
    let teaching = Some(teaching).filter(|_| !teachers.is_empty());
    training_graph(graph, Goal::Classes, teaching, 0, batch).map(|_| ())
}

/// Adds the teachers to a graph; gives the mean of what they answer.
fn taught(graph: &mut Graph, teachers: &[Graph], input: ValueId) -> Result<ValueId> {
    let mut answers = Vec::with_capacity(teachers.len());
    for (i, teacher) in teachers.iter().enumerate() {
        let mut teacher = fold_batch_normalization(teacher)?;
        teacher.outputs = vec![ends(&teacher)?.1];
        let prefix = format!("teacher{i}");
        let samples = as_read_by(graph, &teacher, (input, &prefix))?;
        answers.push(append(graph, &teacher, &prefix, &[samples])?[0]);
    }
    Ok(loss::mean_of_answers(graph, &answers)?)
}

/// The samples in the shape that a teacher takes, which may see them as images where the network sees rows, or the other way round.
fn as_read_by(
    graph: &mut Graph,
    teacher: &Graph,
    (input, prefix): (ValueId, &str),
) -> Result<ValueId> {
    let (theirs, _) = ends(teacher)?;
    let (shape, ours) = (&teacher.value(theirs).kind.shape, &graph.value(input).kind.shape);
    if shape == ours || shape.elements() != ours.elements() {
        return Ok(input);
    }
    let shape = shape.clone();
    Ok(graph.add(&format!("{prefix}.samples"), Reshape { shape }, &[input])?)
}

/// Adds the input that takes the class of every sample.
pub(crate) fn labels(graph: &mut Graph) -> ValueId {
    graph.input("labels", Type::i64(Shape(vec![Dim::symbol("batch")])))
}

/// The network's input and its logits, which are what a softmax at its end reads.
pub(crate) fn ends(graph: &Graph) -> Result<(ValueId, ValueId)> {
    let is_f32 = |id: ValueId| graph.value(id).kind.dtype == DType::F32;
    match (graph.inputs.as_slice(), graph.outputs.as_slice()) {
        (&[input], &[output]) if is_f32(input) && is_f32(output) => {
            Ok((input, loss::logits(graph, output)))
        }
        ([_], [_]) => Err(Error::Data {
            what: "inputs and outputs of f32 in the network",
            got: usize::from(is_f32(graph.inputs[0])) + usize::from(is_f32(graph.outputs[0])),
            need: "2".into(),
        }),
        (inputs, outputs) => {
            let got = inputs.len().max(outputs.len());
            let need = "one input and one output".into();
            Err(Error::Data { what: "inputs or outputs of the network", got, need })
        }
    }
}

/// How many classes the logits are for.
pub(crate) fn classes(graph: &Graph) -> Result<usize> {
    let (_, logits) = ends(graph)?;
    let shape = &graph.value(logits).kind.shape;
    let classes = shape.0.get(1).and_then(Dim::fixed).filter(|_| shape.rank() == 2);
    let need = || "2, which are [batch, classes]".into();
    classes.ok_or_else(|| Error::Data {
        what: "dimensions of the network's output",
        got: shape.rank(),
        need: need(),
    })
}
