//! Facts about a network in an ONNX file's `metadata_props`: one text each.
//!
//! A text is written as it is, anything else, and a text that could be taken for it, as JSON. Files that others wrote have
//! facts in forms of their own, and are not read.

use super::messages::{ModelProto, StringStringEntryProto};
use crate::container::Metadata;
use serde_json::Value;

/// Who wrote a file of ours.
pub(crate) const PRODUCER: &str = "hoyer";

pub(crate) fn to_props(metadata: &Metadata) -> Vec<StringStringEntryProto> {
    let text = |fact: &Value| match fact {
        Value::String(text) if serde_json::from_str::<Value>(text).is_err() => text.clone(),
        other => other.to_string(),
    };
    let entry = |(key, fact): (&String, &Value)| StringStringEntryProto {
        key: Some(key.clone()),
        value: Some(text(fact)),
    };
    metadata.0.iter().map(entry).collect()
}

/// The facts in a file that hoyer wrote; those of others stay where they are.
pub(crate) fn of(model: &ModelProto) -> Metadata {
    if model.producer_name.as_deref() != Some(PRODUCER) {
        return Metadata::default();
    }
    let fact = |entry: &StringStringEntryProto| {
        let text = entry.value.clone().unwrap_or_default();
        let fact = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (entry.key.clone().unwrap_or_default(), fact)
    };
    Metadata(model.metadata_props.iter().map(fact).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_back_as_they_were() {
        let mut facts = Metadata::default();
        facts.set("classes", &["no", "yes"]).unwrap();
        facts.set("data", "mnist").unwrap();
        facts.set("seed", &7).unwrap();
        facts.set("looks like a number", "7").unwrap();
        facts.set("recipe", "model = 'a'\n").unwrap();
        let model = ModelProto {
            producer_name: Some(PRODUCER.into()),
            metadata_props: to_props(&facts),
            ..ModelProto::default()
        };
        assert_eq!(of(&model), facts);
        let texts: Vec<_> =
            model.metadata_props.iter().map(|p| p.value.as_deref().unwrap()).collect();
        assert_eq!(texts, [r#"["no","yes"]"#, "mnist", "\"7\"", "model = 'a'\n", "7"]);
        let other = ModelProto { producer_name: Some("pytorch".into()), ..model };
        assert_eq!(of(&other), Metadata::default());
    }
}
