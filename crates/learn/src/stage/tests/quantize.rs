//! Runs that end with few levels.

use super::*;
use hoyer_graph::container::{Metadata, Storage, parts, to_bytes};

/// Training, then this stage.
fn quantized(stage: &str, threads: usize) -> Outcome {
    let text = format!(
        "model='net'\ndata='blobs'\nbatch=24\nvalidation=100\npromise={{accuracy=0.95}}\n\
         [[stage]]\nkind='train'\nepochs=3\noptimizer={{name='adam',lr=0.01}}\n\
         [[stage]]\nkind='prune'\nweights=300\n\
         [[stage]]\nkind='finetune'\nepochs=2\n[[stage]]\nkind='quantize'\n{stage}"
    );
    run_on(threads, &recipe(&text), None).unwrap()
}

fn levels(values: &[f32]) -> usize {
    let mut all: Vec<u32> = values.iter().filter(|x| **x != 0.0).map(|x| x.to_bits()).collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

fn file_bytes(graph: &Graph) -> Vec<u8> {
    to_bytes(graph, &Metadata::default()).unwrap()
}

#[test]
fn a_number_of_bits_is_a_number_of_levels() {
    for kind in ["uniform", "k-means"] {
        let outcome = quantized(&format!("bits=2\nlevels='{kind}'"), 1);
        for param in &outcome.network.params {
            assert!(levels(param.tensor.data()) <= 4, "{kind}, {}", param.name);
        }
        assert!(weights_left(&outcome.network.params) <= 300);
    }
}

#[test]
fn auto_keeps_the_promise_in_a_smaller_file() {
    let outcome = quantized("", 1);
    let before = outcome.records[3].validation_metric_before.unwrap();
    assert!(before >= 0.95 && outcome.accuracy >= 0.95, "{before}, {}", outcome.accuracy);
    let (file, precise) =
        (file_bytes(&outcome.network), file_bytes(&quantized("bits=8", 1).network));
    let tensors = |file: &[u8]| parts(file).unwrap().tensors;
    let bytes = |file: &[u8]| tensors(file).iter().map(|tensor| tensor.bytes).sum::<usize>();
    assert!(2 * bytes(&file) < bytes(&precise), "{} and {}", bytes(&file), bytes(&precise));
    let is_float = |storage| matches!(storage, Storage::Raw | Storage::Floats);
    let weights = tensors(&file).into_iter().filter(|tensor| tensor.name.ends_with("weight"));
    assert!(weights.clone().count() == 3 && !weights.into_iter().any(|t| is_float(t.storage)));
}

#[test]
fn levels_are_the_same_for_any_number_of_threads() {
    assert_eq!(bits(&quantized("", 1).network), bits(&quantized("", 2).network));
}

#[test]
fn quantizing_needs_a_limit_and_comes_last() {
    let text = |promise: &str, stages: &str| format!("model='m'\ndata='d'\n{promise}\n{stages}");
    let quantize = "[[stage]]\nkind='quantize'\n";
    let error = |text: String| Recipe::parse(&text).unwrap_err().to_string();
    let found = error(text("", quantize));
    assert!(
        found.ends_with("quantize needs bits, an accuracy of its own, or a promised one"),
        "{found}"
    );
    let tune = "[[stage]]\nkind='finetune'\nepochs=1\n";
    let found = error(text("promise={accuracy=0.9}", &format!("{quantize}{tune}")));
    assert!(found.contains("it has to be the last stage"), "{found}");
    let found = error(text("", &format!("{quantize}bits=9\n")));
    assert!(found.ends_with("bits = 9, need 1 to 8"), "{found}");
}
