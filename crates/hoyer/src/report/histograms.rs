//! How the weights of each layer are spread, before above after.
//!
//! Each half has its own height, since after compression there are orders of magnitude fewer.
//!
//! Not here: binning (`evidence`).

use maud::{Markup, html};

use super::chart::across;
use super::evidence::{Evidence, WeightHistogram};
use super::names;
use super::numbers;

/// The section; nothing at all if no histogram was handed in.
pub(super) fn section(evidence: &Evidence) -> Markup {
    if evidence.histograms.is_empty() {
        return html! {};
    }
    html! {
        section #histograms {
            h2 { "Weights before and after" }
            p { "How many weights lie where, zeros left out. Both halves of a panel share the axis of "
                "values; each has its own height." }
            div.panels {
                @for histogram in &evidence.histograms { (panel(histogram)) }
            }
        }
    }
}

fn panel(histogram: &WeightHistogram) -> Markup {
    let limit = numbers::plain(histogram.limit);
    html! {
        figure.panel {
            figcaption { h3 { (names::breakable(&histogram.layer)) } }
            (half("dense", "quiet", &histogram.before, histogram.limit))
            (half("compressed", "accent", &histogram.after, histogram.limit))
            div.ends aria-hidden="true" {
                span { "−" (limit) } span { "0" } span { (limit) }
            }
        }
    }
}

fn half(name: &str, class: &str, counts: &[u64], limit: f64) -> Markup {
    let total = numbers::count(counts.iter().sum());
    let most = counts.iter().copied().max().unwrap_or_default().max(1) as f64;
    let width = 1.0 / counts.len().max(1) as f64;
    let bins = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    html! {
        p.half { (name) span { (total) } }
        svg.histogram role="img" aria-label=(format!("{name}: {total} weights that are not zero")) {
            @for (i, count) in bins {
                // Half a pixel at least, so that one weight in a thousand is still seen.
                @let height = (*count as f64 / most).max(0.02);
                rect class=(class) x=(across(i as f64 * width)) width=(across(width))
                    y=(across(1.0 - height)) height=(across(height)) {
                    title { (numbers::count(*count)) " weights from " (edge(i, width, limit))
                        " to " (edge(i + 1, width, limit)) }
                }
            }
            line.base x1="0" x2="100%" y1="100%" y2="100%" {}
        }
    }
}

/// Where bin `i` begins.
fn edge(i: usize, width: f64, limit: f64) -> String {
    let value = limit * (2.0 * i as f64 * width - 1.0);
    // The middle edge is 0, whatever rounding says.
    numbers::plain(if value.abs() < 1e-9 * limit { 0.0 } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bins_with_weights_are_drawn_and_the_fullest_is_highest() {
        let text = half("dense", "quiet", &[0, 4, 2, 0], 1.0).into_string();
        assert_eq!(text.matches("<rect").count(), 2);
        assert!(
            text.contains("height=\"100.00%\"") && text.contains("height=\"50.00%\""),
            "{text}"
        );
    }

    #[test]
    fn bins_say_what_is_in_them() {
        let text = half("dense", "quiet", &[0, 4, 2, 0], 1.0).into_string();
        assert!(text.contains("4 weights from -0.5000 to 0<"), "{text}");
    }

    #[test]
    fn empty_histograms_break_nothing() {
        for (counts, limit) in [(&[][..], 0.0), (&[0, 0][..], f64::NAN)] {
            let text = half("dense", "quiet", counts, limit).into_string();
            assert!(!text.contains("NaN") && !text.contains("<rect"), "{text}");
        }
    }
}
