//! One network inside another's graph, frozen: a teacher beside its student.
//!
//! Not here: the loss that compares them (`loss::distillation`).

use crate::graph::{Graph, Role, Source, ValueId};
use crate::{Error, Mismatch, Result};

/// Copies what `other`'s outputs depend on into `graph`, reading `inputs` in place of `other`'s inputs, and gives
/// its outputs. Names get `prefix` and a dot; parameters become constants, so that no gradient reaches them.
///
/// # Errors
/// - [`Error::Node`] if the inputs are not as many as `other`'s, or have other types
/// - [`Error::DuplicateName`] if `graph` has a parameter of a new name
///
/// # Panics
/// If a node of `other` reads a value that no earlier node, parameter or input gives.
///
/// # Example
/// ```
/// use hoyer_graph::{Gemm, Graph, Role, Tensor, Type, append};
///
/// let mut teacher = Graph::new("teacher");
/// let x = teacher.input("x", Type::f32([8, 3]));
/// let w = teacher.param("fc.weight", Role::Weight, Tensor::full(&[2, 3], 0.5))?;
/// let y = teacher.add("fc", Gemm::linear(), &[x, w])?;
/// teacher.outputs.push(y);
///
/// let mut student = Graph::new("student");
/// let x = student.input("x", Type::f32([8, 3]));
/// let logits = append(&mut student, &teacher, "teacher", &[x])?;
/// assert_eq!(student.value(logits[0]).name, "teacher.fc");
/// assert_eq!(student.params[0].role, Role::Constant);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn append(
    graph: &mut Graph,
    other: &Graph,
    prefix: &str,
    inputs: &[ValueId],
) -> Result<Vec<ValueId>> {
    if inputs.len() != other.inputs.len() {
        let (op, need, got) = ("append", "the network's", inputs.len());
        let source = Mismatch::InputCount { op, need, got };
        return Err(Error::Node { node: prefix.to_owned(), source });
    }
    let needed = needed(other);
    let mut copies: Vec<Option<ValueId>> = vec![None; other.values.len()];
    for (&theirs, &ours) in other.inputs.iter().zip(inputs) {
        check_input(graph, other, [theirs, ours], prefix)?;
        copies[theirs.0] = Some(ours);
    }
    for (i, value) in other.values.iter().enumerate().filter(|(i, _)| needed[*i]) {
        if let Source::Param(param) = value.source {
            let param = other.param_at(param);
            let name = format!("{prefix}.{}", param.name);
            copies[i] = Some(graph.param(&name, Role::Constant, param.tensor.clone())?);
        }
    }
    for node in &other.nodes {
        if node.outputs.iter().any(|output| needed[output.0]) {
            let read = |id: &ValueId| copies[id.0].expect("nodes read what exists before them");
            let inputs: Vec<ValueId> = node.inputs.iter().map(read).collect();
            let name = format!("{prefix}.{}", node.name);
            let outputs = graph.add_all(&name, node.op.clone(), &inputs)?;
            for (theirs, ours) in node.outputs.iter().zip(outputs) {
                copies[theirs.0] = Some(ours);
            }
        }
    }
    let copied = |id: &ValueId| copies[id.0].expect("what outputs depend on is copied");
    Ok(other.outputs.iter().map(copied).collect())
}

/// Which values the outputs depend on, by value.
fn needed(graph: &Graph) -> Vec<bool> {
    let mut needed = vec![false; graph.values.len()];
    graph.outputs.iter().for_each(|output| needed[output.0] = true);
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|output| needed[output.0]) {
            node.inputs.iter().for_each(|input| needed[input.0] = true);
        }
    }
    needed
}

/// Refuses an input of another type than the network declares.
fn check_input(graph: &Graph, other: &Graph, ids: [ValueId; 2], prefix: &str) -> Result<()> {
    let (need, got) = (&other.value(ids[0]).kind, &graph.value(ids[1]).kind);
    let (op, what) = ("append", "an input");
    let source = if need.dtype != got.dtype {
        Mismatch::Type { op, what, got: got.dtype, need: need.dtype }
    } else if need.shape != got.shape {
        Mismatch::Shape { op, what, got: got.shape.clone(), need: need.shape.to_string() }
    } else {
        return Ok(());
    };
    Err(Error::Node { node: prefix.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Numbers;
    use crate::op::{Gemm, Relu, SoftmaxCrossEntropyLoss};
    use crate::{Array, Dim, Shape, Type, evaluate, gradient, trained};

    /// Two layers over a symbolic batch, with a loss that is no output.
    fn net(seed: u64) -> Graph {
        let mut g = Graph::new("net");
        let batch = || Dim::symbol("batch");
        let x = g.input("x", Type::f32(Shape(vec![batch(), Dim::from(3)])));
        let labels = g.param("idle", Role::Weight, Numbers(1).tensor(&[2])).unwrap();
        let mut numbers = Numbers(seed);
        let w1 = g.param("fc1.weight", Role::Weight, numbers.tensor(&[4, 3])).unwrap();
        let w2 = g.param("fc2.weight", Role::Weight, numbers.tensor(&[2, 4])).unwrap();
        let y = g.add("fc1", Gemm::linear(), &[x, w1]).unwrap();
        let y = g.add("relu", Relu, &[y]).unwrap();
        let y = g.add("fc2", Gemm::linear(), &[y, w2]).unwrap();
        g.add("unread", Relu, &[labels]).unwrap();
        g.outputs.push(y);
        g
    }

    #[test]
    fn a_copy_answers_like_the_original_and_is_never_trained() {
        let (teacher, mut student) = (net(1), net(2));
        let x = student.inputs[0];
        let before = trained(&student);
        let copy = append(&mut student, &teacher, "teacher", &[x]).unwrap();
        assert_eq!(trained(&student), before);
        assert!(student.nodes.iter().all(|node| node.name != "teacher.unread"));
        assert!(student.param_named("teacher.idle").is_err());
        let given = Array::from_fn(&[5, 3], |i| i as f64 - 7.0);
        let ours = evaluate(&student, std::slice::from_ref(&given), &copy, 0).unwrap();
        assert_eq!(ours, evaluate(&teacher, &[given], &teacher.outputs, 0).unwrap());

        let labels = student.input("labels", Type::i64(Shape(vec![Dim::symbol("batch")])));
        let logits = [copy[0], labels];
        let loss = student.add("loss", SoftmaxCrossEntropyLoss, &logits).unwrap();
        let nodes = student.nodes.len();
        gradient(&mut student, loss, &before).unwrap();
        let added = student.nodes[nodes..].iter().map(|node| node.op.name());
        assert!(added.clone().all(|op| op == "Expand"), "{:?}", added.collect::<Vec<_>>());
    }

    #[test]
    fn inputs_of_another_type_or_number_are_refused() {
        let (teacher, mut g) = (net(1), Graph::new("g"));
        let fixed = g.input("x", Type::f32([5, 3]));
        assert!(append(&mut g, &teacher, "teacher", &[fixed]).is_err());
        let labels = g.input("labels", Type::i64([5]));
        assert!(append(&mut g, &teacher, "teacher", &[labels]).is_err());
        let error = append(&mut g, &teacher, "teacher", &[]).unwrap_err();
        let text = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(text, "append takes the network's inputs, got 0");
    }

    #[test]
    fn two_copies_need_two_prefixes() {
        let (teacher, mut student) = (net(1), net(2));
        let x = student.inputs[0];
        append(&mut student, &teacher, "a", &[x]).unwrap();
        append(&mut student, &teacher, "b", &[x]).unwrap();
        assert!(append(&mut student, &teacher, "a", &[x]).is_err());
    }
}
