//! One line a stage: what it did, how long it took, what it cost and what it left.
//!
//! Not here: the stages over time (`timeline`).

use hoyer_learn::record::StageRecord;
use maud::{Markup, html};

use super::evidence::Evidence;
use super::numbers;

/// The section.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let result = &evidence.result;
    let text = |value: Option<f64>| {
        value.map_or(numbers::UNKNOWN.into(), |value| numbers::metric(&result.metric, value))
    };
    html! {
        section #stages {
            h2 { "Stages" }
            table.cards {
                thead { tr {
                    th scope="col" { "Stage" }
                    th scope="col" { "Epochs" }
                    th scope="col" { "Time" }
                    th scope="col" { "Training" }
                    th scope="col" { "Validation" }
                    th scope="col" { "Weights left" }
                } }
                tbody { @for (i, stage) in result.stages.iter().enumerate() { tr {
                    th scope="row" { (i + 1) " " (stage.kind.name()) small { (stage.settings) } }
                    td data-label="Epochs" { (epochs(stage)) }
                    td data-label="Time" { (numbers::duration(stage.seconds)) }
                    td data-label="Training" { (text(stage.train_metric)) }
                    td data-label="Validation" {
                        @if let Some(before) = stage.validation_metric_before {
                            span.muted { (text(Some(before))) " → " }
                        }
                        (text(stage.validation_metric))
                    }
                    td data-label="Weights left" { (weights(stage)) }
                } } }
            }
        }
    }
}

fn epochs(stage: &StageRecord) -> Markup {
    html! {
        @if stage.epochs.is_empty() { (numbers::UNKNOWN) } @else {
            (stage.epochs.len())
            @if let Some(chosen) = stage.chosen_epoch { small { "kept " (chosen) } }
        }
    }
}

fn weights(stage: &StageRecord) -> Markup {
    html! {
        (stage.weights_nonzero.map_or(numbers::UNKNOWN.into(), numbers::count))
        @if let Some(density) = stage.density() { small { (numbers::percent_short(density)) } }
    }
}
