//! Networks that others trained, read from ONNX files: they must answer as onnxruntime did. Set `HOYER_DATA` to a folder that
//! has `models/`; without it each test prints that it was skipped.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hoyer_graph::Bindings;
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;

fn models() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("HOYER_DATA").unwrap_or_default()).join("models");
    let there = folder.join("resnet20.onnx").exists().then_some(folder);
    if there.is_none() {
        eprintln!("skipped: HOYER_DATA has no models");
    }
    there
}

/// An array of 32-bit floats in an `.npz`; only the header's length is looked at.
fn array(npz: &Path, name: &str) -> Vec<f32> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(npz).unwrap()).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (numbers, _) = bytes[10 + header..].as_chunks::<4>();
    numbers.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

#[test]
fn answers_are_those_of_onnxruntime() {
    let Some(folder) = models() else { return };
    for name in ["resnet20", "resnet32", "resnet56", "mnist_cntk"] {
        let (mut graph, _) = hoyer::model_file::load(&folder.join(format!("{name}.onnx"))).unwrap();
        let reference = folder.join(format!("reference/{name}.npz"));
        let (input, output) = (array(&reference, "input"), array(&reference, "output"));
        let sizes = Bindings::from([("batch".into(), 16)]);
        let pool = Arc::new(Pool::new(2));
        let mut program = Program::compile(&graph, &sizes, &graph.outputs, &pool).unwrap();
        program.input_mut(graph.inputs[0]).copy_from_slice(&input);
        program.run(&mut graph.params, 0);
        let answers = program.value(graph.outputs[0]);
        assert_eq!(answers.len(), output.len(), "{name}");
        // mnist_cntk's answers go to thousands, where floats are further apart.
        let largest = output.iter().fold(10.0_f32, |most, x| most.max(x.abs()));
        let far = answers.iter().zip(&output).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-5 * largest, "{name}: {far}");
    }
}
