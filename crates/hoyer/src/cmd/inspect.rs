//! `hoyer inspect`: what a model file holds, layer by layer.
//!
//! Not here: how well it does (`eval`).

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use hoyer::assemble::{cost_of_one, layers};
use hoyer::model_file::Format;
use hoyer_graph::container::{self, Metadata, Parts};
use hoyer_graph::groups::{ChannelGroup, Member, groups};
use hoyer_graph::{Cost, Graph, LayerCost};
use serde_json::json;

use super::table::{percent, row, table, thousands, times};

/// Show the layers of a model: shapes, what is left of them, and what they cost
#[derive(clap::Args)]
pub(crate) struct Inspect {
    /// Model file, .hoyer or .onnx
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Show which channels must live or die together, and why, instead
    #[arg(long)]
    groups: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Inspect {
    /// # Errors
    /// If the file cannot be read or `out` cannot be written.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        let (graph, metadata) = hoyer::model_file::load(&self.model)?;
        if self.groups {
            return write_groups(&graph, self.json, out);
        }
        let cost = cost_of_one(&graph)?;
        let file_bytes = std::fs::metadata(&self.model)
            .with_context(|| format!("cannot read {}", self.model.display()))?
            .len();
        let parts = self.parts()?;
        if self.json {
            let mut object = as_json(&graph, &cost, (file_bytes, parts.as_ref()), &metadata)?;
            if let Some(parts) = &parts {
                object["parts"] = parts_json(parts);
            }
            writeln!(out, "{object:#}")?;
            return Ok(());
        }
        writeln!(out, "{}\n", signature(&graph))?;
        write!(out, "{}", layer_table(&cost))?;
        writeln!(out)?;
        write!(out, "{}", size_table(&cost, file_bytes))?;
        if let Some(parts) = &parts {
            write!(out, "\n{}", parts_table(parts, &graph))?;
        }
        write!(out, "{}", facts(&metadata))?;
        Ok(())
    }

    /// Where the bytes of a `.hoyer` file go.
    fn parts(&self) -> anyhow::Result<Option<Parts>> {
        if Format::of(&self.model) == Some(Format::Onnx) {
            return Ok(None);
        }
        let bytes = std::fs::read(&self.model)
            .with_context(|| format!("cannot read {}", self.model.display()))?;
        Ok(Some(container::parts(&bytes)?))
    }
}

fn parts_table(parts: &Parts, graph: &Graph) -> String {
    let mut rows =
        vec![row(["part of the file", "stored as", "bytes", "bits each", "bits a nonzero"])];
    let plain = |name: &str, how: &str, bytes: usize| {
        vec![name.into(), how.into(), thousands(bytes as u64), String::new(), String::new()]
    };
    rows.push(plain("frame", "", parts.frame));
    rows.push(plain("graph and facts", "deflated", parts.header));
    for (tensor, param) in parts.tensors.iter().zip(&graph.params) {
        let bits = |of: usize| match of {
            0 => "-".into(),
            _ => format!("{:.2}", 8.0 * tensor.bytes as f64 / of as f64),
        };
        rows.push(vec![
            tensor.name.clone(),
            tensor.storage.name().into(),
            thousands(tensor.bytes as u64),
            bits(tensor.elements),
            bits(param.nonzero()),
        ]);
    }
    table(&rows)
}

fn parts_json(parts: &Parts) -> serde_json::Value {
    let tensor = |tensor: &container::TensorPart| {
        let (name, storage) = (&tensor.name, tensor.storage.name());
        json!({ "name": name, "storage": storage, "elements": tensor.elements, "bytes": tensor.bytes })
    };
    json!({
        "frame_bytes": parts.frame,
        "header_bytes": parts.header,
        "header_inflated_bytes": parts.header_inflated,
        "tensors": parts.tensors.iter().map(tensor).collect::<Vec<_>>(),
    })
}

fn write_groups(graph: &Graph, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let groups = groups(graph)?;
    if !json {
        return Ok(write!(out, "{}", groups.text(graph))?);
    }
    let member = |member: &Member| {
        let param = &graph.param_at(member.param).name;
        json!({ "param": param, "axis": member.axis, "places": member.places })
    };
    let group = |group: &ChannelGroup| {
        json!({
            "channels": group.channels,
            "members": group.members.iter().map(member).collect::<Vec<_>>(),
            "because": group.because,
            "stays": group.frozen,
        })
    };
    let all: Vec<_> = groups.groups.iter().map(group).collect();
    Ok(writeln!(out, "{:#}", json!({ "groups": all }))?)
}

/// `lenet-300-100: input [batch, 784] -> fc3 [batch, 10]`
fn signature(graph: &Graph) -> String {
    let values = |ids: &[hoyer_graph::ValueId]| {
        let shown = ids.iter().map(|&id| {
            let value = graph.value(id);
            format!("{} {}", value.name, value.kind.shape)
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    format!("{}: {} -> {}", graph.name, values(&graph.inputs), values(&graph.outputs))
}

fn layer_table(cost: &Cost) -> String {
    let head = ["layer", "kind", "shape", "nonzero", "total", "density", "macs", "nonzero"];
    let mut rows = vec![row(head)];
    rows.extend(cost.layers.iter().map(layer_row));
    let density = share(cost.weights_nonzero, cost.weights);
    rows.push(vec![
        "all".into(),
        String::new(),
        String::new(),
        thousands(cost.weights_nonzero),
        thousands(cost.weights),
        density,
        thousands(cost.macs),
        thousands(cost.macs_nonzero),
    ]);
    table(&rows)
}

fn layer_row(layer: &LayerCost) -> Vec<String> {
    let dims: Vec<String> = layer.shape.iter().map(ToString::to_string).collect();
    vec![
        layer.name.clone(),
        layer.kind.clone(),
        dims.join("x"),
        thousands(layer.nonzero),
        thousands(layer.total),
        share(layer.nonzero, layer.total),
        thousands(layer.macs),
        thousands(layer.macs_nonzero),
    ]
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 { "-".into() } else { percent(part as f64 / whole as f64) }
}

fn size_table(cost: &Cost, file_bytes: u64) -> String {
    let line = |name: &str, all: u64, left: u64| {
        let ratio = (left > 0).then(|| all as f64 / left as f64);
        vec![name.into(), thousands(all), thousands(left), times(ratio)]
    };
    table(&[
        row(["", "dense", "here", "ratio"]),
        line("weights", cost.weights, cost.weights_nonzero),
        line("weights and biases", cost.weights_with_biases, cost.weights_with_biases_nonzero),
        line("parameters", cost.parameters, cost.parameters_nonzero),
        line("macs", cost.macs, cost.macs_nonzero),
        line("file bytes", 4 * cost.parameters, file_bytes),
    ])
}

/// The facts in the file that fit on a line; longer ones are in `--json`.
fn facts(metadata: &Metadata) -> String {
    const WIDTH: usize = 78;
    let lines = metadata.0.iter().map(|(key, fact)| format!("{key}: {fact}"));
    let short: String = lines.filter(|l| l.len() <= WIDTH).map(|line| line + "\n").collect();
    if short.is_empty() { short } else { format!("\n{short}") }
}

fn as_json(
    graph: &Graph,
    cost: &Cost,
    (file_bytes, parts): (u64, Option<&Parts>),
    metadata: &Metadata,
) -> anyhow::Result<serde_json::Value> {
    Ok(json!({
        "model": graph.name,
        "layers": layers(cost, cost, parts)?,
        "weights": cost.weights, "weights_nonzero": cost.weights_nonzero,
        "weights_with_biases": cost.weights_with_biases,
        "weights_with_biases_nonzero": cost.weights_with_biases_nonzero,
        "params": cost.parameters, "params_nonzero": cost.parameters_nonzero,
        "macs": cost.macs, "macs_nonzero": cost.macs_nonzero,
        "file_bytes": file_bytes,
        "metadata": metadata,
    }))
}
