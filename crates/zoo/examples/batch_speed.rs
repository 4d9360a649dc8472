//! How fast data comes: loading a set, and filling batches of 64 on one core.
//!
//! `cargo run --release -p hoyer-zoo --example batch_speed -- NAME [DATA_FOLDER]`; medians of 21
//! epochs each, after one to warm up.

use std::hint::black_box;
use std::time::Instant;

use hoyer_zoo::data::loader::Training;
use hoyer_zoo::data::{Augmentation, Loader, Normalization, load};

const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "digits".into());
    let roots: Vec<_> = arguments.map(Into::into).collect();
    let start = Instant::now();
    let dataset = load(&name, &roots)?;
    println!("{name}: loaded {} samples in {:.3} s", dataset.len(), start.elapsed().as_secs_f64());
    let normalization = Normalization::measure(&dataset, &dataset.train)?;
    let shifts = [(0, false), (1, false), (1, true)];
    let shifts = shifts.map(|(crop, flip)| Augmentation { crop, flip, ..Augmentation::default() });
    let warp = Augmentation { rotate: 8.0, scale: 0.08, shift: 0.5, ..Augmentation::default() };
    for augmentation in shifts.into_iter().chain([warp]) {
        let how =
            Training { batch: BATCH, seed: 1, augmentation, normalization: normalization.clone() };
        let mut loader = Loader::training(&dataset, &dataset.train, &how)?;
        let mut inputs = vec![0.0; BATCH * loader.sample_len()];
        let mut labels = vec![0; BATCH];
        let mut micros = Vec::new();
        for epoch in 0..22 {
            loader.start_epoch(epoch);
            let start = Instant::now();
            for batch in loader.batches() {
                batch.fill(&mut inputs, &mut labels)?;
                black_box(&inputs);
            }
            micros.push(start.elapsed().as_secs_f64() * 1e6 / loader.len() as f64);
        }
        let mut warm = micros.split_off(1);
        warm.sort_by(f64::total_cmp);
        let [least, median, most] = [0, warm.len() / 2, warm.len() - 1].map(|i| warm[i]);
        let per_second = BATCH as f64 / median;
        println!(
            "{augmentation:?}: {median:.1} us a batch of {BATCH} ({least:.1} to {most:.1}), \
             {per_second:.2} M samples/s"
        );
    }
    Ok(())
}
