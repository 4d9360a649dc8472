//! From a graph to steps: what is needed, what melts into what, where every value lives.
//!
//! Steps may come ready made, with values that lie in layouts of their own ([`Prepared`], [`Compiler::with`]).
//! Not here: running the steps (`program`), the sharing of buffers (`memory`), kernels (`op`).

use crate::fuse::{Gated, absorbed, gates, is_view, losses, shown};
use crate::kernel::{Kernel, Site};
use crate::memory::{Life, lay_out};
use crate::program::{Place, Program, Step};
use crate::{Error, Result, op};
use hoyer_graph::{Bindings, DType, Graph, NodeId, Op, Source, ValueId, bound, elements};
use hoyer_kernels::aligned::Aligned;
use hoyer_kernels::gemm::Activation;
use hoyer_kernels::pool::Pool;
use std::sync::Arc;

/// The state of a compilation.
pub(crate) struct Compiler<'a> {
    graph: &'a Graph,
    shapes: Vec<Vec<usize>>,
    needed: Vec<bool>,
    absorbed: Vec<Option<(NodeId, Activation)>>,
    gates: Vec<Option<Gated>>,
    /// For every node: the loss that it computes, too.
    losses: Vec<Option<NodeId>>,
    kept: Vec<ValueId>,
    prepared: Vec<Option<Prepared>>,
    /// Elements of values that do not lie row-major.
    lens: Vec<Option<usize>>,
    /// Whether parameters keep their numbers.
    is_trained: bool,
}

/// A step that was made before the compilation.
pub(crate) struct Prepared {
    pub(crate) kernel: Box<dyn Kernel>,
    /// The nodes that it computes; it runs in the place of one of them.
    pub(crate) computes: Vec<NodeId>,
    pub(crate) reads: Vec<ValueId>,
    pub(crate) writes: Vec<ValueId>,
}

/// A node that becomes a step, and the values that the step reads and writes.
struct Scheduled {
    node: NodeId,
    reads: Vec<ValueId>,
    writes: Vec<ValueId>,
    activation: Activation,
    ready: Option<Box<dyn Kernel>>,
}

/// The values that need memory, and which of them each value of the graph is.
struct Lives {
    list: Vec<Life>,
    of: Vec<Option<usize>>,
    /// For every step: the input computed in place.
    in_place: Vec<Option<usize>>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(graph: &'a Graph, sizes: &Bindings, outputs: &[ValueId]) -> Result<Self> {
        let shapes = (0..graph.values.len()).map(|i| bound(graph, ValueId(i), sizes));
        let shapes: Vec<Vec<usize>> = shapes.collect::<Result<_, _>>()?;
        for (value, shape) in graph.values.iter().zip(&shapes) {
            if elements(shape).is_none_or(|n| n > isize::MAX as usize / 8) {
                let value = value.name.clone();
                return Err(Error::TooLarge { value, shape: shape.clone() });
            }
        }
        let updated = graph.updates.iter().map(|update| update.value);
        let kept: Vec<ValueId> = outputs.iter().copied().chain(updated).collect();
        let needed = needed(graph, &kept);
        let absorbed = absorbed(graph, &kept);
        let gates = gates(graph, &kept, &absorbed);
        let losses = losses(graph, &needed);
        let (prepared, lens) = (Vec::new(), vec![None; graph.values.len()]);
        let is_trained = false;
        Ok(Self {
            graph,
            shapes,
            needed,
            absorbed,
            gates,
            losses,
            kept,
            prepared,
            lens,
            is_trained,
        })
    }

    /// Takes ready-made steps, one place per node, and the elements of values that do not lie row-major.
    pub(crate) fn with(self, prepared: Vec<Option<Prepared>>, lens: Vec<Option<usize>>) -> Self {
        Self { prepared, lens, ..self }
    }

    /// Relies on parameters to keep the numbers that they have in the graph.
    pub(crate) fn trained(self) -> Self {
        Self { is_trained: true, ..self }
    }

    /// The shape of every value.
    pub(crate) fn shapes(&self) -> &[Vec<usize>] {
        &self.shapes
    }

    /// For every node: the activation that it absorbs, if any.
    pub(crate) fn absorbed(&self) -> &[Option<(NodeId, Activation)>] {
        &self.absorbed
    }

    /// # Errors
    /// [`Error::TooLarge`] if there is no memory for the values.
    pub(crate) fn program(mut self, pool: &Arc<Pool>) -> Result<Program> {
        let mut schedule = self.schedule();
        let lives = self.lives(&schedule);
        let layout = lay_out(&lives.list);
        self.check_memory(&layout.sizes)?;
        let mut integers = Vec::new();
        let places = self.places(&lives, &layout.buffer, &mut integers);
        let (mut steps, mut scratch) = (Vec::new(), 0);
        for (scheduled, &in_place) in schedule.iter_mut().zip(&lives.in_place) {
            let kernel = scheduled.ready.take().unwrap_or_else(|| self.kernel(scheduled));
            scratch = scratch.max(kernel.scratch_len(pool.threads()));
            let place = |id: &ValueId| places[id.0].expect("a step reads and writes placed values");
            let inputs = scheduled.reads.iter().map(place).collect();
            let outputs = scheduled.writes.iter().map(place).collect();
            steps.push(Step { node: scheduled.node, kernel, inputs, outputs, in_place });
        }
        let updates = self.graph.updates.iter().map(|update| {
            (update.param, places[update.value.0].expect("updates are kept, so they are placed"))
        });
        let buffer = |(i, &len): (usize, &usize)| Aligned::zeros(len, i);
        Ok(Program {
            pool: Arc::clone(pool),
            steps,
            updates: updates.collect(),
            buffers: layout.sizes.iter().enumerate().map(buffer).collect(),
            integers,
            places,
            scratch: Aligned::zeros(scratch, layout.sizes.len()),
        })
    }

    /// Asks for the memory of all values at once, and gives it back: a refusal is an error then, and no end of the process.
    fn check_memory(&self, buffers: &[usize]) -> Result<()> {
        let integers = (0..self.graph.values.len()).map(ValueId).filter(|id| !self.is_f32(*id));
        let halves = integers.filter(|id| self.needed[id.0]).map(|id| self.len(id)).map(|n| n * 2);
        let total = buffers.iter().copied().chain(halves).fold(0, usize::saturating_add);
        if Vec::<f32>::new().try_reserve_exact(total).is_ok() {
            return Ok(());
        }
        let needed = (0..self.graph.values.len()).map(ValueId).filter(|id| self.needed[id.0]);
        let largest = needed.max_by_key(|id| self.len(*id)).unwrap_or(ValueId(0));
        let value = self.graph.value(largest).name.clone();
        Err(Error::TooLarge { value, shape: self.shapes[largest.0].clone() })
    }

    fn len(&self, id: ValueId) -> usize {
        self.lens[id.0].unwrap_or_else(|| {
            elements(&self.shapes[id.0]).expect("checked when the compilation began")
        })
    }

    fn is_f32(&self, id: ValueId) -> bool {
        self.graph.value(id).kind.dtype == DType::F32
    }

    /// What is in the buffer of an integer value before the first run, if it has one of its own.
    fn integers_of(&self, id: ValueId) -> Option<Vec<i64>> {
        if self.is_f32(id) {
            return None;
        }
        let zeros = vec![0; self.len(id)];
        match self.graph.value(id).source {
            Source::Param(_) => None,
            Source::Input => Some(zeros),
            Source::Node(node, _) => match &self.graph.node(node).op {
                _ if !self.needed[id.0] => None,
                op if is_view(op) => None,
                Op::Constant(constant) => Some(constant.data.clone()),
                _ => Some(zeros),
            },
        }
    }

    /// The nodes that become steps, in order.
    fn schedule(&mut self) -> Vec<Scheduled> {
        let mut melted = vec![false; self.graph.nodes.len()];
        self.gates.iter().flatten().for_each(|gated| melted[gated.node.0] = true);
        self.losses.iter().flatten().for_each(|loss| melted[loss.0] = true);
        for (i, ready) in self.prepared.iter().enumerate() {
            let computed = ready.iter().flat_map(|ready| &ready.computes);
            computed.filter(|node| node.0 != i).for_each(|node| melted[node.0] = true);
        }
        let mut steps = Vec::new();
        for (i, node) in self.graph.nodes.iter().enumerate() {
            let ready = self.prepared.get(i).and_then(Option::as_ref);
            let writes = ready.map_or(&node.outputs, |ready| &ready.writes);
            let wanted = writes.iter().any(|id| self.needed[id.0]);
            // A constant has its numbers from the start.
            let is_constant = matches!(node.op, Op::Constant(_));
            if melted[i] || is_view(&node.op) || is_constant || !wanted {
                continue;
            }
            if let Some(ready) = self.prepared.get_mut(i).and_then(Option::take) {
                steps.push(Scheduled {
                    node: ready.computes[0],
                    reads: ready.reads,
                    writes: ready.writes,
                    activation: Activation::None,
                    ready: Some(ready.kernel),
                });
                continue;
            }
            let (mut reads, mut writes) = (node.inputs.clone(), node.outputs.clone());
            let mut activation = Activation::None;
            if let Some((after, absorbed)) = self.absorbed[i] {
                melted[after.0] = true;
                writes[0] = self.graph.node(after).outputs[0];
                activation = absorbed;
            }
            if let Some(loss) = self.losses[i] {
                writes.push(self.graph.node(loss).outputs[0]);
            }
            if let Some(gated) = self.gates[i] {
                // The gradient by what the limits gave, and what shows that.
                reads[0] = self.graph.node(gated.node).inputs[0];
                reads.push(gated.reads);
            }
            steps.push(Scheduled { node: NodeId(i), reads, writes, activation, ready: None });
        }
        steps
    }

    /// The last step that reads each value (steps count from 1); views are reads of what they show.
    fn last_reads(&self, schedule: &[Scheduled]) -> Vec<usize> {
        let mut last = vec![0; self.graph.values.len()];
        for (i, scheduled) in schedule.iter().enumerate() {
            for &input in &scheduled.reads {
                last[shown(self.graph, input).0] = i + 1;
            }
        }
        // A network that answers may be asked again: its input stays what it is.
        let asked = self.is_trained.then_some(&self.graph.inputs);
        for &id in self.kept.iter().chain(asked.into_iter().flatten()) {
            last[shown(self.graph, id).0] = usize::MAX;
        }
        last
    }

    fn lives(&self, schedule: &[Scheduled]) -> Lives {
        let last = self.last_reads(schedule);
        let of = vec![None; self.graph.values.len()];
        let mut lives = Lives { list: Vec::new(), of, in_place: Vec::new() };
        let add = |lives: &mut Lives, id: ValueId, born: usize, takes_over: Option<usize>| {
            lives.of[id.0] = Some(lives.list.len());
            let dies = last[id.0].max(born);
            lives.list.push(Life { len: self.len(id), born, dies, takes_over });
        };
        for &id in &self.graph.inputs {
            if self.is_f32(id) {
                add(&mut lives, id, 0, None);
            }
        }
        for (i, scheduled) in schedule.iter().enumerate() {
            let in_place = self.in_place_input(scheduled, i + 1, &last);
            let taken = in_place.map(|n| shown(self.graph, scheduled.reads[n]));
            let mut over = taken.and_then(|id| lives.of[id.0]);
            for &id in scheduled.writes.iter().filter(|id| self.is_f32(**id)) {
                add(&mut lives, id, i + 1, over.take());
            }
            lives.in_place.push(in_place);
        }
        lives
    }

    /// An input whose memory the first output may take over: it dies here and nobody else shows it.
    fn in_place_input(&self, scheduled: &Scheduled, step: usize, last: &[usize]) -> Option<usize> {
        if scheduled.ready.is_some() {
            return None;
        }
        let node = self.graph.node(scheduled.node);
        let roots: Vec<ValueId> = scheduled.reads.iter().map(|id| shown(self.graph, *id)).collect();
        let fits = |&n: &usize| {
            let root = roots[n];
            last[root.0] == step
                && self.is_f32(root)
                && self.is_f32(scheduled.writes[0])
                && matches!(self.graph.value(root).source, Source::Node(..))
                && self.len(root) == self.len(scheduled.writes[0])
                && roots.iter().filter(|other| **other == root).count() == 1
        };
        op::in_place(&node.op).iter().copied().filter(|&n| n < roots.len()).find(fits)
    }

    fn places(
        &self,
        lives: &Lives,
        buffers: &[usize],
        integers: &mut Vec<Vec<i64>>,
    ) -> Vec<Option<Place>> {
        let mut roots = vec![None; self.graph.values.len()];
        for (i, value) in self.graph.values.iter().enumerate() {
            roots[i] = match (value.source, lives.of[i]) {
                (Source::Param(param), _) => Some(Place::Param { index: param.0 }),
                _ if value.kind.dtype != DType::F32 => self.integers_of(ValueId(i)).map(|own| {
                    integers.push(own);
                    Place::Integers { index: integers.len() - 1 }
                }),
                (_, life) => life
                    .map(|life| Place::Buffer { index: buffers[life], len: self.len(ValueId(i)) }),
            };
        }
        (0..roots.len()).map(|i| roots[shown(self.graph, ValueId(i)).0]).collect()
    }

    fn kernel(&self, scheduled: &Scheduled) -> Box<dyn Kernel> {
        let node = self.graph.node(scheduled.node);
        let shapes = |ids: &[ValueId]| -> Vec<Vec<usize>> {
            ids.iter().map(|id| self.shapes[id.0].clone()).collect()
        };
        let (inputs, outputs) = (shapes(&scheduled.reads), shapes(&scheduled.writes));
        let types = |ids: &[ValueId]| -> Vec<DType> {
            ids.iter().map(|id| self.graph.value(*id).kind.dtype).collect()
        };
        let wanted: Vec<bool> = scheduled.writes.iter().map(|id| self.needed[id.0]).collect();
        let (input_types, output_types) = (types(&scheduled.reads), types(&scheduled.writes));
        let constant = |id: &ValueId| {
            let param = self.graph.param_of(*id).filter(|_| self.is_trained)?;
            Some(self.graph.param_at(param).tensor.data())
        };
        let constants: Vec<Option<&[f32]>> = scheduled.reads.iter().map(constant).collect();
        op::kernel(&Site {
            node,
            inputs: &inputs,
            outputs: &outputs,
            wanted: &wanted,
            input_types: &input_types,
            output_types: &output_types,
            constants: &constants,
            activation: scheduled.activation,
            gate: self.gates[scheduled.node.0].map(|gated| gated.gate),
        })
    }
}

/// The values that `kept` depend on.
fn needed(graph: &Graph, kept: &[ValueId]) -> Vec<bool> {
    let mut needed = vec![false; graph.values.len()];
    kept.iter().for_each(|id| needed[id.0] = true);
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|id| needed[id.0]) {
            node.inputs.iter().for_each(|id| needed[id.0] = true);
        }
    }
    needed
}
