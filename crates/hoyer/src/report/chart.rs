//! A line chart as inline SVG that is as wide as the page lets it be.
//!
//! Everything is placed in percent of the plot, so that text keeps its size on any screen;
//! only lines live in a stretched 1000 x 1000 box, with strokes that do not stretch. Colors are
//! classes that the page's style sheet fills, once for light and once for dark.
//!
//! Invariants: text is escaped by the template; a value without a place leaves a gap.
//! Not here: what to draw (`timeline`, `losses`), bars (`layers`, `histograms`).

use maud::{Markup, html};

use super::scale::Scale;

/// Most marks along the axis that runs down.
const Y_TICKS: usize = 5;
/// Most marks along the axis that runs across.
const X_TICKS: usize = 8;

/// One line of a chart.
pub(super) struct Series {
    /// Its name in the legend.
    pub(super) name: String,
    /// Class that gives its color and dash.
    pub(super) class: &'static str,
    /// Its points, from left to right.
    pub(super) points: Vec<Point>,
}

/// One point of a line.
pub(super) struct Point {
    /// Value across.
    pub(super) x: f64,
    /// Value up; `None` leaves a gap.
    pub(super) y: Option<f64>,
    /// What it says when pointed at.
    pub(super) note: String,
    /// Whether it is drawn as a dot.
    pub(super) mark: Mark,
}

/// How a point shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Only as a part of the line, and when pointed at.
    Plain,
    /// As a dot.
    Dot,
}

/// A chart without its lines.
pub(super) struct Plot<'a> {
    /// What it shows, for those who cannot see it.
    pub(super) label: &'a str,
    /// Axis across.
    pub(super) x: Scale,
    /// Name of the axis across.
    pub(super) x_name: &'a str,
    /// Axis up.
    pub(super) y: Scale,
    /// Text of a mark on the axis up.
    pub(super) y_text: fn(f64) -> String,
    /// What lies behind the lines.
    pub(super) backdrop: Markup,
}

impl Plot<'_> {
    /// The chart with these lines, and a legend if there are several.
    pub(super) fn draw(&self, series: &[Series]) -> Markup {
        html! {
            @if series.len() > 1 { (legend(series)) }
            div.plot {
                svg.chart role="img" aria-label=(self.label) {
                    (self.backdrop)
                    (self.axes())
                    svg.lines viewBox="0 0 1000 1000" preserveAspectRatio="none" {
                        @for line in series {
                            path class=(line.class) d=(self.path(&line.points)) {}
                        }
                    }
                    @for line in series { (self.dots(line)) }
                }
                p.axis { (self.x_name) }
            }
        }
    }

    fn axes(&self) -> Markup {
        let y_ticks = self.y.ticks(Y_TICKS).into_iter();
        let x_ticks = self.x.ticks(X_TICKS).into_iter();
        html! {
            @for (tick, place) in y_ticks.filter_map(|tick| Some((tick, self.y.place(tick)?))) {
                line.grid x1="0" x2="100%" y1=(down(place)) y2=(down(place)) {}
                text.tick.y x="-8" y=(down(place)) { ((self.y_text)(tick)) }
            }
            @for (i, (tick, place)) in
                x_ticks.filter_map(|tick| Some((tick, self.x.place(tick)?))).enumerate() {
                text.tick.x.minor[i % 2 == 1] x=(across(place)) y="100%" dy="18" { (tick) }
            }
            line.base x1="0" x2="100%" y1="100%" y2="100%" {}
        }
    }

    fn place(&self, point: &Point) -> Option<(f64, f64)> {
        Some((self.x.place(point.x)?, self.y.place(point.y?)?))
    }

    /// The line through all points, broken where one has no place.
    fn path(&self, points: &[Point]) -> String {
        let mut path = String::new();
        let mut pen = "M";
        for point in points {
            let Some((x, y)) = self.place(point) else {
                pen = "M";
                continue;
            };
            let step = format!("{pen}{:.1} {:.1}", 1000.0 * x, 1000.0 * (1.0 - y));
            path.push_str(&step);
            // A line of no length shows as a dot, so that a lonely point is seen.
            path.push_str(if pen == "M" { "h0" } else { "" });
            pen = "L";
        }
        path
    }

    fn dots(&self, series: &Series) -> Markup {
        let places = series.points.iter().filter_map(|point| Some((point, self.place(point)?)));
        html! {
            @for (point, (x, y)) in places {
                @if point.mark == Mark::Dot {
                    circle class=(format!("dot {}", series.class)) cx=(across(x)) cy=(down(y)) r="4.5" {}
                }
                circle class=(format!("hit {}", series.class)) cx=(across(x)) cy=(down(y)) r="6" {
                    title { (point.note) }
                }
            }
        }
    }
}

/// The names of the lines beside a piece of each.
fn legend(series: &[Series]) -> Markup {
    html! {
        ul.legend {
            @for line in series {
                li {
                    svg.swatch aria-hidden="true" {
                        line class=(line.class) x1="1" x2="25" y1="50%" y2="50%" {}
                    }
                    (line.name)
                }
            }
        }
    }
}

/// A share of the width, as SVG wants it.
pub(super) fn across(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

/// A share of the height counted from below, as SVG wants it.
pub(super) fn down(share: f64) -> String {
    across(1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::super::scale::Kind;
    use super::*;

    fn plot() -> Plot<'static> {
        Plot {
            label: "a chart",
            x: Scale::between(Kind::Linear, 0.0, 10.0).unwrap(),
            x_name: "epoch",
            y: Scale::between(Kind::Logarithmic, 0.1, 10.0).unwrap(),
            y_text: |value| value.to_string(),
            backdrop: html! {},
        }
    }

    fn points(values: &[Option<f64>]) -> Vec<Point> {
        let at = |(i, y): (usize, &Option<f64>)| Point {
            x: i as f64,
            y: *y,
            note: format!("point {i}"),
            mark: Mark::Plain,
        };
        values.iter().enumerate().map(at).collect()
    }

    #[test]
    fn values_without_a_place_leave_a_gap() {
        let nan = Some(f64::NAN);
        let path = plot().path(&points(&[Some(1.0), Some(10.0), nan, None, Some(0.0), Some(0.1)]));
        assert_eq!(path, "M0.0 500.0h0L100.0 0.0M500.0 1000.0h0");
    }

    #[test]
    fn a_line_without_points_draws_nothing_and_breaks_nothing() {
        let series = [Series { name: "empty".into(), class: "accent", points: Vec::new() }];
        let text = plot().draw(&series).into_string();
        assert!(text.contains("d=\"\"") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn names_and_notes_are_escaped() {
        let mut points = points(&[Some(1.0)]);
        points[0].note = "</title><script>".into();
        let series = || Series { name: "<b>".into(), class: "accent", points: Vec::new() };
        let text = plot().draw(&[Series { points, ..series() }, series()]).into_string();
        assert!(!text.contains("<script>") && !text.contains("<b>"), "{text}");
        assert!(text.contains("&lt;/title&gt;&lt;script&gt;"), "{text}");
    }

    #[test]
    fn every_element_is_closed() {
        let text = plot().draw(&[]).into_string();
        for tag in ["svg", "line", "text", "path", "circle", "div", "p"] {
            let opened = text.matches(&format!("<{tag} ")).count()
                + text.matches(&format!("<{tag}>")).count();
            assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
