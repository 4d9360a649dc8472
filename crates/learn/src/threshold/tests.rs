//! Masks and rankings against a plain sort.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Layers with zeros and many ties: weights are multiples of 0.1.
fn layers(seed: u64) -> Vec<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scale = [1.0, 0.25, 4.0, 1.0];
    let mut layer = |(len, scale): (usize, f32)| {
        (0..len).map(|_| scale * rng.random_range(-9_i32..10) as f32 / 10.0).collect()
    };
    [37, 120, 1, 0].into_iter().zip(scale).map(&mut layer).collect()
}

fn cases() -> impl Iterator<Item = Vec<Vec<f32>>> {
    (0..8).map(layers)
}

fn slices(layers: &[Vec<f32>]) -> Vec<&[f32]> {
    layers.iter().map(Vec::as_slice).collect()
}

/// Cuts weights one by one, each time the first of the smallest, until `kept` are left.
fn cut_one_by_one(layers: &[&[f32]], kept: usize) -> Vec<Vec<bool>> {
    let mut masks: Vec<Vec<bool>> =
        layers.iter().map(|layer| layer.iter().map(|w| *w != 0.0).collect()).collect();
    while masks.iter().flatten().filter(|keep| **keep).count() > kept {
        let places = (0..layers.len()).flat_map(|l| (0..layers[l].len()).map(move |i| (l, i)));
        let mut smallest: Option<(usize, usize)> = None;
        for (l, i) in places.filter(|(l, i)| masks[*l][*i]) {
            if smallest.is_none_or(|(m, j)| layers[l][i].abs() < layers[m][j].abs()) {
                smallest = Some((l, i));
            }
        }
        let (l, i) = smallest.unwrap();
        masks[l][i] = false;
    }
    masks
}

fn assert_masks(got: &[Mask], want: &[Vec<bool>]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert_eq!(got.keep, *want);
        assert_eq!(got.kept, want.iter().filter(|keep| **keep).count());
    }
}

#[test]
fn global_sparsity_cuts_as_if_one_by_one() {
    for (layers, percent) in cases().flat_map(|l| [0, 7, 50, 90, 99].map(|p| (l.clone(), p))) {
        let layers = slices(&layers);
        let total: usize = layers.iter().map(|layer| layer.len()).sum();
        let zeros = (total * percent).div_ceil(100);
        let masks = Threshold::GlobalSparsity(percent as f64 / 100.0).masks(&layers).unwrap();
        assert_masks(&masks, &cut_one_by_one(&layers, total - zeros));
    }
}

#[test]
fn layer_sparsity_cuts_every_layer_by_itself() {
    for (layers, percent) in cases().flat_map(|l| [0, 7, 50, 90, 99].map(|p| (l.clone(), p))) {
        let masks =
            Threshold::LayerSparsity(percent as f64 / 100.0).masks(&slices(&layers)).unwrap();
        for (mask, layer) in masks.iter().zip(&layers) {
            let zeros = (layer.len() * percent).div_ceil(100);
            let want = cut_one_by_one(&[layer], layer.len() - zeros);
            assert_masks(std::slice::from_ref(mask), &want);
        }
    }
}

#[test]
fn thresholds_keep_what_is_not_below_them_and_not_zero() {
    for (layers, threshold) in cases().flat_map(|l| [0.0, 0.3, 5.0].map(|t| (l.clone(), t))) {
        let masks = Threshold::Absolute(f64::from(threshold)).masks(&slices(&layers)).unwrap();
        let keep = |w: &f32| *w != 0.0 && w.abs() >= threshold;
        let want: Vec<Vec<bool>> =
            layers.iter().map(|layer| layer.iter().map(keep).collect()).collect();
        assert_masks(&masks, &want);
    }
}

#[test]
fn deviation_thresholds_scale_with_each_layer() {
    for (layers, share) in cases().flat_map(|l| [0.0, 0.03, 0.8].map(|s| (l.clone(), s))) {
        let masks = Threshold::Deviation(share).masks(&slices(&layers)).unwrap();
        let cut = |layer: &Vec<f32>| {
            let t = share * deviation(layer);
            layer.iter().map(|w| *w != 0.0 && f64::from(w.abs()) >= t).collect()
        };
        assert_masks(&masks, &layers.iter().map(cut).collect::<Vec<_>>());
    }
}

#[test]
fn the_deviation_is_that_of_pytorch() {
    #[derive(Deserialize)]
    struct Golden {
        start: Vec<f32>,
        std: f64,
    }
    let text = include_str!("../../../../oracle/optimizers.json");
    let Golden { start, std } = serde_json::from_str(text).unwrap();
    assert!((deviation(&start) / std - 1.0).abs() < 1e-12);
    assert_eq!(deviation(&start[..1]), 0.0);
    assert_eq!(deviation(&[]), 0.0);
}

#[test]
fn a_second_round_never_brings_a_weight_back() {
    let (first, second) = (Threshold::GlobalSparsity(0.6), Threshold::GlobalSparsity(0.3));
    for mut layers in cases() {
        let masks = first.masks(&slices(&layers)).unwrap();
        for (layer, mask) in layers.iter_mut().zip(&masks) {
            layer.iter_mut().zip(&mask.keep).filter(|x| !*x.1).for_each(|x| *x.0 = 0.0);
        }
        for rule in [second, Threshold::Absolute(0.0), Threshold::Deviation(0.0)] {
            assert_eq!(rule.masks(&slices(&layers)).unwrap(), masks, "{rule:?}");
        }
    }
}

#[test]
fn a_ranking_answers_for_every_number_of_weights() {
    for layers in cases() {
        let layers = slices(&layers);
        let ranking = Ranking::new(&layers, Scale::Magnitude).unwrap();
        let living = layers.iter().copied().flatten().filter(|w| **w != 0.0).count();
        assert_eq!((ranking.total(), ranking.living()), (158, living));
        for kept in 0..=ranking.total() {
            let masks = ranking.masks(kept);
            assert_masks(&masks, &cut_one_by_one(&layers, kept));
            assert_eq!(ranking.kept_in_layers(kept).iter().sum::<usize>(), kept.min(living));
            let threshold = ranking.threshold_keeping(kept);
            let above = Threshold::Absolute(f64::from(threshold.min(f32::MAX))).masks(&layers);
            let above: usize = above.unwrap().iter().map(|mask| mask.kept).sum();
            assert_eq!(ranking.kept_at(threshold), above);
            assert!(above >= kept.min(living));
            assert!(ranking.kept_at(threshold.next_up()) < kept.max(1));
        }
    }
}

#[test]
fn a_ranking_by_deviation_cuts_as_shares_of_the_deviation_do() {
    for seed in 0..8 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let layers = [200, 55].map(|n| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect());
        let layers: [Vec<f32>; 2] = layers;
        let ranking = Ranking::new(&slices(&layers), Scale::Deviation).unwrap();
        for share in [0.01, 0.1, 0.5, 1.0, 3.0] {
            let want = Threshold::Deviation(share).masks(&slices(&layers)).unwrap();
            assert_eq!(ranking.masks(ranking.kept_at(share as f32)), want);
        }
    }
}

#[test]
fn tiny_weights_of_a_wide_layer_still_count_as_alive() {
    let layer = [1e-40_f32, -1e38, 1e38, 0.0];
    let ranking = Ranking::new(&[&layer], Scale::Deviation).unwrap();
    assert_eq!(ranking.living(), 3);
    assert_eq!(ranking.masks(4)[0].keep, [true, true, true, false]);
}

#[test]
fn equal_weights_have_no_deviation_and_all_stay() {
    let layer = [0.5_f32; 6];
    assert_eq!(Threshold::Deviation(3.0).masks(&[&layer]).unwrap()[0].kept, 6);
    assert_eq!(Ranking::new(&[&layer], Scale::Deviation).unwrap().kept_at(3.0), 6);
}

#[test]
fn a_sparsity_is_reached_and_not_overshot() {
    for total in [1, 2, 3, 10, 100, 266_200, 430_500] {
        for percent in 0..100 {
            let zeros = total - kept_at_sparsity(f64::from(percent) / 100.0, total);
            assert_eq!(zeros, (total * percent as usize).div_ceil(100), "{percent} % of {total}");
        }
    }
}

#[test]
fn bad_numbers_are_refused_by_name() {
    let error = |rule: Threshold| rule.masks(&[&[1.0]]).unwrap_err().to_string();
    assert_eq!(error(Threshold::Deviation(-0.1)), "deviation = -0.1, need [0, inf)");
    assert_eq!(error(Threshold::GlobalSparsity(1.0)), "global-sparsity = 1, need [0, 1)");
    assert_eq!(error(Threshold::LayerSparsity(f64::NAN)), "layer-sparsity = NaN, need [0, 1)");
    let nan = Threshold::Absolute(0.1).masks(&[&[1.0], &[0.0, f32::NAN]]).unwrap_err();
    assert_eq!(nan.to_string(), "weight 1 of layer 1 is NaN, need a finite number");
    assert!(Ranking::new(&[&[f32::INFINITY]], Scale::Magnitude).is_err());
}

#[test]
fn rules_are_read_by_name() {
    #[derive(Debug, Deserialize)]
    struct Recipe {
        threshold: Threshold,
    }
    let read = |toml: &str| toml::from_str::<Recipe>(toml).map(|recipe| recipe.threshold);
    let rule = read("threshold = { deviation = 0.03 }").unwrap();
    assert_eq!(rule, Threshold::Deviation(0.03));
    let rule = read("threshold = { global-sparsity = 0.98 }").unwrap();
    assert_eq!(rule, Threshold::GlobalSparsity(0.98));
    let error = read("threshold = { sparsity = 0.98 }").unwrap_err().message().to_owned();
    assert!(error.starts_with("unknown variant `sparsity`"), "{error}");
}
