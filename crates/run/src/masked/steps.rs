//! The ready-made steps of sparse layers: forward with its activation, and both gradients in one.
//!
//! Not here: how the program runs them (`compile`, `program`).

use super::layers::Masked;
use crate::compile::Prepared;
use crate::forecast::Forecast;
use crate::inference::layers::Shape;
use crate::kernel::{Call, Kernel};
use hoyer_graph::{Graph, NodeId};
use hoyer_kernels::gemm::Activation;
use hoyer_kernels::sparse::{
    ConvGradientIo, ConvIo, Ends, Layout, LinearGradientIo, SparseConv, SparseConvGradient,
    SparseLinear, SparseLinearGradient, Wanted,
};
use std::cell::RefCell;

/// For every node: its step, if it is one of a sparse layer.
pub(super) fn prepare(
    graph: &Graph,
    layers: &[Masked],
    absorbed: &[Option<(NodeId, Activation)>],
) -> Vec<Option<Prepared>> {
    let mut steps: Vec<Option<Prepared>> = graph.nodes.iter().map(|_| None).collect();
    for layer in layers.iter().filter(|layer| layer.layer.is_sparse) {
        let Some(live) = graph.param_at(layer.param).mask.as_deref() else { continue };
        steps[layer.forward.0] = Some(forward(graph, layer, live, absorbed[layer.forward.0]));
        let first = layer.dx.map_or(layer.dw, |dx| dx.min(layer.dw));
        steps[first.0] = Some(gradients(graph, layer, live));
    }
    steps
}

/// What is expected of a step that computes so many passes of a layer: weights that live are multiplied.
fn forecast(of: &Masked, passes: usize, us: f64) -> Forecast {
    let pixels = match of.layer.shape {
        Shape::Conv(g) => g.batch * g.pixels(),
        Shape::Linear([batch, ..]) => batch,
    };
    Forecast { way: "sparse", macs: passes * of.layer.nonzero * pixels, us }
}

fn forward(
    graph: &Graph,
    of: &Masked,
    live: &[bool],
    absorbed: Option<(NodeId, Activation)>,
) -> Prepared {
    let node = graph.node(of.forward);
    let [low, high] = absorbed.map_or(Activation::None, |(_, activation)| activation).limits();
    // The pattern alone: values are taken in each run.
    let pattern: Vec<f32> = live.iter().map(|live| f32::from(u8::from(*live))).collect();
    let forecast = forecast(of, 1, of.sparse_us[0]);
    let kernel: Box<dyn Kernel> = match of.layer.shape {
        Shape::Conv(g) => {
            let ends = Ends { x: Layout::Plain, residual: None, y: Layout::Plain };
            let conv = SparseConv::new(g, &pattern, ends).with_limits(low, high);
            Box::new(Conv { kernel: RefCell::new(conv), forecast })
        }
        Shape::Linear([batch, _, outputs]) => {
            let linear = SparseLinear::new(batch, &pattern, outputs).with_limits(low, high);
            Box::new(Linear { kernel: RefCell::new(linear), forecast })
        }
    };
    let last = absorbed.map_or(of.forward, |(after, _)| after);
    let computes = std::iter::once(of.forward).chain(absorbed.map(|(after, _)| after)).collect();
    let writes = vec![graph.node(last).outputs[0]];
    Prepared { kernel, computes, reads: node.inputs.clone(), writes }
}

fn gradients(graph: &Graph, of: &Masked, live: &[bool]) -> Prepared {
    let (w, dw) = (graph.node(of.forward).inputs[1], graph.node(of.dw));
    let wanted = Wanted { dx: of.dx.is_some(), dw: true };
    let forecast = forecast(of, if wanted.dx { 2 } else { 1 }, of.sparse_us[1]);
    let kernel: Box<dyn Kernel> = match of.layer.shape {
        Shape::Conv(g) => {
            let kernel = RefCell::new(SparseConvGradient::new(g, live, wanted));
            Box::new(ConvGradient { kernel, forecast })
        }
        Shape::Linear([batch, _, outputs]) => {
            let gradient = SparseLinearGradient::new(batch, live, outputs, wanted);
            Box::new(LinearGradient { kernel: RefCell::new(gradient), forecast })
        }
    };
    let nodes: Vec<NodeId> = std::iter::once(of.dw).chain(of.dx).collect();
    let reads = vec![dw.inputs[0], dw.inputs[1], w];
    let writes = nodes.iter().map(|node| graph.node(*node).outputs[0]).collect();
    Prepared { kernel, computes: nodes, reads, writes }
}

/// Kernels are not shared, and a step does not run inside itself, so taking new values never meets a reader.
struct Conv {
    kernel: RefCell<SparseConv>,
    forecast: Forecast,
}

impl Kernel for Conv {
    fn scratch_len(&self, threads: usize) -> usize {
        self.kernel.borrow().scratch_len(threads)
    }

    fn forecast(&self) -> Option<Forecast> {
        Some(self.forecast)
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let mut conv = self.kernel.borrow_mut();
        conv.refresh(call.input(1));
        if call.inputs.len() == 3 {
            conv.set_bias(call.input(2));
        }
        let scratch = &mut call.scratch[..conv.scratch_len(call.pool.threads())];
        let io = ConvIo { x: call.inputs[0].f32(), residual: None, y: call.outputs[0] };
        conv.run(call.pool, io, scratch);
    }
}

struct Linear {
    kernel: RefCell<SparseLinear>,
    forecast: Forecast,
}

impl Kernel for Linear {
    fn scratch_len(&self, threads: usize) -> usize {
        self.kernel.borrow().scratch_len(threads)
    }

    fn forecast(&self) -> Option<Forecast> {
        Some(self.forecast)
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let mut linear = self.kernel.borrow_mut();
        linear.refresh(call.input(1));
        if call.inputs.len() == 3 {
            linear.set_bias(call.input(2));
        }
        let scratch = &mut call.scratch[..linear.scratch_len(call.pool.threads())];
        linear.run(call.pool, call.inputs[0].f32(), call.outputs[0], scratch);
    }
}

struct ConvGradient {
    kernel: RefCell<SparseConvGradient>,
    forecast: Forecast,
}

impl Kernel for ConvGradient {
    fn scratch_len(&self, threads: usize) -> usize {
        self.kernel.borrow().scratch_len(threads)
    }

    fn forecast(&self) -> Option<Forecast> {
        Some(self.forecast)
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let mut gradient = self.kernel.borrow_mut();
        let (dy, x) = (call.input(0), call.input(1));
        gradient.refresh(call.input(2));
        let scratch = &mut call.scratch[..gradient.scratch_len(call.pool.threads())];
        let [dw, dx @ ..] = &mut *call.outputs else { panic!("the step writes a gradient") };
        let dx = dx.first_mut().map(|dx| &mut **dx);
        gradient.run(call.pool, ConvGradientIo { dy, x, dx, dw: Some(dw) }, scratch);
    }
}

struct LinearGradient {
    kernel: RefCell<SparseLinearGradient>,
    forecast: Forecast,
}

impl Kernel for LinearGradient {
    fn scratch_len(&self, _: usize) -> usize {
        self.kernel.borrow().scratch_len()
    }

    fn forecast(&self) -> Option<Forecast> {
        Some(self.forecast)
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let mut gradient = self.kernel.borrow_mut();
        let (dy, x) = (call.input(0), call.input(1));
        gradient.refresh(call.input(2));
        let [dw, dx @ ..] = &mut *call.outputs else { panic!("the step writes a gradient") };
        let dx = dx.first_mut().map(|dx| &mut **dx);
        gradient.run(call.pool, LinearGradientIo { dy, x, dx, dw: Some(dw) }, call.scratch);
    }
}
