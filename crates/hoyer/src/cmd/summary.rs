//! A result as a table for a terminal of 80 columns.
//!
//! Not here: the page with everything (`hoyer::report`).

use hoyer::result::{Lead, Promise, Quantity, RunResult, Spread};

use super::table::{percent, row, table, thousands, times};

/// What a run reached: sizes, ratios and promises.
pub(crate) fn summary(result: &RunResult) -> String {
    let (dense, small, ratios) = (&result.dense, &result.compressed, &result.ratios);
    let counts = |name: &str, before: u64, after: u64, ratio| {
        vec![name.into(), thousands(before), thousands(after), times(ratio)]
    };
    let mut rows = vec![
        row(["", "dense", "compressed", "ratio"]),
        row(["test accuracy", &percent(dense.metric), &percent(small.metric)]),
    ];
    if let (Some(before), Some(after)) = (dense.validation_metric, small.validation_metric) {
        rows.push(row(["validation accuracy", &percent(before), &percent(after)]));
    }
    let biased = (dense.weights_with_biases, small.weights_with_biases_nonzero);
    rows.push(counts("weights", dense.weights, small.weights_nonzero, ratios.weights));
    rows.push(counts("weights and biases", biased.0, biased.1, ratios.weights_with_biases));
    rows.push(counts("parameters", dense.params, small.params_nonzero, ratios.params));
    rows.push(counts("macs", dense.macs, small.macs_nonzero, ratios.macs));
    rows.push(counts("file bytes", dense.file_bytes, small.file_bytes, ratios.file_bytes));
    let mut text = format!(
        "{} on {}, {}, seed {}, {:.1} s\n\n",
        result.model, result.data, result.method, result.seed, result.seconds
    );
    let lead = Lead::of(result);
    text += &match lead.sizes(result) {
        [before, after] if before == after => {
            format!("as many {} as before: {}\n\n", lead.noun(), thousands(after))
        }
        [before, after] => {
            let (ratio, gain) = (times(lead.ratio(result)), lead.gain());
            format!("{ratio} {gain}: {} of {} are left\n\n", thousands(after), thousands(before))
        }
    };
    text += &table(&rows);
    text += &over_seeds(result);
    for promise in &result.promises {
        text += &format!("\npromise: {}", promised(promise));
    }
    if result.promises.is_empty() { text } else { text + "\n" }
}

fn over_seeds(result: &RunResult) -> String {
    let Some(summary) = &result.seed_summary else { return String::new() };
    let line = |name: &str, spread: Spread, show: fn(f64) -> String| {
        vec![name.into(), show(spread.mean), spread.sd.map_or_else(|| "-".into(), show)]
    };
    let whole = |number: f64| thousands(number.round() as u64);
    let rows = [
        vec![format!("over {} seeds", summary.runs), "mean".into(), "sd".into()],
        line("test accuracy, dense", summary.dense_metric, percent),
        line("test accuracy, compressed", summary.test_metric, percent),
        line("weights left", summary.weights_nonzero, whole),
        line("file bytes", summary.file_bytes, whole),
        line("seconds", summary.seconds, |seconds| format!("{seconds:.1}")),
    ];
    format!("\n{}", table(&rows))
}

fn promised(promise: &Promise) -> String {
    let verdict = if promise.kept { "kept" } else { "MISSED" };
    let whole = |number: f64| thousands(number as u64);
    match promise.quantity {
        Quantity::Metric => format!(
            "validation accuracy of at least {}: {}, {verdict}",
            percent(promise.limit),
            percent(promise.reached)
        ),
        Quantity::Weights => format!(
            "at most {} weights: {}, {verdict}",
            whole(promise.limit),
            whole(promise.reached)
        ),
        Quantity::Macs => format!(
            "at most {} multiply-accumulates: {}, {verdict}",
            whole(promise.limit),
            whole(promise.reached)
        ),
        other => {
            format!("{other:?} of at most {}: {}, {verdict}", promise.limit, promise.reached)
        }
    }
}
