//! The sums of one tensor from step to step, and the terms its penalty makes of them.
//!
//! Element penalties cut a tensor into chunks of [`CHUNK`] weights, group penalties into stacks of
//! whole rows; either way the cut depends on the shape alone. Chunk sums are added in order.
//! Not here: the formulas (`penalty`), the loop (`hoyer_kernels::update`).

use hoyer_kernels::update::{self, Block, CHUNK, Groups, LANES, Term};

use crate::penalty::{Factors, Form, Penalty, Sums, View};

/// Most stacks of rows in a tensor: each keeps sums of all columns.
const MOST_STACKS: usize = 16;

/// What a penalized tensor keeps.
#[derive(Debug)]
pub(super) struct Tracker {
    penalty: &'static dyn Penalty,
    view: View,
    pub(super) sums: Sums,
    /// Whether `sums` belong to the weights as they are.
    fresh: bool,
    pub(super) factors: Factors,
    /// Factors of rows and columns as the kernel reads them.
    rows: Vec<f32>,
    columns: Vec<Block>,
    /// What the chunks gathered.
    chunk_sums: Vec<update::Sums>,
    chunk_columns: Vec<Block>,
    column_totals: Vec<f64>,
}

impl Tracker {
    pub(super) fn new(penalty: &'static dyn Penalty, view: View) -> Self {
        let mut tracker = Self {
            penalty,
            view,
            sums: Sums::default(),
            fresh: false,
            factors: Factors::default(),
            rows: Vec::new(),
            columns: Vec::new(),
            chunk_sums: Vec::new(),
            chunk_columns: Vec::new(),
            column_totals: Vec::new(),
        };
        let chunks = view.len().div_ceil(tracker.chunk().max(1));
        tracker.chunk_sums.resize(chunks, update::Sums::default());
        if penalty.form() == Form::Groups {
            let blocks = view.width().div_ceil(LANES);
            tracker.sums.outputs.resize(view.out, 0.0);
            tracker.sums.inputs.resize(view.inp, 0.0);
            tracker.factors.outputs.resize(view.out, 0.0);
            tracker.factors.inputs.resize(view.inp, 0.0);
            tracker.rows.resize(view.out, 0.0);
            tracker.columns.resize(blocks, [0.0; LANES]);
            tracker.chunk_columns.resize(chunks * blocks, [0.0; LANES]);
            tracker.column_totals.resize(blocks * LANES, 0.0);
        }
        tracker
    }

    /// Weights in a chunk.
    pub(super) fn chunk(&self) -> usize {
        match self.penalty.form() {
            Form::Sign | Form::Saturating => CHUNK,
            Form::Groups => self.view.width() * stack(self.view),
        }
    }

    /// The penalty of the weights as they are; NaN if they were never seen.
    pub(super) fn value(&self) -> f64 {
        if self.fresh { self.penalty.value_of(&self.sums) } else { f64::NAN }
    }

    /// Whether the sums belong to the weights as they are.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The weights are no longer those of the sums.
    pub(super) fn forget(&mut self) {
        self.fresh = false;
    }

    /// Makes sure that the sums belong to `weights`.
    pub(super) fn look_at(&mut self, weights: &[f32]) {
        if self.fresh {
            return;
        }
        let chunk = self.chunk();
        let mut terms = self.terms(0.0);
        for chunk in weights.chunks(chunk.max(1)) {
            let (term, sums) = terms.next();
            *sums = update::measure(chunk, term);
        }
        self.gather();
    }

    /// Turns the sums into the factors of the next step.
    pub(super) fn penalize(&mut self, lambda: f64) {
        self.penalty.factors(&self.sums, lambda, &mut self.factors);
    }

    /// Lays the factors out for the kernel.
    pub(super) fn prepare(&mut self, decay: f64) {
        for (row, factor) in self.rows.iter_mut().zip(&self.factors.outputs) {
            *row = (factor + decay) as f32;
        }
        let columns = self.columns.as_flattened_mut().chunks_mut(self.view.taps.max(1));
        for (taps, factor) in columns.zip(&self.factors.inputs) {
            taps.fill(*factor as f32);
        }
        self.fresh = false;
    }

    /// The term of each chunk and where its sums go, in order.
    pub(super) fn terms(&mut self, decay: f64) -> Terms<'_> {
        let (sign, scale) = (self.factors.sign as f32, (self.factors.scale + decay) as f32);
        let left = match self.penalty.form() {
            Form::Sign => Left::Sign { sign, scale },
            Form::Saturating => Left::Saturating { sign, scale },
            Form::Groups => Left::Groups {
                view: self.view,
                rows: &self.rows,
                columns: &self.columns,
                row_squares: &mut self.sums.outputs,
                column_squares: &mut self.chunk_columns,
            },
        };
        Terms { left, sums: &mut self.chunk_sums }
    }

    /// Adds up what the chunks gathered.
    pub(super) fn gather(&mut self) {
        self.sums.magnitude = self.chunk_sums.iter().map(|sums| sums.magnitude).sum();
        self.sums.squares = self.chunk_sums.iter().map(|sums| sums.squares).sum();
        if self.penalty.form() == Form::Groups {
            self.column_totals.fill(0.0);
            for chunk in self.chunk_columns.chunks(self.columns.len().max(1)) {
                for (total, square) in self.column_totals.iter_mut().zip(chunk.as_flattened()) {
                    *total += f64::from(*square);
                }
            }
            let inputs = self.column_totals.chunks(self.view.taps.max(1));
            for (sum, taps) in self.sums.inputs.iter_mut().zip(inputs) {
                *sum = taps.iter().sum();
            }
        }
        self.fresh = true;
    }
}

/// Rows in a chunk: about two [`CHUNK`]s of weights, more where that would make too many stacks.
fn stack(view: View) -> usize {
    (2 * CHUNK / view.width().max(1)).max(view.out.div_ceil(MOST_STACKS)).max(1)
}

/// What is left of a tensor's terms.
pub(super) struct Terms<'a> {
    left: Left<'a>,
    sums: &'a mut [update::Sums],
}

enum Left<'a> {
    Sign {
        sign: f32,
        scale: f32,
    },
    Saturating {
        sign: f32,
        scale: f32,
    },
    Groups {
        view: View,
        rows: &'a [f32],
        columns: &'a [Block],
        row_squares: &'a mut [f64],
        column_squares: &'a mut [Block],
    },
}

impl<'a> Terms<'a> {
    /// The term of the next chunk.
    pub(super) fn next(&mut self) -> (Term<'a>, &'a mut update::Sums) {
        let sums = self.sums.split_off_first_mut().expect("a place for every chunk");
        (self.left.next(), sums)
    }
}

impl<'a> Left<'a> {
    fn next(&mut self) -> Term<'a> {
        match self {
            Self::Sign { sign, scale } => Term::Sign { sign: *sign, scale: *scale },
            Self::Saturating { sign, scale } => Term::Saturating { sign: *sign, scale: *scale },
            Self::Groups { view, rows, columns, row_squares, column_squares } => {
                let stack = stack(*view).min(rows.len());
                let place = "stacks cover all rows";
                Term::Groups(Groups {
                    width: view.width(),
                    rows: rows.split_off(..stack).expect(place),
                    columns,
                    row_squares: row_squares.split_off_mut(..stack).expect(place),
                    column_squares: column_squares.split_off_mut(..columns.len()).expect(place),
                })
            }
        }
    }
}
