//! Optimizers against PyTorch, and what must hold for all of them.

use std::thread;

use hoyer_kernels::pool::Pool;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::penalty::{ByName, HoyerSquare, TABLE};

/// Largest gap between our `f32` and PyTorch's `f64` weights after 12 steps; the weights are
/// about 1.
const CLOSE: f64 = 1e-6;

#[derive(Deserialize)]
struct Golden {
    shape: Vec<usize>,
    kept: Vec<usize>,
    start: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    config: Config,
    penalty: Option<ByName>,
    lambda: f64,
    weights: Vec<Vec<f64>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../oracle/optimizers.json")).unwrap()
}

#[test]
fn every_method_and_penalty_steps_as_pytorch_does() {
    let golden = golden();
    for case in &golden.cases {
        let parameter = Parameter {
            view: View::of(&golden.shape),
            role: Role::Weight,
            penalty: case.penalty.map(|penalty| penalty.0),
        };
        let method = case.config.build().unwrap();
        let mut optimizer = Optimizer::new(method, &[parameter]);
        let mut weights = golden.start.clone();
        let mut expected = case.weights.iter();
        for (step, gradient) in (1..).zip(&golden.gradients) {
            let tensor = Tensor { weights: &mut weights, gradient, mask: None };
            let pace = Pace { lr: method.lr(), lambda: case.lambda, gradient_scale: 1.0 };
            optimizer.step(pace, [tensor], one_by_one).unwrap();
            if golden.kept.contains(&step) {
                for (got, want) in weights.iter().zip(expected.next().unwrap()) {
                    let gap = (f64::from(*got) - want).abs();
                    assert!(gap < CLOSE, "{:?} {:?} {step}: {gap:e}", case.config, case.penalty);
                }
            }
        }
        assert!(expected.next().is_none());
    }
    let seen = |penalty: &dyn Penalty| {
        golden.cases.iter().any(|case| case.penalty.is_some_and(|p| p.0.name() == penalty.name()))
    };
    assert!(TABLE.into_iter().all(seen), "PyTorch's word on every penalty");
}

#[test]
fn the_golden_file_tells_cases_apart() {
    let golden = golden();
    for (i, a) in golden.cases.iter().enumerate() {
        for b in &golden.cases[..i] {
            let gap = a.weights[2].iter().zip(&b.weights[2]).map(|(a, b)| (a - b).abs());
            assert!(gap.fold(0.0, f64::max) > 100.0 * CLOSE, "{a:?} {b:?}");
        }
    }
}

/// A network of layers that need several chunks, with seeded weights and gradients.
struct Network {
    parameters: Vec<Parameter>,
    weights: Vec<Vec<f32>>,
    masks: Vec<Option<Vec<bool>>>,
}

impl Network {
    fn new(penalty: Option<&'static dyn Penalty>, masked: bool) -> Self {
        let shapes: [(&[usize], Role); 4] = [
            (&[150, 117], Role::Weight),
            (&[40, 30, 3, 3], Role::Weight),
            (&[31], Role::Bias),
            (&[64, 1, 3, 3], Role::Weight),
        ];
        let parameters = shapes.map(|(shape, role)| Parameter {
            view: View::of(shape),
            role,
            penalty: penalty.filter(|_| role == Role::Weight),
        });
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut weights = parameters.map(|p| draw(p.view.len(), &mut rng));
        let masks = weights.each_mut().map(|weights| {
            let mask: Vec<bool> = weights.iter().map(|w| w.abs() > 0.5).collect();
            masked.then_some(mask)
        });
        Self { parameters: parameters.into(), weights: weights.into(), masks: masks.into() }
    }

    /// One step with gradients that depend on the number of steps taken.
    fn step(&mut self, optimizer: &mut Optimizer, run: impl FnOnce(&mut [Job<'_>])) {
        let mut rng = ChaCha8Rng::seed_from_u64(100 + optimizer.steps());
        let gradients: Vec<_> = self.weights.iter().map(|w| draw(w.len(), &mut rng)).collect();
        let layers = self.weights.iter_mut().zip(&gradients).zip(&self.masks);
        let tensors = layers.map(|((weights, gradient), mask)| Tensor {
            weights,
            gradient,
            mask: mask.as_deref(),
        });
        let pace = Pace { lr: 0.01, lambda: 0.01, gradient_scale: 0.5 };
        optimizer.step(pace, tensors, run).unwrap();
    }
}

fn draw(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn methods() -> Vec<Method> {
    let decay = Decay { weights: 0.1, biases: 0.01, norms: 0.0 };
    let nesterov = SgdConfig { nesterov: true, decay, ..SgdConfig::default() };
    let heavy = RmsPropConfig { momentum: 0.9, decay, ..RmsPropConfig::default() };
    let configs = [
        Config::Sgd(SgdConfig { momentum: 0.0, decay, ..nesterov.plain() }),
        Config::Sgd(nesterov),
        Config::Adam(AdamConfig { decay, ..AdamConfig::default() }),
        Config::AdamW(AdamWConfig { decay, ..AdamWConfig::default() }),
        Config::RmsProp(RmsPropConfig { momentum: 0.0, ..heavy }),
        Config::RmsProp(heavy),
    ];
    configs.into_iter().map(|config| config.build().unwrap()).collect()
}

impl SgdConfig {
    fn plain(self) -> Self {
        Self { nesterov: false, ..self }
    }
}

/// Every method with every penalty and with none.
fn pairs() -> impl Iterator<Item = (Method, Option<&'static dyn Penalty>)> {
    methods().into_iter().flat_map(|method| {
        let penalties = TABLE.into_iter().map(Some).chain([None]);
        penalties.map(move |penalty| (method, penalty))
    })
}

/// Runs jobs last to first on three threads.
fn scattered(jobs: &mut [Job<'_>]) {
    let share = jobs.len().div_ceil(3);
    thread::scope(|scope| {
        for part in jobs.chunks_mut(share) {
            scope.spawn(|| part.iter_mut().rev().for_each(Job::run));
        }
    });
}

#[test]
fn the_threads_that_run_the_jobs_do_not_matter_to_the_bit() {
    for (method, penalty) in pairs() {
        let pooled = |jobs: &mut [Job<'_>]| on(&Pool::new(2))(jobs);
        let runs: [fn(&mut [Job<'_>]); 3] = [one_by_one, scattered, pooled];
        let [a, b, c] = runs.map(|run| {
            let mut network = Network::new(penalty, false);
            let mut optimizer = Optimizer::new(method, &network.parameters);
            (0..4).for_each(|_| network.step(&mut optimizer, run));
            (network.weights, optimizer.state(), optimizer.penalty().to_bits())
        });
        assert!(a == b && b == c, "{method:?} {penalty:?}");
    }
}

#[test]
fn a_resumed_run_ends_where_an_uninterrupted_one_does_to_the_bit() {
    for (method, penalty) in pairs() {
        let mut network = Network::new(penalty, true);
        let mut optimizer = Optimizer::new(method, &network.parameters);
        (0..3).for_each(|_| network.step(&mut optimizer, one_by_one));
        let saved = serde_json::to_string(&optimizer.state()).unwrap();
        let mut resumed =
            Network { weights: network.weights.clone(), ..Network::new(penalty, true) };
        resumed.masks.clone_from(&network.masks);
        (0..3).for_each(|_| network.step(&mut optimizer, one_by_one));

        let mut second = Optimizer::new(method, &resumed.parameters);
        second.restore(serde_json::from_str(&saved).unwrap()).unwrap();
        (0..3).for_each(|_| resumed.step(&mut second, one_by_one));
        assert!(network.weights == resumed.weights, "{method:?} {penalty:?}");
        assert!(optimizer.state() == second.state(), "{method:?} {penalty:?}");
    }
}

#[test]
fn masks_hold_through_momentum_decay_and_penalties() {
    for (method, penalty) in pairs() {
        let mut network = Network::new(penalty, false);
        let mut optimizer = Optimizer::new(method, &network.parameters);
        (0..3).for_each(|_| network.step(&mut optimizer, one_by_one));
        network.masks = Network::new(penalty, true).masks;
        (0..3).for_each(|_| network.step(&mut optimizer, one_by_one));
        let state = optimizer.state();
        for (i, mask) in network.masks.iter().enumerate() {
            for (at, _) in mask.iter().flatten().enumerate().filter(|(_, alive)| !*alive) {
                assert_eq!(network.weights[i][at].to_bits(), 0, "{method:?} {penalty:?}");
                let Moments { first, second } = &state.moments[i];
                assert!(first.get(at).is_none_or(|x| x.to_bits() == 0));
                assert!(second.get(at).is_none_or(|x| x.to_bits() == 0));
            }
            let living = network.weights[i].iter().filter(|w| **w != 0.0).count();
            assert!(living > network.weights[i].len() / 3);
        }
    }
}

#[test]
fn the_penalty_reported_is_that_of_the_weights() {
    for penalty in TABLE {
        let mut network = Network::new(Some(penalty), true);
        let mut optimizer = Optimizer::new(methods()[2], &network.parameters);
        for _ in 0..3 {
            network.step(&mut optimizer, one_by_one);
            let layers = network.weights.iter().zip(&network.parameters);
            let values = layers.filter(|(_, p)| p.penalty.is_some()).map(|(weights, p)| {
                let weights: Vec<f64> = weights.iter().map(|w| f64::from(*w)).collect();
                penalty.value(crate::penalty::Weights::new(&weights, p.view).unwrap())
            });
            let gap = optimizer.penalty() / values.sum::<f64>() - 1.0;
            assert!(gap.abs() < 1e-6, "{penalty:?} {gap:e}");
        }
    }
}

#[test]
fn weights_changed_from_outside_are_summed_anew() {
    let [told, untold, restored] = [0, 1, 2].map(|how| {
        let mut network = Network::new(Some(&HoyerSquare), false);
        let mut optimizer = Optimizer::new(methods()[2], &network.parameters);
        network.step(&mut optimizer, one_by_one);
        network.weights[0][..9000].fill(0.0);
        match how {
            0 => optimizer.weights_changed(),
            1 => {}
            _ => {
                let state = optimizer.state();
                optimizer = Optimizer::new(methods()[2], &network.parameters);
                optimizer.restore(state).unwrap();
            }
        }
        assert_eq!(optimizer.penalty().is_nan(), how != 1);
        network.step(&mut optimizer, one_by_one);
        network.weights
    });
    assert!(told == restored && told != untold);
}

#[test]
fn decay_follows_the_role() {
    let decay = Decay { weights: 0.5, biases: 0.25, norms: 0.125 };
    let config = SgdConfig { momentum: 0.0, decay, ..SgdConfig::default() };
    let roles = [Role::Weight, Role::Bias, Role::NormScale, Role::NormShift];
    let parameters = roles.map(|role| Parameter { view: View::of(&[1]), role, penalty: None });
    let mut optimizer = Optimizer::new(Config::Sgd(config).build().unwrap(), &parameters);
    let mut weights = [[1.0_f32]; 4];
    let tensors =
        weights.iter_mut().map(|weights| Tensor { weights, gradient: &[0.0], mask: None });
    let pace = Pace { lr: 1.0, lambda: 0.0, gradient_scale: 1.0 };
    optimizer.step(pace, tensors, one_by_one).unwrap();
    assert_eq!(weights, [[0.5], [0.75], [0.875], [0.875]]);
}

fn optimizer(view: View) -> Optimizer {
    let parameter = Parameter { view, role: Role::Weight, penalty: None };
    Optimizer::new(Config::default().build().unwrap(), &[parameter])
}

const PACE: Pace = Pace { lr: 0.1, lambda: 0.0, gradient_scale: 1.0 };

#[test]
fn tensors_of_another_network_are_refused_and_nothing_moves() {
    let mut weights = [1.0; 3];
    let mut try_with = |tensors: usize, len: usize, mask: Option<&[bool]>| {
        let parts = weights.chunks_mut(len).take(tensors);
        let gradient = &[1.0; 3][..len.min(2)];
        let tensors = parts.map(|weights| Tensor { weights, gradient, mask });
        let mut optimizer = optimizer(View::of(&[2]));
        let error = optimizer.step(PACE, tensors, one_by_one).unwrap_err();
        assert_eq!(optimizer.steps(), 0);
        error.to_string()
    };
    let count = "tensors of the network: got 0 entries, need 1";
    assert_eq!(try_with(0, 2, None), count);
    assert_eq!(try_with(1, 3, None), "weights of tensor 0: got 3 entries, need 2");
    assert_eq!(try_with(1, 1, None), "weights of tensor 0: got 1 entries, need 2");
    assert_eq!(try_with(1, 2, Some(&[])), "mask of tensor 0: got 0 entries, need 2");
    assert_eq!(try_with(2, 2, None), "tensors of the network: got 2 entries, need 1");
    assert_eq!(weights, [1.0; 3]);
}

#[test]
fn a_state_of_another_network_or_method_is_refused() {
    let mut adam = optimizer(View::of(&[2]));
    let wrong = optimizer(View::of(&[3])).state();
    let error = adam.restore(wrong).unwrap_err().to_string();
    assert_eq!(error, "first optimizer state of tensor 0: got 3 entries, need 2");
    let error = adam.restore(State::default()).unwrap_err().to_string();
    assert_eq!(error, "tensors of the network: got 0 entries, need 1");
}

#[test]
fn a_pace_out_of_range_is_refused() {
    let error = |pace: Pace| {
        let mut weights = [1.0; 2];
        let tensor = Tensor { weights: &mut weights, gradient: &[0.0; 2], mask: None };
        optimizer(View::of(&[2])).step(pace, [tensor], one_by_one).unwrap_err().to_string()
    };
    assert_eq!(error(Pace { lr: f64::NAN, ..PACE }), "lr = NaN, need [0, inf)");
    assert_eq!(error(Pace { lambda: -1.0, ..PACE }), "lambda = -1, need [0, inf)");
    let clipped = Pace { gradient_scale: f64::INFINITY, ..PACE };
    assert_eq!(error(clipped), "gradient_scale = inf, need [0, inf)");
}

#[test]
#[should_panic(expected = "every job of a step must be run")]
fn a_job_left_undone_is_noticed() {
    let mut weights = [1.0; 2];
    let tensor = Tensor { weights: &mut weights, gradient: &[0.0; 2], mask: None };
    let _ = optimizer(View::of(&[2])).step(PACE, [tensor], |_| ());
}

#[test]
fn a_step_of_an_empty_tensor_does_nothing() {
    for penalty in TABLE {
        let view = View { out: 0, inp: 3, taps: 1 };
        let parameter = Parameter { view, role: Role::Weight, penalty: Some(penalty) };
        let mut optimizer = Optimizer::new(Config::default().build().unwrap(), &[parameter]);
        let tensor = Tensor { weights: &mut [], gradient: &[], mask: None };
        optimizer.step(PACE, [tensor], one_by_one).unwrap();
        assert_eq!(optimizer.penalty(), 0.0);
    }
}

fn parse_error(toml: &str) -> String {
    toml::from_str::<Config>(toml).unwrap_err().message().to_owned()
}

#[test]
fn configs_with_unknown_names_or_fields_are_refused() {
    assert!(parse_error("name = \"adan\"").starts_with("unknown variant `adan`"));
    assert!(parse_error("name = \"adam\"\nmomentum = 0.9").starts_with("unknown field `momentum`"));
    let typo = "name = \"sgd\"\ndecay = { weight = 1.0 }";
    assert!(parse_error(typo).starts_with("unknown field `weight`"), "{}", parse_error(typo));
}

#[test]
fn configs_survive_toml() {
    for method in methods() {
        let text = toml::to_string(&method.config()).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), method.config(), "{text}");
    }
}

#[test]
fn hyper_parameters_out_of_range_are_refused() {
    let error =
        |toml: &str| toml::from_str::<Config>(toml).unwrap().build().unwrap_err().to_string();
    assert_eq!(error("name = \"adam\"\nbeta2 = 1.0"), "beta2 = 1, need [0, 1)");
    assert_eq!(error("name = \"adamw\"\nlr = -0.1"), "lr = -0.1, need [0, inf)");
    assert_eq!(error("name = \"rmsprop\"\neps = 0.0"), "eps = 0, need at least 1e-30");
    assert_eq!(error("name = \"sgd\"\nmomentum = nan"), "momentum = NaN, need [0, 1)");
    let decay = "name = \"sgd\"\ndecay = { norms = -1 }";
    assert_eq!(error(decay), "decay.norms = -1, need [0, inf)");
    let nesterov = "name = \"sgd\"\nnesterov = true\nmomentum = 0.0";
    assert_eq!(error(nesterov), "nesterov needs a momentum above 0");
}
