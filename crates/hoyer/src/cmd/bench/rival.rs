//! Another runtime in a process of its own: behind a few lines of Python, or any program that speaks the same words.
//!
//! ```text
//! to it:    one line of JSON (threads, shape, bytes of the model), the model, the input; then "turn SECONDS" or "output"
//! from it:  one line of JSON each: times in microseconds, or the output's numbers
//! ```
//! Not here: whose turn it is (`timing`).

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, bail};
use hoyer_graph::{Graph, Relu, Type, container::Metadata};
use serde_json::json;

use super::timing::Contender;

const SCRIPT: &str = include_str!("rival.py");

/// What the script has a row for.
const PACKAGES: [&str; 4] = ["onnxruntime", "openvino", "mnn", "tract"];

/// Who answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Runtime {
    /// One that has a Python package.
    Package(&'static str),
    /// A program, by its path.
    Program(PathBuf),
}

impl Runtime {
    /// The runtime that a user means: whatever has a separator is a path.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains(std::path::is_separator) {
            return Ok(Self::Program(text.into()));
        }
        let known = PACKAGES.into_iter().find(|name| *name == text).map(Self::Package);
        known.ok_or_else(|| format!("need {} or the path of a program", PACKAGES.join(", ")))
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Package(name) => (*name).to_owned(),
            Self::Program(path) => {
                path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
            }
        }
    }

    /// How it is started.
    fn command(&self, python: &Path) -> Command {
        match self {
            Self::Program(path) => Command::new(path),
            Self::Package(name) => {
                let mut command = Command::new(python);
                command.args(["-c", SCRIPT, name]);
                command
            }
        }
    }
}

/// The process; it ends when this is dropped.
pub(super) struct Rival {
    name: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// Reads what it complains about, so that it never waits for a reader; gives the last line.
    words: Option<JoinHandle<String>>,
}

impl Rival {
    /// Starts the process with a network and the input it will answer.
    ///
    /// # Errors
    /// If it, Python or the package is not there, or it refuses the network: in its own words.
    pub(super) fn start(
        runtime: &Runtime,
        python: &Path,
        model: &[u8],
        question: &Question<'_>,
    ) -> anyhow::Result<Self> {
        let mut command = runtime.command(python);
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.with_context(|| match runtime {
            Runtime::Program(path) => format!("cannot start {}", path.display()),
            Runtime::Package(_) => {
                format!("cannot start {}; name a Python with --python", python.display())
            }
        })?;
        let to = child.stdin.take().context("the process has no input")?;
        let from = BufReader::new(child.stdout.take().context("the process has no output")?);
        let words = child.stderr.take().map(|errors| std::thread::spawn(|| last_line(errors)));
        let mut rival = Self { name: runtime.name(), child, to, from, words };
        let Question { threads, x, shape } = question;
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
        let (mut line, name) = (String::new(), self.name.clone());
        self.from.read_line(&mut line).with_context(|| format!("{name} does not answer"))?;
        if line.is_empty() {
            bail!("{name}: {}", self.last_words());
        }
        let answer = serde_json::from_str(&line);
        answer.with_context(|| format!("{name} answers something else than numbers"))
    }

    /// The last line of what it complained about.
    fn last_words(&mut self) -> String {
        // Whatever cannot be read is not said.
        let last = self.words.take().and_then(|words| words.join().ok());
        last.filter(|line| !line.is_empty())
            .unwrap_or_else(|| "the process ended without a word".to_owned())
    }
}

fn last_line(errors: impl Read) -> String {
    let lines = BufReader::new(errors).split(b'\n').map_while(Result::ok);
    let last = lines.filter(|line| !line.trim_ascii().is_empty()).last().unwrap_or_default();
    String::from_utf8_lossy(&last).trim_end().to_owned()
}

/// What all contenders are asked.
pub(super) struct Question<'a> {
    pub(super) threads: u32,
    pub(super) x: &'a [f32],
    pub(super) shape: &'a [usize],
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
pub(super) fn call_overhead_us(runtime: &Runtime, python: &Path) -> anyhow::Result<f64> {
    let mut graph = Graph::new("nothing");
    let x = graph.input("x", Type::f32([1, 1]));
    let y = graph.add("y", Relu, &[x])?;
    graph.outputs.push(y);
    let model = hoyer_graph::onnx::export(&graph, &Metadata::default())?;
    let question = Question { threads: 1, x: &[1.0], shape: &[1, 1] };
    let mut rival = Rival::start(runtime, python, &model, &question)?;
    let mut contenders: Vec<(String, &mut dyn Contender)> = vec![(String::new(), &mut rival)];
    let times = super::take_turns(&mut contenders, 0.2)?;
    Ok(times[0].1.median())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_a_row_of_the_script_or_a_path() {
        for name in PACKAGES {
            assert_eq!(Runtime::parse(name), Ok(Runtime::Package(name)));
            assert!(SCRIPT.contains(&format!("\"{name}\": {name}")), "{name}");
        }
        assert_eq!(Runtime::parse("./a/rten.exe").unwrap().name(), "rten");
        let refused = "need onnxruntime, openvino, mnn, tract or the path of a program";
        assert_eq!(Runtime::parse("rten"), Err(refused.into()));
    }
}
