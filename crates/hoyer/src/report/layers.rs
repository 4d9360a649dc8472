//! What is left of each layer, as bars on a logarithmic axis.
//!
//! Invariant: a layer of which nothing is left has no bar, and says so.
//! Not here: where in a layer it is left (`pixels`), how large it is (`histograms`).

use maud::{Markup, html};

use super::chart::across;
use super::evidence::Evidence;
use super::names;
use super::numbers;
use super::scale::{Kind, Scale};
use crate::result::Layer;

/// Most marks along the axis.
const TICKS: usize = 5;

/// The section; says so if there are no layers.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let layers = &evidence.result.layers;
    html! {
        section #layers {
            h2 { "What is left of each layer" }
            @if let Some(axis) = axis(layers) {
                p { "Share of the weights that are not zero, logarithmic." }
                div.layers {
                    @for layer in layers { (row(layer, &axis)) }
                    (marks(&axis))
                }
            } @else {
                p.empty { "No layer has a weight left." }
            }
        }
    }
}

/// From the power of ten below the emptiest layer to everything.
fn axis(layers: &[Layer]) -> Option<Scale> {
    let least = layers.iter().filter_map(density).filter(|d| *d > 0.0).reduce(f64::min)?;
    let power = (least.log10() - 1e-9).floor().min(-1.0);
    Scale::between(Kind::Logarithmic, 10f64.powf(power), 1.0)
}

fn density(layer: &Layer) -> Option<f64> {
    (layer.total > 0).then(|| layer.nonzero as f64 / layer.total as f64)
}

fn row(layer: &Layer, axis: &Scale) -> Markup {
    let share = density(layer);
    let place = share.and_then(|share| axis.place(share)).unwrap_or_default();
    let shape = match layer.shape.as_slice() {
        [] => "left out".into(),
        shape => shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × "),
    };
    let counts = format!("{} of {}", numbers::count(layer.nonzero), numbers::count(layer.total));
    let share = share.map_or(numbers::UNKNOWN.into(), numbers::percent_short);
    html! {
        div.layer {
            div.name { (names::breakable(&layer.name)) small { (layer.kind) " " (shape) } }
            svg.bar role="img" aria-label=(format!("{}: {counts}, {share}", layer.name)) {
                rect.track width="100%" height="100%" rx="3" {}
                @for tick in inner_ticks(axis) {
                    line.grid x1=(across(tick.1)) x2=(across(tick.1)) y1="0" y2="100%" {}
                }
                rect.fill width=(across(place)) height="100%" rx="3" {
                    title { (layer.name) ": " (counts) " weights, " (share) }
                }
            }
            div.left { strong { (share) } small { (counts) } }
        }
    }
}

fn marks(axis: &Scale) -> Markup {
    html! {
        div.layer.marks aria-hidden="true" {
            div.name {}
            svg.bar {
                @for (tick, place) in places(axis) {
                    text.tick.x.first[place == 0.0].last[place == 1.0] x=(across(place)) y="12" {
                        (numbers::percent_tick(tick))
                    }
                }
            }
            div.left {}
        }
    }
}

fn places(axis: &Scale) -> Vec<(f64, f64)> {
    axis.ticks(TICKS).into_iter().filter_map(|tick| Some((tick, axis.place(tick)?))).collect()
}

/// Marks that are not an end of the axis.
fn inner_ticks(axis: &Scale) -> impl Iterator<Item = (f64, f64)> {
    places(axis).into_iter().filter(|(_, place)| *place > 0.0 && *place < 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(nonzero: u64, total: u64) -> Layer {
        let (name, kind) = ("fc".into(), "Gemm".into());
        let macs_nonzero = nonzero;
        Layer { name, kind, shape: vec![], nonzero, total, bits: 32.0, macs: total, macs_nonzero }
    }

    #[test]
    fn the_axis_reaches_below_the_emptiest_layer() {
        let axis = axis(&[layer(18, 1_000), layer(0, 10), layer(5, 0), layer(9, 10)]).unwrap();
        assert_eq!(axis.place(0.01), Some(0.0));
        assert_eq!(axis.place(1.0), Some(1.0));
    }

    #[test]
    fn empty_layers_have_no_bar_and_dense_ones_a_full_one() {
        let axis = axis(&[layer(1, 10), layer(10, 10)]).unwrap();
        assert!(row(&layer(0, 10), &axis).into_string().contains("width=\"0.00%\""));
        assert!(row(&layer(10, 10), &axis).into_string().contains("width=\"100.00%\""));
        assert!(row(&layer(0, 0), &axis).into_string().contains("width=\"0.00%\""));
    }

    #[test]
    fn with_nothing_left_there_is_no_axis() {
        assert_eq!(axis(&[]), None);
        assert_eq!(axis(&[layer(0, 10)]), None);
    }
}
