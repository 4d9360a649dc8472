//! Before and after by every count, and the accuracies with how they were chosen.
//!
//! Not here: computing a ratio (`result`).

use maud::{Markup, html};

use super::evidence::Evidence;
use super::numbers;
use crate::result::RunResult;

/// One line of the table: what, before, after, how many times smaller.
struct Row {
    what: &'static str,
    note: &'static str,
    before: Markup,
    after: Markup,
    ratio: String,
}

/// The section with both tables.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let result = &evidence.result;
    let mut rows = counts(result);
    rows.push(file(result));
    rows.extend(latency(result));
    html! {
        section #sizes {
            h2 { "Before and after" }
            table.sizes {
                thead { tr {
                    th scope="col" { "Size" }
                    th scope="col" { "dense" }
                    th scope="col" { "compressed" }
                    th scope="col" { "smaller" }
                } }
                tbody { @for row in &rows { tr {
                    th scope="row" { (row.what) small { (row.note) } }
                    td { (row.before) }
                    td { (row.after) }
                    td.ratio { (row.ratio) }
                } } }
            }
            (metrics(result))
        }
    }
}

fn counts(result: &RunResult) -> Vec<Row> {
    let (dense, small, ratios) = (&result.dense, &result.compressed, &result.ratios);
    let biased = small.weights_with_biases_nonzero;
    let row = |what, note, before, after, ratio| Row {
        what,
        note,
        before: html! { (numbers::long_count(before)) },
        after: html! { (numbers::long_count(after)) },
        ratio: numbers::ratio(ratio),
    };
    let weights = "convolution and linear, not zero; as papers count";
    let with_biases = "as the DeepHoyer paper’s code counts";
    let params = "everything stored, not zero";
    let macs = "with a weight that is not zero, batch 1";
    vec![
        row("Weights", weights, dense.weights, small.weights_nonzero, ratios.weights),
        row(
            "Weights and biases",
            with_biases,
            dense.weights_with_biases,
            biased,
            ratios.weights_with_biases,
        ),
        row("Parameters", params, dense.params, small.params_nonzero, ratios.params),
        row("Multiply-accumulates", macs, dense.macs, small.macs_nonzero, ratios.macs),
    ]
}

fn file(result: &RunResult) -> Row {
    let size = |bytes: u64| {
        html! { (numbers::bytes(bytes as f64)) small { (numbers::count(bytes)) } }
    };
    Row {
        what: "File",
        note: "model.hoyer against 4 bytes a dense parameter; below, exact bytes",
        before: size(result.dense.file_bytes),
        after: size(result.compressed.file_bytes),
        ratio: numbers::ratio(result.ratios.file_bytes),
    }
}

fn latency(result: &RunResult) -> Option<Row> {
    let (before, after) = (result.dense.latency_us?, result.compressed.latency_us?);
    Some(Row {
        what: "Time a sample",
        note: "batch 1, on this machine",
        before: html! { (numbers::micros(before)) },
        after: html! { (numbers::micros(after)) },
        ratio: numbers::ratio(result.ratios.latency),
    })
}

fn metrics(result: &RunResult) -> Markup {
    let text = |value: Option<f64>| {
        value.map_or(numbers::UNKNOWN.into(), |value| numbers::metric(&result.metric, value))
    };
    let (dense, small) = (&result.dense, &result.compressed);
    html! {
        table.sizes {
            thead { tr {
                th scope="col" { (capitalized(&result.metric)) }
                th scope="col" { "dense" }
                th scope="col" { "compressed" }
                th scope="col" {}
            } }
            tbody {
                tr {
                    th scope="row" { "Test"
                        small { "read once, at the end; every choice was made on validation data" } }
                    td { (text(Some(dense.metric))) }
                    td.strong { (text(Some(result.test_metric))) }
                    td {}
                }
                tr {
                    th scope="row" { "Validation" small { "part of the training data" } }
                    td { (text(dense.validation_metric)) }
                    td { (text(small.validation_metric)) }
                    td {}
                }
                @if let Some(best) = result.test_best_epoch { tr.aside {
                    th scope="row" { "Best test epoch"
                        small { "chosen on the test data, as papers often do; for comparison only" } }
                    td {}
                    td { (text(Some(best))) }
                    td {}
                } }
            }
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
