//! Answers with rten what `hoyer bench` asks on stdin; the words are those of `crates/hoyer/src/cmd/bench/rival.rs`.

use rten::{Model, ModelOptions, RunOptions, ThreadPool};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor, TensorView};
use std::io::{BufRead, Read};
use std::sync::Arc;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut stdin = std::io::stdin().lock();
    let mut line = String::new();
    stdin.read_line(&mut line)?;
    let header: serde_json::Value = serde_json::from_str(&line)?;
    let number =
        |value: &serde_json::Value| value.as_u64().map(|n| n as usize).ok_or("need a number");
    let shape = header["shape"].as_array().ok_or("need a shape")?;
    let shape = shape.iter().map(number).collect::<std::result::Result<Vec<usize>, _>>()?;
    let mut model = vec![0; number(&header["model_bytes"])?];
    stdin.read_exact(&mut model)?;
    let mut x = vec![0; 4 * shape.iter().product::<usize>()];
    stdin.read_exact(&mut x)?;
    let x = x.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    let x = Tensor::from_data(&shape, x.collect::<Vec<f32>>());

    let model = ModelOptions::with_all_ops().prepack_weights(true).load(model)?;
    let pool = Arc::new(ThreadPool::with_num_threads(number(&header["threads"])?));
    for line in stdin.lines() {
        let line = line?;
        let answer = match line.strip_prefix("turn ") {
            Some(seconds) => turn(&model, x.view(), &pool, seconds.parse()?)?,
            None => run(&model, x.view(), &pool)?.iter().map(|y| f64::from(*y)).collect(),
        };
        println!("{}", serde_json::to_string(&answer)?);
    }
    Ok(())
}

fn run(model: &Model, x: TensorView<f32>, pool: &Arc<ThreadPool>) -> Result<Tensor<f32>> {
    let options = RunOptions::default().with_thread_pool(Some(pool.clone()));
    Ok(model.run_one(x.into(), Some(options))?.try_into()?)
}

/// The time of each answer in microseconds, over so many seconds.
fn turn(
    model: &Model,
    x: TensorView<f32>,
    pool: &Arc<ThreadPool>,
    seconds: f64,
) -> Result<Vec<f64>> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || start.elapsed().as_secs_f64() < seconds {
        let before = Instant::now();
        run(model, x.view(), pool)?;
        times.push(before.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}
