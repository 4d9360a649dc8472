//! How to make it again: the command, and the recipe it stands for.

use maud::{Markup, html};

use super::evidence::Evidence;

/// The section.
pub(super) fn section(evidence: &Evidence) -> Markup {
    html! {
        section #recipe {
            h2 { "Make it again" }
            pre { code { (evidence.result.command) } }
            @if !evidence.recipe.is_empty() {
                p { "The recipe, kept as " code { "recipe.toml" } " beside the model:" }
                pre { code { (evidence.recipe) } }
            }
        }
    }
}
