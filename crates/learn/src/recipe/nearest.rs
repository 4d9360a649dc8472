//! One line for a recipe that cannot be read, with the nearest known word for an unknown one.

use strsim::levenshtein;

/// What is wrong with `text`.
pub(super) fn message(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().lines().next().unwrap_or_default();
    let line = error.span().map(|span| {
        let start = text.get(..span.start).unwrap_or(text).matches('\n').count();
        format!("line {}: ", line_of_key(text, start, what) + 1)
    });
    format!(
        "recipe: {}{}",
        line.unwrap_or_default(),
        suggestion(what).unwrap_or_else(|| what.into())
    )
}

/// The line (from 0) of the key that `what` names, from line `start` on; `start` itself if it names none. Inside a
/// stage, the parser knows only where the stages begin.
fn line_of_key(text: &str, start: usize, what: &str) -> usize {
    let Some(key) = what.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
    else {
        return start;
    };
    let is_it = |line: &&str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    start + text.lines().skip(start).position(|line| is_it(&line)).unwrap_or(0)
}

/// serde's message about an unknown field or variant, with the nearest of the known ones.
fn suggestion(message: &str) -> Option<String> {
    let (kind, rest) = if let Some(rest) = message.strip_prefix("unknown field ") {
        ("key", rest)
    } else {
        ("value", message.strip_prefix("unknown variant ")?)
    };
    let mut words = rest.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    let nearest = words.min_by_key(|known| levenshtein(unknown, known))?;
    Some(format!("unknown {kind} `{unknown}`, did you mean `{nearest}`?"))
}
