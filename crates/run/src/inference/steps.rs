//! Ready-made steps: sparse layers with all that melts into them, dense ones and pools over planes.
//!
//! Not here: how the program runs them (`compile`, `program`).

use super::fuse::Fused;
use super::layers::{self, Layer, Shape};
use super::layout::{is_2x2, planes_len};
use crate::compile::Prepared;
use crate::kernel::{Call, Kernel};
use hoyer_graph::{Graph, Node, NodeId, Op, ValueId};
use hoyer_kernels::aligned::Aligned;
use hoyer_kernels::conv::{self, Forward};
use hoyer_kernels::gemm::Activation;
use hoyer_kernels::sparse::{
    ConvIo, Ends, Layout, Pick, Planes, SparseConv, SparseLinear, max_2x2, mean,
};

/// Work of a range of channels, about, in µs: below, waking a thread costs more than it brings.
const PIECE_US: f64 = 20.0;

/// What is known of the values.
pub(super) struct Site<'a> {
    pub(super) graph: &'a Graph,
    pub(super) shapes: &'a [Vec<usize>],
    pub(super) layouts: &'a [Layout],
}

impl Site<'_> {
    /// Elements of a value that does not lie row-major.
    pub(super) fn len(&self, id: ValueId) -> Option<usize> {
        planes_len(&self.layouts[id.0], &self.shapes[id.0])
    }

    fn planes(&self, id: ValueId) -> Option<Planes> {
        match self.layouts[id.0] {
            Layout::Plain => None,
            Layout::Planes(planes) => Some(planes),
        }
    }
}

/// For every place: its step, if what stands there does not run like any other.
pub(super) fn prepare(
    site: &Site<'_>,
    layers: &[Option<Layer>],
    fused: &[Option<Fused>],
) -> Vec<Option<Prepared>> {
    let mut steps: Vec<Option<Prepared>> = site.graph.nodes.iter().map(|_| None).collect();
    for (i, node) in site.graph.nodes.iter().enumerate() {
        match (&layers[i], &fused[i]) {
            (Some(layer), Some(fused)) => {
                let step = match layer.is_sparse {
                    true => Some(sparse(site, NodeId(i), layer, fused)),
                    false => dense(site, NodeId(i), layer, fused),
                };
                steps[fused.place.0] = step;
            }
            _ => steps[i] = steps[i].take().or_else(|| pool(site, NodeId(i), node)),
        }
    }
    steps
}

fn sparse(site: &Site<'_>, id: NodeId, layer: &Layer, fused: &Fused) -> Prepared {
    let node = site.graph.node(id);
    let w = layers::weights(site.graph, node);
    let [low, high] = fused.limits;
    let kernel: Box<dyn Kernel> = match layer.shape {
        Shape::Conv(g) => {
            let layout = |id: ValueId| site.layouts[id.0];
            let ends = Ends {
                x: layout(node.inputs[0]),
                residual: fused.residual.map(layout),
                y: layout(fused.writes),
            };
            let bias = layers::bias(site.graph, node, g.channels_out);
            let is_bare = fused.absorbs.is_empty() && node.inputs.len() == 2;
            let pick = is_bare.then(|| Pick::new(g, w, [ends.x, ends.y])).flatten();
            let conv = SparseConv::new(g, w, ends).with_bias(&bias).with_limits(low, high);
            let conv = conv.with_pieces((layer.sparse_us / PIECE_US) as usize);
            match pick {
                Some(pick) => Box::new(Moved(pick)),
                None => Box::new(Conv(conv)),
            }
        }
        Shape::Linear([batch, _, outputs]) => {
            let bias = layers::bias(site.graph, node, outputs);
            let linear = SparseLinear::new(batch, w, outputs);
            Box::new(Linear(linear.with_bias(&bias).with_limits(low, high)))
        }
    };
    let reads = node.inputs[..1].iter().copied().chain(fused.residual).collect();
    let computes = std::iter::once(id).chain(fused.absorbs.iter().copied()).collect();
    Prepared { kernel, computes, reads, writes: vec![fused.writes] }
}

/// A dense layer that reads or writes planes; any other runs as in every program.
fn dense(site: &Site<'_>, id: NodeId, layer: &Layer, fused: &Fused) -> Option<Prepared> {
    let (node, Shape::Conv(g)) = (site.graph.node(id), layer.shape) else { return None };
    let ends = [site.layouts[node.inputs[0].0], site.layouts[fused.writes.0]];
    let kernel = Forward::new(g).between(ends).filter(|_| ends != [Layout::Plain; 2])?;
    let mut packed = Aligned::zeros(kernel.packed_len(), 0);
    kernel.pack(layers::weights(site.graph, node), &mut packed);
    let bias = layers::bias(site.graph, node, g.channels_out);
    let activation = if fused.absorbs.is_empty() { Activation::None } else { Activation::Relu };
    let computes = std::iter::once(id).chain(fused.absorbs.iter().copied()).collect();
    let (reads, writes) = (node.inputs[..1].to_vec(), vec![fused.writes]);
    let kernel = Box::new(Dense { kernel, packed, bias, activation });
    Some(Prepared { kernel, computes, reads, writes })
}

/// A pool over a value that lies in planes.
fn pool(site: &Site<'_>, id: NodeId, node: &Node) -> Option<Prepared> {
    let x = *node.inputs.first()?;
    let (from, batch) = (site.planes(x)?, site.shapes[x.0][0]);
    let writes = node.outputs[0];
    let kernel: Box<dyn Kernel> = match &node.op {
        Op::GlobalAveragePool(_) => Box::new(Mean { from, batch }),
        Op::MaxPool(pool) if is_2x2(pool, &site.shapes[x.0]) => {
            Box::new(Max { from, to: site.layouts[writes.0], batch })
        }
        _ => return None,
    };
    Some(Prepared { kernel, computes: vec![id], reads: vec![x], writes: vec![writes] })
}

struct Conv(SparseConv);

impl Kernel for Conv {
    fn scratch_len(&self, threads: usize) -> usize {
        self.0.scratch_len(threads)
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let residual = (call.inputs.len() == 2).then(|| call.input(1));
        let x = call.input(0);
        let scratch = &mut call.scratch[..self.0.scratch_len(call.pool.threads())];
        self.0.run(call.pool, ConvIo { x, residual, y: call.outputs[0] }, scratch);
    }
}

struct Dense {
    kernel: Forward,
    packed: Aligned,
    bias: Vec<f32>,
    activation: Activation,
}

impl Kernel for Dense {
    fn scratch_len(&self, threads: usize) -> usize {
        self.kernel.packed_scratch_len(threads)
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let x = call.input(0);
        let (w, bias) = (&*self.packed, Some(self.bias.as_slice()));
        let layer = conv::Layer { w, bias, activation: self.activation };
        let scratch = &mut call.scratch[..self.scratch_len(call.pool.threads())];
        self.kernel.run_packed(call.pool, x, &layer, call.outputs[0], scratch);
    }
}

struct Moved(Pick);

impl Kernel for Moved {
    fn run(&self, call: &mut Call<'_, '_>) {
        let x = call.input(0);
        self.0.run(call.pool, x, call.outputs[0]);
    }
}

struct Linear(SparseLinear);

impl Kernel for Linear {
    fn scratch_len(&self, threads: usize) -> usize {
        self.0.scratch_len(threads)
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let scratch = &mut call.scratch[..self.0.scratch_len(call.pool.threads())];
        self.0.run(call.pool, call.inputs[0].f32(), call.outputs[0], scratch);
    }
}

struct Mean {
    from: Planes,
    batch: usize,
}

impl Kernel for Mean {
    fn run(&self, call: &mut Call<'_, '_>) {
        mean(&self.from, self.batch, call.input(0), call.outputs[0]);
    }
}

struct Max {
    from: Planes,
    to: Layout,
    batch: usize,
}

impl Kernel for Max {
    fn run(&self, call: &mut Call<'_, '_>) {
        let x = call.input(0);
        max_2x2(call.pool, (&self.from, self.to), self.batch, x, call.outputs[0]);
    }
}
