//! Gated recurrent units: products over all steps at once where they can be, then step by step.
//!
//! ```text
//! z, r = σ(W x + R h + B)        h' = z · h + (1 − z) · g
//! g = tanh(Wg x + Bg + Rg (r · h) + Cg)    or, linear before reset,    tanh(Wg x + Bg + r · (Rg h + Cg))
//! ```
//! Rows of weights are those of z, r, g; z and r are kept apart from g, so that both forms are the same products.
//! Backward, gates are computed again from the outputs.

use crate::exponential::{sigmoid, tanh};
use crate::gemm::{Epilogue, Gemm};
use crate::isa::vectorize;
use crate::pool::Pool;
use crate::recurrent::{
    Sizes, add, by_columns, by_rows, part, part_mut, plain, start, sum_rows, take,
};

/// What a layer reads; shapes are ONNX's.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// `[steps, batch, input]`
    pub x: &'a [f32],
    /// `[directions, 3 · hidden, input]`
    pub w: &'a [f32],
    /// `[directions, 3 · hidden, hidden]`
    pub r: &'a [f32],
    /// `[directions, 6 · hidden]`
    pub b: &'a [f32],
    /// Hidden units to start with, `[directions, batch, hidden]`; zeros if there are none.
    pub initial: Option<&'a [f32]>,
}

/// Where the reset gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// `r` before the product, as published.
    BeforeProduct,
    /// `r` after it: linear before reset.
    AfterProduct,
}

/// The weights of one direction, those that make z and r apart from those that make g.
struct Weights<'a> {
    w: [&'a [f32]; 2],
    r: [&'a [f32]; 2],
    /// What is added to g beside `W` and beside `R`.
    b: [&'a [f32]; 2],
}

impl<'a> Weights<'a> {
    /// Also adds up the biases of z and r.
    fn new(inputs: &Inputs<'a>, sizes: Sizes, direction: usize, bias: &mut [f32]) -> Self {
        let [w, r, b] =
            [inputs.w, inputs.r, inputs.b].map(|x| part(x, sizes.directions, direction));
        let (count, both) = (sizes.hidden, 2 * sizes.hidden);
        bias.copy_from_slice(&b[..both]);
        add(bias, &b[3 * count..][..both]);
        let (w, r) = (w.split_at(both * sizes.input), r.split_at(both * count));
        Self { w: w.into(), r: r.into(), b: [&b[both..][..count], &b[3 * count + both..]] }
    }
}

/// The forward pass, ready to run.
#[derive(Debug)]
pub struct Forward {
    sizes: Sizes,
    reset: Reset,
    /// The products that make z and r, and those that make g.
    of_x: [Gemm; 2],
    of_h: [Gemm; 2],
}

/// A bias and nothing else.
fn with(bias: &[f32]) -> Epilogue<'_> {
    Epilogue { bias: Some(bias), ..Epilogue::default() }
}

fn most<'a>(products: impl IntoIterator<Item = &'a Gemm>) -> usize {
    products.into_iter().map(Gemm::scratch_len).max().unwrap_or(0)
}

/// `z = σ(z + h)`
#[inline(always)]
fn activate(gates: &mut [f32], of_h: &[f32]) {
    gates.iter_mut().zip(of_h).for_each(|(z, h)| *z = sigmoid(*z + h));
}

/// `out = r · x`
#[inline(always)]
fn times_reset(count: usize, gates: &[f32], x: &[f32], out: &mut [f32]) {
    let samples = gates.chunks_exact(2 * count).zip(x.chunks_exact(count));
    for ((gates, x), out) in samples.zip(out.chunks_exact_mut(count)) {
        out.iter_mut().zip(&gates[count..]).zip(x).for_each(|((out, r), x)| *out = r * x);
    }
}

/// `g = tanh(g + x)`, or with `r · x` if the reset gate comes after the product.
#[inline(always)]
fn renew(count: usize, gates: &[f32], g: &mut [f32], x: &[f32], reset: Reset) {
    if reset == Reset::BeforeProduct {
        return g.iter_mut().zip(x).for_each(|(g, x)| *g = tanh(*g + x));
    }
    let samples = gates.chunks_exact(2 * count).zip(x.chunks_exact(count));
    for ((gates, x), g) in samples.zip(g.chunks_exact_mut(count)) {
        g.iter_mut().zip(&gates[count..]).zip(x).for_each(|((g, r), x)| *g = tanh(*g + r * x));
    }
}

/// `h = z · h + (1 − z) · g`
#[inline(always)]
fn advance(count: usize, gates: &[f32], g: &[f32], h: &mut [f32]) {
    let samples = gates.chunks_exact(2 * count).zip(g.chunks_exact(count));
    for ((gates, g), h) in samples.zip(h.chunks_exact_mut(count)) {
        h.iter_mut().zip(gates).zip(g).for_each(|((h, z), g)| *h = z * *h + (1.0 - z) * g);
    }
}

impl Forward {
    /// Prepares a layer.
    pub fn new(sizes: Sizes, reset: Reset) -> Self {
        let Sizes { batch, input, hidden, .. } = sizes;
        let of_x = [2, 1].map(|gates| by_rows(sizes.samples(), gates * hidden, input));
        let of_h = [2, 1].map(|gates| by_rows(batch, gates * hidden, hidden));
        Self { sizes, reset, of_x, of_h }
    }

    /// How much scratch memory [`Self::run`] needs, in elements.
    pub fn scratch_len(&self) -> usize {
        let Sizes { hidden, .. } = self.sizes;
        let gates = 3 * hidden * self.sizes.samples() + 2 * hidden;
        gates + 5 * self.sizes.state() + most(self.of_x.iter().chain(&self.of_h))
    }

    /// Computes all steps into `y`, and the hidden units after the last one.
    ///
    /// # Panics
    /// If a slice does not have its size.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::{gru::{Forward, Inputs, Reset}, pool::Pool, recurrent::Sizes};
    ///
    /// let sizes =
    ///     Sizes { steps: 1, batch: 1, input: 1, hidden: 1, directions: 1, reversed: false };
    /// let layer = Forward::new(sizes, Reset::AfterProduct);
    /// let inputs =
    ///     Inputs { x: &[1.0], w: &[0.0; 3], r: &[0.0; 3], b: &[0.0; 6], initial: Some(&[4.0]) };
    /// let (mut y, mut h) = ([0.0], [0.0]);
    /// let mut scratch = vec![0.0; layer.scratch_len()];
    /// layer.run(&Pool::new(1), &inputs, &mut y, &mut h, &mut scratch);
    /// assert_eq!([y, h], [[2.0]; 2]);
    /// ```
    pub fn run(
        &self,
        pool: &Pool,
        inputs: &Inputs<'_>,
        y: &mut [f32],
        last: &mut [f32],
        mut scratch: &mut [f32],
    ) {
        let (sizes, count, state) = (self.sizes, self.sizes.hidden, self.sizes.state());
        let gates = take(&mut scratch, 2 * count * sizes.samples());
        let news = take(&mut scratch, count * sizes.samples());
        let bias = take(&mut scratch, 2 * count);
        let of_h = take(&mut scratch, 2 * state);
        let [h, kept, new_of_h] = [(); 3].map(|()| take(&mut scratch, state));
        for direction in 0..sizes.directions {
            let weights = Weights::new(inputs, sizes, direction, bias);
            self.of_x[0].run(pool, (inputs.x, weights.w[0]), gates, &with(bias), scratch);
            self.of_x[1].run(pool, (inputs.x, weights.w[1]), news, &with(weights.b[0]), scratch);
            start(inputs.initial, sizes, direction, h);
            for i in 0..sizes.steps {
                let time = sizes.time(i, direction);
                let gates = &mut gates[2 * time * state..][..2 * state];
                let g = &mut news[time * state..][..state];
                self.of_h[0].run(pool, (h, weights.r[0]), of_h, &Epilogue::default(), scratch);
                vectorize(|| activate(gates, of_h));
                match self.reset {
                    Reset::BeforeProduct => vectorize(|| times_reset(count, gates, h, kept)),
                    Reset::AfterProduct => kept.copy_from_slice(h),
                }
                let bias = with(weights.b[1]);
                self.of_h[1].run(pool, (kept, weights.r[1]), new_of_h, &bias, scratch);
                vectorize(|| renew(count, gates, g, new_of_h, self.reset));
                vectorize(|| advance(count, gates, g, h));
                y[sizes.units(time, direction)].copy_from_slice(h);
            }
            part_mut(last, sizes.directions, direction).copy_from_slice(h);
        }
    }
}

/// The backward pass, ready to run.
#[derive(Debug)]
pub struct Gradient {
    sizes: Sizes,
    reset: Reset,
    /// As in [`Forward`]; those by hidden units over all steps at once.
    of_x: [Gemm; 2],
    of_h: [Gemm; 2],
    by_h: [Gemm; 2],
    by_x: [Gemm; 2],
    by_w: [Gemm; 2],
    by_r: [Gemm; 2],
}

/// Gradients by a layer's outputs, as far as there are any.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByOutputs<'a> {
    /// By all steps.
    pub y: Option<&'a [f32]>,
    /// By the hidden units after the last step.
    pub h: Option<&'a [f32]>,
}

/// Gradients by a layer's inputs.
#[derive(Debug)]
pub struct ByInputs<'a> {
    /// By the features, if anybody asks.
    pub x: Option<&'a mut [f32]>,
    /// By the weights of the features.
    pub w: &'a mut [f32],
    /// By the weights of the hidden units.
    pub r: &'a mut [f32],
    /// By both biases.
    pub b: &'a mut [f32],
    /// By the initial state.
    pub initial: Option<&'a mut [f32]>,
}

/// Scratch memory of the backward pass, in order of time; gates become gradients by their sums.
struct Trace<'a> {
    gates: &'a mut [f32],
    g: &'a mut [f32],
    before: &'a mut [f32],
    /// What the reset gate is multiplied by, if it comes after the product.
    reset: &'a mut [f32],
    /// What the rows of g are multiplied by, or the gradient by their product if the reset gate comes after it.
    kept: &'a mut [f32],
}

impl Gradient {
    /// Prepares a layer.
    pub fn new(sizes: Sizes, reset: Reset) -> Self {
        let Sizes { batch, input, hidden, .. } = sizes;
        let (both, all) = ([2 * hidden, hidden], sizes.samples());
        Self {
            sizes,
            reset,
            of_x: both.map(|rows| by_rows(all, rows, input)),
            of_h: both.map(|rows| by_rows(all, rows, hidden)),
            by_h: both.map(|rows| plain(batch, hidden, rows)),
            by_x: both.map(|rows| plain(all, input, rows)),
            by_w: both.map(|rows| by_columns(rows, input, all)),
            by_r: both.map(|rows| by_columns(rows, hidden, all)),
        }
    }

    /// How much scratch memory [`Self::run`] needs, in elements.
    pub fn scratch_len(&self) -> usize {
        let Sizes { input, hidden, .. } = self.sizes;
        let own = [&self.of_x, &self.of_h, &self.by_h, &self.by_x, &self.by_w, &self.by_r];
        let steps = self.sizes.samples() * (8 * hidden + input);
        steps + 2 * hidden + 3 * self.sizes.state() + most(own.into_iter().flatten())
    }

    /// Computes gradients by all inputs; `y` are the layer's outputs at all steps.
    ///
    /// # Panics
    /// If a slice does not have its size.
    pub fn run(
        &self,
        pool: &Pool,
        (inputs, y): (&Inputs<'_>, &[f32]),
        by: &ByOutputs<'_>,
        d: &mut ByInputs<'_>,
        mut scratch: &mut [f32],
    ) {
        let (sizes, count) = (self.sizes, self.sizes.hidden);
        let (all, state) = (sizes.samples(), sizes.state());
        let mut trace = Trace {
            gates: take(&mut scratch, 2 * count * all),
            g: take(&mut scratch, count * all),
            before: take(&mut scratch, count * all),
            reset: take(&mut scratch, count * all),
            kept: take(&mut scratch, count * all),
        };
        let sums = take(&mut scratch, 2 * count * all);
        let dx = take(&mut scratch, all * sizes.input);
        let bias = take(&mut scratch, 2 * count);
        let mut states = [(); 3].map(|()| take(&mut scratch, state));
        for direction in 0..sizes.directions {
            let weights = Weights::new(inputs, sizes, direction, bias);
            let initial = inputs.initial.map(|x| part(x, sizes.directions, direction));
            sizes.before(y, initial, direction, trace.before);
            self.gates_again(pool, (inputs.x, &weights, bias), &mut trace, sums, scratch);
            start(by.h, sizes, direction, states[0]);
            self.back(pool, (&weights, by.y, direction), &mut trace, &mut states, scratch);
            if let Some(initial) = &mut d.initial {
                part_mut(initial, sizes.directions, direction).copy_from_slice(states[0]);
            }
            self.by_weights(pool, inputs.x, &trace, (d, direction), scratch);
            let Some(x) = &mut d.x else { continue };
            for (i, gates) in [&*trace.gates, trace.g].into_iter().enumerate() {
                let into = if direction + i == 0 { &mut **x } else { &mut *dx };
                self.by_x[i].run(pool, (gates, weights.w[i]), into, &Epilogue::default(), scratch);
                if direction + i > 0 {
                    add(x, dx);
                }
            }
        }
    }

    /// Computes z, r and g at all steps.
    fn gates_again(
        &self,
        pool: &Pool,
        (x, weights, bias): (&[f32], &Weights<'_>, &[f32]),
        trace: &mut Trace<'_>,
        sums: &mut [f32],
        scratch: &mut [f32],
    ) {
        let count = self.sizes.hidden;
        let Trace { gates, g, before, reset, kept } = trace;
        self.of_x[0].run(pool, (x, weights.w[0]), gates, &with(bias), scratch);
        self.of_x[1].run(pool, (x, weights.w[1]), g, &with(weights.b[0]), scratch);
        self.of_h[0].run(pool, (before, weights.r[0]), sums, &Epilogue::default(), scratch);
        vectorize(|| activate(gates, sums));
        let factor = match self.reset {
            Reset::AfterProduct => &mut *before,
            Reset::BeforeProduct => {
                vectorize(|| times_reset(count, gates, before, kept));
                &mut *kept
            }
        };
        self.of_h[1].run(pool, (factor, weights.r[1]), reset, &with(weights.b[1]), scratch);
        vectorize(|| renew(count, gates, g, reset, self.reset));
    }

    /// Goes back through all steps: gates become gradients, and the first state that by the initial one.
    fn back(
        &self,
        pool: &Pool,
        (weights, by_y, direction): (&Weights<'_>, Option<&[f32]>, usize),
        trace: &mut Trace<'_>,
        [dh, by_kept, product]: &mut [&mut [f32]; 3],
        scratch: &mut [f32],
    ) {
        let (sizes, count, state) = (self.sizes, self.sizes.hidden, self.sizes.state());
        let (plainly, after) = (Epilogue::default(), self.reset == Reset::AfterProduct);
        for i in (0..sizes.steps).rev() {
            let time = sizes.time(i, direction);
            if let Some(dy) = by_y {
                add(dh, &dy[sizes.units(time, direction)]);
            }
            let gates = &mut trace.gates[2 * time * state..][..2 * state];
            let here = time * state..(time + 1) * state;
            let g = &mut trace.g[here.clone()];
            let (before, reset) = (&trace.before[here.clone()], &trace.reset[here.clone()]);
            let kept = &mut trace.kept[here];
            vectorize(|| through_units(count, (gates, g), before, dh));
            match self.reset {
                Reset::AfterProduct => by_kept.copy_from_slice(g),
                Reset::BeforeProduct => {
                    self.by_h[1].run(pool, (g, weights.r[1]), by_kept, &plainly, scratch);
                }
            }
            match self.reset {
                Reset::AfterProduct => {
                    vectorize(|| times_reset(count, gates, g, kept));
                }
                Reset::BeforeProduct => {
                    vectorize(|| times_reset(count, gates, by_kept, product));
                    add(dh, product);
                }
            }
            let factor = if after { reset } else { before };
            vectorize(|| through_reset(count, gates, factor, by_kept));
            self.by_h[0].run(pool, (gates, weights.r[0]), product, &plainly, scratch);
            add(dh, product);
            if after {
                self.by_h[1].run(pool, (kept, weights.r[1]), product, &plainly, scratch);
                add(dh, product);
            }
        }
    }

    /// Gradients by the weights and biases of one direction.
    fn by_weights(
        &self,
        pool: &Pool,
        x: &[f32],
        trace: &Trace<'_>,
        (d, direction): (&mut ByInputs<'_>, usize),
        scratch: &mut [f32],
    ) {
        let Sizes { input, hidden: count, directions, .. } = self.sizes;
        let plainly = Epilogue::default();
        let (w_gates, w_new) = part_mut(d.w, directions, direction).split_at_mut(2 * count * input);
        self.by_w[0].run(pool, (trace.gates, x), w_gates, &plainly, scratch);
        self.by_w[1].run(pool, (trace.g, x), w_new, &plainly, scratch);
        let (r_gates, r_new) = part_mut(d.r, directions, direction).split_at_mut(2 * count * count);
        // The gradient by the product beside `R` that makes g, and what the rows are multiplied by.
        let (by_new, factor) = match self.reset {
            Reset::AfterProduct => (&*trace.kept, &*trace.before),
            Reset::BeforeProduct => (&*trace.g, &*trace.kept),
        };
        self.by_r[0].run(pool, (trace.gates, trace.before), r_gates, &plainly, scratch);
        self.by_r[1].run(pool, (by_new, factor), r_new, &plainly, scratch);
        let (beside_w, beside_r) = part_mut(d.b, directions, direction).split_at_mut(3 * count);
        for (b, by_new) in [(beside_w, &*trace.g), (beside_r, by_new)] {
            let (gates, new) = b.split_at_mut(2 * count);
            sum_rows(pool, trace.gates, gates);
            sum_rows(pool, by_new, new);
        }
    }
}

/// z becomes the gradient by its sum, g too, and `dh` that by the units before, as far as z takes them over.
#[inline(always)]
fn through_units(
    count: usize,
    (gates, g): (&mut [f32], &mut [f32]),
    before: &[f32],
    dh: &mut [f32],
) {
    let samples = gates.chunks_exact_mut(2 * count).zip(g.chunks_exact_mut(count));
    let others = before.chunks_exact(count).zip(dh.chunks_exact_mut(count));
    for ((gates, g), (before, dh)) in samples.zip(others) {
        let z = &mut gates[..count];
        for k in 0..count {
            let (zk, gk, by) = (z[k], g[k], dh[k]);
            z[k] = by * (before[k] - gk) * zk * (1.0 - zk);
            g[k] = by * (1.0 - zk) * (1.0 - gk * gk);
            dh[k] = by * zk;
        }
    }
}

/// r becomes the gradient by its sum, from that by what it makes of `factor`.
#[inline(always)]
fn through_reset(count: usize, gates: &mut [f32], factor: &[f32], by: &[f32]) {
    let others = factor.chunks_exact(count).zip(by.chunks_exact(count));
    for (gates, (factor, by)) in gates.chunks_exact_mut(2 * count).zip(others) {
        let r = gates[count..].iter_mut();
        for ((r, factor), by) in r.zip(factor).zip(by) {
            *r = by * factor * *r * (1.0 - *r);
        }
    }
}
