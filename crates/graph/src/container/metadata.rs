//! What belongs to a network but is not needed to run it: names of classes, normalization, recipe, metrics.
//!
//! The keys that hoyer itself uses are listed in `docs/format.md`; any other is kept as it is.

use crate::{Error, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Named facts about a network, each anything that JSON can hold.
///
/// # Example
/// ```
/// use hoyer_graph::container::Metadata;
///
/// let mut metadata = Metadata::default();
/// metadata.set("classes", &["cat", "dog"])?;
/// assert_eq!(metadata.get::<Vec<String>>("classes")?, Some(vec!["cat".into(), "dog".into()]));
/// assert_eq!(metadata.get::<f64>("accuracy")?, None);
/// let error = metadata.get::<f64>("classes").unwrap_err();
/// assert!(error.to_string().starts_with("not a usable .hoyer file: metadata `classes`"));
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(pub BTreeMap<String, serde_json::Value>);

impl Metadata {
    /// Keeps a fact; one of the same name is replaced. Numbers that are not finite become `null`.
    ///
    /// # Errors
    /// [`Error::Container`] if the fact has no JSON form (a map with keys that are no strings, say).
    pub fn set(&mut self, key: &str, fact: &(impl Serialize + ?Sized)) -> Result<()> {
        let fact = serde_json::to_value(fact).map_err(|error| unfit(key, &error))?;
        self.0.insert(key.to_owned(), fact);
        Ok(())
    }

    /// A fact, if it is there.
    ///
    /// # Errors
    /// [`Error::Container`] if it is there and is no `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let fact = self.0.get(key).map(|fact| T::deserialize(fact));
        fact.transpose().map_err(|error| unfit(key, &error))
    }
}

fn unfit(key: &str, error: &serde_json::Error) -> Error {
    super::damaged(format!("metadata `{key}`: {error}"))
}
