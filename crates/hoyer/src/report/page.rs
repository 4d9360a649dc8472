//! The page: one HTML file that needs nothing but itself.
//!
//! Invariant: no address of anything outside is in it, and no script.
//! Not here: what the sections say (a file each).

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::evidence::Evidence;
use super::{headline, histograms, layers, losses, numbers, pixels};
use super::{recipe, seeds, sizes, speed, stages, timeline};
use crate::result::RunResult;

const STYLE: &str = include_str!("page.css");

/// All sections in their order.
pub(super) fn page(evidence: &Evidence) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(format!("hoyer {}", evidence.result.hoyer));
                title { (headline::title(&evidence.result)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (headline::section(evidence))
                    (sizes::section(evidence))
                    (timeline::section(evidence))
                    (losses::section(evidence))
                    (speed::section(evidence))
                    (layers::section(evidence))
                    (pixels::section(evidence))
                    (histograms::section(evidence))
                    (stages::section(evidence))
                    (seeds::section(evidence))
                    (recipe::section(evidence))
                    (footer(&evidence.result))
                }
            }
        }
    }
}

fn footer(result: &RunResult) -> Markup {
    let of = |count, word| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    html! {
        footer {
            p { "hoyer " (result.hoyer) " · seed " (result.seed) " · "
                (of(result.epochs, "epoch")) " in " (numbers::duration(result.seconds)) }
            p { (result.machine.cpu) " · " (of(result.machine.cores.into(), "core")) " · "
                (of(result.threads.into(), "thread")) " used" }
            p { "The numbers are in " code { "result.json" } " beside this page, schema " (result.schema) "." }
        }
    }
}
