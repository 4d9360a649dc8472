//! LSTM and GRU layers and their gradients.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::{Direction, GRU, GRUGradient, LSTM, LSTMGradient};
use hoyer_kernels::gru::{self, Reset};
use hoyer_kernels::lstm;
use hoyer_kernels::recurrent::Sizes;

struct LstmForward(lstm::Forward);

struct LstmBackward {
    kernel: lstm::Gradient,
    given: [bool; 3],
    /// Whether anybody asks for the gradient by the features.
    by_features: bool,
}

struct GruForward(gru::Forward);

struct GruBackward {
    kernel: gru::Gradient,
    given: [bool; 2],
    /// Whether anybody asks for the gradient by the features.
    by_features: bool,
}

/// Takes layers with steps, samples, features and hidden units.
fn sizes(hidden: usize, direction: Direction, site: &Site<'_>) -> Option<Sizes> {
    let [steps, batch, input] = <[usize; 3]>::try_from(site.inputs[0].as_slice()).ok()?;
    let (directions, reversed) = (direction.count(), direction.is_reversed(0));
    let sizes = Sizes { steps, batch, input, hidden, directions, reversed };
    ([steps, batch, input, hidden].iter().all(|&size| size > 0)).then_some(sizes)
}

fn reset(op: &GRU) -> Reset {
    if op.linear_before_reset { Reset::AfterProduct } else { Reset::BeforeProduct }
}

pub(crate) fn lstm(op: &LSTM, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let sizes = sizes(op.hidden_size, op.direction, site)?;
    Some(Box::new(LstmForward(lstm::Forward::new(sizes))))
}

pub(crate) fn lstm_gradient(op: &LSTMGradient, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let sizes = sizes(op.lstm.hidden_size, op.lstm.direction, site)?;
    let (kernel, by_features) = (lstm::Gradient::new(sizes), site.wanted[0]);
    Some(Box::new(LstmBackward { kernel, given: op.given, by_features }))
}

pub(crate) fn gru(op: &GRU, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let sizes = sizes(op.hidden_size, op.direction, site)?;
    Some(Box::new(GruForward(gru::Forward::new(sizes, reset(op)))))
}

pub(crate) fn gru_gradient(op: &GRUGradient, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let sizes = sizes(op.gru.hidden_size, op.gru.direction, site)?;
    let kernel = gru::Gradient::new(sizes, reset(&op.gru));
    Some(Box::new(GruBackward { kernel, given: op.given, by_features: site.wanted[0] }))
}

/// The first of `count` inputs, which belong to the layer itself.
fn lstm_inputs<'a>(call: &Call<'a, '_>, count: usize) -> lstm::Inputs<'a> {
    let [x, w, r, b] = [0, 1, 2, 3].map(|i| call.input(i));
    let initial = (count > 4).then(|| [4, 5].map(|i| call.input(i)));
    lstm::Inputs { x, w, r, b, initial }
}

fn gru_inputs<'a>(call: &Call<'a, '_>, count: usize) -> gru::Inputs<'a> {
    let [x, w, r, b] = [0, 1, 2, 3].map(|i| call.input(i));
    gru::Inputs { x, w, r, b, initial: (count > 4).then(|| call.input(4)) }
}

/// The inputs after the first `from`, where a gradient is given.
fn by_outputs<'a, const N: usize>(
    call: &Call<'a, '_>,
    mut from: usize,
    given: [bool; N],
) -> [Option<&'a [f32]>; N] {
    given.map(|given| {
        from += usize::from(given);
        given.then(|| call.input(from - 1))
    })
}

impl Kernel for LstmForward {
    fn scratch_len(&self, _: usize) -> usize {
        self.0.scratch_len()
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let inputs = lstm_inputs(call, call.inputs.len());
        let [y, h, c, keep @ ..] = &mut *call.outputs else {
            panic!("an LSTM has three outputs or more")
        };
        let keep = match keep {
            [gates, cells] => Some(lstm::Keep { gates, cells }),
            _ => None,
        };
        self.0.run(call.pool, &inputs, (y, [h, c]), keep, call.scratch);
    }
}

impl Kernel for LstmBackward {
    fn scratch_len(&self, _: usize) -> usize {
        self.kernel.scratch_len()
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let count = call.outputs.len();
        let inputs = lstm_inputs(call, count);
        let [y, gates, cells] = [0, 1, 2].map(|i| call.input(count + i));
        let kept = lstm::Kept { y, gates, cells };
        let [by_y, h, c] = by_outputs(call, count + 3, self.given);
        let by = lstm::ByOutputs { y: by_y, h, c };
        let [x, w, r, b, initial @ ..] = &mut *call.outputs else {
            panic!("an LSTM has four inputs or more")
        };
        let initial = match initial {
            [h, c] => Some([&mut **h, &mut **c]),
            _ => None,
        };
        let x = self.by_features.then_some(&mut **x);
        let mut d = lstm::ByInputs { x, w, r, b, initial };
        self.kernel.run(call.pool, (&inputs, &kept), &by, &mut d, call.scratch);
    }
}

impl Kernel for GruForward {
    fn scratch_len(&self, _: usize) -> usize {
        self.0.scratch_len()
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let inputs = gru_inputs(call, call.inputs.len());
        let [y, h] = call.outputs else { panic!("a GRU has two outputs") };
        self.0.run(call.pool, &inputs, y, h, call.scratch);
    }
}

impl Kernel for GruBackward {
    fn scratch_len(&self, _: usize) -> usize {
        self.kernel.scratch_len()
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let count = call.outputs.len();
        let (inputs, y) = (gru_inputs(call, count), call.input(count));
        let [by_y, h] = by_outputs(call, count + 1, self.given);
        let by = gru::ByOutputs { y: by_y, h };
        let [x, w, r, b, initial @ ..] = &mut *call.outputs else {
            panic!("a GRU has four inputs or more")
        };
        let initial = initial.first_mut().map(|initial| &mut **initial);
        let x = self.by_features.then_some(&mut **x);
        let mut d = gru::ByInputs { x, w, r, b, initial };
        self.kernel.run(call.pool, (&inputs, y), &by, &mut d, call.scratch);
    }
}
