//! What a network says, how far that is from what another says, and the way through an ONNX file.
//!
//! For the tests beside the code too, where `hoyer_graph` is the crate itself.
#![allow(clippy::unwrap_used, reason = "a network under test always runs")]

use hoyer_graph::check::Numbers;
use hoyer_graph::container::Metadata;
use hoyer_graph::onnx::{Batch, export, import};
use hoyer_graph::{Array, Bindings, Graph, bound, evaluate};

/// What the network says on random samples; `batch` is 3, `time` is 4.
pub(crate) fn answers(g: &Graph) -> Vec<Array> {
    let sizes = Bindings::from([("batch".to_owned(), 3), ("time".to_owned(), 4)]);
    let mut numbers = Numbers(99);
    let inputs: Vec<Array> = g
        .inputs
        .iter()
        .map(|id| Array::from_fn(&bound(g, *id, &sizes).unwrap(), |_| numbers.number()))
        .collect();
    evaluate(g, &inputs, &g.outputs, 0).unwrap()
}

/// The largest difference, relative to the largest answer above 1 of each output; NaN if there is one.
pub(crate) fn furthest(a: &[Array], b: &[Array]) -> f64 {
    assert_eq!(a.len(), b.len());
    let mut most = 0.0_f64;
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.shape, b.shape);
        let largest = a.data.iter().fold(1.0_f64, |most, x| most.max(x.abs()));
        for (a, b) in a.data.iter().zip(&b.data) {
            let far = (a - b).abs() / largest;
            most = if far > most || far.is_nan() { far } else { most };
        }
    }
    most
}

/// The network, written and read.
pub(crate) fn through_a_file(g: &Graph) -> Graph {
    let bytes = export(g, &Metadata::default()).unwrap();
    import(&bytes, None, Batch::AsStored).unwrap()
}
