//! The first screen: what came out, in one sentence, and whether the promise was kept.
//!
//! Not here: the whole table of sizes (`sizes`).

use maud::{Markup, html};

use super::evidence::Evidence;
use super::numbers;
use crate::result::{Promise, Quantity, RunResult, Split};

/// Title, sentence, promises and the four numbers.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let result = &evidence.result;
    html! {
        header {
            p.overline { (result.method) " · seed " (result.seed) }
            h1 { (title(result)) }
            p.lead { (sentence(result)) }
            @for promise in &result.promises { (promise_box(promise, result)) }
            (big_numbers(result))
        }
    }
}

/// The headline, also the title of the page.
pub(super) fn title(result: &RunResult) -> String {
    let ratio = numbers::ratio(result.ratios.weights);
    format!("{} on {}: {ratio} fewer weights", result.model, result.data)
}

fn sentence(result: &RunResult) -> String {
    let (dense, compressed) = (&result.dense, &result.compressed);
    format!(
        "Of {} weights {} are left. The test {} is {}, {} the dense network’s {}.",
        numbers::count(dense.weights),
        numbers::count(compressed.weights_nonzero),
        result.metric,
        numbers::metric(&result.metric, result.test_metric),
        against(result),
        numbers::metric(&result.metric, dense.metric),
    )
}

/// How the compressed metric stands to the dense one: `0.11 points below`.
fn against(result: &RunResult) -> String {
    let gap = result.test_metric - result.dense.metric;
    let size = match numbers::is_share(&result.metric) {
        true => numbers::points(gap),
        false => numbers::plain(gap.abs()),
    };
    match gap {
        gap if numbers::points(gap) == numbers::points(0.0) => "equal to".into(),
        gap if gap < 0.0 => format!("{size} below"),
        _ => format!("{size} above"),
    }
}

fn promise_box(promise: &Promise, result: &RunResult) -> Markup {
    let (class, mark, word) = match promise.kept {
        true => ("promise kept", "✓", "Promise kept"),
        false => ("promise missed", "✗", "Promise missed"),
    };
    html! {
        p class=(class) {
            span.mark aria-hidden="true" { (mark) }
            span { strong { (word) ": " } (asked(promise, result)) "; reached "
                (amount(promise, promise.reached, result)) "." }
        }
    }
}

/// What was asked for: `test accuracy of at least 98.40 %`.
fn asked(promise: &Promise, result: &RunResult) -> String {
    let split = match promise.split {
        Some(Split::Validation) => "validation ",
        Some(Split::Test) => "test ",
        None => "",
    };
    let metric = &result.metric;
    let limit = amount(promise, promise.limit, result);
    match promise.quantity {
        Quantity::Metric => format!("{split}{metric} of at least {limit}"),
        Quantity::MetricDrop => format!("{split}{metric} at most {limit} below dense"),
        Quantity::Weights => format!("at most {limit} weights"),
        Quantity::FileBytes => format!("a file of at most {limit}"),
        Quantity::MacsShare => format!("at most {limit} of the multiply-accumulates"),
        Quantity::LatencyUs => format!("at most {limit} a sample"),
    }
}

/// A value in the unit of its promise.
fn amount(promise: &Promise, value: f64, result: &RunResult) -> String {
    match promise.quantity {
        Quantity::Metric => numbers::metric(&result.metric, value),
        Quantity::MetricDrop if !numbers::is_share(&result.metric) => numbers::plain(value),
        Quantity::MetricDrop => numbers::signed_points(value),
        Quantity::Weights => numbers::mean_count(value),
        Quantity::FileBytes => numbers::bytes(value),
        Quantity::MacsShare => numbers::percent_short(value),
        Quantity::LatencyUs => numbers::micros(value),
    }
}

fn big_numbers(result: &RunResult) -> Markup {
    let ratios = &result.ratios;
    let metric = numbers::metric(&result.metric, result.test_metric);
    let dense = numbers::metric(&result.metric, result.dense.metric);
    let cells = [
        (numbers::ratio(ratios.weights), "fewer weights".into()),
        (numbers::ratio(ratios.params), "fewer parameters".into()),
        (numbers::ratio(ratios.file_bytes), "smaller file".into()),
        (metric, format!("test {} (dense {dense})", result.metric)),
    ];
    html! {
        dl.big {
            @for (number, what) in cells { div { dt { (what) } dd { (number) } } }
        }
    }
}
