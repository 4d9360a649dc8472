//! Runs that end with few levels.

use super::*;
use hoyer_graph::container::{Metadata, Storage, parts, to_bytes};
use hoyer_graph::{BatchNormalization, Op};

/// Training and pruning.
const TRAINED: &str = "data='blobs'\nbatch=24\nvalidation=100\npromise={accuracy=0.95}\n\
     [[stage]]\nkind='train'\nepochs=3\noptimizer={name='adam',lr=0.01}\n\
     [[stage]]\nkind='prune'\nweights=300\n[[stage]]\nkind='finetune'\nepochs=2\n";

/// The same, then this stage.
fn quantized(stage: &str, threads: usize) -> Outcome {
    let text = format!("model='net'\n{TRAINED}[[stage]]\nkind='quantize'\n{stage}");
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

/// A network with a batch normalization behind each hidden layer.
fn normalized() -> Graph {
    let plain = net(1);
    let mut g = Graph::new("normalized");
    let mut value = g.input("x", plain.value(plain.inputs[0]).kind.clone());
    for node in &plain.nodes {
        let mut inputs = vec![value];
        for id in &node.inputs[1..] {
            let param = plain.param_at(plain.param_of(*id).unwrap());
            inputs.push(g.param(&param.name, param.role, param.tensor.clone()).unwrap());
        }
        value = g.add(&node.name, node.op.clone(), &inputs).unwrap();
        if matches!(node.op, Op::Gemm(_)) && node.name != "fc3" {
            let width = g.value(value).kind.shape.0[1].fixed().unwrap();
            let mut inputs = vec![value];
            for (part, role, start) in [
                ("scale", Role::NormScale, 1.0),
                ("shift", Role::NormShift, 0.0),
                ("mean", Role::Statistic, 0.0),
                ("var", Role::Statistic, 1.0),
            ] {
                let name = format!("{}.norm.{part}", node.name);
                inputs.push(g.param(&name, role, Tensor::full(&[width], start)).unwrap());
            }
            let name = format!("{}.norm", node.name);
            value = g.add(&name, BatchNormalization::default(), &inputs).unwrap();
        }
    }
    g.outputs.push(value);
    g
}

#[test]
fn batch_normalizations_go_into_layers_and_cost_no_bytes() {
    let run = |text: String| {
        let (pool, stop) = (Arc::new(Pool::new(1)), AtomicBool::new(false));
        let (recipe, graph) = (recipe(&text), normalized());
        let data = Data { training: &mut Blobs::new(490), validation: &Blobs::new(100) };
        let (observer, checkpoint) = (&Silent, None);
        run(Setup {
            recipe: &recipe,
            graph: &graph,
            teachers: &[],
            data,
            observer,
            checkpoint,
            stop: &stop,
            pool: &pool,
        })
        .unwrap()
    };
    let before = run(format!("model='net'\n{TRAINED}"));
    let after = run(format!("model='net'\n{TRAINED}[[stage]]\nkind='quantize'\n"));
    let norms = |graph: &Graph| {
        graph.nodes.iter().filter(|node| matches!(node.op, Op::BatchNormalization(_))).count()
    };
    assert_eq!((norms(&before.network), norms(&after.network)), (2, 0));
    assert!(before.accuracy >= 0.95 && after.accuracy >= 0.95, "{}", after.accuracy);
    let roles = after.network.params.iter().map(|param| param.role);
    assert!(roles.into_iter().all(|role| matches!(role, Role::Weight | Role::Bias)));
    let beside_weights = |graph: &Graph| {
        let tensors = parts(&file_bytes(graph)).unwrap().tensors.into_iter();
        tensors.filter(|t| !t.name.ends_with("weight")).map(|t| t.bytes).sum::<usize>()
    };
    let bytes = [&before.network, &after.network].map(beside_weights);
    assert!(4 * bytes[1] < bytes[0], "{bytes:?}");
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
