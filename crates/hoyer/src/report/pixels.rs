//! Where the first layer still looks: one cell a pixel, darker for more weights left.
//!
//! Not here: counting (`evidence`).

use maud::{Markup, html};

use super::evidence::{Evidence, MapOf, PixelMap};
use super::numbers;

/// Opacity of a cell with a single weight: faint, yet told apart from an empty one.
const FAINTEST: f64 = 0.18;
/// Cells of the legend.
const LEGEND: u64 = 5;

/// The section; nothing at all if no map was handed in.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let Some(map) = &evidence.pixel_map else { return html! {} };
    let most = map.counts.iter().copied().max().unwrap_or_default();
    html! {
        section #pixels {
            h2 { (heading(map)) }
            div.map {
                (cells(map, most))
                div {
                    p { (summary(map)) }
                    (legend(most))
                }
            }
        }
    }
}

fn heading(map: &PixelMap) -> &'static str {
    match map.of {
        MapOf::InputPixels => "Where the network still looks",
        MapOf::KernelPositions => "What is left of the first kernels",
    }
}

fn summary(map: &PixelMap) -> String {
    let seen = map.counts.iter().filter(|count| **count > 0).count() as u64;
    let (cells, what) = match map.of {
        MapOf::InputPixels => ("pixels of the input are read", "pixel"),
        MapOf::KernelPositions => ("kernel positions are used", "position"),
    };
    format!(
        "{} of {} {cells}. The first layer had {} weights at each {what}; {} are left in all.",
        numbers::count(seen),
        numbers::count(map.counts.len() as u64),
        numbers::count(map.possible),
        numbers::count(map.counts.iter().sum()),
    )
}

fn cells(map: &PixelMap, most: u64) -> Markup {
    let size = format!("0 0 {} {}", map.width, map.height);
    let cells = map.counts.iter().enumerate().filter(|(_, count)| **count > 0);
    html! {
        svg.cells viewBox=(size) role="img" aria-label=(summary(map)) {
            rect.track width=(map.width) height=(map.height) {}
            @for (i, count) in cells {
                @let (row, column) = (i / map.width, i % map.width);
                rect.cell x=(column) y=(row) width="1" height="1" fill-opacity=(opacity(*count, most)) {
                    title { "row " (row + 1) ", column " (column + 1) ": " (numbers::count(*count))
                        " of " (numbers::count(map.possible)) " weights left" }
                }
            }
        }
    }
}

fn legend(most: u64) -> Markup {
    html! {
        div.ramp aria-hidden="true" {
            span { "0" }
            svg viewBox=(format!("0 0 {} 1", LEGEND + 1)) {
                rect.track width=(LEGEND + 1) height="1" {}
                @for i in 1..=LEGEND {
                    rect.cell x=(i) width="1" height="1" fill-opacity=(opacity(i, LEGEND)) {}
                }
            }
            span { (numbers::count(most)) }
        }
    }
}

fn opacity(count: u64, most: u64) -> String {
    let share = count as f64 / most.max(1) as f64;
    format!("{:.3}", FAINTEST + (1.0 - FAINTEST) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_pixels_stay_empty_and_the_fullest_is_darkest() {
        let of = MapOf::InputPixels;
        let map = PixelMap { of, height: 1, width: 3, counts: vec![0, 1, 10], possible: 300 };
        let text = cells(&map, 10).into_string();
        assert_eq!(text.matches("class=\"cell\"").count(), 2);
        assert!(text.contains("fill-opacity=\"1.000\""), "{text}");
        assert!(text.contains("row 1, column 3: 10 of 300 weights left"), "{text}");
    }

    #[test]
    fn a_map_without_a_weight_breaks_nothing() {
        let of = MapOf::KernelPositions;
        let map = PixelMap { of, height: 1, width: 2, counts: vec![0, 0], possible: 3 };
        let text = cells(&map, 0).into_string();
        assert!(!text.contains("NaN") && !text.contains("class=\"cell\""), "{text}");
    }
}
