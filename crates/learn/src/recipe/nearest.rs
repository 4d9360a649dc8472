//! One line for a recipe that cannot be read, with the nearest known word for an unknown one.

/// What is wrong with `text`.
pub(super) fn message(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or(text);
        format!("line {}: ", before.matches('\n').count() + 1)
    });
    let what = error.message().lines().next().unwrap_or_default();
    format!(
        "recipe: {}{}",
        line.unwrap_or_default(),
        suggestion(what).unwrap_or_else(|| what.into())
    )
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
    let nearest = words.min_by_key(|known| distance(unknown, known))?;
    Some(format!("unknown {kind} `{unknown}`, did you mean `{nearest}`?"))
}

/// Levenshtein distance: how many letters must be put in, left out or changed.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
