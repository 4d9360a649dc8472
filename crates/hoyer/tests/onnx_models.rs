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

/// The bytes of an array in an `.npz`; only the header's length is looked at.
fn bytes(npz: &Path, name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(npz).unwrap()).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes.split_off(10 + header)
}

/// An array of 32-bit floats in an `.npz`.
fn array(npz: &Path, name: &str) -> Vec<f32> {
    let bytes = bytes(npz, name);
    bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

/// What a network answers to so many samples.
fn answers(folder: &Path, name: &str, batch: usize, input: &[f32]) -> Vec<f32> {
    let (mut graph, _) = hoyer::model_file::load(&folder.join(format!("{name}.onnx"))).unwrap();
    let sizes = Bindings::from([("batch".into(), batch)]);
    let pool = Arc::new(Pool::new(2));
    let mut program = Program::compile(&graph, &sizes, &graph.outputs, &pool).unwrap();
    program.input_mut(graph.inputs[0]).copy_from_slice(input);
    program.run(&mut graph.params, 0);
    program.value(graph.outputs[0]).to_vec()
}

/// The largest difference.
fn gap(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn answers_are_those_of_onnxruntime() {
    let Some(folder) = models() else { return };
    for name in ["resnet20", "resnet32", "resnet56", "mnist_cntk"] {
        let reference = folder.join(format!("reference/{name}.npz"));
        let (input, output) = (array(&reference, "input"), array(&reference, "output"));
        // mnist_cntk's answers go to thousands, where floats are further apart.
        let largest = output.iter().fold(10.0_f32, |most, x| most.max(x.abs()));
        let far = gap(&answers(&folder, name, 16, &input), &output);
        assert!(far < 1e-5 * largest, "{name}: {far}");
    }
}

#[test]
fn a_network_of_large_images_answers_as_in_onnxruntime() {
    let Some(folder) = models() else { return };
    let reference = |name: &str| folder.join(format!("reference/{name}.npz"));
    let pixels = bytes(&reference("sample_images_u8"), "images");
    let (images, size) = (2, 224 * 224);
    let pixel = |i: usize| {
        let (image, channel, place) = (i / (3 * size), i / size % 3, i % size);
        (f32::from(pixels[3 * (image * size + place) + channel]) - 127.0) / 128.0
    };
    let input: Vec<f32> = (0..images * 3 * size).map(pixel).collect();
    let output = array(&reference("efficientnet_lite0"), "output");
    let far = gap(&answers(&folder, "efficientnet_lite0", images, &input), &output);
    assert!(far < 1e-4, "{far}");
}
