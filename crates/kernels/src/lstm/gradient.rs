//! All steps back.

use super::{ByInputs, ByOutputs, Inputs, Kept, UNITS, part_of, put};
use crate::exponential::tanh;
use crate::gemm::{Epilogue, Gemm};
use crate::isa::vectorize_wide;
use crate::pool::{Chunks, ColumnPart, Columns, Pool};
use crate::recurrent::strips::{ROWS, STRIP, Strips, Sums, from_to};
use crate::recurrent::{Sizes, add, by_columns, part, part_mut, plain, start, sum_rows, take};

/// The backward pass, ready to run.
#[derive(Debug)]
pub struct Gradient {
    sizes: Sizes,
    by_h: Strips,
    by_x: Gemm,
    by_w: Gemm,
    by_r: Gemm,
    /// By all steps but the first.
    by_r_later: Gemm,
}

/// What a step back reads.
struct Step<'a> {
    /// Gradients by the gates' sums of the step after it, if there is one, and the copied weights of the hidden units.
    after: Option<(&'a [f32], &'a [f32])>,
    /// Gradients by its units: those by the last ones if it is the last, and those by the outputs at its time.
    by_units: [Option<&'a [f32]>; 2],
    gates: &'a [f32],
    /// The cells before and after it.
    cells: [&'a [f32]; 2],
}

impl Gradient {
    /// Prepares a layer.
    pub fn new(sizes: Sizes) -> Self {
        let Sizes { input, hidden, .. } = sizes;
        let (rows, all) = (4 * hidden, sizes.samples());
        Self {
            sizes,
            by_h: Strips::new(rows),
            by_x: plain(all, input, rows),
            by_w: by_columns(rows, input, all),
            by_r: by_columns(rows, hidden, all),
            by_r_later: by_columns(rows, hidden, all - sizes.batch),
        }
    }

    /// How much scratch memory [`Self::run`] needs, in elements.
    pub fn scratch_len(&self) -> usize {
        let Sizes { input, hidden, directions, .. } = self.sizes;
        let all = self.sizes.samples();
        let products =
            [&self.by_x, &self.by_w, &self.by_r, &self.by_r_later].map(Gemm::scratch_len);
        let dx = if directions > 1 { input } else { 0 };
        let most = products.into_iter().max().unwrap_or(0);
        let weights = hidden.div_ceil(STRIP) * self.by_h.len();
        weights + all * (4 * hidden + hidden + dx) + 3 * self.sizes.state() + most
    }

    /// Computes gradients by all inputs.
    ///
    /// # Panics
    /// If a slice does not have its size.
    pub fn run(
        &self,
        pool: &Pool,
        (inputs, kept): (&Inputs<'_>, &Kept<'_>),
        by: &ByOutputs<'_>,
        d: &mut ByInputs<'_>,
        mut scratch: &mut [f32],
    ) {
        let (sizes, rows) = (self.sizes, 4 * self.sizes.hidden);
        let (all, state) = (sizes.samples(), sizes.state());
        let weights = take(&mut scratch, sizes.hidden.div_ceil(STRIP) * self.by_h.len());
        // Gradients by the sums that gates are activations of.
        let dz = take(&mut scratch, all * rows);
        let before = take(&mut scratch, all * sizes.hidden);
        let dx = take(&mut scratch, if sizes.directions > 1 { all * sizes.input } else { 0 });
        let mut states = [(); 3].map(|()| take(&mut scratch, state));
        let plainly = Epilogue::default();
        for direction in 0..sizes.directions {
            let w = part(inputs.w, sizes.directions, direction);
            self.copy_weights(pool, part(inputs.r, sizes.directions, direction), weights);
            self.back(pool, (inputs, kept, by, direction), (dz, weights), &mut states);
            let count = sizes.directions;
            let (dw, dr) = (part_mut(d.w, count, direction), part_mut(d.r, count, direction));
            self.by_w.run(pool, (dz, inputs.x), dw, &plainly, scratch);
            if inputs.initial.is_none() && count == 1 {
                // Of the first step, all units before it are zero; of all others, they are the outputs of the one before.
                let (dz, before) = self.but_the_first(dz, kept.y);
                self.by_r_later.run(pool, (dz, before), dr, &plainly, scratch);
            } else {
                let initial = inputs.initial.map(|x| part(x[0], sizes.directions, direction));
                sizes.before(kept.y, initial, direction, before);
                self.by_r.run(pool, (dz, before), dr, &plainly, scratch);
            }
            let (beside_w, beside_r) = part_mut(d.b, count, direction).split_at_mut(rows);
            sum_rows(pool, dz, beside_w);
            beside_r.copy_from_slice(beside_w);
            if let Some(x) = &mut d.x {
                let into = if direction == 0 { &mut **x } else { &mut *dx };
                self.by_x.run(pool, (dz, w), into, &plainly, scratch);
                if direction > 0 {
                    add(x, dx);
                }
            }
            if let Some([by_h, by_c]) = &mut d.initial {
                let [_, dc, _] = &states;
                part_mut(by_c, count, direction).copy_from_slice(dc);
                let first = sizes.time(0, direction) * sizes.batch * rows;
                let after = (&dz[first..][..sizes.batch * rows], &*weights);
                self.by_first(pool, after, part_mut(by_h, count, direction));
            }
        }
    }

    /// Of the only direction: gradients by the gates' sums of all steps but the first, and the units that they started with.
    fn but_the_first<'a>(&self, dz: &'a [f32], y: &'a [f32]) -> (&'a [f32], &'a [f32]) {
        let (state, rows) = (self.sizes.state(), 4 * self.sizes.state());
        if self.sizes.reversed {
            (&dz[..dz.len() - rows], &y[state..])
        } else {
            (&dz[rows..], &y[..y.len() - state])
        }
    }

    /// The weights of the hidden units in strips of columns.
    fn copy_weights(&self, pool: &Pool, r: &[f32], weights: &mut [f32]) {
        let count = self.sizes.hidden;
        let strips = Chunks::new(weights, self.by_h.len());
        pool.for_each(count.div_ceil(STRIP), strips, |task, strip| {
            let width = STRIP.min(count - task * STRIP);
            for (to, row) in strip.chunks_exact_mut(STRIP).zip(r.chunks_exact(count)) {
                to[..width].copy_from_slice(&row[task * STRIP..][..width]);
                to[width..].fill(0.0);
            }
        });
    }

    /// Goes back through all steps of a direction; of the states, the second becomes the gradient by the cells before the first step.
    fn back(
        &self,
        pool: &Pool,
        (inputs, kept, by, direction): (&Inputs<'_>, &Kept<'_>, &ByOutputs<'_>, usize),
        (dz, weights): (&mut [f32], &[f32]),
        [dh, dc, first]: &mut [&mut [f32]; 3],
    ) {
        let (sizes, state) = (self.sizes, self.sizes.state());
        let len = sizes.batch * 4 * sizes.hidden;
        let [gates, cells] = [kept.gates, kept.cells].map(|x| part(x, sizes.directions, direction));
        start(inputs.initial.map(|initial| initial[1]), sizes, direction, first);
        start(by.h, sizes, direction, dh);
        start(by.c, sizes, direction, dc);
        let at = |time: usize| &cells[time * state..][..state];
        for i in (0..sizes.steps).rev() {
            let time = sizes.time(i, direction);
            let here = time * len..(time + 1) * len;
            let (after, into) = if i + 1 == sizes.steps {
                (None, &mut dz[here.clone()])
            } else {
                let next = sizes.time(i + 1, direction) * len;
                let (after, into) = from_to(dz, next..next + len, here.clone());
                (Some((after, weights)), into)
            };
            let last = after.is_none().then_some(&**dh);
            let outputs = by.y.map(|dy| &dy[sizes.units(time, direction)]);
            let before = if i == 0 { &**first } else { at(sizes.time(i - 1, direction)) };
            let by_units = [last, outputs];
            let step = Step { after, by_units, gates: &gates[here], cells: [before, at(time)] };
            self.step(pool, &step, [into, dc]);
        }
    }

    /// One step back: gradients by the gates' sums, and by the cells of the step before.
    fn step(&self, pool: &Pool, step: &Step<'_>, [dz, dc]: [&mut [f32]; 2]) {
        let (count, samples) = (self.sizes.hidden, self.by_h.rows);
        let groups = self.sizes.batch.div_ceil(samples);
        let columns = |x, rows: usize| Columns::new(x, count, STRIP).of_rows(rows * samples);
        let parts = (columns(dz, 4), columns(dc, 1));
        pool.for_each(count.div_ceil(STRIP) * groups, parts, |task, mut parts| {
            let (strip, first) = (task / groups, task % groups * samples);
            let mut sums = [0.0; ROWS * STRIP];
            if let Some(after) = step.after {
                self.through_units(after, (strip, first, parts.1.rows()), &mut sums);
            }
            vectorize_wide(
                #[inline(always)]
                || through_cells(step, (count, strip * STRIP, first), &mut sums, &mut parts),
            );
        });
    }

    /// Gradients by the units of some samples, from those by the sums of the gates after them.
    fn through_units(
        &self,
        (after, weights): (&[f32], &[f32]),
        (strip, first, samples): (usize, usize, usize),
        sums: &mut Sums,
    ) {
        let rows = 4 * self.sizes.hidden;
        let strip = &weights[strip * self.by_h.len()..][..self.by_h.len()];
        self.by_h.multiply(&after[first * rows..][..samples * rows], strip, sums);
    }

    /// The gradient by the units before the first step.
    fn by_first(&self, pool: &Pool, after: (&[f32], &[f32]), dh: &mut [f32]) {
        let (count, samples) = (self.sizes.hidden, self.by_h.rows);
        let groups = self.sizes.batch.div_ceil(samples);
        let parts = Columns::new(dh, count, STRIP).of_rows(samples);
        pool.for_each(count.div_ceil(STRIP) * groups, parts, |task, mut dh| {
            let mut sums = [0.0; ROWS * STRIP];
            let place = (task / groups, task % groups * samples, dh.rows());
            self.through_units(after, place, &mut sums);
            for (row, sums) in (0..dh.rows()).zip(sums.chunks_exact(STRIP)) {
                let to = dh.row_mut(row);
                to.copy_from_slice(&sums[..to.len()]);
            }
        });
    }
}

type Parts<'a> = (ColumnPart<'a, f32>, ColumnPart<'a, f32>);

/// Goes through the cells of some samples and units, from `unit` and `sample` on, with the gradients by them in `by_units`.
#[inline(always)]
fn through_cells(
    step: &Step<'_>,
    (count, unit, sample): (usize, usize, usize),
    by_units: &mut Sums,
    (dz, dc): &mut Parts<'_>,
) {
    for (row, by) in (0..dc.rows()).zip(by_units.chunks_exact_mut(STRIP)) {
        let width = dc.row(row).len();
        let here = (sample + row) * count + unit;
        for given in step.by_units.iter().flatten() {
            add(&mut by[..width], &given[here..][..width]);
        }
        for first in (0..width).step_by(UNITS) {
            let units = first..width.min(first + UNITS);
            let read = |x: &[f32], from: usize| part_of(&x[from + first..], units.len());
            let gate = |i: usize| read(step.gates, (4 * (sample + row) + i) * count + unit);
            let gates = [gate(0), gate(1), gate(2), gate(3)];
            let (before, after) = (read(step.cells[0], here), read(step.cells[1], here));
            let mut by_cells = read(dc.row(row), 0);
            let by = read(by, 0);
            let found = through_cell(&gates, [&before, &after, &by], &mut by_cells);
            for (gate, found) in found.iter().enumerate() {
                put(found, &mut dz.row_mut(4 * row + gate)[units.clone()]);
            }
            put(&by_cells, &mut dc.row_mut(row)[units.clone()]);
        }
    }
}

/// The gradients by a sample's sums; `dc` becomes that by the cells of the step before.
#[inline(always)]
fn through_cell(
    [i, o, f, g]: &[[f32; UNITS]; 4],
    [before, after, dh]: [&[f32; UNITS]; 3],
    dc: &mut [f32; UNITS],
) -> [[f32; UNITS]; 4] {
    let [mut di, mut d_o, mut df, mut dg] = [[0.0; UNITS]; 4];
    for k in 0..UNITS {
        let bent = tanh(after[k]);
        let cell = dc[k] + dh[k] * o[k] * (1.0 - bent * bent);
        di[k] = cell * g[k] * i[k] * (1.0 - i[k]);
        d_o[k] = dh[k] * bent * o[k] * (1.0 - o[k]);
        df[k] = cell * before[k] * f[k] * (1.0 - f[k]);
        dg[k] = cell * i[k] * (1.0 - g[k] * g[k]);
        dc[k] = cell * f[k];
    }
    [di, d_o, df, dg]
}
