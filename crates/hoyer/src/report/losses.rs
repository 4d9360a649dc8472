//! The losses over the whole run.
//!
//! Not here: the axis of epochs (`epochs`).

use hoyer_learn::record::EpochRecord;
use maud::{Markup, html};

use super::chart::{Plot, Series};
use super::epochs::{self, Span};
use super::evidence::Evidence;
use super::numbers;
use super::scale::{Kind, Scale};

/// A name, a class, and what to read of an epoch.
type Line = (&'static str, &'static str, fn(&EpochRecord) -> Option<f64>);

const LINES: [Line; 3] = [
    ("validation", "accent", |epoch| epoch.validation_loss),
    ("training", "quiet", |epoch| epoch.train_loss),
    ("penalty, times lambda", "warm", |epoch| epoch.penalty),
];

/// The section; says so if there is nothing to draw.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let spans = epochs::spans(&evidence.result.stages);
    html! {
        section #losses {
            h2 { "Losses" }
            @if let Some(chart) = chart(&spans) {
                figure {
                    figcaption { p { "Mean loss of each epoch, logarithmic." } }
                    (chart)
                }
            } @else {
                p.empty { "No loss was recorded." }
            }
        }
    }
}

fn chart(spans: &[Span]) -> Option<Markup> {
    let series = LINES.map(|(name, class, value)| Series {
        name: name.into(),
        class,
        points: spans.iter().flat_map(|span| span.points(value, numbers::plain)).collect(),
    });
    let values = |line: &Series| line.points.iter().filter_map(|p| p.y).collect::<Vec<_>>();
    let series: Vec<_> = series.into_iter().filter(|line| !values(line).is_empty()).collect();
    let axis = epochs::axis(spans)?;
    let plot = Plot {
        label: "Loss after each epoch, on a logarithmic axis",
        x: axis,
        x_name: "epoch",
        y: Scale::around(Kind::Logarithmic, series.iter().flat_map(values))?,
        y_text: numbers::tick,
        backdrop: epochs::bands(spans, &axis),
    };
    Some(plot.draw(&series))
}
