//! The order in which nodes can run.
//!
//! Invariants: every node comes after those it reads; nodes that do not wait for each other keep the file's order.

use super::messages::NodeProto;
use super::unusable;
use crate::Result;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Places in `nodes`, in an order that can be run.
///
/// # Errors
/// [`crate::Error::Onnx`] if two nodes give one name, or nodes wait for each other.
pub(crate) fn order(nodes: &[NodeProto]) -> Result<Vec<usize>> {
    let mut makers = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if makers.insert(output.as_str(), i).is_some() {
                return unusable(format!("two nodes give `{output}`"));
            }
        }
    }
    let mut readers = vec![Vec::new(); nodes.len()];
    let mut waits = vec![0_usize; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        for maker in node.input.iter().filter_map(|name| makers.get(name.as_str())) {
            readers[*maker].push(i);
            waits[i] += 1;
        }
    }
    let mut ready: BinaryHeap<_> =
        (0..nodes.len()).filter(|&i| waits[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(i)) = ready.pop() {
        order.push(i);
        for &reader in &readers[i] {
            waits[reader] -= 1;
            if waits[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match waits.iter().position(|&count| count > 0) {
        Some(stuck) => {
            let output = nodes[stuck].output.first().map_or("", String::as_str);
            unusable(format!("the node that gives `{output}` waits for itself: there is a cycle"))
        }
        None => Ok(order),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(input: &[&str], output: &str) -> NodeProto {
        let input = input.iter().map(|&name| name.to_owned()).collect();
        NodeProto { input, output: vec![output.to_owned()], ..NodeProto::default() }
    }

    #[test]
    fn nodes_come_after_what_they_read() {
        let nodes =
            [node(&["b", "c"], "d"), node(&["a"], "b"), node(&["x"], "a"), node(&["x"], "c")];
        assert_eq!(order(&nodes).unwrap(), [2, 1, 3, 0]);
    }

    #[test]
    fn a_cycle_is_refused() {
        let error = order(&[node(&["b"], "a"), node(&["a", "a"], "b")]).unwrap_err();
        assert!(error.to_string().ends_with("there is a cycle"), "{error}");
        assert!(order(&[node(&[], "a"), node(&[], "a")]).is_err());
    }
}
