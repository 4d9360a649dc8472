//! The networks that a recipe learns from: none, the path of one, or a list of them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Paths of networks whose mean answers a stage with `distill` learns from; none of them means the dense network.
///
/// # Example
/// ```
/// use hoyer_learn::recipe::{Recipe, Teachers};
///
/// let rest = "model = 'small.hoyer'\ndata = 'digits'\n\
///             [[stage]]\nkind = 'finetune'\nepochs = 1\ndistill = {}\n";
/// let one = Recipe::parse(&format!("teacher = 'a.onnx'\n{rest}"))?;
/// assert_eq!(one.teacher, Teachers(vec!["a.onnx".into()]));
/// let two = Recipe::parse(&format!("teacher = ['a.onnx', 'b.onnx']\n{rest}"))?;
/// assert_eq!(two.teacher.0.len(), 2);
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMore", into = "OneOrMore")]
pub struct Teachers(pub Vec<String>);

/// How it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "need the path of a network, or a list of them")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Teachers {
    fn from(written: OneOrMore) -> Self {
        match written {
            OneOrMore::One(path) => Self(vec![path]),
            OneOrMore::More(paths) => Self(paths),
        }
    }
}

impl From<Teachers> for OneOrMore {
    fn from(Teachers(mut paths): Teachers) -> Self {
        if paths.len() == 1 { Self::One(paths.remove(0)) } else { Self::More(paths) }
    }
}

impl Teachers {
    /// Whether the dense network teaches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Recipe(format!("teacher: {what}")));
        for (i, path) in self.0.iter().enumerate() {
            if path.is_empty() {
                return wrong("a path is empty".into());
            }
            if self.0[..i].contains(path) {
                return wrong(format!("`{path}` is named twice"));
            }
        }
        Ok(())
    }

    /// Their files' names, as a sentence says them; paths, where two names are the same.
    pub(super) fn words(&self) -> String {
        let name = |path: &String| {
            let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
            name.unwrap_or_else(|| path.clone())
        };
        let mut names: Vec<String> = self.0.iter().map(name).collect();
        if (1..names.len()).any(|i| names[..i].contains(&names[i])) {
            names.clone_from(&self.0);
        }
        match names.as_slice() {
            [] => "the dense network".into(),
            [one] => one.clone(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_said_by_their_files_names() {
        let of = |paths: &[&str]| Teachers(paths.iter().map(ToString::to_string).collect());
        assert_eq!(of(&[]).words(), "the dense network");
        assert_eq!(of(&["x/a.onnx"]).words(), "a.onnx");
        assert_eq!(of(&["x/a.onnx", "b.onnx", "c.hoyer"]).words(), "a.onnx, b.onnx and c.hoyer");
        assert_eq!(of(&["x/a.onnx", "y/a.onnx"]).words(), "x/a.onnx and y/a.onnx");
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        let refused = |written: &str| {
            let stage = "[[stage]]\nkind = 'finetune'\nepochs = 1\ndistill = {}\n";
            let text = format!("model = 'm'\ndata = 'd'\nteacher = {written}\n{stage}");
            crate::recipe::Recipe::parse(&text).unwrap_err().to_string()
        };
        assert!(refused("['a.onnx', 'a.onnx']").contains("`a.onnx` is named twice"));
        assert!(refused("''").contains("a path is empty"));
        assert!(refused("5").contains("need the path of a network, or a list of them"));
    }
}
