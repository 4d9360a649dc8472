//! Another runtime in a process of its own: onnxruntime behind a few lines of Python.
//!
//! ```text
//! to it:    one line of JSON (threads, shape, bytes of the model), the model, the input; then "turn SECONDS" or "output"
//! from it:  one line of JSON each: times in microseconds, or the output's numbers
//! ```
//! Not here: whose turn it is (`timing`).

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};
use hoyer_graph::{Graph, Relu, Type, container::Metadata};
use serde_json::json;

use super::timing::{Contender, Times};

const SCRIPT: &str = include_str!("onnxruntime.py");

/// The process; it ends when this is dropped.
pub(super) struct Rival {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Rival {
    /// Starts the process with a network and the input it will answer.
    ///
    /// # Errors
    /// If Python or the package is not there, or it refuses the network: in its own words.
    pub(super) fn start(
        python: &Path,
        model: &[u8],
        threads: u32,
        (x, shape): (&[f32], &[usize]),
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("cannot start {}; name a Python with --python", python.display())
            })?;
        let to = child.stdin.take().context("the process has no input")?;
        let from = BufReader::new(child.stdout.take().context("the process has no output")?);
        let mut rival = Self { child, to, from };
        let header = json!({ "threads": threads, "shape": shape, "model_bytes": model.len() });
        let bytes: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()).collect();
        // A process that has stopped does not read: its own words say more than a broken pipe.
        let sent = writeln!(rival.to, "{header}").and_then(|()| rival.to.write_all(model));
        let _ = sent.and_then(|()| rival.to.write_all(&bytes));
        rival.ask("output")?;
        Ok(rival)
    }

    /// What it answers.
    ///
    /// # Errors
    /// If it does not.
    pub(super) fn output(&mut self) -> anyhow::Result<Vec<f32>> {
        let numbers = self.ask("output")?;
        Ok(numbers.into_iter().map(|x| x as f32).collect())
    }

    fn ask(&mut self, question: &str) -> anyhow::Result<Vec<f64>> {
        let _ = writeln!(self.to, "{question}").and_then(|()| self.to.flush());
        let mut line = String::new();
        self.from.read_line(&mut line).context("onnxruntime does not answer")?;
        if line.is_empty() {
            bail!("onnxruntime: {}", self.last_words());
        }
        serde_json::from_str(&line).context("onnxruntime answers something else than numbers")
    }

    /// The last line of what it complained about.
    fn last_words(&mut self) -> String {
        let mut text = Vec::new();
        if let Some(errors) = &mut self.child.stderr {
            // Whatever cannot be read is not said.
            let _ = errors.take(1 << 20).read_to_end(&mut text);
        }
        let text = String::from_utf8_lossy(&text);
        text.lines().last().unwrap_or("the process ended without a word").to_owned()
    }
}

impl Contender for Rival {
    fn turn(&mut self, seconds: f64) -> anyhow::Result<Vec<f64>> {
        self.ask(&format!("turn {seconds}"))
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The median time of a call that does next to nothing: the ReLU of one number.
///
/// # Errors
/// If the runtime cannot be started.
pub(super) fn call_overhead_us(python: &Path) -> anyhow::Result<f64> {
    let mut graph = Graph::new("nothing");
    let x = graph.input("x", Type::f32([1, 1]));
    let y = graph.add("y", Relu, &[x])?;
    graph.outputs.push(y);
    let model = hoyer_graph::onnx::export(&graph, &Metadata::default())?;
    let mut rival = Rival::start(python, &model, 1, (&[1.0], &[1, 1]))?;
    let mut contenders: Vec<(String, &mut dyn Contender)> = vec![(String::new(), &mut rival)];
    let mut times = super::take_turns(&mut contenders, 0.2)?;
    let times: &mut Times = &mut times[0].1;
    times.sort();
    Ok(times.median())
}
