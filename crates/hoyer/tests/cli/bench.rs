//! `hoyer run` and `hoyer bench` as a user meets them.

use hoyer_graph::check::Numbers;
use hoyer_graph::container::{self, Metadata};
use hoyer_graph::{
    Conv, DType, Dim, Flatten, Gemm, Graph, Identity, Relu, Role, Shape, Type, Window,
};

use crate::shell::{done, refused};

/// A small network of which most weights are zero, written to a folder as `m.hoyer`.
fn folder_with_model() -> tempfile::TempDir {
    let mut numbers = Numbers(1);
    let mut g = Graph::new("small");
    let shape = [Dim::symbol("batch"), Dim::from(1), Dim::from(8), Dim::from(8)];
    let x = g.input("x", Type::f32(Shape(shape.to_vec())));
    let mut weight = |g: &mut Graph, name: &str, shape: &[usize]| {
        let mut w = numbers.tensor(shape);
        w.data_mut().iter_mut().enumerate().for_each(|(i, w)| *w *= f32::from(i % 8 == 0));
        g.param(name, Role::Weight, w).unwrap()
    };
    let w = weight(&mut g, "conv.weight", &[32, 1, 3, 3]);
    let y = g.add("conv", Conv::new(Window::square(3, 1, 1)), &[x, w]).unwrap();
    let y = g.add("relu", Relu, &[y]).unwrap();
    let y = g.add("flat", Flatten { axis: 1 }, &[y]).unwrap();
    let w = weight(&mut g, "fc.weight", &[10, 2048]);
    let y = g.add("fc", Gemm::linear(), &[y, w]).unwrap();
    g.outputs.push(y);
    let folder = tempfile::tempdir().unwrap();
    let bytes = container::to_bytes(&g, &Metadata::default()).unwrap();
    std::fs::write(folder.path().join("m.hoyer"), bytes).unwrap();
    folder
}

#[test]
fn a_bench_names_its_contenders_and_explains_within_80_columns() {
    let folder = folder_with_model();
    let text = done(folder.path(), "bench m.hoyer --batch 1,9 --seconds 0.05 --explain --tune");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // Whether the first layer takes the ReLU in, and outputs agree or are equal, depends on which kernel was the faster one just now.
    for needed in ["conv", "hoyer, all weights multiplied", "batch 9, 1 thread", "outputs "] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
    let json = done(folder.path(), "bench m.hoyer --seconds 0.05 --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let batch = &json["batches"][0];
    assert!(batch["contenders"][0]["median_us"].as_f64().unwrap() > 0.0, "{json}");
    assert!(batch["largest_gap"].as_f64().unwrap() < 1e-4, "{json}");
    assert_eq!(batch["plan"][0]["nonzero"], 36);
}

#[test]
fn steps_of_training_are_measured_and_every_pass_explained() {
    let folder = folder_with_model();
    let text = done(folder.path(), "bench m.hoyer --train --batch 8 --seconds 0.05 --explain");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for needed in ["conv ", "direct", "outer", "dx", "training, batch 8, 1 thread", "samples/s"] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
    let json = done(folder.path(), "bench m.hoyer --train --seconds 0.05 --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let batch = &json["training"][0];
    assert_eq!(batch["batch"], 64);
    let steps = batch["steps"].as_array().unwrap();
    let conv: Vec<&serde_json::Value> =
        steps.iter().filter(|step| step["layer"] == "conv" && !step["way"].is_null()).collect();
    let passes: Vec<&str> = conv.iter().map(|step| step["pass"].as_str().unwrap()).collect();
    assert_eq!(passes, ["forward", "dw"], "the first layer needs no gradient by its input");
    for step in conv {
        assert_eq!(step["macs"], 64 * 32 * 9 * 64);
        assert!(step["peak_share"].as_f64().unwrap() > 0.0, "{step}");
    }
}

#[test]
fn what_cannot_be_benched_is_one_line() {
    let folder = folder_with_model();
    let line = refused(folder.path(), "bench m.hoyer --against onnxruntime --python ./none");
    assert!(line.starts_with("cannot start ./none; name a Python with --python"), "{line}");
    let line = refused(folder.path(), "bench m.hoyer --against ./none");
    assert!(line.starts_with("cannot start ./none: "), "{line}");
    let line = refused(folder.path(), "bench m.hoyer --seconds 0");
    assert!(line.contains("need a number of seconds"), "{line}");
}

#[test]
fn a_sample_is_answered_and_all_outputs_are_written() {
    let folder = folder_with_model();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 8, 8), }\n";
    let start = [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes()].concat();
    let numbers: Vec<u8> = (0..128u8).flat_map(|i| (f32::from(i) / 64.0).to_le_bytes()).collect();
    let sample = [&start[..], header.as_bytes(), &numbers].concat();
    std::fs::write(folder.path().join("x.npy"), &sample).unwrap();
    let text = done(folder.path(), "run m.hoyer x.npy --top 2");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with("0: ") && text.matches('(').count() == 4, "{text}");
    done(folder.path(), "run m.hoyer x.npy -o y.npy");
    assert_eq!(std::fs::read(folder.path().join("y.npy")).unwrap().len(), 128 + 2 * 10 * 4);
    std::fs::write(folder.path().join("short.npy"), &sample[..sample.len() - 4]).unwrap();
    assert!(refused(folder.path(), "run m.hoyer short.npy").contains("short.npy"));
    // A network for samples one at a time is asked one at a time.
    let one = with_inputs(&[Type::f32([1, 1, 8, 8])]);
    std::fs::write(folder.path().join("one.hoyer"), one).unwrap();
    assert_eq!(done(folder.path(), "run one.hoyer x.npy").lines().count(), 2);
}

/// The file of a network that gives the ReLU of the first of these inputs.
fn with_inputs(kinds: &[Type]) -> Vec<u8> {
    let mut g = Graph::new("inputs");
    for (i, kind) in kinds.iter().enumerate() {
        g.input(&format!("x{i}"), kind.clone());
    }
    if let [x, ..] = g.inputs[..] {
        let y = match g.value(x).kind.dtype {
            DType::F32 => g.add("y", Relu, &[x]).unwrap(),
            _ => g.add("y", Identity, &[x]).unwrap(),
        };
        g.outputs.push(y);
    }
    container::to_bytes(&g, &Metadata::default()).unwrap()
}

#[test]
fn networks_that_do_not_answer_sample_by_sample_are_refused() {
    let folder = folder_with_model();
    let samples = || Shape(vec![Dim::symbol("batch"), Dim::from(64)]);
    let cases = [
        (vec![Type::f32(samples()), Type::f32(samples())], "it has 2 inputs"),
        (vec![], "it has 0 inputs"),
        (vec![Type::i64(samples())], "its input is I64"),
    ];
    std::fs::write(folder.path().join("x.npy"), b"").unwrap();
    for (kinds, why) in cases {
        std::fs::write(folder.path().join("n.hoyer"), with_inputs(&kinds)).unwrap();
        for line in ["run n.hoyer x.npy", "eval n.hoyer --data digits", "bench n.hoyer"] {
            let text = refused(folder.path(), line);
            assert!(text.contains(why), "{line}: {text}");
        }
    }
}
