//! Writes networks as ONNX files with inputs and the answers that hoyer gives: what `benches/onnx-round-trip` compares.
//!
//! `onnx_round_trip FOLDER [MODEL.hoyer | MODEL.onnx …]` writes, for every model of the zoo, every network of the nasty
//! zoo (whole, masked and with its dead channels removed, under each kind of bias) and every file that is named,
//! `NAME.onnx` and `NAME.FOR.bin` for each input and output (little-endian, row-major), and `cases.json` with their
//! shapes. What hoyer reads back from the file must answer as the network did, or it stops.
#![allow(clippy::unwrap_used, reason = "a measuring program may stop at the first surprise")]

#[path = "../../graph/tests/nasty/silence.rs"]
mod silence;
#[path = "../../graph/tests/nasty/zoo.rs"]
mod zoo;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hoyer_graph::check::Numbers;
use hoyer_graph::container::Metadata;
use hoyer_graph::groups::{groups, remove};
use hoyer_graph::onnx::{Batch, export, import};
use hoyer_graph::{Bindings, DType, Graph, ValueId, bound};
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;
use hoyer_zoo::model::{MODELS, build};
use serde_json::{Value, json};

const SAMPLES: usize = 3;

struct Folder {
    path: PathBuf,
    pool: Arc<Pool>,
    cases: Vec<Value>,
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let path = PathBuf::from(arguments.next().expect("onnx_round_trip FOLDER [MODEL …]"));
    let mut folder = Folder { path, pool: Arc::new(Pool::new(1)), cases: Vec::new() };
    for model in MODELS {
        let shapes = [&[3, 32, 32][..], &[1, 28, 28], &[784]];
        let fitting = shapes.iter().find_map(|shape| build(model.name, shape, 10, 1).ok());
        folder.add(model.name, &fitting.unwrap());
    }
    for (name, _) in zoo::ZOO {
        folder.add_nasty(name, &zoo::build(name));
    }
    for file in arguments {
        let name = Path::new(&file).file_stem().unwrap().to_string_lossy().into_owned();
        folder.add(&name, &hoyer::model_file::load(Path::new(&file)).unwrap().0);
    }
    let text = serde_json::to_string_pretty(&folder.cases).unwrap();
    std::fs::write(folder.path.join("cases.json"), text).unwrap();
}

impl Folder {
    fn add_nasty(&mut self, name: &str, graph: &Graph) {
        self.add(&format!("nasty-{name}"), graph);
        let found = groups(graph).unwrap();
        let dead = silence::every_third(&found);
        for (i, biases) in silence::BIASES.iter().enumerate() {
            let masked = silence::silenced(graph, &found, &dead, *biases);
            let removed = remove(&masked, &found, &dead).unwrap().graph;
            self.add(&format!("nasty-{name}-{i}-masked"), &masked);
            self.add(&format!("nasty-{name}-{i}-removed"), &removed);
        }
    }

    fn add(&mut self, name: &str, graph: &Graph) {
        let bytes = export(graph, &Metadata::default()).unwrap();
        std::fs::write(self.path.join(format!("{name}.onnx")), &bytes).unwrap();
        let (inputs, outputs) = self.answers(graph);
        let read = import(&bytes, None, Batch::AsStored).unwrap();
        let (_, again) = self.answers(&read);
        for (of, (first, second)) in outputs.iter().zip(&again).enumerate() {
            let most = first.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
            let far = first.iter().zip(second).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far <= 1e-5 * most, "{name}: output {of} is {far} off once read back");
        }
        let sides = [("input", &graph.inputs, &inputs), ("output", &graph.outputs, &outputs)];
        let sides = sides.map(|(side, ids, data)| self.write(name, graph, (side, ids, data)));
        let [inputs, outputs] = sides;
        self.cases.push(json!({ "name": name, "inputs": inputs, "outputs": outputs }));
    }

    /// Random inputs, and what the network says.
    fn answers(&self, graph: &Graph) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        let sizes = sizes();
        let mut program = Program::compile(graph, &sizes, &graph.outputs, &self.pool).unwrap();
        let mut numbers = Numbers(5);
        let mut inputs = Vec::new();
        for id in &graph.inputs {
            assert_eq!(graph.value(*id).kind.dtype, DType::F32, "inputs of floats only");
            let input = program.input_mut(*id);
            input.iter_mut().for_each(|x| *x = numbers.number() as f32);
            inputs.push(input.to_vec());
        }
        program.run(&mut graph.params.clone(), 0);
        (inputs, graph.outputs.iter().map(|id| program.value(*id).to_vec()).collect())
    }

    fn write(
        &self,
        name: &str,
        graph: &Graph,
        (side, ids, data): (&str, &[ValueId], &[Vec<f32>]),
    ) -> Vec<Value> {
        let of = |(i, (id, data)): (usize, (&ValueId, &Vec<f32>))| {
            let file = format!("{name}.{side}{i}.bin");
            let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
            std::fs::write(self.path.join(&file), bytes).unwrap();
            json!({ "file": file, "shape": bound(graph, *id, &sizes()).unwrap() })
        };
        ids.iter().zip(data).enumerate().map(of).collect()
    }
}

fn sizes() -> Bindings {
    Bindings::from([("batch".to_owned(), SAMPLES)])
}
