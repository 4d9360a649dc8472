//! How training gets faster as the network gets narrower; nothing for a network whose layers kept their width.
//!
//! Not here: the speed of the result (`sizes`).

use hoyer_learn::record::EpochRecord;
use maud::{Markup, html};

use super::chart::{Plot, Series};
use super::epochs::{self, Span};
use super::evidence::Evidence;
use super::numbers;
use super::scale::{Kind, Scale};

/// The section, if the network became narrower.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let result = &evidence.result;
    let spans = epochs::spans(&result.stages);
    let chart = (result.compressed.weights < result.dense.weights).then(|| chart(&spans)).flatten();
    html! {
        @if let Some(chart) = chart {
            section #speed {
                h2 { "Time to learn one sample" }
                figure {
                    figcaption {
                        p { "Mean of each epoch, logarithmic. It falls where channels are removed or masked weights skipped; other work on the machine makes it rise." }
                    }
                    (chart)
                }
            }
        }
    }
}

fn chart(spans: &[Span]) -> Option<Markup> {
    let points: Vec<_> =
        spans.iter().flat_map(|span| span.points(micros, numbers::micros)).collect();
    let axis = epochs::axis(spans)?;
    let plot = Plot {
        label: "Microseconds to learn one sample in each epoch, on a logarithmic axis",
        x: axis,
        x_name: "epoch",
        y: Scale::around(Kind::Logarithmic, points.iter().filter_map(|point| point.y))?,
        y_text: |micros| format!("{} µs", numbers::tick(micros)),
        backdrop: epochs::bands(spans, &axis),
    };
    Some(plot.draw(&[Series { name: "training".into(), class: "accent", points }]))
}

fn micros(epoch: &EpochRecord) -> Option<f64> {
    epoch.samples_per_second.filter(|rate| *rate > 0.0).map(|rate| 1e6 / rate)
}
