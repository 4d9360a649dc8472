//! `hoyer run`: what a model answers to samples in a file.
//!
//! Not here: how well it answers (`eval`), how fast (`bench`).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use hoyer::samples::normalization;
use hoyer::score::check_answers;
use hoyer_graph::container::{Metadata, write_atomic};
use hoyer_graph::{Bindings, Dim, Graph, ValueId};
use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Inference};
use hoyer_zoo::Dataset;
use hoyer_zoo::data::{Features, Loader, idx, npy};
use serde_json::json;

use super::input_flags::InputFlags;

/// Answer the samples of a file
///
/// A .npy file holds one sample or several, [samples, ...], as numbers that the model takes or as bytes that are
/// scaled as its training data was; any other file is read as MNIST's format (idx), .gz or not.
#[derive(clap::Args)]
pub(crate) struct Run {
    /// Model file, .hoyer or .onnx
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Samples: .npy or idx
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    /// How many of the largest outputs are printed for each sample
    #[arg(long, value_name = "N", default_value_t = 3)]
    top: usize,
    /// File for all outputs, [samples, outputs], instead of printing the largest: .npy
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    normalization: InputFlags,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Samples that are answered at once, at most.
const BATCH: usize = 32;

impl Run {
    /// # Errors
    /// If model or samples cannot be read or do not belong together, or the answers cannot be written.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        if let Some(file) = &self.out {
            let shown = file.display();
            ensure!(!file.exists(), "{shown} is there already; name another file with -o");
        }
        let (graph, metadata) = hoyer::model_file::load(&self.model)?;
        check_answers(&graph)?;
        let dataset = samples(&self.input, &graph, &metadata)?;
        let rows = self.answers(&graph, &metadata, &dataset)?;
        if let Some(file) = &self.out {
            write_atomic(file, &npy_bytes(&rows))?;
        }
        let classes: Vec<String> = metadata.get("classes")?.unwrap_or_default();
        let class = |i: usize| classes.get(i).cloned().unwrap_or_else(|| i.to_string());
        let best = |row: &Vec<f32>| -> Vec<(String, f32)> {
            largest(row, self.top).into_iter().map(|i| (class(i), row[i])).collect()
        };
        if self.json {
            let one = |row: &Vec<f32>| {
                let top =
                    best(row).into_iter().map(|(class, y)| json!({ "class": class, "output": y }));
                json!({ "top": top.collect::<Vec<_>>() })
            };
            let answers: Vec<_> = rows.iter().map(one).collect();
            writeln!(
                out,
                "{:#}",
                json!({
                    "model": self.model.display().to_string(),
                    "input": self.input.display().to_string(),
                    "answers": answers,
                })
            )?;
        } else if let Some(file) = &self.out {
            let outputs = rows.first().map_or(0, Vec::len);
            writeln!(out, "{}: {} samples, {outputs} outputs each", file.display(), rows.len())?;
        } else {
            for (i, row) in rows.iter().enumerate() {
                let top = best(row).into_iter().map(|(class, y)| format!("{class} ({y:.3})"));
                writeln!(out, "{i}: {}", top.collect::<Vec<_>>().join(", "))?;
            }
        }
        Ok(())
    }

    /// The outputs of every sample.
    fn answers(
        &self,
        graph: &Graph,
        metadata: &Metadata,
        dataset: &Dataset,
    ) -> anyhow::Result<Vec<Vec<f32>>> {
        let input = normalization(&self.normalization.or_of(metadata)?);
        let first = |id: &ValueId| graph.value(*id).kind.shape.0.first().and_then(Dim::fixed);
        let batch = graph.inputs.first().and_then(first).unwrap_or(BATCH.min(dataset.len()));
        let loader = Loader::evaluation(dataset, &dataset.test, batch, &input)?;
        let sizes = Bindings::from([("batch".to_owned(), batch)]);
        let pool = Arc::new(Pool::new(1));
        let mut net = Inference::compile(graph, &sizes, &pool, Choice::Model)?;
        let (mut rows, mut labels) = (Vec::new(), vec![0; batch]);
        for samples in loader.batches() {
            let count = samples.fill(net.input_mut(0), &mut labels)?;
            net.run();
            let outputs = net.output(0).len() / batch;
            rows.extend(net.output(0).chunks(outputs.max(1)).take(count).map(<[f32]>::to_vec));
        }
        Ok(rows)
    }
}

/// The samples of a file as the network takes them.
fn samples(path: &Path, graph: &Graph, metadata: &Metadata) -> anyhow::Result<Dataset> {
    let is_npy = path.extension().is_some_and(|ending| ending == "npy");
    let features =
        if is_npy { npy::read(path)?.1 } else { Features::U8(idx::read_images(path)?.pixels) };
    let input = graph.inputs.first().context("the model takes no input")?;
    let kind = &graph.value(*input).kind;
    let shape: Option<Vec<usize>> = kind.shape.0.iter().skip(1).map(Dim::fixed).collect();
    let shape =
        shape.with_context(|| format!("the model's input is {}, need fixed sizes", kind.shape))?;
    let (len, sample) = (features.len(), shape.iter().product::<usize>());
    ensure!(
        len > 0 && sample > 0 && len.is_multiple_of(sample),
        "{}: {len} numbers, need samples of {sample} ({shape:?})",
        path.display()
    );
    let scale = match features {
        Features::U8(_) => metadata.get("scale")?.unwrap_or(1.0 / 255.0),
        Features::F32(_) => 1.0,
    };
    let count = len / sample;
    let test = 0..u32::try_from(count).context("too many samples")?;
    Ok(Dataset {
        name: path.display().to_string(),
        shape,
        classes: vec!["?".into()],
        scale,
        features,
        labels: vec![0; count],
        train: Vec::new(),
        test: test.collect(),
    })
}

/// Places of the largest numbers, the largest first.
fn largest(row: &[f32], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..row.len()).collect();
    places.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
    places.truncate(count);
    places
}

/// One NumPy array `[samples, outputs]`, version 1.
fn npy_bytes(rows: &[Vec<f32>]) -> Vec<u8> {
    let shape = (rows.len(), rows.first().map_or(0, Vec::len));
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape:?}, }}");
    // The numbers begin at a multiple of 64; ten bytes precede the header, a line end closes it.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = length - 1).into_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|x| x.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first() {
        assert_eq!(largest(&[1.0, 3.0, 2.0], 2), [1, 2]);
        assert_eq!(largest(&[1.0], 5), [0]);
    }

    #[test]
    fn written_arrays_are_read_back() {
        let path = std::env::temp_dir().join(format!("hoyer-run-{}.npy", std::process::id()));
        std::fs::write(&path, npy_bytes(&[vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.5]])).unwrap();
        let (shape, numbers) = npy::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(shape, [2, 3]);
        assert_eq!(numbers, Features::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.5]));
    }
}
