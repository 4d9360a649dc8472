//! Everything that can go wrong in this crate.

/// The result of every fallible function here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong while a network learns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "every field is named in its message")]
pub enum Error {
    /// A hyper-parameter lies outside its documented range.
    #[error("{name} = {value}, need {range}")]
    Range { name: &'static str, value: f64, range: &'static str },
    /// Two hyper-parameters do not go together.
    #[error("{what} needs {need}")]
    Needs { what: &'static str, need: &'static str },
    /// A list that must have one entry for each of something.
    #[error("{what}: got {got} entries, need {need}")]
    Length { what: String, got: usize, need: usize },
    /// A name that no penalty has.
    #[error("there is no penalty `{name}`; known are {known}")]
    UnknownPenalty { name: String, known: String },
    /// A number that is NaN or infinite where that means nothing.
    #[error("{what} is {value}, need a finite number")]
    NotFinite { what: String, value: f64 },
}

/// `value` if it lies within `allowed`, which `range` describes.
pub(crate) fn within(
    name: &'static str,
    value: f64,
    range: &'static str,
    allowed: impl FnOnce(f64) -> bool,
) -> Result<f64> {
    if value.is_finite() && allowed(value) {
        Ok(value)
    } else {
        Err(Error::Range { name, value, range })
    }
}
