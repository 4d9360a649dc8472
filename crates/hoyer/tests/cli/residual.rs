//! A residual network as its owner brings it, ONNX and trained elsewhere: whole branches go.

use hoyer_graph::check::Numbers;
use hoyer_graph::container::Metadata;
use hoyer_graph::onnx::export;
use hoyer_graph::{Add, Dim, Flatten, Gemm, Graph, Relu, Role, Shape, Type, ValueId};

use crate::shell::{refused, result, run};

/// Digits in, 16 features, four branches with 24 inside, ten classes.
fn residual() -> Graph {
    let mut numbers = Numbers(3);
    let mut g = Graph::new("residual");
    let mut layer = |g: &mut Graph, name: &str, x: ValueId, [out, inp]: [usize; 2]| {
        let mut weight = numbers.tensor(&[out, inp]);
        let reach = (inp as f32).sqrt();
        weight.data_mut().iter_mut().for_each(|w| *w /= reach);
        let w = g.param(&format!("{name}.weight"), Role::Weight, weight).unwrap();
        g.add(name, Gemm::linear(), &[x, w]).unwrap()
    };
    let mut x =
        g.input("x", Type::f32(Shape([Dim::symbol("batch"), 1.into(), 8.into(), 8.into()].into())));
    x = g.add("flat", Flatten { axis: 1 }, &[x]).unwrap();
    x = layer(&mut g, "first", x, [16, 64]);
    for name in ["a", "b", "c", "d"] {
        let mut branch = layer(&mut g, &format!("{name}1"), x, [24, 16]);
        branch = g.add(&format!("{name}1.relu"), Relu, &[branch]).unwrap();
        branch = layer(&mut g, &format!("{name}2"), branch, [16, 24]);
        x = g.add(&format!("{name}.sum"), Add, &[x, branch]).unwrap();
    }
    x = layer(&mut g, "last", x, [10, 16]);
    g.outputs.push(x);
    g
}

#[test]
fn whole_branches_go_and_the_result_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = export(&residual(), &Metadata::default()).unwrap();
    std::fs::write(folder.path().join("net.onnx"), bytes).unwrap();
    // 1,184 multiply-accumulates outside of the branches, 768 in each; blocks of 24 leave nothing but whole branches.
    let line = "compress net.onnx --data digits --validation 288 --budget macs=2800 --round-to 24 --branches --json -o out";
    let result = result(folder.path(), line);
    assert!(result.compressed.macs <= 2_800 && result.test_metric > 0.8, "{}", result.test_metric);
    assert_eq!(result.layers.len(), 10);
    let gone = result.layers.iter().filter(|layer| layer.shape.is_empty());
    assert!(gone.clone().count() == 4 && gone.clone().all(|layer| layer.nonzero == 0));
    let report = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert_eq!(report.matches("Gemm left out").count(), gone.count());
    assert!(run(folder.path(), "eval out/model.onnx --data digits").status.success());
}

#[test]
fn branches_can_only_go_where_channels_do() {
    let folder = tempfile::tempdir().unwrap();
    let line = "compress mlp-64-32 --data digits --budget weights=100 --branches -o b";
    assert!(refused(folder.path(), line).starts_with("--branches is for channels"));
}
