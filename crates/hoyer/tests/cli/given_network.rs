//! A network from a file: what is done to it, and what its samples must be like.

use std::path::Path;

use hoyer::result::RunResult;
use hoyer_graph::container::{self, Metadata};
use hoyer_graph::{Div, Flatten, Gemm, Graph, ReduceMax, Role, Softmax, Tensor, Type, onnx};

use crate::shell::{done, refused, result, run};

/// A folder with a trained network.
fn trained(epochs: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let flags = "--data digits --validation 288 -o t.hoyer --quiet";
    let output = run(folder.path(), &format!("train mlp-64-32 --epochs {epochs} {flags}"));
    assert!(output.status.success());
    folder
}

#[test]
fn it_is_not_trained_from_the_beginning() {
    let folder = trained(12);
    let facts = container::load(&folder.path().join("t.hoyer")).unwrap().1;
    let given: f64 = facts.get("test_accuracy").unwrap().unwrap();
    let line = "compress t.hoyer --data digits --validation 288 --budget macs=3000 -o a --json";
    let result = result(folder.path(), line);
    let kinds: Vec<String> =
        result.stages.iter().map(|stage| stage.kind.name().to_owned()).collect();
    assert_eq!(kinds, ["sparsify", "finetune"]);
    assert!((result.dense.metric - given).abs() < 1e-9, "{} {given}", result.dense.metric);
    assert!(result.compressed.macs <= 3000 && result.test_metric > 0.85, "{}", result.test_metric);
}

#[test]
fn a_last_cut_counts_in_the_promise() {
    let folder = trained(12);
    let recipe = "model = 't.hoyer'\ndata = 'digits'\nvalidation = 288\nbatch = 32\n\
                  promise = { accuracy = 0.8 }\n[[stage]]\nkind = 'sparsify'\nepochs = 1\n\
                  narrow = { macs = 300 }\n";
    std::fs::write(folder.path().join("r.toml"), recipe).unwrap();
    let result = result(folder.path(), "compress --recipe r.toml -o a --json");
    assert!(!result.promises[0].kept);
    let validation = result.compressed.validation_metric.unwrap();
    assert!(validation < 0.8 && (validation - result.test_metric).abs() < 0.15, "{validation}");
}

#[test]
fn it_says_how_it_wants_its_samples() {
    let folder = trained(1);
    let recipe = "model = 't.hoyer'\ndata = 'digits'\nvalidation = 288\n\
                  normalization = { mean = [0.5], std = [0.1] }\n\
                  [[stage]]\nkind = 'finetune'\nepochs = 1\n";
    std::fs::write(folder.path().join("r.toml"), recipe).unwrap();
    let text = refused(folder.path(), "compress --recipe r.toml -o a");
    assert!(text.contains("normalization of samples for `t.hoyer`"), "{text}");
    let taught = recipe
        .replace("'t.hoyer'", "'mlp-64-32'")
        .replace("epochs = 1", "epochs = 1\ndistill = {}");
    std::fs::write(folder.path().join("r.toml"), taught).unwrap();
    let text = refused(folder.path(), "compress --recipe r.toml --teacher t.hoyer -o a");
    assert!(text.contains("normalization of samples for `t.hoyer`"), "{text}");
}

/// The network of a file with a softmax at its end.
fn with_softmax(path: &Path) -> Graph {
    let mut graph = container::load(path).unwrap().0;
    let logits = graph.outputs[0];
    graph.outputs = vec![graph.add("odds", Softmax { axis: -1 }, &[logits]).unwrap()];
    graph
}

#[test]
fn a_softmax_at_its_end_changes_nothing_of_what_is_learned() {
    let folder = trained(4);
    let place = folder.path();
    let bytes = container::to_bytes(&with_softmax(&place.join("t.hoyer")), &Metadata::default());
    std::fs::write(place.join("s.hoyer"), bytes.unwrap()).unwrap();
    let recipe = "model = 't.hoyer'\ndata = 'digits'\nvalidation = 288\nbatch = 32\n\
                  [[stage]]\nkind = 'finetune'\nepochs = 2\ndistill = { weight = 0.5 }\n";
    std::fs::write(place.join("r.toml"), recipe).unwrap();
    let plain = result(place, "compress --recipe r.toml -o a --json");
    for (out, flags) in [("b", "s.hoyer"), ("c", "--teacher s.hoyer"), ("d", "--teacher t.hoyer")] {
        let other = result(place, &format!("compress {flags} --recipe r.toml -o {out} --json"));
        let of = |result: &RunResult| {
            let epochs = result.stages.last().unwrap().epochs.iter();
            epochs.map(|epoch| (epoch.train_loss, epoch.validation_loss)).collect::<Vec<_>>()
        };
        assert_eq!(of(&other), of(&plain), "{flags}");
        assert_eq!(other.test_metric, plain.test_metric, "{flags}");
    }
}

#[test]
fn a_run_that_goes_on_takes_no_flags_that_would_make_it_another() {
    let folder = tempfile::tempdir().unwrap();
    for flag in
        ["--teacher x", "--round-to 8", "--branches", "--bits 2", "--inputs", "--mean 0 --std 1"]
    {
        let output = run(folder.path(), &format!("compress --resume a {flag}"));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("cannot be used with"), "{flag}: {text}");
    }
}

/// An ONNX file of a network for one image of 8 x 8, which may be divided by the largest number of all that is given.
fn for_one_sample(divided: bool) -> Vec<u8> {
    let mut g = Graph::new("one");
    let mut x = g.input("x", Type::f32([1, 8, 8]));
    if divided {
        let most = ReduceMax { axes: vec![], keepdims: true };
        let most = g.add("most", most, &[x]).unwrap();
        x = g.add("div", Div, &[x, most]).unwrap();
    }
    let x = g.add("flat", Flatten { axis: 1 }, &[x]).unwrap();
    let numbers = (0..640).map(|i| (i * 7919 % 1013) as f32 / 1013.0 - 0.5).collect();
    let weight = Tensor::new(&[10, 64], numbers).unwrap();
    let w = g.param("w", Role::Weight, weight).unwrap();
    let y = g.add("fc", Gemm::linear(), &[x, w]).unwrap();
    g.outputs.push(y);
    onnx::export(&g, &Metadata::default()).unwrap()
}

#[test]
fn one_that_was_exported_for_one_sample_takes_more_where_they_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("apart.onnx"), for_one_sample(false)).unwrap();
    std::fs::write(folder.join("mixed.onnx"), for_one_sample(true)).unwrap();
    assert!(done(folder, "inspect apart.onnx").starts_with("one: x [batch, 8, 8] -> "));
    assert!(done(folder, "eval apart.onnx --data digits").contains("359 test samples"));
    assert!(done(folder, "inspect mixed.onnx").starts_with("one: x [1, 8, 8] -> "));
    let need = "model `one` takes [1, 8, 8], need a first dimension for any number of samples";
    for line in [
        "eval mixed.onnx --data digits",
        "compress mixed.onnx --data digits --budget macs=300 -o a",
    ] {
        let text = refused(folder, line);
        assert!(text.contains(need), "{text}");
    }
    assert!(!folder.join("a").exists());
}
