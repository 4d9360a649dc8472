//! Long short-term memory: products over all steps at once where they can be, then step by step.
//!
//! ```text
//! i, o, f = σ(W x + R h + B)        g = tanh(W x + R h + B)        c' = f · c + i · g        h' = o · tanh c'
//! ```
//! Rows of weights are those of i, o, f, g. For the backward pass, the forward pass keeps gates and cells.

use crate::exponential::{sigmoid, tanh};
use crate::gemm::{Epilogue, Gemm};
use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};
use crate::recurrent::{
    Sizes, add, by_columns, by_rows, part, part_mut, plain, start, sum_rows, take,
};

/// What a layer reads; shapes are ONNX's.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// `[steps, batch, input]`
    pub x: &'a [f32],
    /// `[directions, 4 · hidden, input]`
    pub w: &'a [f32],
    /// `[directions, 4 · hidden, hidden]`
    pub r: &'a [f32],
    /// `[directions, 8 · hidden]`
    pub b: &'a [f32],
    /// Hidden units and cells to start with, `[directions, batch, hidden]`; zeros if there are none.
    pub initial: Option<[&'a [f32]; 2]>,
}

/// What the forward pass keeps for the backward pass.
#[derive(Debug)]
pub struct Keep<'a> {
    /// The gates after their activations, `[directions, steps, batch, 4 · hidden]`.
    pub gates: &'a mut [f32],
    /// The cells after every step, `[directions, steps, batch, hidden]`.
    pub cells: &'a mut [f32],
}

/// The forward pass, ready to run.
#[derive(Debug)]
pub struct Forward {
    sizes: Sizes,
    of_x: Gemm,
    of_h: Gemm,
}

impl Forward {
    /// Prepares a layer.
    pub fn new(sizes: Sizes) -> Self {
        let rows = 4 * sizes.hidden;
        let of_x = by_rows(sizes.samples(), rows, sizes.input);
        Self { sizes, of_x, of_h: by_rows(sizes.batch, rows, sizes.hidden) }
    }

    /// How much scratch memory [`Self::run`] needs, in elements.
    pub fn scratch_len(&self) -> usize {
        let Sizes { batch, hidden, .. } = self.sizes;
        let gates = 4 * hidden * (self.sizes.samples() + batch + 1);
        gates + 2 * self.sizes.state() + self.of_x.scratch_len().max(self.of_h.scratch_len())
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
        let (sizes, rows) = (self.sizes, 4 * self.sizes.hidden);
        let own = take(&mut scratch, sizes.samples() * rows);
        let of_h = take(&mut scratch, sizes.batch * rows);
        let bias = take(&mut scratch, rows);
        let h = take(&mut scratch, sizes.state());
        let c = take(&mut scratch, sizes.state());
        for direction in 0..sizes.directions {
            let [w, r, b] =
                [inputs.w, inputs.r, inputs.b].map(|x| part(x, sizes.directions, direction));
            bias.copy_from_slice(&b[..rows]);
            add(bias, &b[rows..]);
            let epilogue = Epilogue { bias: Some(bias), ..Epilogue::default() };
            let (gates, mut cells) = match &mut keep {
                Some(keep) => (
                    part_mut(keep.gates, sizes.directions, direction),
                    Some(part_mut(keep.cells, sizes.directions, direction)),
                ),
                None => (&mut *own, None),
            };
            self.of_x.run(pool, (inputs.x, w), gates, &epilogue, scratch);
            start(inputs.initial.map(|initial| initial[0]), sizes, direction, h);
            start(inputs.initial.map(|initial| initial[1]), sizes, direction, c);
            for i in 0..sizes.steps {
                let time = sizes.time(i, direction);
                self.of_h.run(pool, (h, r), of_h, &Epilogue::default(), scratch);
                let gates = &mut gates[time * sizes.batch * rows..][..sizes.batch * rows];
                step(pool, sizes.hidden, (gates, of_h), [h, c]);
                y[sizes.units(time, direction)].copy_from_slice(h);
                if let Some(cells) = &mut cells {
                    cells[time * sizes.state()..][..sizes.state()].copy_from_slice(c);
                }
            }
            part_mut(last_h, sizes.directions, direction).copy_from_slice(h);
            part_mut(last_c, sizes.directions, direction).copy_from_slice(c);
        }
    }
}

/// Units that a task takes through their cells, about: 10 µs.
const UNITS_PER_TASK: usize = 1024;

/// Samples of a task.
fn samples_of_task(count: usize) -> usize {
    UNITS_PER_TASK.div_ceil(count)
}

/// Activates the gates of all samples, and takes one step.
fn step(pool: &Pool, count: usize, (gates, of_h): (&mut [f32], &[f32]), [h, c]: [&mut [f32]; 2]) {
    let (units, samples) = (samples_of_task(count) * count, h.len() / count);
    let parts = (Chunks::new(gates, 4 * units), Chunks::new(h, units), Chunks::new(c, units));
    pool.for_each(samples.div_ceil(samples_of_task(count)), parts, |task, (gates, h, c)| {
        let of_h = &of_h[task * 4 * units..][..gates.len()];
        vectorize(
            #[inline(always)]
            || {
                activate(count, gates, of_h);
                let samples = gates.chunks_exact(4 * count).zip(h.chunks_exact_mut(count));
                for ((gates, h), c) in samples.zip(c.chunks_exact_mut(count)) {
                    cells(count, gates, c);
                    let (o, c) = (&gates[count..2 * count], &*c);
                    h.iter_mut().zip(o).zip(c).for_each(|((h, o), c)| *h = o * tanh(*c));
                }
            },
        );
    });
}

/// Gates from the sums beside `W` and those beside `R`.
#[inline(always)]
fn activate(count: usize, gates: &mut [f32], of_h: &[f32]) {
    for (gates, of_h) in gates.chunks_exact_mut(4 * count).zip(of_h.chunks_exact(4 * count)) {
        let (smooth, new) = gates.split_at_mut(3 * count);
        smooth.iter_mut().zip(of_h).for_each(|(z, h)| *z = sigmoid(*z + h));
        new.iter_mut().zip(&of_h[3 * count..]).for_each(|(z, h)| *z = tanh(*z + h));
    }
}

/// `c = f · c + i · g`
#[inline(always)]
fn cells(count: usize, gates: &[f32], c: &mut [f32]) {
    let [i, f, g] = [0, 2, 3].map(|gate| &gates[gate * count..][..count]);
    for (k, c) in c.iter_mut().enumerate() {
        *c = f[k] * *c + i[k] * g[k];
    }
}

/// The backward pass, ready to run.
#[derive(Debug)]
pub struct Gradient {
    sizes: Sizes,
    by_h: Gemm,
    by_x: Gemm,
    by_w: Gemm,
    by_r: Gemm,
}

/// What the forward pass computed.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The outputs at all steps, `[steps, directions, batch, hidden]`.
    pub y: &'a [f32],
    /// As in [`Keep`].
    pub gates: &'a [f32],
    /// As in [`Keep`].
    pub cells: &'a [f32],
}

/// Gradients by a layer's outputs, as far as there are any.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByOutputs<'a> {
    /// By all steps.
    pub y: Option<&'a [f32]>,
    /// By the hidden units after the last step.
    pub h: Option<&'a [f32]>,
    /// By the cells after the last step.
    pub c: Option<&'a [f32]>,
}

/// Gradients by a layer's inputs.
#[derive(Debug)]
pub struct ByInputs<'a> {
    /// By the features.
    pub x: &'a mut [f32],
    /// By the weights of the features.
    pub w: &'a mut [f32],
    /// By the weights of the hidden units.
    pub r: &'a mut [f32],
    /// By both biases.
    pub b: &'a mut [f32],
    /// By the initial states.
    pub initial: Option<[&'a mut [f32]; 2]>,
}

impl Gradient {
    /// Prepares a layer.
    pub fn new(sizes: Sizes) -> Self {
        let Sizes { batch, input, hidden, .. } = sizes;
        let (rows, all) = (4 * hidden, sizes.samples());
        Self {
            sizes,
            by_h: plain(batch, hidden, rows),
            by_x: plain(all, input, rows),
            by_w: by_columns(rows, input, all),
            by_r: by_columns(rows, hidden, all),
        }
    }

    /// How much scratch memory [`Self::run`] needs, in elements.
    pub fn scratch_len(&self) -> usize {
        let Sizes { input, hidden, directions, .. } = self.sizes;
        let all = self.sizes.samples();
        let products = [&self.by_h, &self.by_x, &self.by_w, &self.by_r].map(Gemm::scratch_len);
        let dx = if directions > 1 { input } else { 0 };
        let most = products.into_iter().max().unwrap_or(0);
        all * (4 * hidden + hidden + dx) + 3 * self.sizes.state() + most
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
        // Gradients by the sums that gates are activations of.
        let dz = take(&mut scratch, all * rows);
        let before = take(&mut scratch, all * sizes.hidden);
        let dx = take(&mut scratch, if sizes.directions > 1 { all * sizes.input } else { 0 });
        let [dh, dc, first] = [(); 3].map(|()| take(&mut scratch, state));
        let plainly = Epilogue::default();
        for direction in 0..sizes.directions {
            let own = |x| part(x, sizes.directions, direction);
            let [w, r] = [inputs.w, inputs.r].map(own);
            let [gates, cells] = [kept.gates, kept.cells].map(own);
            let initial = inputs.initial.map(|initial| initial.map(own));
            sizes.before(kept.y, initial.map(|initial| initial[0]), direction, before);
            start(inputs.initial.map(|initial| initial[1]), sizes, direction, first);
            start(by.h, sizes, direction, dh);
            start(by.c, sizes, direction, dc);
            for i in (0..sizes.steps).rev() {
                let time = sizes.time(i, direction);
                if let Some(dy) = by.y {
                    add(dh, &dy[sizes.units(time, direction)]);
                }
                let at = |time: usize| &cells[time * state..][..state];
                let before = if i == 0 { &*first } else { at(sizes.time(i - 1, direction)) };
                let here = time * sizes.batch * rows..(time + 1) * sizes.batch * rows;
                let dz = &mut dz[here.clone()];
                let cells = [before, at(time)];
                through_cells(pool, sizes.hidden, (&gates[here], cells, dh), [dz, dc]);
                self.by_h.run(pool, (dz, r), dh, &plainly, scratch);
            }
            let count = sizes.directions;
            let (dw, dr) = (part_mut(d.w, count, direction), part_mut(d.r, count, direction));
            self.by_w.run(pool, (dz, inputs.x), dw, &plainly, scratch);
            self.by_r.run(pool, (dz, before), dr, &plainly, scratch);
            let (beside_w, beside_r) = part_mut(d.b, count, direction).split_at_mut(rows);
            sum_rows(dz, beside_w);
            beside_r.copy_from_slice(beside_w);
            let into = if direction == 0 { &mut *d.x } else { &mut *dx };
            self.by_x.run(pool, (dz, w), into, &plainly, scratch);
            if direction > 0 {
                add(d.x, dx);
            }
            if let Some([by_h, by_c]) = &mut d.initial {
                part_mut(by_h, count, direction).copy_from_slice(dh);
                part_mut(by_c, count, direction).copy_from_slice(dc);
            }
        }
    }
}

/// As [`through_cell`], by all threads.
fn through_cells(
    pool: &Pool,
    count: usize,
    (gates, cells, dh): (&[f32], [&[f32]; 2], &[f32]),
    [dz, dc]: [&mut [f32]; 2],
) {
    let (units, samples) = (samples_of_task(count) * count, dc.len() / count);
    let parts = (Chunks::new(dz, 4 * units), Chunks::new(dc, units));
    pool.for_each(samples.div_ceil(samples_of_task(count)), parts, |task, (dz, dc)| {
        let gates = &gates[task * 4 * units..][..dz.len()];
        let [before, after, dh] = [cells[0], cells[1], dh].map(|x| &x[task * units..][..dc.len()]);
        vectorize(
            #[inline(always)]
            || {
                let samples = gates.chunks_exact(4 * count).zip(dz.chunks_exact_mut(4 * count));
                for ((sample, (gates, dz)), dc) in
                    samples.enumerate().zip(dc.chunks_exact_mut(count))
                {
                    let own = [before, after, dh].map(|x| &x[sample * count..][..count]);
                    through_cell(gates, own, dz, dc);
                }
            },
        );
    });
}

/// The gradients by a sample's sums; `dc` becomes that by the cells of the step before.
#[inline(always)]
fn through_cell(gates: &[f32], [before, after, dh]: [&[f32]; 3], dz: &mut [f32], dc: &mut [f32]) {
    let count = dc.len();
    let [i, o, f, g] = [0, 1, 2, 3].map(|gate| &gates[gate * count..][..count]);
    let (di, dz) = dz.split_at_mut(count);
    let (d_o, dz) = dz.split_at_mut(count);
    let (df, dg) = dz.split_at_mut(count);
    let (dg, before, after, dh) =
        (&mut dg[..count], &before[..count], &after[..count], &dh[..count]);
    for k in 0..count {
        let bent = tanh(after[k]);
        let cell = dc[k] + dh[k] * o[k] * (1.0 - bent * bent);
        di[k] = cell * g[k] * i[k] * (1.0 - i[k]);
        d_o[k] = dh[k] * bent * o[k] * (1.0 - o[k]);
        df[k] = cell * before[k] * f[k] * (1.0 - f[k]);
        dg[k] = cell * i[k] * (1.0 - g[k] * g[k]);
        dc[k] = cell * f[k];
    }
}
