//! Every model of the zoo says the same after a way through an ONNX file.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::check::Numbers;
use hoyer_graph::container::Metadata;
use hoyer_graph::onnx::{Batch, export, import};
use hoyer_graph::{Array, Bindings, Graph, bound, evaluate};
use hoyer_zoo::model::{MODELS, build};

/// What the network says on one sample.
fn logits(g: &Graph) -> Array {
    let sizes = Bindings::from([("batch".to_owned(), 1)]);
    let mut numbers = Numbers(5);
    let input = Array::from_fn(&bound(g, g.inputs[0], &sizes).unwrap(), |_| numbers.number());
    evaluate(g, &[input], &g.outputs, 0).unwrap().remove(0)
}

#[test]
fn an_exported_model_is_read_as_the_same_network() {
    for model in MODELS {
        // Small, as the reference takes seconds for what such networks are made for; five halvings leave one pixel.
        let g = [&[3, 32, 32][..], &[1, 28, 28], &[784]]
            .iter()
            .find_map(|shape| build(model.name, shape, 10, 1).ok());
        let g = g.unwrap_or_else(|| panic!("{} fits none of the shapes", model.name));
        let read =
            import(&export(&g, &Metadata::default()).unwrap(), None, Batch::AsStored).unwrap();
        let numbers = |g: &Graph| {
            let mut all: Vec<_> =
                g.params.iter().map(|p| (p.name.clone(), p.role, p.tensor.clone())).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        assert_eq!(numbers(&read), numbers(&g), "{}", model.name);
        let ops = |g: &Graph| g.nodes.iter().map(|node| node.op.clone()).collect::<Vec<_>>();
        assert_eq!(ops(&read), ops(&g), "{}", model.name);
        assert_eq!(read.value(read.outputs[0]).kind, g.value(g.outputs[0]).kind, "{}", model.name);
        if model.name.starts_with("lenet") || model.name == "resnet-20" {
            assert_eq!(logits(&read), logits(&g), "{}", model.name);
        }
    }
}
