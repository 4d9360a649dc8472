//! Tests of `result.json`: nothing is lost on the way, and contradictions are caught.

use super::*;
use hoyer_learn::record::{EpochRecord, StageKind, StageRecord};

fn dense() -> Dense {
    Dense {
        metric: 0.9852,
        validation_metric: Some(0.9861),
        weights: 266_200,
        weights_with_biases: 266_610,
        params: 266_610,
        macs: 266_200,
        file_bytes: 1_066_440,
        latency_us: Some(21.7),
    }
}

fn compressed() -> Compressed {
    Compressed {
        metric: 0.9841,
        validation_metric: Some(0.985),
        weights: 266_200,
        weights_with_biases: 266_610,
        params: 266_610,
        macs: 266_200,
        file_bytes: 41_003,
        latency_us: Some(3.1),
        weights_nonzero: 4_884,
        weights_with_biases_nonzero: 5_294,
        params_nonzero: 5_294,
        macs_nonzero: 4_884,
        bits: 32.0,
    }
}

fn layer(name: &str, shape: [u64; 2], nonzero: u64) -> Layer {
    let total = shape[0] * shape[1];
    let (name, kind) = (name.into(), "Gemm".into());
    let shape = shape.to_vec();
    Layer { name, kind, shape, nonzero, total, bits: 32.0, macs: total, macs_nonzero: nonzero }
}

fn result() -> RunResult {
    let epoch = EpochRecord { epoch: 1, train_loss: Some(0.1 + 0.2), ..EpochRecord::default() };
    let stage = StageRecord { epochs: vec![epoch], ..StageRecord::new(StageKind::Train) };
    let mut result = RunResult {
        schema: RESULT_VERSION,
        hoyer: "0.1.0".into(),
        model: "lenet-300-100".into(),
        data: "mnist".into(),
        method: "hoyer-square".into(),
        metric: "accuracy".into(),
        seed: 7,
        seconds: 301.25,
        epochs: 1,
        threads: 2,
        machine: Machine { cpu: "a processor".into(), cores: 2 },
        command: "hoyer compress lenet-300-100 --data mnist -o out".into(),
        promises: vec![Promise::judge(Quantity::Metric, 0.984, 0.985).on(Split::Validation)],
        stages: vec![stage],
        dense: dense(),
        compressed: compressed(),
        ratios: Ratios::of(&dense(), &compressed()),
        layers: vec![
            layer("fc1.weight", [300, 784], 4_000),
            layer("fc2.weight", [100, 300], 800),
            layer("fc3.weight", [10, 100], 84),
        ],
        test_metric: 0.9841,
        test_best_epoch: Some(0.9846),
        seeds: Vec::new(),
        seed_summary: None,
    };
    let mut other = SeedRun::from(&result);
    (other.seed, other.test_metric) = (8, 0.9849);
    result.seeds = vec![SeedRun::from(&result), other];
    result.seed_summary = SeedSummary::of(&result.seeds);
    result
}

#[test]
fn json_gives_the_result_back_to_the_last_bit() {
    let text = result().to_json().unwrap();
    assert_eq!(RunResult::from_json(&text).unwrap(), result());
}

#[test]
fn ratios_are_of_the_counts_they_name() {
    let ratios = Ratios::of(&dense(), &compressed());
    assert_eq!(ratios.weights, Some(266_200.0 / 4_884.0));
    assert_eq!(ratios.weights_with_biases, Some(266_610.0 / 5_294.0));
    assert_eq!(ratios.file_bytes, Some(4.0 * 266_610.0 / 41_003.0));
    assert_eq!(ratios.latency, Some(21.7 / 3.1));
}

#[test]
fn a_network_without_weights_has_no_ratio() {
    let empty = Compressed { weights_nonzero: 0, latency_us: None, ..compressed() };
    let ratios = Ratios::of(&dense(), &empty);
    assert_eq!((ratios.weights, ratios.latency), (None, None));
}

#[test]
fn another_schema_is_refused_by_number() {
    let text = result().to_json().unwrap().replace("\"schema\": 1", "\"schema\": 99");
    let error = RunResult::from_json(&text).unwrap_err().to_string();
    assert_eq!(error, "result has schema 99, this build reads 1");
}

#[test]
fn text_that_is_no_result_is_refused() {
    for text in ["", "[]", "{\"schema\": 1}", "{\"schema\": \"1\"}", "{\"schema\": 1e400}"] {
        let error = RunResult::from_json(text).unwrap_err();
        assert!(matches!(error, Error::ResultText { .. }), "{text:?}: {error}");
    }
}

type Change = fn(&mut RunResult);

/// Whether [`RunResult::check`] objects to `change`, and the words it does so with.
fn objection(change: Change) -> String {
    let mut result = result();
    change(&mut result);
    result.check().map_or_else(|error| error.to_string(), |()| "none".into())
}

#[test]
fn contradictions_are_named() {
    assert_eq!(objection(|_| ()), "none");
    let cases: [(&str, Change); 9] = [
        ("test_metric", |r| r.test_metric = 0.99),
        ("test_metric", |r| (r.test_metric, r.compressed.metric) = (f64::NAN, f64::NAN)),
        ("epochs", |r| r.epochs += 1),
        ("compressed.weights_nonzero", |r| r.layers[0].nonzero -= 1),
        ("nonzero of layer `fc3.weight`", |r| r.layers[2].nonzero = 1_001),
        ("ratios", |r| r.ratios.params = Some(1e9)),
        ("dense.file_bytes", |r| r.dense.file_bytes += 1),
        ("kept", |r| r.promises[0].kept = false),
        ("seed_summary", |r| r.seed_summary = None),
    ];
    for (what, change) in cases {
        let said = objection(change);
        assert!(said.starts_with(&format!("{what}: got ")), "{what}: {said}");
    }
}

#[test]
fn a_contradiction_is_never_written() {
    let mut wrong = result();
    wrong.epochs = 99;
    let error = wrong.to_json().unwrap_err().to_string();
    assert_eq!(error, "epochs: got 99, need 1 as the rest of the result says");
}

#[test]
fn promises_hold_at_their_limit_and_break_past_it() {
    for quantity in [Quantity::MetricDrop, Quantity::Weights, Quantity::FileBytes] {
        assert!(Promise::judge(quantity, 2.0, 2.0).kept);
        assert!(!Promise::judge(quantity, 2.0, 2.1).kept);
    }
    assert!(Promise::judge(Quantity::Metric, 0.9, 0.9).kept);
    assert!(!Promise::judge(Quantity::Metric, 0.9, 0.89).kept);
    assert!(!Promise::judge(Quantity::Metric, 0.9, f64::NAN).kept);
    assert!(!Promise::judge(Quantity::FileBytes, 9.0, f64::NAN).kept);
}

#[test]
fn one_broken_promise_breaks_the_run() {
    let mut result = result();
    assert_eq!(result.promise_kept(), Some(true));
    result.promises.push(Promise::judge(Quantity::Weights, 4_000.0, 4_884.0));
    assert_eq!(result.promise_kept(), Some(false));
    result.promises.clear();
    assert_eq!(result.promise_kept(), None);
}

#[test]
fn the_spread_of_one_run_is_unknown() {
    assert_eq!(Spread::of(&[]), None);
    assert_eq!(Spread::of(&[0.5]), Some(Spread { mean: 0.5, sd: None }));
}

/// Names of all fields of all objects in `value`.
fn keys(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, inner)| {
            found.insert(name.clone());
            keys(inner, found);
        }),
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn the_format_note_names_every_field() {
    let note = include_str!("../../../../docs/result.md");
    let mut found = std::collections::BTreeSet::new();
    keys(&serde_json::to_value(result()).unwrap(), &mut found);
    assert!(found.len() > 60, "the result has {} fields", found.len());
    for name in found {
        assert!(note.contains(&format!("`{name}`")), "docs/result.md does not name `{name}`");
    }
}
