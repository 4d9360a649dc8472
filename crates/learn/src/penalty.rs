//! Sparsity penalties: a number that falls as weights vanish, and its gradient.
//!
//! ```text
//! loss = task loss + λ Σ_tensors R(w)
//! ```
//!
//! Each [`Penalty`] says twice what it is: plainly in `f64` (`value`, `gradient`), and as a few
//! factors made of sums over the tensor (`value_of`, `factors`), with which one pass of
//! [`hoyer_kernels::update`] adds its gradient and gathers the sums of the next step.
//! [`check::penalty`](crate::check::penalty) proves that the two agree.
//!
//! Invariants: `sign(0)` is 0; a tensor of zeros has penalty 0 and gradient 0; every tensor is a
//! term of its own, without weighting by size.
//! Not here: when the factors are computed and applied (`optimizer`), the strength `λ` over time
//! (`schedule`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

mod group_hoyer_square;
mod group_lasso;
mod groups;
mod hoyer;
mod hoyer_square;
mod l1;
#[cfg(test)]
mod tests;
mod transformed_l1;

pub use group_hoyer_square::GroupHoyerSquare;
pub use group_lasso::GroupLasso;
pub use hoyer::Hoyer;
pub use hoyer_square::HoyerSquare;
pub use l1::L1;
pub use transformed_l1::TransformedL1;

/// Every penalty that recipes know by name. A new one is its file and a row here.
pub const TABLE: [&dyn Penalty; 6] =
    [&L1, &TransformedL1, &Hoyer, &HoyerSquare, &GroupLasso, &GroupHoyerSquare];

/// Tensors whose `Σw²` is smaller count as empty in the fused pass: their penalty has gradient 0.
/// The factors of larger ones fit an `f32`.
pub const EMPTY_SQUARES: f64 = 1e-30;

/// A sparsity penalty of one tensor.
pub trait Penalty: fmt::Debug + Sync {
    /// Its name in recipes.
    fn name(&self) -> &'static str;

    /// `R(w)`, the slow and plain way.
    fn value(&self, weights: Weights<'_>) -> f64;

    /// `∂R/∂w`, the slow and plain way.
    ///
    /// # Shapes
    /// - as `weights.data`
    fn gradient(&self, weights: Weights<'_>) -> Vec<f64>;

    /// What the fused pass adds to a gradient, and with it what it sums.
    fn form(&self) -> Form;

    /// `R(w)` from the sums of [`Self::form`].
    fn value_of(&self, sums: &Sums) -> f64;

    /// The factors of [`Self::form`] whose term is `λ ∂R/∂w`.
    fn factors(&self, sums: &Sums, lambda: f64, factors: &mut Factors);

    /// How it looks at channels that run through several layers; only for [`Form::Groups`].
    fn over_channels(&self) -> Option<OverChannels> {
        None
    }
}

/// A penalty of channels that run through several layers, from the squared norm `z` of each.
#[derive(Debug, Clone, Copy)]
pub struct OverChannels {
    /// Whether a layer's part of `z` is its share of all channels' squares in that layer, which makes layers of any scale
    /// count alike, or the squares themselves.
    pub shares: bool,
    /// `R(z)`; puts `∂R/∂z` into the second slice, which is as long as the first, 0 where `z` is.
    pub value: fn(&[f64], &mut [f64]) -> f64,
}

/// What the fused pass adds to the gradient of a weight `w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `sign · sign(w) + scale · w`, from `Σ|w|` and `Σw²`.
    Sign,
    /// `sign · sign(w) / (1 + |w|)² + scale · w`, from `Σ |w| / (1 + |w|)` and `Σw²`.
    Saturating,
    /// `(outputs[o] + inputs[i]) · w`, from `Σw²` of every output and input.
    Groups,
}

/// Sums over one tensor.
///
/// # Shapes
/// - `outputs`: `[out]`, `inputs`: `[in]`; empty unless the form is [`Form::Groups`]
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sums {
    /// `Σ|w|`, or `Σ |w| / (1 + |w|)` for [`Form::Saturating`].
    pub magnitude: f64,
    /// `Σw²`.
    pub squares: f64,
    /// `Σw²` of the weights that lead to each output.
    pub outputs: Vec<f64>,
    /// `Σw²` of the weights that leave each input.
    pub inputs: Vec<f64>,
}

/// Factors of the term that a [`Form`] describes; those it does not name are 0 or empty.
///
/// # Shapes
/// - as [`Sums`]
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Factors {
    /// Factor of the weight's sign.
    pub sign: f64,
    /// Factor of the weight.
    pub scale: f64,
    /// Factor of the weights that lead to each output.
    pub outputs: Vec<f64>,
    /// Factor of the weights that leave each input.
    pub inputs: Vec<f64>,
}

/// How a tensor of any rank is seen: `[out, inp, taps]`.
///
/// # Example
/// ```
/// use hoyer_learn::penalty::View;
///
/// assert_eq!(View::of(&[50, 20, 5, 5]), View { out: 50, inp: 20, taps: 25 });
/// assert_eq!(View::of(&[300, 784]), View { out: 300, inp: 784, taps: 1 });
/// assert_eq!(View::of(&[10]), View { out: 10, inp: 1, taps: 1 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Output channels or features.
    pub out: usize,
    /// Input channels or features.
    pub inp: usize,
    /// Positions of a convolution's kernel; 1 for a linear layer.
    pub taps: usize,
}

impl View {
    /// The view of a weight of this shape: `[out, in, kernel...]`, `[out, in]` or `[out]`.
    #[must_use]
    pub fn of(shape: &[usize]) -> Self {
        Self {
            out: shape.first().copied().unwrap_or(1),
            inp: shape.get(1).copied().unwrap_or(1),
            taps: shape.iter().skip(2).product(),
        }
    }

    /// How many weights there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.out * self.width()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Weights of one output.
    #[must_use]
    pub fn width(self) -> usize {
        self.inp * self.taps
    }
}

/// A tensor that fills its view.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    data: &'a [f64],
    view: View,
}

impl<'a> Weights<'a> {
    /// Takes the numbers of a tensor, row-major.
    ///
    /// # Errors
    /// - [`Error::Length`] if there are more or fewer than the view holds
    pub fn new(data: &'a [f64], view: View) -> Result<Self> {
        if data.len() == view.len() {
            return Ok(Self { data, view });
        }
        Err(Error::Length { what: format!("{view:?}"), got: data.len(), need: view.len() })
    }

    /// The numbers, `[out, inp, taps]`.
    #[must_use]
    pub fn data(self) -> &'a [f64] {
        self.data
    }

    /// How they are arranged.
    #[must_use]
    pub fn view(self) -> View {
        self.view
    }

    /// `Σ|w|` and `Σw²`.
    fn magnitude_and_squares(self) -> (f64, f64) {
        let magnitude = self.data.iter().map(|w| w.abs()).sum();
        (magnitude, self.data.iter().map(|w| w * w).sum())
    }
}

/// `sign(w)`, 0 at 0.
fn sign(w: f64) -> f64 {
    if w == 0.0 { 0.0 } else { w.signum() }
}

/// A penalty of [`TABLE`], written in recipes as its name.
///
/// # Example
/// ```
/// use hoyer_learn::penalty::ByName;
///
/// let penalty: ByName = "hoyer-square".parse()?;
/// assert_eq!(penalty.to_string(), "hoyer-square");
/// let error = "hoyer-sq".parse::<ByName>().unwrap_err().to_string();
/// assert!(error.starts_with("there is no penalty `hoyer-sq`; known are l1, "));
/// # Ok::<(), hoyer_learn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ByName(pub &'static dyn Penalty);

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl fmt::Display for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl From<ByName> for String {
    fn from(penalty: ByName) -> Self {
        penalty.0.name().into()
    }
}

impl std::str::FromStr for ByName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = TABLE.into_iter().find(|penalty| penalty.name() == name);
        found.map(Self).ok_or_else(|| Error::UnknownPenalty {
            name: name.into(),
            known: TABLE.map(Penalty::name).join(", "),
        })
    }
}

impl TryFrom<String> for ByName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}
