//! A program that answers with a network and nothing else: `embed MODEL.hoyer [SAMPLE]`.
//!
//! It links the crates `hoyer-kernels`, `hoyer-graph` and `hoyer-run`: no training, no data sets, no command line. The
//! sample is a file of little-endian f32, as many as the network takes; without one, zeros are answered.

use hoyer_graph::{Bindings, container};
use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Inference};
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("need a .hoyer file")?;
    let (graph, metadata) = container::load(Path::new(&model))?;
    let one = Bindings::from([("batch".to_owned(), 1)]);
    let mut net = Inference::compile(&graph, &one, &Arc::new(Pool::new(1)), Choice::Model)?;
    if let Some(sample) = arguments.next() {
        let bytes = std::fs::read(&sample)?;
        let input = net.input_mut(0);
        if bytes.len() != 4 * input.len() {
            let (got, need) = (bytes.len(), 4 * input.len());
            return Err(format!("{sample}: {got} bytes, need {need}").into());
        }
        for (to, four) in input.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *to = f32::from_le_bytes(*four);
        }
    }
    net.run();
    let scores = net.output(0);
    let best = (0..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
    let classes: Vec<String> = metadata.get("classes")?.unwrap_or_default();
    let unnamed = best.to_string();
    println!("{}: {}", classes.get(best).unwrap_or(&unnamed), scores[best]);
    Ok(())
}
