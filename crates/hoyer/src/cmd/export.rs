//! `hoyer export`: a model in another file format.
//!
//! Not here: the formats (`hoyer::model_file`).

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use hoyer::assemble::cost_of_one;
use hoyer::model_file::{Format, load};
use hoyer_graph::container::write_atomic;
use serde_json::json;

use super::table::thousands;

/// Write a model for other tools: the network as .onnx, or its parameters as .safetensors
///
/// The ONNX file has opset 17, any number of samples, and what the model file knows (names of classes, …) in its
/// metadata. A .safetensors file has every parameter by its name.
#[derive(clap::Args)]
pub(crate) struct Export {
    /// Model file, .hoyer or .onnx
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// File to write; its ending says the format: .onnx, .safetensors or .hoyer
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Export {
    /// # Errors
    /// If the model cannot be read, the format is unknown or cannot hold it, or the file is there already or cannot be
    /// written.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        let file = self.out.display();
        let format = Format::of(&self.out).with_context(|| {
            format!("{file}: no known format; need a name ending in .onnx, .safetensors or .hoyer")
        })?;
        ensure!(!self.out.exists(), "{file} is there already; name another file with -o");
        let (graph, metadata) = load(&self.model)?;
        let bytes = format.bytes(&graph, &metadata)?;
        let cost = cost_of_one(&graph)?;
        write_atomic(&self.out, &bytes)?;
        let size = bytes.len() as u64;
        if self.json {
            let file = self.out.display().to_string();
            let answer = json!({ "file": file, "file_bytes": size, "params": cost.parameters });
            writeln!(out, "{answer:#}")?;
            return Ok(());
        }
        let what = match format {
            Format::Hoyer => "network and all that is known of it",
            Format::Onnx => "network, ONNX opset 17",
            Format::Safetensors => "parameters by name",
        };
        let params = thousands(cost.parameters);
        writeln!(out, "{file}: {what}; {params} parameters, {} bytes", thousands(size))?;
        Ok(())
    }
}
