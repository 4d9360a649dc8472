//! The same run with several seeds, and their mean and spread.
//!
//! Not here: the statistics (`result`).

use maud::{Markup, html};

use super::evidence::Evidence;
use super::numbers;
use crate::result::{SeedRun, SeedSummary, Spread};

/// The section; nothing at all if the run was not repeated.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let result = &evidence.result;
    let metric = |value: f64| numbers::metric(&result.metric, value);
    let Some(summary) = &result.seed_summary else { return html! {} };
    html! {
        section #seeds {
            h2 { "Seeds" }
            p { "The same run " (summary.runs) " times, differing in the seed only. "
                "The rest of this page is of seed " (result.seed) "." }
            table.cards {
                thead { tr {
                    th scope="col" { "Seed" }
                    th scope="col" { "Dense test" }
                    th scope="col" { "Validation" }
                    th scope="col" { "Test" }
                    th scope="col" { "Weights left" }
                    th scope="col" { "File" }
                    th scope="col" { "Time" }
                } }
                tbody { @for run in &result.seeds { (row(run, metric)) } }
                tfoot { (mean(summary, &result.metric)) }
            }
        }
    }
}

fn row(run: &SeedRun, metric: impl Fn(f64) -> String) -> Markup {
    html! {
        tr {
            th scope="row" { (run.seed) @if run.promise_kept == Some(false) { small { "promise missed" } } }
            td data-label="Dense test" { (metric(run.dense_metric)) }
            td data-label="Validation" {
                (run.validation_metric.map_or(numbers::UNKNOWN.into(), &metric))
            }
            td data-label="Test" { (metric(run.test_metric)) }
            td data-label="Weights left" { (numbers::count(run.weights_nonzero)) }
            td data-label="File" { (numbers::bytes(run.file_bytes as f64)) }
            td data-label="Time" { (numbers::duration(run.seconds)) }
        }
    }
}

fn mean(summary: &SeedSummary, metric: &str) -> Markup {
    let value = |value: f64| numbers::metric(metric, value);
    let gap = |sd: f64| match numbers::is_share(metric) {
        true => format!("{:.2}", 100.0 * sd),
        false => numbers::plain(sd),
    };
    html! {
        tr {
            th scope="row" { "Mean" small { "± sd" } }
            td data-label="Dense test" { (spread(summary.dense_metric, value, gap)) }
            td data-label="Validation" {}
            td data-label="Test" { (spread(summary.test_metric, value, gap)) }
            td data-label="Weights left" {
                (spread(summary.weights_nonzero, numbers::mean_count, numbers::mean_count))
            }
            td data-label="File" { (spread(summary.file_bytes, numbers::bytes, numbers::bytes)) }
            td data-label="Time" { (spread(summary.seconds, numbers::duration, numbers::duration)) }
        }
    }
}

fn spread(spread: Spread, mean: impl Fn(f64) -> String, sd: impl Fn(f64) -> String) -> Markup {
    html! { (mean(spread.mean)) @if let Some(gap) = spread.sd { small { "± " (sd(gap)) } } }
}
