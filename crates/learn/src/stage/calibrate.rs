//! The stage that measures the statistics of batch normalization anew.
//!
//! Every batch is normalized by its own statistics, as in training, so one pass measures all layers.

use hoyer_graph::{Bindings, Graph, Op, training};
use hoyer_run::Program;

use super::Run;
use crate::Result;
use crate::recipe::Calibrate;
use crate::trainer::{Score, fill};

impl Run<'_> {
    pub(super) fn calibrate(&mut self, calibrate: &Calibrate) -> Result<Score> {
        let graph = measuring(&self.graph)?;
        if graph.updates.is_empty() {
            self.setup.observer.message("there is no batch normalization to calibrate");
            return self.score();
        }
        let batch = self.setup.recipe.batch;
        self.setup.data.training.start_epoch(self.state.epochs);
        let samples = &*self.setup.data.training;
        let batches = calibrate.batches.min(samples.len() / batch).max(1);
        let sizes = Bindings::from([("batch".to_owned(), batch.min(samples.len()))]);
        let mut program = Program::compile(&graph, &sizes, &[], self.setup.pool)?;
        let mut params = graph.params.clone();
        let measured = |param: usize| vec![0.0_f64; graph.params[param].tensor.data().len()];
        let mut sums: Vec<(usize, Vec<f64>)> =
            graph.updates.iter().map(|update| (update.param.0, measured(update.param.0))).collect();
        for at in 0..batches {
            self.check_stop()?;
            let input = program.input_mut(graph.inputs[0]);
            fill(&*self.setup.data.training, at * batch, input, self.setup.pool);
            program.run(&mut params, at as u64);
            for (param, sums) in &mut sums {
                let now = params[*param].tensor.data();
                sums.iter_mut().zip(now).for_each(|(sum, x)| *sum += f64::from(*x));
            }
        }
        for (param, sums) in sums {
            let tensor = self.graph.params[param].tensor.data_mut();
            tensor.iter_mut().zip(sums).for_each(|(x, sum)| *x = (sum / batches as f64) as f32);
        }
        self.score()
    }
}

/// The training form, with statistics that forget all but the last batch.
fn measuring(graph: &Graph) -> Result<Graph> {
    let mut graph = training(graph)?;
    for node in &mut graph.nodes {
        if let Op::BatchNormalization(norm) = &mut node.op {
            norm.momentum = 0.0;
        }
    }
    Ok(graph)
}
