//! How good a network is on samples it does not learn from.

use std::sync::Arc;

use hoyer_graph::{Bindings, Graph, Param, ValueId, loss};
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;

use super::{check_sample_len, fill, fill_labels};
use crate::Result;
use crate::samples::Samples;
use crate::step::network::{classes, ends, labels};

/// Most samples of an evaluation batch.
const BATCH: usize = 500;

/// A network ready to be judged.
pub(crate) struct Evaluator {
    /// For full batches and for the rest; either may be missing.
    parts: Vec<Part>,
    input: ValueId,
    labels: ValueId,
    loss: ValueId,
    logits: ValueId,
    classes: usize,
    pool: Arc<Pool>,
}

/// A program, where its first batch begins and how many batches it runs.
struct Part {
    program: Program,
    batch: usize,
    first: usize,
    batches: usize,
}

/// The result on all samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Score {
    /// Mean cross-entropy.
    pub(crate) loss: f64,
    /// Share answered correctly.
    pub(crate) accuracy: f64,
}

impl Evaluator {
    /// Makes ready for so many samples.
    pub(crate) fn new(graph: &Graph, samples: &dyn Samples, pool: &Arc<Pool>) -> Result<Self> {
        let mut graph = graph.clone();
        let ((input, logits), classes) = (ends(&graph)?, classes(&graph)?);
        let labels = labels(&mut graph);
        let loss = loss::cross_entropy(&mut graph, logits, labels)?;
        let count = samples.len();
        let batch = BATCH.min(count);
        let full = count.checked_div(batch).unwrap_or(0);
        let rest = count - full * batch;
        let mut parts = Vec::new();
        for (first, batch, batches) in [(0, batch, full), (full * batch, rest, 1)] {
            if batch == 0 {
                continue;
            }
            let sizes = Bindings::from([("batch".to_owned(), batch)]);
            let mut program = Program::compile(&graph, &sizes, &[loss, logits], pool)?;
            check_sample_len(samples, program.input_mut(input).len() / batch)?;
            parts.push(Part { program, batch, first, batches });
        }
        Ok(Self { parts, input, labels, loss, logits, classes, pool: Arc::clone(pool) })
    }

    /// Judges these parameters.
    pub(crate) fn score(&mut self, params: &mut [Param], samples: &dyn Samples) -> Result<Score> {
        let (mut loss, mut correct) = (0.0, 0);
        for Part { program, batch, first, batches } in &mut self.parts {
            for first in (0..*batches).map(|i| *first + i * *batch) {
                fill(samples, first, program.input_mut(self.input), &self.pool);
                fill_labels(samples, first, program.labels_mut(self.labels), self.classes)?;
                program.run(params, 0);
                loss += f64::from(program.value(self.loss)[0]) * *batch as f64;
                let rows = program.value(self.logits).chunks_exact(self.classes);
                correct += count_correct(rows, |i| samples.label(first + i));
            }
        }
        let count = samples.len().max(1) as f64;
        Ok(Score { loss: loss / count, accuracy: correct as f64 / count })
    }
}

/// How many rows are largest at their label; a row with NaN is wrong.
pub(super) fn count_correct<'a>(
    rows: impl Iterator<Item = &'a [f32]>,
    label: impl Fn(usize) -> i64,
) -> usize {
    rows.enumerate().filter(|(i, row)| largest(row) == usize::try_from(label(*i)).ok()).count()
}

/// Place of the first of the largest entries; none if an entry is not a number.
fn largest(row: &[f32]) -> Option<usize> {
    let mut best = 0;
    for (i, x) in row.iter().enumerate() {
        if x.is_nan() {
            return None;
        }
        if *x > row[best] {
            best = i;
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_logits_is_the_answer_and_nan_is_none() {
        let rows = [[1.0, 1.0], [0.0, 2.0], [f32::NAN, 0.0]];
        let count = |label| count_correct(rows.iter().map(<[f32; 2]>::as_slice), |_| label);
        assert_eq!((count(0), count(1)), (1, 1));
    }
}
