//! Names from data, with places where a long one may break.
//!
//! Not here: numbers (`numbers`).

use maud::{Markup, html};

/// The name, which may break after each dot, slash and underscore.
pub(super) fn breakable(name: &str) -> Markup {
    let parts = name.split_inclusive(['.', '/', '_']).enumerate();
    html! { @for (i, part) in parts { @if i > 0 { wbr; } (part) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_lie_between_parts_only() {
        assert_eq!(breakable("a.b_").into_string(), "a.<wbr>b_");
        assert_eq!(breakable("fc1").into_string(), "fc1");
    }

    #[test]
    fn nothing_of_a_name_is_lost() {
        for name in ["", "fc1", "a.b/c_d", "..", "<b>.x"] {
            let text = breakable(name).into_string().replace("<wbr>", "");
            assert_eq!(text, html! { (name) }.into_string());
        }
    }
}
