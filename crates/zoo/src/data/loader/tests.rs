//! Tests of batching: orders, determinism, partial batches, bad settings.

use super::*;
use crate::data::dataset::numbered_classes;

/// `samples` images of 2 channels, 3 x 5, all different.
fn images(samples: usize) -> Dataset {
    Dataset {
        name: "images".into(),
        shape: vec![2, 3, 5],
        classes: numbered_classes(7),
        scale: 1.0 / 255.0,
        features: Features::U8((0..samples * 30).map(|i| (i * 7 + i / 256) as u8).collect()),
        labels: (0..samples).map(|i| (i % 7) as u16).collect(),
        train: (0..samples as u32).collect(),
        test: vec![],
    }
}

fn how(batch: usize) -> Training {
    Training {
        batch,
        seed: 9,
        augmentation: Augmentation { crop: 2, flip: true, ..Augmentation::default() },
        normalization: Normalization { mean: vec![0.4, 0.5], std: vec![0.2, 0.3] },
    }
}

fn epoch(loader: &mut Loader, epoch: u64) -> (Vec<u32>, Vec<u32>, Vec<i64>) {
    loader.start_epoch(epoch);
    let (mut samples, mut bits, mut all_labels) = (Vec::new(), Vec::new(), Vec::new());
    for batch in loader.batches() {
        let (mut inputs, mut labels) = (vec![f32::NAN; batch.len() * 30], vec![-1; batch.len()]);
        batch.fill(&mut inputs, &mut labels).unwrap();
        samples.extend_from_slice(batch.samples());
        bits.extend(inputs.iter().map(|x| x.to_bits()));
        all_labels.extend(labels);
    }
    (samples, bits, all_labels)
}

#[test]
fn an_epoch_is_a_pure_function_of_seed_and_number() {
    let dataset = images(50);
    let mut forward = Loader::training(&dataset, &dataset.train, &how(8)).unwrap();
    let epochs: Vec<_> = (0..4).map(|e| epoch(&mut forward, e)).collect();
    let mut resumed = Loader::training(&dataset, &dataset.train, &how(8)).unwrap();
    for number in [3, 1, 2, 0] {
        assert_eq!(epoch(&mut resumed, number), epochs[number as usize]);
    }
    assert_ne!(epochs[0].0, epochs[1].0);
    let other = Training { seed: 10, ..how(8) };
    let mut other = Loader::training(&dataset, &dataset.train, &other).unwrap();
    assert_ne!(epoch(&mut other, 0).0, epochs[0].0);
}

#[test]
fn the_order_of_epoch_0_is_the_same_in_every_build() {
    let dataset = images(12);
    let loader = Loader::training(&dataset, &dataset.train, &how(12)).unwrap();
    assert_eq!(loader.batch(0).samples(), [1, 7, 3, 6, 10, 2, 0, 4, 11, 8, 5, 9]);
}

#[test]
fn training_drops_what_does_not_fill_a_batch_and_repeats_nothing() {
    let dataset = images(50);
    let mut loader = Loader::training(&dataset, &dataset.train, &how(8)).unwrap();
    assert_eq!(loader.len(), 6);
    let (mut samples, ..) = epoch(&mut loader, 0);
    samples.sort_unstable();
    samples.dedup();
    assert_eq!(samples.len(), 48);
}

#[test]
fn evaluation_yields_every_sample_once_in_order_and_as_stored() {
    let dataset = images(50);
    let list: Vec<u32> = (0..50).rev().collect();
    let mut loader = Loader::evaluation(&dataset, &list, 8, &Normalization::default()).unwrap();
    assert_eq!((loader.len(), loader.batch(6).len()), (7, 2));
    let (samples, bits, labels) = epoch(&mut loader, 3);
    assert_eq!(samples, list);
    let Features::U8(stored) = &dataset.features else { panic!("images are bytes") };
    for (i, &sample) in samples.iter().enumerate() {
        assert_eq!(labels[i], i64::from(dataset.labels[sample as usize]));
        for j in 0..30 {
            let need = f32::from(stored[sample as usize * 30 + j]) * (1.0 / 255.0);
            assert_eq!(bits[i * 30 + j], need.to_bits());
        }
    }
}

#[test]
fn any_thread_fills_any_part_alike() {
    let dataset = images(64);
    let loader = Loader::training(&dataset, &dataset.train, &how(64)).unwrap();
    let batch = loader.batch(0);
    let (mut whole, mut labels) = (vec![0.0; 64 * 30], vec![0; 64]);
    batch.fill(&mut whole, &mut labels).unwrap();
    let mut pieces = vec![0.0; 64 * 30];
    std::thread::scope(|scope| {
        for (t, part) in pieces.chunks_mut(16 * 30).enumerate() {
            scope.spawn(move || {
                if t == 0 {
                    return batch.fill_part(0, part);
                }
                for (i, input) in part.chunks_mut(30).enumerate().rev() {
                    batch.fill_sample(t * 16 + i, input);
                }
            });
        }
    });
    assert_eq!(whole, pieces);
}

#[test]
fn every_channel_has_its_own_normalization() {
    let dataset = images(1);
    let setting = how(1).normalization;
    let loader = Loader::evaluation(&dataset, &dataset.train, 1, &setting).unwrap();
    let mut input = vec![0.0; 30];
    loader.batch(0).fill_sample(0, &mut input);
    let Features::U8(stored) = &dataset.features else { panic!("images are bytes") };
    for j in 0..30 {
        let (mean, std) = if j < 15 { (0.4, 0.2) } else { (0.5, 0.3) };
        let need = (f64::from(stored[j]) / 255.0 - mean) / std;
        assert!((f64::from(input[j]) - need).abs() < 1e-6, "{j}: {} for {need}", input[j]);
    }
}

#[test]
fn bad_settings_are_named() {
    let dataset = images(10);
    let refused =
        |how: &Training| Loader::training(&dataset, &dataset.train, how).unwrap_err().to_string();
    assert_eq!(refused(&how(11)), "batch = 11, need 1 to 10, the number of training samples");
    assert_eq!(refused(&how(0)), "batch = 0, need at least 1 sample");
    let wide =
        Training { augmentation: Augmentation { crop: 3, ..Augmentation::default() }, ..how(4) };
    assert_eq!(refused(&wide), "augmentation.crop = 3, need 0 to 2, for images of 3 x 5");
    let flat = Dataset { shape: vec![30], ..dataset.clone() };
    let message = Loader::training(&flat, &flat.train, &how(4)).unwrap_err().to_string();
    assert!(message.ends_with("samples of shape [30] are no images"), "{message}");
    let small = Loader::training(&dataset, &dataset.train, &how(4)).unwrap();
    let message = small.batch(0).fill(&mut [0.0; 119], &mut [0; 4]).unwrap_err().to_string();
    assert_eq!(message, "batch buffers: got 119 inputs and 4 labels, need 120 and 4");
}

#[test]
fn numbers_that_are_stored_as_f32_are_batched_like_bytes() {
    let bytes = images(20);
    let Features::U8(stored) = &bytes.features else { panic!("images are bytes") };
    let floats = Dataset {
        features: Features::F32(stored.iter().map(|&x| x.into()).collect()),
        ..bytes.clone()
    };
    let of = |dataset: &Dataset| {
        epoch(&mut Loader::training(dataset, &dataset.train, &how(5)).unwrap(), 2)
    };
    assert_eq!(of(&bytes), of(&floats));
}

#[test]
fn a_sample_larger_than_what_is_read_ahead_is_filled() {
    let long = Dataset {
        shape: vec![super::AHEAD + 3],
        features: Features::U8((0..3 * (super::AHEAD + 3)).map(|i| (i % 251) as u8).collect()),
        labels: vec![0, 1, 2],
        train: vec![0, 1, 2],
        ..images(1)
    };
    let loader = Loader::evaluation(&long, &long.train, 3, &Normalization::default()).unwrap();
    let mut inputs = vec![f32::NAN; 3 * long.sample_len()];
    loader.batch(0).fill(&mut inputs, &mut [0; 3]).unwrap();
    let Features::U8(stored) = &long.features else { panic!("made of bytes") };
    let need: Vec<f32> = stored.iter().map(|&x| f32::from(x) * (1.0 / 255.0)).collect();
    assert_eq!(inputs, need);
}
