//! One pass over memory for a training step: update the weights of a chunk, gather its sums.
//!
//! ```text
//! g  <- gradient_scale · gradient + a sign(w) + b w      the penalty of the step before's sums
//! w, state <- rule(w, g, state), both 0 where the mask is false
//! sums <- Σ|w|, Σw²                                      for the step to come
//! ```
//!
//! A penalty such as Hoyer-Square needs sums over the whole tensor before it has a gradient. They
//! are gathered while the weights are written anyway, so a penalty reads nothing twice.
//!
//! Invariants: on one processor the results depend on the chunk alone; add the sums of a tensor's
//! chunks in their order and they never depend on the number of threads. [`measure`] returns to
//! the bit what the update that wrote those weights returned. A weight that is NaN or infinite
//! makes the sums so, which shows divergence for free.
//!
//! Not here: hyper-parameters, how a penalty turns sums into `a` and `b` (`hoyer_learn`).

use std::ops::Range;

mod isa;
mod pass;
mod rule;
mod term;
mod vector;

use isa::{Isa, Loop};
use pass::{Slices, Step, look};
pub use rule::{Adam, Momentum, RmsProp, RmsPropMomentum, Sgd};
use term::{Lanes, Row, Saturating, Scale, Sign, fold};
use vector::Vector;

#[cfg(test)]
mod tests;

/// Weights in a block: a block's lanes keep separate sums. Two AVX2 vectors, one of AVX-512.
pub const LANES: usize = 16;

/// `LANES` neighboring numbers.
pub type Block = [f32; LANES];

/// Weights in a chunk: enough to make a call cheap, few enough to share among threads.
pub const CHUNK: usize = 8192;

/// The arithmetic of an optimizer, its hyper-parameters of this step inside.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "each variant is documented at its struct")]
pub enum Rule {
    Sgd(Sgd),
    Momentum(Momentum),
    Adam(Adam),
    RmsProp(RmsProp),
    RmsPropMomentum(RmsPropMomentum),
}

impl Rule {
    /// How many numbers the rule keeps for each weight: 0, 1 or 2.
    #[must_use]
    pub fn states(&self) -> usize {
        match self {
            Self::Sgd(_) => 0,
            Self::Momentum(_) | Self::RmsProp(_) => 1,
            Self::Adam(_) | Self::RmsPropMomentum(_) => 2,
        }
    }
}

/// What is added to the gradient of the weights of a chunk, and with it the sums gathered.
#[derive(Debug)]
pub enum Term<'a> {
    /// `scale · w`: weight decay alone. Gathers nothing.
    Scale {
        /// Factor of the weight.
        scale: f32,
    },
    /// `sign · sign(w) + scale · w`: L1, Hoyer, Hoyer-Square.
    Sign {
        /// Factor of the weight's sign.
        sign: f32,
        /// Factor of the weight.
        scale: f32,
    },
    /// `sign · sign(w) / (1 + |w|)² + scale · w`: transformed L1.
    Saturating {
        /// Factor of the weight's sign.
        sign: f32,
        /// Factor of the weight.
        scale: f32,
    },
    /// `(row + column) · w`, the chunk being a stack of whole rows: group penalties.
    Groups(Groups<'a>),
}

/// Sums over the new weights of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sums {
    /// `Σ|w|` for [`Term::Sign`], `Σ |w| / (1 + |w|)` for [`Term::Saturating`], else 0.
    pub magnitude: f64,
    /// `Σw²`; 0 for [`Term::Scale`].
    pub squares: f64,
}

/// Factors and sums of the rows and columns of a chunk that is a stack of whole rows.
///
/// Column slices are padded to whole blocks. A convolution takes every position of its kernel as
/// a column of its own; those of one input channel are added up by the caller.
///
/// # Shapes
/// - `rows`, `row_squares`: `[rows]`
/// - `columns`, `column_squares`: `[width / LANES, rounded up]` blocks
#[derive(Debug)]
pub struct Groups<'a> {
    /// Weights in a row.
    pub width: usize,
    /// Factor of the weights of each row.
    pub rows: &'a [f32],
    /// Factor of the weights of each column, added to that of the row.
    pub columns: &'a [Block],
    /// Receives `Σw²` of each row.
    pub row_squares: &'a mut [f64],
    /// Receives `Σw²` of each column over the rows of this chunk.
    pub column_squares: &'a mut [Block],
}

/// Equally long slices of one tensor: what an update reads and writes.
///
/// # Shapes
/// - `weights`, `gradient` and, where there is one, `mask`: `[n]`
/// - `first`, `second`: `[n]` as far as [`Rule::states`] asks for them, else not looked at
#[derive(Debug)]
pub struct Chunk<'a> {
    /// The weights.
    pub weights: &'a mut [f32],
    /// Gradient of the loss.
    pub gradient: &'a [f32],
    /// What multiplies the gradient: 1, or less when it is clipped.
    pub gradient_scale: f32,
    /// The rule's first number for each weight.
    pub first: &'a mut [f32],
    /// The rule's second number for each weight.
    pub second: &'a mut [f32],
    /// False where a weight is dead; `None` if all live.
    pub mask: Option<&'a [bool]>,
}

/// Updates the weights of a chunk and returns the sums over the new ones.
///
/// # Panics
/// If the slices of the chunk, or of its groups, do not fit each other.
///
/// # Example
/// ```
/// use hoyer_kernels::update::{Chunk, Rule, Sgd, Term, update};
///
/// let mut weights = [1.0, -2.0, 0.0];
/// let chunk = Chunk {
///     weights: &mut weights,
///     gradient: &[0.0; 3],
///     gradient_scale: 1.0,
///     first: &mut [],
///     second: &mut [],
///     mask: None,
/// };
/// let l1 = Term::Sign { sign: 0.5, scale: 0.0 };
/// let sums = update(chunk, &Rule::Sgd(Sgd { lr: 1.0 }), l1);
/// assert_eq!(weights, [0.5, -1.5, 0.0]);
/// assert_eq!((sums.magnitude, sums.squares), (2.0, 2.5));
/// ```
pub fn update(chunk: Chunk<'_>, rule: &Rule, term: Term<'_>) -> Sums {
    update_on(Isa::best(), chunk, rule, term)
}

/// The sums that [`update`] would have gathered had it written these weights.
///
/// # Panics
/// If the weights do not fit the groups of the term.
pub fn measure(weights: &[f32], term: Term<'_>) -> Sums {
    measure_on(Isa::best(), weights, term)
}

/// `Σx²`, for norms of gradients.
///
/// # Example
/// ```
/// assert_eq!(hoyer_kernels::update::squares(&[3.0, 4.0]), 25.0);
/// ```
#[must_use]
pub fn squares(x: &[f32]) -> f64 {
    let sum = |chunk| measure(chunk, Term::Sign { sign: 0.0, scale: 0.0 }).squares;
    x.chunks(CHUNK).map(sum).sum()
}

fn measure_on(isa: Isa, weights: &[f32], term: Term<'_>) -> Sums {
    term.check(weights.len());
    isa.run(Measure { weights, term })
}

fn update_on(isa: Isa, chunk: Chunk<'_>, rule: &Rule, term: Term<'_>) -> Sums {
    chunk.check(rule.states());
    term.check(chunk.weights.len());
    let Chunk { weights, gradient, gradient_scale, first, second, mask } = chunk;
    match *rule {
        Rule::Sgd(rule) => {
            let slices = Slices { weights, gradient, states: [], mask };
            isa.run(Update { slices, step: Step { gradient_scale, rule }, term })
        }
        Rule::Momentum(rule) => {
            let slices = Slices { weights, gradient, states: [first], mask };
            isa.run(Update { slices, step: Step { gradient_scale, rule }, term })
        }
        Rule::RmsProp(rule) => {
            let slices = Slices { weights, gradient, states: [first], mask };
            isa.run(Update { slices, step: Step { gradient_scale, rule }, term })
        }
        Rule::Adam(rule) => {
            let slices = Slices { weights, gradient, states: [first, second], mask };
            isa.run(Update { slices, step: Step { gradient_scale, rule }, term })
        }
        Rule::RmsPropMomentum(rule) => {
            let slices = Slices { weights, gradient, states: [first, second], mask };
            isa.run(Update { slices, step: Step { gradient_scale, rule }, term })
        }
    }
}

impl Chunk<'_> {
    fn check(&self, states: usize) {
        let n = self.weights.len();
        assert_eq!(self.gradient.len(), n, "one gradient for each weight");
        assert!(states < 1 || self.first.len() == n, "one first state for each weight");
        assert!(states < 2 || self.second.len() == n, "one second state for each weight");
        assert!(self.mask.is_none_or(|mask| mask.len() == n), "one mask for each weight");
    }
}

impl Term<'_> {
    fn check(&self, weights: usize) {
        let Self::Groups(groups) = self else { return };
        let blocks = groups.width.div_ceil(LANES);
        assert_eq!(groups.rows.len() * groups.width, weights, "a chunk is a stack of whole rows");
        assert_eq!(groups.row_squares.len(), groups.rows.len(), "one sum for each row");
        assert_eq!(groups.columns.len(), blocks, "one factor for each column");
        assert_eq!(groups.column_squares.len(), blocks, "one sum for each column");
    }
}

/// [`update`] with the rule known at compile time.
struct Update<'a, const STATES: usize, R> {
    slices: Slices<'a, STATES>,
    step: Step<R>,
    term: Term<'a>,
}

impl<const STATES: usize, R: rule::Rule<STATES>> Loop for Update<'_, STATES, R> {
    type Out = Sums;

    #[inline(always)]
    fn run<V: Vector>(self) -> Sums {
        let Self { mut slices, step, term } = self;
        match term {
            Term::Scale { scale } => {
                step.slices::<STATES, V>(slices, &mut Scale { scale });
                Sums::default()
            }
            Term::Sign { sign, scale } => {
                let mut term = Sign::<V> { sign, scale, lanes: Lanes::zero() };
                step.slices(slices, &mut term);
                term.lanes.sums()
            }
            Term::Saturating { sign, scale } => {
                let mut term = Saturating::<V> { sign, scale, lanes: Lanes::zero() };
                step.slices(slices, &mut term);
                term.lanes.sums()
            }
            Term::Groups(mut groups) => {
                groups.column_squares.fill([0.0; LANES]);
                for i in 0..groups.rows.len() {
                    let part = slices.part(groups.range(i));
                    let mut row = groups.row::<V>(i);
                    step.slices(part, &mut row);
                    groups.row_squares[i] = fold(row.squares);
                }
                groups.sums()
            }
        }
    }
}

/// [`measure`] as a loop.
struct Measure<'a> {
    weights: &'a [f32],
    term: Term<'a>,
}

impl Loop for Measure<'_> {
    type Out = Sums;

    #[inline(always)]
    fn run<V: Vector>(self) -> Sums {
        let Self { weights, term } = self;
        match term {
            Term::Scale { .. } => Sums::default(),
            Term::Sign { sign, scale } => {
                let mut term = Sign::<V> { sign, scale, lanes: Lanes::zero() };
                look(weights, &mut term);
                term.lanes.sums()
            }
            Term::Saturating { sign, scale } => {
                let mut term = Saturating::<V> { sign, scale, lanes: Lanes::zero() };
                look(weights, &mut term);
                term.lanes.sums()
            }
            Term::Groups(mut groups) => {
                groups.column_squares.fill([0.0; LANES]);
                for i in 0..groups.rows.len() {
                    let part = &weights[groups.range(i)];
                    let mut row = groups.row::<V>(i);
                    look(part, &mut row);
                    groups.row_squares[i] = fold(row.squares);
                }
                groups.sums()
            }
        }
    }
}

impl Groups<'_> {
    /// The weights of row `i`.
    fn range(&self, i: usize) -> Range<usize> {
        i * self.width..(i + 1) * self.width
    }

    /// The term of row `i`, nothing gathered yet.
    #[inline(always)]
    fn row<V: Vector>(&mut self, i: usize) -> Row<'_, V> {
        Row {
            row: self.rows[i],
            columns: self.columns,
            squares: V::splat(0.0),
            column_squares: self.column_squares,
        }
    }

    #[inline(always)]
    fn sums(&self) -> Sums {
        Sums { magnitude: 0.0, squares: self.row_squares.iter().sum() }
    }
}
