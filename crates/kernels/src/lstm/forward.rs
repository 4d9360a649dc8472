//! All steps forward.

use super::{Inputs, Keep, UNITS, part_of, put};
use crate::exponential::{sigmoid, tanh};
use crate::gemm::{Epilogue, Gemm};
use crate::isa::vectorize_wide;
use crate::pool::{Chunks, ColumnPart, Columns, Pool};
use crate::recurrent::strips::{ROWS, STRIP, Strips, Sums, from_to};
use crate::recurrent::{Sizes, add, by_rows, part, part_mut, start, take};
use crate::transpose::transpose;

/// The forward pass, ready to run.
#[derive(Debug)]
pub struct Forward {
    sizes: Sizes,
    of_x: Gemm,
    of_h: Strips,
}

impl Forward {
    /// Prepares a layer.
    pub fn new(sizes: Sizes) -> Self {
        let of_x = by_rows(sizes.samples(), 4 * sizes.hidden, sizes.input);
        Self { sizes, of_x, of_h: Strips::new(sizes.hidden) }
    }

    /// How much scratch memory [`Self::run`] needs, in elements.
    pub fn scratch_len(&self) -> usize {
        let Sizes { hidden, .. } = self.sizes;
        let gates = 4 * hidden * (self.sizes.samples() + 1);
        let weights = hidden.div_ceil(UNITS) * self.of_h.len();
        weights + gates + 4 * self.sizes.state() + self.of_x.scratch_len()
    }

    /// Computes all steps into `y`, and hidden units and cells after the last one; keeps what the backward pass needs if that is wanted.
    ///
    /// # Panics
    /// If a slice does not have its size.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::{lstm::{Forward, Inputs}, pool::Pool, recurrent::Sizes};
    ///
    /// let sizes =
    ///     Sizes { steps: 1, batch: 1, input: 1, hidden: 1, directions: 1, reversed: false };
    /// let layer = Forward::new(sizes);
    /// let (mut y, mut h, mut c) = ([0.0], [0.0], [0.0]);
    /// let inputs = Inputs { x: &[1.0], w: &[0.0; 4], r: &[0.0; 4], b: &[0.0; 8], initial: None };
    /// let mut scratch = vec![0.0; layer.scratch_len()];
    /// layer.run(&Pool::new(1), &inputs, (&mut y, [&mut h, &mut c]), None, &mut scratch);
    /// assert_eq!([y, h, c], [[0.0]; 3]);
    /// ```
    pub fn run(
        &self,
        pool: &Pool,
        inputs: &Inputs<'_>,
        (y, [last_h, last_c]): (&mut [f32], [&mut [f32]; 2]),
        mut keep: Option<Keep<'_>>,
        mut scratch: &mut [f32],
    ) {
        let (sizes, rows, state) = (self.sizes, 4 * self.sizes.hidden, self.sizes.state());
        let weights = take(&mut scratch, sizes.hidden.div_ceil(UNITS) * self.of_h.len());
        let own_gates = take(&mut scratch, sizes.samples() * rows);
        let bias = take(&mut scratch, rows);
        let own_cells = take(&mut scratch, 2 * state);
        let [first_h, first_c] = [(); 2].map(|()| take(&mut scratch, state));
        for direction in 0..sizes.directions {
            let own = |x| part(x, sizes.directions, direction);
            let [w, r, b] = [inputs.w, inputs.r, inputs.b].map(own);
            bias.copy_from_slice(&b[..rows]);
            add(bias, &b[rows..]);
            let epilogue = Epilogue { bias: Some(bias), ..Epilogue::default() };
            // Cells of every step, or of this one and the one before.
            let (gates, cells, kept) = match &mut keep {
                Some(Keep { gates, cells }) => {
                    let own = |x| part_mut(x, sizes.directions, direction);
                    (own(gates), own(cells), sizes.steps)
                }
                None => (&mut *own_gates, &mut *own_cells, 2),
            };
            self.of_x.run(pool, (inputs.x, w), gates, &epilogue, scratch);
            self.copy_weights(pool, r, weights);
            start(inputs.initial.map(|initial| initial[0]), sizes, direction, first_h);
            start(inputs.initial.map(|initial| initial[1]), sizes, direction, first_c);
            let cells_at = |time: usize| time % kept * state..(time % kept + 1) * state;
            for i in 0..sizes.steps {
                let time = sizes.time(i, direction);
                let (units, cells_here) = (sizes.units(time, direction), cells_at(time));
                let (before, into) = if i == 0 {
                    let h = inputs.initial.is_some().then_some(&*first_h);
                    ((h, &*first_c), [&mut y[units], &mut cells[cells_here]])
                } else {
                    let last = sizes.time(i - 1, direction);
                    let (h, h_to) = from_to(y, sizes.units(last, direction), units);
                    let (c, c_to) = from_to(cells, cells_at(last), cells_here);
                    ((Some(h), c), [h_to, c_to])
                };
                let gates = &mut gates[time * sizes.batch * rows..][..sizes.batch * rows];
                self.step(pool, weights, before, gates, into);
            }
            let last = sizes.time(sizes.steps - 1, direction);
            let units = &y[sizes.units(last, direction)];
            part_mut(last_h, sizes.directions, direction).copy_from_slice(units);
            part_mut(last_c, sizes.directions, direction).copy_from_slice(&cells[cells_at(last)]);
        }
    }

    /// The weights of the hidden units, transposed: strips with all gates of some units, side by side.
    fn copy_weights(&self, pool: &Pool, r: &[f32], weights: &mut [f32]) {
        let count = self.sizes.hidden;
        let strips = Chunks::new(weights, self.of_h.len());
        pool.for_each(count.div_ceil(UNITS), strips, |task, strip| {
            let units = UNITS.min(count - task * UNITS);
            if units < UNITS {
                strip.fill(0.0);
            }
            for gate in 0..4 {
                let rows = &r[(gate * count + task * UNITS) * count..];
                transpose((rows, count), [units, count], (&mut strip[gate * UNITS..], STRIP));
            }
        });
    }

    /// One step, from the units (none: they are all zero) and cells before it.
    fn step(
        &self,
        pool: &Pool,
        weights: &[f32],
        (h, c): (Option<&[f32]>, &[f32]),
        gates: &mut [f32],
        [to_h, to_c]: [&mut [f32]; 2],
    ) {
        let (count, samples) = (self.sizes.hidden, self.of_h.rows);
        let groups = self.sizes.batch.div_ceil(samples);
        let columns = |x, rows: usize| Columns::new(x, count, UNITS).of_rows(rows * samples);
        let parts = (columns(gates, 4), columns(to_h, 1), columns(to_c, 1));
        pool.for_each(count.div_ceil(UNITS) * groups, parts, |task, mut parts| {
            let (strip, first) = (task / groups, task % groups * samples);
            let mut sums = [0.0; ROWS * STRIP];
            if let Some(h) = h {
                let strip = &weights[strip * self.of_h.len()..][..self.of_h.len()];
                let rows = &h[first * count..][..parts.1.rows() * count];
                self.of_h.multiply(rows, strip, &mut sums);
            }
            let c = Matrix { data: &c[first * count + strip * UNITS..], row: count };
            vectorize_wide(
                #[inline(always)]
                || cells(&sums, c, &mut parts),
            );
        });
    }
}

/// Rows so far apart, of which a part is read.
struct Matrix<'a> {
    data: &'a [f32],
    row: usize,
}

type Parts<'a> = (ColumnPart<'a, f32>, ColumnPart<'a, f32>, ColumnPart<'a, f32>);

/// Gates of some units of all samples of a task, from the sums beside `W`, which lie there, and those beside `R`; then cells and units.
#[inline(always)]
fn cells(sums: &Sums, before: Matrix<'_>, (gates, h, c): &mut Parts<'_>) {
    for sample in 0..h.rows() {
        let width = h.row(sample).len();
        let gate = |i: usize| part_of(gates.row(4 * sample + i), width);
        let mut z = [gate(0), gate(1), gate(2), gate(3)];
        for (gate, z) in z.iter_mut().enumerate() {
            let sums = &sums[sample * STRIP + gate * UNITS..][..UNITS];
            z.iter_mut().zip(sums).for_each(|(z, sum)| *z += sum);
        }
        let [smooth @ .., new] = &mut z;
        smooth.as_flattened_mut().iter_mut().for_each(|z| *z = sigmoid(*z));
        new.iter_mut().for_each(|z| *z = tanh(*z));
        let [i, o, f, g] = &z;
        let mut cells = part_of(&before.data[sample * before.row..], width);
        let mut units = [0.0; UNITS];
        for k in 0..UNITS {
            cells[k] = f[k] * cells[k] + i[k] * g[k];
            units[k] = o[k] * tanh(cells[k]);
        }
        put(&cells, c.row_mut(sample));
        put(&units, h.row_mut(sample));
        for (gate, z) in z.iter().enumerate() {
            put(z, gates.row_mut(4 * sample + gate));
        }
    }
}
