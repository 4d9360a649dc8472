//! Accuracy and sparsity over the whole run, one above the other on the same axis.
//!
//! Not here: the axis of epochs (`epochs`), the losses (`losses`).

use hoyer_learn::record::{EpochRecord, StageRecord};
use maud::{Markup, html};

use super::chart::{Mark, Plot, Point, Series};
use super::epochs::{self, Span};
use super::evidence::Evidence;
use super::numbers;
use super::scale::{Kind, Scale};
use crate::result::{Promise, Quantity};

/// The section; says so if there is nothing to draw.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let spans = epochs::spans(&evidence.result.stages);
    html! {
        section #timeline {
            h2 { "Accuracy and sparsity over time" }
            @if let Some(axis) = epochs::axis(&spans) {
                (accuracy(evidence, &spans, axis))
                (weights_left(evidence, &spans, axis))
            } @else {
                p.empty { "No stage of this run trained, so there is nothing to follow over time." }
            }
        }
    }
}

fn accuracy(evidence: &Evidence, spans: &[Span], axis: Scale) -> Markup {
    let promised = evidence.result.promises.iter().find(|p| p.quantity == Quantity::Metric);
    let validation =
        |span: &Span| span.points_with_kept(|epoch| epoch.validation_accuracy, numbers::percent);
    let training = |span: &Span| span.points(|epoch| epoch.train_accuracy, numbers::percent);
    let line = |name: &str, class, points: Vec<Point>| Series { name: name.into(), class, points };
    let mut series = vec![
        line("validation", "accent", spans.iter().flat_map(validation).collect()),
        line("training", "quiet", spans.iter().flat_map(training).collect()),
    ];
    series.extend(promised.map(|promise| promise_line(promise, spans)));
    series.retain(|line| line.points.iter().any(|point| point.y.is_some()));
    let values = series.iter().flat_map(|line| line.points.iter().filter_map(|point| point.y));
    let Some(y) = Scale::around(Kind::TowardsOne, values) else {
        return html! { p.empty { "No accuracy was recorded." } };
    };
    let plot = Plot {
        label: "Accuracy after each epoch",
        x: axis,
        x_name: "epoch",
        y,
        y_text: numbers::percent_tick,
        backdrop: epochs::bands(spans, &axis),
    };
    html! {
        figure {
            figcaption {
                h3 { "Accuracy" }
                p { "The axis widens towards 100 %. A dot marks the epoch whose weights were kept." }
            }
            (plot.draw(&series))
        }
    }
}

fn promise_line(promise: &Promise, spans: &[Span]) -> Series {
    let end = spans.last().map_or(0.0, |span| span.end);
    let text = format!("promised {}", numbers::percent(promise.limit));
    let at = |x| Point { x, y: Some(promise.limit), note: text.clone(), mark: Mark::Plain };
    Series { name: text.clone(), class: "promised", points: vec![at(0.0), at(end)] }
}

fn weights_left(evidence: &Evidence, spans: &[Span], axis: Scale) -> Markup {
    let total = evidence.result.dense.weights;
    let exact = spans.iter().flat_map(|span| exact_points(span, total)).collect();
    let mut series = vec![
        Series { name: "not zero".into(), class: "accent", points: exact },
        Series { name: "above the coming threshold".into(), class: "warm", points: large(spans) },
    ];
    series.retain(|line| line.points.iter().any(|point| point.y.is_some()));
    let values = series.iter().flat_map(|line| line.points.iter().filter_map(|point| point.y));
    let Some(y) = Scale::around(Kind::Logarithmic, values) else {
        return html! { p.empty { "No weights were counted." } };
    };
    let plot = Plot {
        label: "Share of the weights that is left after each epoch, on a logarithmic axis",
        x: axis,
        x_name: "epoch",
        y,
        y_text: numbers::percent_tick,
        backdrop: epochs::bands(spans, &axis),
    };
    html! {
        figure {
            figcaption {
                h3 { "Weights left" }
                p { "Share of all convolution and linear weights, logarithmic. A dashed upright line is a cut." }
            }
            (plot.draw(&series))
        }
    }
}

/// Weights that are not exactly zero: after each epoch, or after a stage that does not train.
fn exact_points(span: &Span, total: u64) -> Vec<Point> {
    let share = |nonzero: u64| (total > 0).then(|| nonzero as f64 / total as f64);
    let point = |x, share: Option<f64>, note| Point { x, y: share, note, mark: Mark::Plain };
    let say = |nonzero: u64| {
        let share = share(nonzero).map_or(numbers::UNKNOWN.into(), numbers::percent_short);
        format!("{} weights, {share}", numbers::count(nonzero))
    };
    let StageRecord { epochs, weights_nonzero, .. } = span.stage;
    if epochs.is_empty() {
        let after = weights_nonzero.map(|nonzero| {
            point(span.end, share(nonzero), format!("{}: {}", span.name(), say(nonzero)))
        });
        return after.into_iter().collect();
    }
    let after_epoch = |(i, epoch): (usize, &EpochRecord)| {
        let nonzero = epoch.weights_nonzero;
        let note = format!("{}, epoch {}: ", span.name(), epoch.epoch);
        let x = span.start + (i + 1) as f64;
        point(x, nonzero.and_then(share), note + &nonzero.map(say).unwrap_or_default())
    };
    epochs.iter().enumerate().map(after_epoch).collect()
}

/// Weights above the coming threshold.
fn large(spans: &[Span]) -> Vec<Point> {
    let left = |epoch: &EpochRecord| epoch.weights_small_share.map(|small| 1.0 - small);
    let say = |share| format!("{} above", numbers::percent_short(share));
    spans.iter().flat_map(|span| span.points(left, say)).collect()
}
