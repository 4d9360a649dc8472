//! Text of a file in messages: one line of sensible length, whatever the file says.

use super::messages::{GraphProto, NodeProto, ValueInfoProto};
use super::unusable;
use crate::Result;
use crate::container::header::MAX_NAME;

/// Messages are not longer, in characters; names are held to what a `.hoyer` file can hold.
const MOST: usize = 600;

/// The text without characters that control a terminal, and not too long.
pub(crate) fn plain(text: String) -> String {
    if text.len() <= MOST && !text.chars().any(char::is_control) {
        return text;
    }
    let mut plain = String::new();
    for c in text.chars().take(MOST) {
        if c.is_control() {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    if text.chars().nth(MOST).is_some() {
        plain.push('…');
    }
    plain
}

/// Refuses names that would break a line wherever they are shown.
///
/// # Errors
/// [`crate::Error::Onnx`] with the name.
pub(crate) fn check_names(graph: &GraphProto) -> Result<()> {
    let node = |node: &NodeProto| -> Result<()> {
        let own = [&node.name, &node.op_type, &node.domain].into_iter().flatten();
        let attributes = node.attribute.iter().filter_map(|attribute| attribute.name.as_ref());
        own.chain(&node.input)
            .chain(&node.output)
            .chain(attributes)
            .try_for_each(|name| check(name))
    };
    let info = |info: &ValueInfoProto| info.name.as_deref().map_or(Ok(()), check);
    graph.name.as_deref().map_or(Ok(()), check)?;
    graph.node.iter().try_for_each(node)?;
    graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).try_for_each(check)?;
    graph.input.iter().chain(&graph.output).try_for_each(info)
}

fn check(name: &str) -> Result<()> {
    if name.len() > MAX_NAME {
        let start: String = name.chars().take(32).collect();
        return unusable(format!("the name `{start}…` has {} bytes", name.len()));
    }
    match name.chars().any(char::is_control) {
        true => unusable(format!("the name `{name}` has a control character in it")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_sensible_length() {
        assert_eq!(plain("a `b`".into()), "a `b`");
        assert_eq!(plain("a\nb\u{1b}[31m".into()), "a\\nb\\u{1b}[31m");
        assert_eq!(plain("é".repeat(5000)).chars().count(), MOST + 1);
    }

    #[test]
    fn names_that_break_lines_are_refused_wherever_they_stand() {
        let bad = || Some("a\nb".to_owned());
        let node = |node: NodeProto| GraphProto { node: vec![node], ..GraphProto::default() };
        let cases = [
            GraphProto { name: bad(), ..GraphProto::default() },
            node(NodeProto { name: bad(), ..NodeProto::default() }),
            node(NodeProto { op_type: bad(), ..NodeProto::default() }),
            node(NodeProto { input: vec!["a\nb".into()], ..NodeProto::default() }),
            node(NodeProto { output: vec!["a\nb".into()], ..NodeProto::default() }),
        ];
        for case in cases {
            let text = check_names(&case).unwrap_err().to_string();
            assert_eq!(
                text,
                "not a usable ONNX file: the name `a\\nb` has a control character in it"
            );
        }
        assert!(
            check_names(&GraphProto { name: Some("é".into()), ..GraphProto::default() }).is_ok()
        );
    }
}
