//! The training form of a network, and the way back.
//!
//! A network is kept as its inference graph. [`training`] switches the ops that behave otherwise while
//! learning (`BatchNormalization`, `Dropout`) and lists the statistics that change after every step; loss and
//! gradients are then appended to that copy. [`adopt`] takes what was learned back into the inference graph.
//!
//! Invariants: all ids of the inference graph mean the same in the training graph.
//! Not here: losses (`loss`), gradients (`gradient`), the training loop (crate `hoyer-learn`).

use crate::graph::{Graph, NodeId, Source, Update};
use crate::op::Op;
use crate::{Error, Result};

/// The training form of an inference graph, with the same ids; a graph in training form stays as it is.
///
/// # Errors
/// - [`Error::Update`] if a statistic is no parameter, or two nodes would update it
/// - [`Error::Node`] if a node's training form does not take its inputs
///
/// # Example
/// ```
/// use hoyer_graph::{BatchNormalization, Graph, Role, Tensor, Type, training};
///
/// let mut g = Graph::new("net");
/// let x = g.input("x", Type::f32([8, 3]));
/// let mut inputs = vec![x];
/// for (name, role, value) in [
///     ("scale", Role::NormScale, 1.0),
///     ("shift", Role::NormShift, 0.0),
///     ("mean", Role::Statistic, 0.0),
///     ("var", Role::Statistic, 1.0),
/// ] {
///     inputs.push(g.param(name, role, Tensor::full(&[3], value))?);
/// }
/// let y = g.add("norm", BatchNormalization::default(), &inputs)?;
/// g.outputs.push(y);
/// let learning = training(&g)?;
/// assert_eq!(learning.updates.len(), 2);
/// assert_eq!(learning.outputs, g.outputs);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn training(graph: &Graph) -> Result<Graph> {
    let mut graph = graph.clone();
    for i in 0..graph.nodes.len() {
        if let Some(op) = graph.nodes[i].op.rule().training() {
            replace(&mut graph, NodeId(i), op)?;
        }
    }
    graph.updates = updates(&graph)?;
    Ok(graph)
}

/// Gives a node another op that takes the same inputs and gives at least the same outputs.
fn replace(graph: &mut Graph, id: NodeId, op: Op) -> Result<()> {
    let node = graph.node(id).clone();
    let kinds = graph.infer(&node.name, &op, &node.inputs)?;
    let mut outputs = node.outputs;
    for (i, kind) in kinds.into_iter().enumerate().skip(outputs.len()) {
        outputs.push(graph.push_value(&format!("{}:{i}", node.name), kind, Source::Node(id, i)));
    }
    graph.nodes[id.0].op = op;
    graph.nodes[id.0].outputs = outputs;
    Ok(())
}

/// What the nodes' rules say about parameters that change after a step.
fn updates(graph: &Graph) -> Result<Vec<Update>> {
    let mut updates: Vec<Update> = Vec::new();
    for node in &graph.nodes {
        for rule in node.op.rule().updates() {
            let input = node.inputs[rule.input];
            let refuse = |why| {
                let (node, value) = (node.name.clone(), graph.value(input).name.clone());
                Error::Update { node, value, why }
            };
            let param = graph.param_of(input).ok_or_else(|| refuse("which is no parameter"))?;
            if updates.iter().any(|update| update.param == param) {
                return Err(refuse("which another node updates too"));
            }
            updates.push(Update { param, value: node.outputs[rule.output] });
        }
    }
    Ok(updates)
}

/// Gives all dropouts of a graph seeds of their own, drawn from one.
///
/// # Example
/// ```
/// use hoyer_graph::{Dropout, Graph, Op, Type, seed_dropout};
///
/// let mut g = Graph::new("net");
/// let x = g.input("x", Type::f32([8, 3]));
/// let y = g.add("first", Dropout::new(0.5, 0), &[x])?;
/// g.add("second", Dropout::new(0.5, 0), &[y])?;
/// seed_dropout(&mut g, 42);
/// let seeds: Vec<u64> = g.nodes.iter().filter_map(|node| match &node.op {
///     Op::Dropout(dropout) => Some(dropout.seed),
///     _ => None,
/// }).collect();
/// assert_ne!(seeds[0], seeds[1]);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn seed_dropout(graph: &mut Graph, seed: u64) {
    let dropouts = graph.nodes.iter_mut().filter_map(|node| match &mut node.op {
        Op::Dropout(dropout) => Some(dropout),
        _ => None,
    });
    for (i, dropout) in dropouts.enumerate() {
        // Any two numbers differ here; the mask itself mixes their bits.
        dropout.seed = seed.wrapping_add((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

/// Takes the values and masks of all parameters of `graph` from those of the same name in `trained`.
///
/// # Errors
/// - [`Error::Unknown`] if `trained` lacks a parameter
/// - [`Error::TensorLength`] if one has another shape; `graph` is then unchanged
pub fn adopt(graph: &mut Graph, trained: &Graph) -> Result<()> {
    let mut learned = Vec::with_capacity(graph.params.len());
    for own in &graph.params {
        let theirs = trained.param_at(trained.param_named(&own.name)?);
        if theirs.tensor.shape() != own.tensor.shape() {
            let (shape, got) = (own.tensor.shape().to_vec(), theirs.tensor.data().len());
            let need = own.tensor.data().len();
            return Err(Error::TensorLength { name: own.name.clone(), shape, got, need });
        }
        learned.push((theirs.tensor.clone(), theirs.mask.clone()));
    }
    for (own, (tensor, mask)) in graph.params.iter_mut().zip(learned) {
        (own.tensor, own.mask) = (tensor, mask);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{BatchNormalization, Dropout, Relu};
    use crate::{Array, Role, Tensor, Type, ValueId, evaluate};

    /// `x` → norm → relu → dropout, over the statistics given or parameters of its own.
    fn net() -> (Graph, [ValueId; 5]) {
        let mut g = Graph::new("net");
        let x = g.input("x", Type::f32([4, 2]));
        let mut param =
            |name: &str, role, value| g.param(name, role, Tensor::full(&[2], value)).unwrap();
        let inputs = [
            x,
            param("scale", Role::NormScale, 2.0),
            param("shift", Role::NormShift, 0.5),
            param("mean", Role::Statistic, 0.0),
            param("var", Role::Statistic, 1.0),
        ];
        let y = g.add("norm", BatchNormalization::default(), &inputs).unwrap();
        let y = g.add("relu", Relu, &[y]).unwrap();
        let y = g.add("dropout", Dropout::new(0.5, 3), &[y]).unwrap();
        g.outputs.push(y);
        (g, inputs)
    }

    fn run(g: &Graph, wanted: &[ValueId]) -> Vec<Array> {
        let x = Array::from_fn(&[4, 2], |i| (i * i) as f64);
        evaluate(g, &[x], wanted, 0).unwrap()
    }

    #[test]
    fn training_switches_ops_and_keeps_ids() {
        let (g, inputs) = net();
        let learning = training(&g).unwrap();
        assert_eq!(learning.values[..g.values.len()], g.values);
        assert!(matches!(&learning.nodes[0].op, Op::BatchNormalization(op) if op.training));
        assert!(matches!(&learning.nodes[2].op, Op::Dropout(op) if op.training));
        let updated: Vec<_> = learning.updates.iter().map(|update| update.param).collect();
        assert_eq!(
            updated,
            inputs[3..].iter().map(|&v| g.param_of(v).unwrap()).collect::<Vec<_>>()
        );
        let next: Vec<_> = learning.updates.iter().map(|update| update.value).collect();
        // The columns are 0, 4, 16, 36 and 1, 9, 25, 49; the mean moves a tenth of the way from 0.
        let mean = &run(&learning, &next)[0];
        assert!(mean.data.iter().zip([1.4, 2.1]).all(|(a, b)| (a - b).abs() < 1e-6), "{mean:?}");
        assert_ne!(run(&learning, &learning.outputs), run(&g, &g.outputs));
    }

    #[test]
    fn the_training_form_of_a_training_form_is_itself() {
        let learning = training(&net().0).unwrap();
        assert_eq!(training(&learning).unwrap(), learning);
    }

    #[test]
    fn what_was_learned_comes_back_into_the_inference_graph() {
        let (mut g, _) = net();
        let mut learning = training(&g).unwrap();
        learning.param("extra", Role::Constant, Tensor::full(&[], 1.0)).unwrap();
        learning.params[0].tensor.data_mut()[1] = 7.0;
        learning.params[0].mask = Some(vec![true, true]);
        adopt(&mut g, &learning).unwrap();
        assert_eq!(g.params, learning.params[..4]);

        let before = g.params.clone();
        learning.params[0].tensor.data_mut()[1] = 9.0;
        learning.params[1].tensor = Tensor::full(&[3], 0.0);
        assert!(adopt(&mut g, &learning).is_err());
        learning.params[1].name = "renamed".into();
        assert!(adopt(&mut g, &learning).is_err());
        assert_eq!(g.params, before);
    }

    #[test]
    fn a_statistic_that_cannot_be_updated_is_refused_by_name() {
        let (mut g, inputs) = net();
        g.add("again", BatchNormalization::default(), &inputs).unwrap();
        let text = "node `again` updates `mean`, which another node updates too";
        assert_eq!(training(&g).unwrap_err().to_string(), text);
        let (mut g, inputs) = net();
        let given = g.input("given", Type::f32([2]));
        let inputs = [inputs[0], inputs[1], inputs[2], given, inputs[4]];
        g.add("another", BatchNormalization::default(), &inputs).unwrap();
        let text = "node `another` updates `given`, which is no parameter";
        assert_eq!(training(&g).unwrap_err().to_string(), text);
    }
}
