//! Runs ONNX files on given inputs, many in one process: what `benches/onnx-backend-tests` compares.
//!
//! Every line of standard input is a case, and every line of standard output its answer:
//!
//! ```text
//! {"model": PATH, "out": FOLDER, "inputs": [{"name": "x", "dtype": "f32", "shape": [2], "path": PATH}]}
//! {"outputs": [{"shape": [2], "dtype": "f32", "path": PATH}]}  or  {"unsupported": WHY}  or  {"panic": WHAT}
//! ```
//! Numbers lie in files, plain and little-endian: `f32`, or `i64` for all integers and truth values.
//! Not here: what the answers should be.

#![expect(clippy::unwrap_used, reason = "a case that cannot be read should say where and stop")]

use hoyer_graph::onnx::{self, Batch};
use hoyer_graph::{Bindings, DType, Graph, Op, Source, ValueId, bound};
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Deserialize)]
struct Case {
    model: PathBuf,
    out: PathBuf,
    inputs: Vec<Given>,
}

#[derive(Deserialize)]
struct Given {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    path: PathBuf,
}

fn main() {
    // Panics are answers here, not messages.
    std::panic::set_hook(Box::new(|_| ()));
    let pool = Arc::new(Pool::new(1));
    for line in std::io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = match catch_unwind(AssertUnwindSafe(|| run(&case, &pool))) {
            Ok(Ok(outputs)) => json!({ "outputs": outputs }),
            Ok(Err(why)) => json!({ "unsupported": why }),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                json!({ "panic": text.unwrap_or("of unknown kind") })
            }
        };
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}

/// An error with all its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn run(case: &Case, pool: &Arc<Pool>) -> Result<Vec<Value>, String> {
    let bytes = std::fs::read(&case.model).unwrap();
    let folder = case.model.parent();
    let mut graph = onnx::import(&bytes, folder, Batch::AsStored).map_err(|error| words(&error))?;
    let sizes = sizes(&graph, case)?;
    let outputs = graph.outputs.clone();
    let mut program =
        Program::compile(&graph, &sizes, &outputs, pool).map_err(|error| words(&error))?;
    for &id in &graph.inputs {
        fill(&mut program, &graph, id, given(&graph, id, case)?);
    }
    program.run(&mut graph.params, 0);
    let write = |(i, &id): (usize, &ValueId)| {
        let path = case.out.join(format!("output_{i}"));
        let dtype = store(&program, &graph, id, &path)?;
        let shape = bound(&graph, id, &sizes).map_err(|error| words(&error))?;
        Ok(json!({ "shape": shape, "dtype": dtype, "path": path }))
    };
    outputs.iter().enumerate().map(write).collect()
}

fn given<'c>(graph: &Graph, id: ValueId, case: &'c Case) -> Result<&'c Given, String> {
    let name = &graph.value(id).name;
    let found = case.inputs.iter().find(|input| input.name == *name);
    found.ok_or_else(|| format!("input `{name}` is not given"))
}

/// The sizes of symbols, from the shapes of the inputs; each must be what the graph says.
fn sizes(graph: &Graph, case: &Case) -> Result<Bindings, String> {
    let mut sizes = Bindings::new();
    for &id in &graph.inputs {
        let (shape, input) = (&graph.value(id).kind.shape, given(graph, id, case)?);
        for (dim, &size) in shape.0.iter().zip(&input.shape) {
            if dim.fixed().is_none() {
                sizes.entry(dim.to_string()).or_insert(size);
            }
        }
        if shape.bind(&sizes).as_ref() != Ok(&input.shape) {
            return Err(format!(
                "input `{}` has shape {:?}, need {shape}",
                input.name, input.shape
            ));
        }
    }
    Ok(sizes)
}

fn fill(program: &mut Program, graph: &Graph, id: ValueId, input: &Given) {
    let bytes = std::fs::read(&input.path).unwrap();
    if graph.value(id).kind.dtype == DType::F32 {
        let floats = bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x));
        match input.dtype.as_str() {
            "f32" => program.input_mut(id).iter_mut().zip(floats).for_each(|(to, x)| *to = x),
            other => panic!("input `{}` is read as f32 and given as {other}", input.name),
        }
    } else {
        let ints = bytes.as_chunks::<8>().0.iter().map(|x| i64::from_le_bytes(*x));
        match input.dtype.as_str() {
            "i64" => program.labels_mut(id).iter_mut().zip(ints).for_each(|(to, x)| *to = x),
            other => panic!("input `{}` is read as integers and given as {other}", input.name),
        }
    }
}

/// Writes the numbers of an output, and gives their type.
fn store(
    program: &Program,
    graph: &Graph,
    id: ValueId,
    path: &Path,
) -> Result<&'static str, String> {
    if graph.value(id).kind.dtype != DType::F32 {
        let bytes: Vec<u8> = program.integers(id).iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(path, bytes).unwrap();
        return Ok("i64");
    }
    let data = match stored(graph, id) {
        Some(data) => data,
        None => program.value(id),
    };
    let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(path, bytes).unwrap();
    Ok("f32")
}

/// The numbers of a parameter that an output only shows, which no program computes.
fn stored(graph: &Graph, id: ValueId) -> Option<&[f32]> {
    match graph.value(id).source {
        Source::Param(param) => Some(graph.param_at(param).tensor.data()),
        Source::Node(node, _) => match graph.node(node).op {
            Op::Identity(_) | Op::Reshape(_) | Op::Flatten(_) | Op::Dropout(_) => {
                stored(graph, graph.node(node).inputs[0])
            }
            _ => None,
        },
        Source::Input => None,
    }
}
