//! Convolutions over one or two spatial axes, and their gradients.

use crate::forecast::{Forecast, conv_us};
use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::{Conv, ConvTranspose};
use hoyer_kernels::aligned::Aligned;
use hoyer_kernels::conv::{self, Geometry, Layer, Work};
use hoyer_kernels::gemm::Activation;

struct Forward {
    kernel: conv::Forward,
    g: Geometry,
    /// The weights, if they never change.
    packed: Option<Aligned>,
    activation: Activation,
}

struct InputGradient {
    kernel: conv::InputGradient,
    g: Geometry,
}

struct WeightGradient {
    kernel: conv::WeightGradient,
    g: Geometry,
}

struct Transposed {
    product: InputGradient,
    /// Elements of a channel of the output.
    space: usize,
}

pub(crate) fn forward(op: &Conv, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let g = geometry(op, &site.inputs[0], &site.outputs[0])?;
    let kernel = conv::Forward::new(g);
    let packed = site.constants[1].map(|w| {
        let mut packed = Aligned::zeros(kernel.packed_len(), 0);
        kernel.pack(w, &mut packed);
        packed
    });
    Some(Box::new(Forward { kernel, g, packed, activation: site.activation }))
}

pub(crate) fn input_gradient(op: &Conv, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let g = geometry(op, &site.outputs[0], &site.inputs[0])?;
    Some(Box::new(InputGradient { kernel: conv::InputGradient::new(g), g }))
}

pub(crate) fn weight_gradient(op: &Conv, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let g = geometry(op, &site.inputs[1], &site.inputs[0])?;
    Some(Box::new(WeightGradient { kernel: conv::WeightGradient::new(g), g }))
}

/// The convolution from the output back to the input, run backwards.
pub(crate) fn transposed(op: &ConvTranspose, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let conv = Conv { window: op.window.clone(), group: op.group };
    let g = geometry(&conv, &site.outputs[0], &site.inputs[0])?;
    let space = site.outputs[0][2..].iter().product();
    let product = InputGradient { kernel: conv::InputGradient::new(g), g };
    Some(Box::new(Transposed { product, space }))
}

/// The convolution's numbers, one spatial axis seen as two; `None` for three and more, or empty ones.
pub(crate) fn geometry(op: &Conv, x: &[usize], y: &[usize]) -> Option<Geometry> {
    let window = &op.window;
    let rank = window.kernel_shape.len();
    if !(1..=2).contains(&rank) || x.contains(&0) || y.contains(&0) {
        return None;
    }
    let pair = |list: &[usize], missing: usize| match *list {
        [one] => [missing, one],
        _ => [list[0], list[1]],
    };
    Some(Geometry {
        batch: x[0],
        channels_in: x[1],
        channels_out: y[1],
        groups: op.group,
        input: pair(&x[2..], 1),
        output: pair(&y[2..], 1),
        kernel: pair(&window.kernel_shape, 1),
        stride: pair(&window.strides, 1),
        dilation: pair(&window.dilations, 1),
        pad_begin: pair(&window.pads[..rank], 0),
        pad_end: pair(&window.pads[rank..], 0),
    })
}

/// Multiply-adds are those of all windows; padding counts.
fn forecast(g: &Geometry, way: &'static str, work: Work) -> Forecast {
    let macs = g.batch * g.sample_out() * g.taps();
    Forecast { way, macs, us: conv_us(g.batch, work) }
}

impl Kernel for Forward {
    fn scratch_len(&self, threads: usize) -> usize {
        match self.packed {
            None => self.kernel.scratch_len(threads),
            Some(_) => self.kernel.packed_scratch_len(threads),
        }
    }

    fn forecast(&self) -> Option<Forecast> {
        Some(forecast(&self.g, self.kernel.way(), self.kernel.work()))
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let x = call.input(0);
        let bias = (call.inputs.len() == 3).then(|| call.input(2));
        let layer = Layer { w: call.input(1), bias, activation: self.activation };
        let (kernel, y) = (&self.kernel, &mut *call.outputs[0]);
        let scratch = &mut call.scratch[..self.scratch_len(call.pool.threads())];
        match &self.packed {
            None => kernel.run(call.pool, x, &layer, y, scratch),
            Some(w) => kernel.run_packed(call.pool, x, &Layer { w, ..layer }, y, scratch),
        }
    }
}

impl Kernel for InputGradient {
    fn scratch_len(&self, threads: usize) -> usize {
        self.kernel.scratch_len(threads)
    }

    fn forecast(&self) -> Option<Forecast> {
        Some(forecast(&self.g, self.kernel.way(), self.kernel.work()))
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, w) = (call.input(0), call.input(1));
        let scratch = &mut call.scratch[..self.kernel.scratch_len(call.pool.threads())];
        self.kernel.run(call.pool, dy, w, call.outputs[0], scratch);
    }
}

impl Kernel for Transposed {
    fn scratch_len(&self, threads: usize) -> usize {
        self.product.scratch_len(threads)
    }

    fn forecast(&self) -> Option<Forecast> {
        self.product.forecast()
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        self.product.run(call);
        if call.inputs.len() == 3 {
            let bias = call.input(2).iter().cycle();
            for (y, bias) in call.outputs[0].chunks_exact_mut(self.space).zip(bias) {
                y.iter_mut().for_each(|y| *y += bias);
            }
        }
    }
}

impl Kernel for WeightGradient {
    fn scratch_len(&self, threads: usize) -> usize {
        self.kernel.scratch_len(threads)
    }

    fn forecast(&self) -> Option<Forecast> {
        Some(forecast(&self.g, self.kernel.way(), self.kernel.work()))
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, x) = (call.input(0), call.input(1));
        let scratch = &mut call.scratch[..self.kernel.scratch_len(call.pool.threads())];
        self.kernel.run(call.pool, dy, x, call.outputs[0], scratch);
    }
}
