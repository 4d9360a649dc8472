//! Every network of the nasty zoo says the same without its dead channels, and after a way through an ONNX file.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "nasty/silence.rs"]
mod silence;
#[path = "nasty/zoo.rs"]
mod zoo;

use hoyer_graph::check::Numbers;
use hoyer_graph::container::Metadata;
use hoyer_graph::groups::{groups, remove};
use hoyer_graph::onnx::{Batch, export, import};
use hoyer_graph::*;
use silence::{BIASES, every_third, silenced};

/// What the network says on three random samples.
fn answers(g: &Graph) -> Vec<Array> {
    let sizes = Bindings::from([("batch".to_owned(), 3)]);
    let mut numbers = Numbers(99);
    let inputs: Vec<Array> = g
        .inputs
        .iter()
        .map(|id| Array::from_fn(&bound(g, *id, &sizes).unwrap(), |_| numbers.number()))
        .collect();
    evaluate(g, &inputs, &g.outputs, 0).unwrap()
}

/// The largest difference, relative to the largest answer above 1 of each output; NaN if there is one.
fn furthest(a: &[Array], b: &[Array]) -> f64 {
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

fn through_a_file(g: &Graph) -> Graph {
    let bytes = export(g, &Metadata::default()).unwrap();
    import(&bytes, None, Batch::AsStored).unwrap()
}

#[test]
fn a_network_without_its_dead_channels_says_the_same_before_and_after_export() {
    for (name, _) in zoo::ZOO {
        let g = zoo::build(name);
        let found = groups(&g).unwrap();
        let dead = every_third(&found);
        let mut went = 0;
        for biases in BIASES {
            let masked = silenced(&g, &found, &dead, *biases);
            let removed = remove(&masked, &found, &dead).unwrap();
            went = went.max(dead.len() - removed.stayed.len());
            let says = answers(&masked);
            for (what, other) in [
                ("masked, exported", &through_a_file(&masked)),
                ("removed", &removed.graph),
                ("removed, exported", &through_a_file(&removed.graph)),
            ] {
                let far = furthest(&says, &answers(other));
                assert!(far < 1e-5, "{name}, {what}, {biases:?}: {far}\n{}", found.text(&g));
            }
        }
        println!("{name}: {went} of {} channels went", dead.len());
    }
}
