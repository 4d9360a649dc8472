//! What a network says on random samples: the proof that two networks say the same.
//!
//! Not here: data sets (`score`).

use std::sync::Arc;

use hoyer_graph::check::Numbers;
use hoyer_graph::{Bindings, DType, Graph, ValueId};
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;

use crate::error::Result;

/// How far answers may be apart, against the largest answer.
const CLOSE: f32 = 1e-4;

/// Random numbers for every input, one after the other.
pub(crate) struct Probe {
    inputs: Vec<Vec<f64>>,
    samples: usize,
}

impl Probe {
    /// For the inputs of `graph`, `samples` of each.
    ///
    /// # Errors
    /// If a dimension other than the number of samples is not known.
    pub(crate) fn new(graph: &Graph, samples: usize) -> Result<Self> {
        let mut numbers = Numbers(1);
        let mut inputs = Vec::new();
        for id in &graph.inputs {
            let kind = &graph.value(*id).kind;
            let shape = kind.shape.bind(&sizes(samples)).map_err(|symbol| {
                let value = graph.value(*id).name.clone();
                hoyer_graph::Error::Unbound { symbol, value }
            })?;
            let count = 0..shape.iter().product();
            inputs.push(match kind.dtype {
                DType::F32 => count.map(|_| numbers.number()).collect(),
                // An index of 0 is in range wherever any is.
                DType::I64 => vec![0.0; count.end],
                DType::Bool => count.map(|_| numbers.index(2) as f64).collect(),
            });
        }
        Ok(Self { inputs, samples })
    }

    /// One of the samples.
    pub(crate) fn sample(&self, at: usize) -> Self {
        let part = |all: &Vec<f64>| {
            let len = all.len() / self.samples;
            all[at * len..(at + 1) * len].to_vec()
        };
        Self { inputs: self.inputs.iter().map(part).collect(), samples: 1 }
    }

    /// What the network says to these, output by output.
    ///
    /// # Errors
    /// What compiling it refuses.
    pub(crate) fn answers(&self, graph: &Graph, pool: &Arc<Pool>) -> Result<Vec<Vec<f32>>> {
        let mut program = Program::compile(graph, &sizes(self.samples), &graph.outputs, pool)?;
        for (id, numbers) in graph.inputs.iter().zip(&self.inputs) {
            match graph.value(*id).kind.dtype {
                DType::F32 => {
                    let to = program.input_mut(*id).iter_mut();
                    to.zip(numbers).for_each(|(to, x)| *to = *x as f32);
                }
                DType::I64 | DType::Bool => {
                    let to = program.labels_mut(*id).iter_mut();
                    to.zip(numbers).for_each(|(to, x)| *to = *x as i64);
                }
            }
        }
        program.run(&mut graph.params.clone(), 0);
        let answer = |id: &ValueId| match graph.value(*id).kind.dtype {
            DType::F32 => program.value(*id).to_vec(),
            DType::I64 | DType::Bool => program.integers(*id).iter().map(|x| *x as f32).collect(),
        };
        Ok(graph.outputs.iter().map(answer).collect())
    }
}

fn sizes(samples: usize) -> Bindings {
    Bindings::from([("batch".into(), samples)])
}

/// How far answers are apart, and how far they may be; a NaN is too far from everything.
pub(crate) fn apart(a: &[f32], b: &[f32]) -> (f32, f32) {
    let largest = a.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
    let gap = |(a, b): (&f32, &f32)| (a - b).abs();
    let far =
        a.iter().zip(b).map(gap).fold(0.0, |most: f32, gap| if gap <= most { most } else { gap });
    (if a.len() == b.len() { far } else { f32::INFINITY }, CLOSE * largest)
}
