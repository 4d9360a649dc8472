//! What holds for every penalty, and what sets single ones apart.

use hoyer_graph::check::gradient_error;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::check;

/// A matrix, a convolution and a vector, none a multiple of anything.
const VIEWS: [View; 3] = [
    View { out: 7, inp: 5, taps: 1 },
    View { out: 3, inp: 4, taps: 9 },
    View { out: 11, inp: 1, taps: 1 },
];

const SCALE_INVARIANT: [&dyn Penalty; 3] = [&Hoyer, &HoyerSquare, &GroupHoyerSquare];

/// Seeded weights between 0.1 and 1, of either sign: away from the kink at 0.
fn point(seed: u64, view: View) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let weight = |_| rng.random_range(0.1..1.0) * if rng.random() { 1.0 } else { -1.0 };
    (0..view.len()).map(weight).collect()
}

fn points() -> impl Iterator<Item = (Vec<f64>, View)> {
    (0..8).flat_map(|seed| VIEWS.map(|view| (point(seed, view), view)))
}

fn at(data: &[f64], view: View) -> Weights<'_> {
    Weights::new(data, view).unwrap()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn gradients_match_central_differences_and_the_fused_pass() {
    for (w, view) in points() {
        for penalty in TABLE {
            let error = check::penalty(penalty, &w, view).unwrap();
            let right =
                error.gradient < 1e-6 && error.fused_value < 1e-5 && error.fused_gradient < 1e-5;
            assert!(right, "{penalty:?} {view:?} {error:?}");
        }
    }
}

#[test]
fn the_check_sees_a_wrong_gradient() {
    for (w, view) in points() {
        for penalty in TABLE {
            let mut gradient = penalty.gradient(at(&w, view));
            let largest = gradient.iter_mut().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
            *largest /= 2.0;
            let error = gradient_error(|w| penalty.value(at(w, view)), &w, &gradient);
            assert!(error > 1e-3, "{penalty:?} {view:?} {error:e}");
        }
    }
}

/// [`L1`] whose fused form claims twice the value and half the slope.
#[derive(Debug)]
struct WronglyFused;

impl Penalty for WronglyFused {
    fn name(&self) -> &'static str {
        "wrongly-fused"
    }
    fn value(&self, weights: Weights<'_>) -> f64 {
        L1.value(weights)
    }
    fn gradient(&self, weights: Weights<'_>) -> Vec<f64> {
        L1.gradient(weights)
    }
    fn form(&self) -> Form {
        Form::Sign
    }
    fn value_of(&self, sums: &Sums) -> f64 {
        2.0 * sums.magnitude
    }
    fn factors(&self, _: &Sums, lambda: f64, factors: &mut Factors) {
        factors.sign = lambda / 2.0;
    }
}

#[test]
fn the_check_sees_a_wrong_fused_form() {
    let w = point(0, VIEWS[0]);
    let error = check::penalty(&WronglyFused, &w, VIEWS[0]).unwrap();
    assert!(error.gradient < 1e-6);
    assert!((error.fused_value - 1.0).abs() < 1e-5);
    assert!((error.fused_gradient - 0.5).abs() < 1e-5);
}

#[test]
fn scale_invariant_penalties_are_blind_to_scale() {
    for (w, view) in points() {
        let scaled: Vec<f64> = w.iter().map(|w| -37.5 * w).collect();
        for penalty in SCALE_INVARIANT {
            let (value, gradient) = (penalty.value(at(&w, view)), penalty.gradient(at(&w, view)));
            let across = dot(&w, &gradient) / value;
            assert!(across.abs() < 1e-12, "{penalty:?} {view:?} {across:e}");
            let moved = penalty.value(at(&scaled, view)) / value - 1.0;
            assert!(moved.abs() < 1e-12, "{penalty:?} {view:?} {moved:e}");
        }
    }
}

#[test]
fn a_tensor_of_zeros_has_no_penalty_and_no_gradient() {
    for (penalty, view) in TABLE.into_iter().flat_map(|p| VIEWS.map(|view| (p, view))) {
        let zeros = vec![0.0; view.len()];
        assert_eq!(penalty.value(at(&zeros, view)), 0.0, "{penalty:?}");
        assert_eq!(penalty.gradient(at(&zeros, view)), zeros, "{penalty:?}");
        let error = check::penalty(penalty, &zeros, view).unwrap();
        assert_eq!((error.fused_value, error.fused_gradient), (0.0, 0.0), "{penalty:?}");
    }
}

#[test]
fn a_zero_weight_has_no_gradient() {
    for (mut w, view) in points() {
        w.iter_mut().step_by(3).for_each(|w| *w = 0.0);
        // A whole output, so that a group is empty as well.
        w[..view.width()].fill(0.0);
        for penalty in TABLE {
            let gradient = penalty.gradient(at(&w, view));
            for (w, g) in w.iter().zip(&gradient) {
                assert!(*w != 0.0 || *g == 0.0, "{penalty:?} {view:?}");
                assert!(g.is_finite(), "{penalty:?} {view:?}");
            }
            let error = check::penalty(penalty, &w, view).unwrap();
            assert!(
                error.fused_value < 1e-5 && error.fused_gradient < 1e-5,
                "{penalty:?} {error:?}"
            );
        }
    }
}

#[test]
fn hoyer_square_shrinks_what_is_below_its_threshold_and_lets_the_rest_grow() {
    for (w, view) in points() {
        let (magnitude, squares) = at(&w, view).magnitude_and_squares();
        let threshold = squares / magnitude;
        let gradient = HoyerSquare.gradient(at(&w, view));
        assert!(w.iter().any(|w| w.abs() < threshold) && w.iter().any(|w| w.abs() > threshold));
        for (w, g) in w.iter().zip(&gradient) {
            // Descent moves by -g: towards zero if g has the sign of w.
            assert_eq!(w * g > 0.0, w.abs() < threshold, "{w} {threshold}");
        }
    }
}

#[test]
fn hoyer_square_raises_its_threshold_as_a_tensor_empties() {
    let threshold = |w: &[f64]| {
        let (magnitude, squares) = at(w, View::of(&[w.len()])).magnitude_and_squares();
        squares / magnitude
    };
    let mut w = point(1, View::of(&[30]));
    w.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    for i in 0..w.len() - 1 {
        let before = threshold(&w);
        w[i] = 0.0;
        assert!(threshold(&w) > before);
    }
}

#[test]
fn hoyer_square_counts_equal_weights_and_hoyer_takes_the_root() {
    for nonzero in 1..12 {
        let mut w = [0.0; 12];
        w[..nonzero].fill(-0.3);
        let w = at(&w, View::of(&[3, 4]));
        assert!((HoyerSquare.value(w) - nonzero as f64).abs() < 1e-12);
        assert!((Hoyer.value(w) - (nonzero as f64).sqrt()).abs() < 1e-12);
    }
}

#[test]
fn the_hoyers_stay_between_one_and_their_dimension() {
    for (w, view) in points() {
        let n = view.len() as f64;
        let (square, root) = (HoyerSquare.value(at(&w, view)), Hoyer.value(at(&w, view)));
        assert!(square > 1.0 && square < n);
        assert!(root > 1.0 && root < n.sqrt());
        assert!((root * root / square - 1.0).abs() < 1e-12);
    }
}

#[test]
fn group_penalties_agree_with_sums_written_out_index_by_index() {
    let view @ View { out, inp, taps } = VIEWS[1];
    let w = point(4, view);
    let (mut s_out, mut s_in, mut q) = (0.0, 0.0, 0.0);
    for o in 0..out {
        let mut squares = 0.0;
        for (i, t) in (0..inp).flat_map(|i| (0..taps).map(move |t| (i, t))) {
            squares += w[(o * inp + i) * taps + t].powi(2);
        }
        q += squares;
        s_out += squares.sqrt();
    }
    for i in 0..inp {
        let mut squares = 0.0;
        for (o, t) in (0..out).flat_map(|o| (0..taps).map(move |t| (o, t))) {
            squares += w[(o * inp + i) * taps + t].powi(2);
        }
        s_in += squares.sqrt();
    }
    assert!((GroupLasso.value(at(&w, view)) - s_out - s_in).abs() < 1e-12);
    let hoyer = (s_out * s_out + s_in * s_in) / q;
    assert!((GroupHoyerSquare.value(at(&w, view)) - hoyer).abs() < 1e-12);
}

#[test]
fn group_hoyer_square_shrinks_weak_groups_and_lets_strong_ones_grow() {
    // Three outputs of norms 3, 1 and 0.5 over one input each way: only outputs differ.
    let view = View { out: 3, inp: 1, taps: 2 };
    let w = [1.8, 2.4, 0.6, 0.8, 0.3, -0.4];
    let gradient = GroupHoyerSquare.gradient(at(&w, view));
    let (sum, squares) = (3.0 + 1.0 + 0.5, 9.0 + 1.0 + 0.25);
    assert!(squares / sum < 3.0 && squares / sum > 1.0);
    let radial = |o: usize| dot(&w[2 * o..][..2], &gradient[2 * o..][..2]);
    assert!(radial(0) < 0.0 && radial(1) > 0.0 && radial(2) > 0.0);
}

#[test]
fn factors_fit_an_f32_as_long_as_a_tensor_is_not_empty() {
    let n = 10_000_000.0;
    for squares in [1e-30, 1e-20, 1.0, 1e12] {
        // The most even tensor has the largest sum for its squares.
        let magnitude = f64::sqrt(n * squares);
        let sums =
            Sums { magnitude, squares, outputs: vec![squares / n; 9], inputs: vec![squares] };
        for penalty in TABLE {
            let mut factors = Factors::default();
            penalty.factors(&sums, 1.0, &mut factors);
            let all = factors.outputs.iter().chain(&factors.inputs);
            for factor in all.chain([&factors.sign, &factors.scale]) {
                assert!((*factor as f32).is_finite(), "{penalty:?} {squares:e} {factor:e}");
            }
        }
    }
}

#[test]
fn names_are_unique_and_lead_back_to_their_penalty() {
    for (i, penalty) in TABLE.into_iter().enumerate() {
        let found: ByName = penalty.name().parse().unwrap();
        assert_eq!(found.to_string(), penalty.name());
        assert!(TABLE[..i].iter().all(|other| other.name() != penalty.name()));
    }
}

#[test]
fn penalties_are_written_as_their_names() {
    let json = serde_json::to_string(&ByName(&GroupLasso)).unwrap();
    assert_eq!(json, "\"group-lasso\"");
    assert_eq!(serde_json::from_str::<ByName>(&json).unwrap(), ByName(&GroupLasso));
    let error = serde_json::from_str::<ByName>("\"hoier\"").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no penalty `hoier`; known are l1, transformed-l1, hoyer, hoyer-square, \
         group-lasso, group-hoyer-square"
    );
}

#[test]
fn weights_that_do_not_fill_their_view_are_refused() {
    let error = Weights::new(&[0.0; 5], View::of(&[2, 3])).unwrap_err().to_string();
    assert_eq!(error, "View { out: 2, inp: 3, taps: 1 }: got 5 entries, need 6");
}
