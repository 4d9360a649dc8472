//! How channels flow through a network: every value gets the axis its channels lie on, and a unit for each.
//!
//! A layer makes new units along its output axis; other ops pass units on, join them, or freeze them, as
//! their [`Coupling`] says. Values hold at most one such axis; where an op would give two (a reshape of 64 channels to
//! 4 heads of 16), the units along the inner one are joined.

use super::coupling::Coupling;
use super::spread::{Cell, gather, spread};
use super::units::Units;
use crate::graph::{Graph, Node, ParamId, ValueId};
use crate::shape::Bindings;
use crate::{Array, DType, Result, bound};

/// The channels of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Channels {
    pub(super) axis: usize,
    /// One unit an index of the axis; the same unit may come several times.
    pub(super) units: Vec<usize>,
}

/// An axis of a parameter whose indices belong to units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) param: ParamId,
    pub(super) axis: usize,
    pub(super) units: Vec<usize>,
    /// How many readers of the parameter know of them.
    ties: usize,
}

/// The state of the walk, and its result.
pub(super) struct Flow<'g> {
    graph: &'g Graph,
    pub(super) units: Units,
    pub(super) channels: Vec<Option<Channels>>,
    pub(super) parts: Vec<Part>,
    sizes: Bindings,
}

impl<'g> Flow<'g> {
    /// Walks the network from its inputs to its outputs.
    pub(super) fn through(graph: &'g Graph) -> Result<Self> {
        let channels = vec![None; graph.values.len()];
        let sizes = ones(graph);
        let mut flow = Self { graph, units: Units::default(), channels, parts: vec![], sizes };
        for node in &graph.nodes {
            flow.node(node)?;
        }
        for output in &graph.outputs {
            flow.freeze(*output, super::OUTPUT);
        }
        flow.freeze_read_elsewhere();
        Ok(flow)
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        match node.op.rule().coupling(&self.kinds(node)) {
            Coupling::Elementwise => self.elementwise(node),
            Coupling::Moved { rigid } => self.moved(node, &rigid)?,
            Coupling::PerChannel => self.per_channel(node),
            Coupling::Convolution { group, transposed } => {
                self.convolution(node, group, usize::from(transposed));
            }
            Coupling::Product { trans_a, trans_b } => self.product(node, trans_a, trans_b),
            Coupling::Mixed { axes, keepdims } => self.mixed(node, &axes, keepdims),
            Coupling::Chosen { axis } => self.chosen(node, axis),
            Coupling::Opaque => self.opaque(node),
        }
        Ok(())
    }

    /// A parameter that is also read where nothing is known of its channels cannot be cut.
    fn freeze_read_elsewhere(&mut self) {
        let readers = self.graph.readers();
        for part in &self.parts {
            let value = self.graph.value_of(part.param);
            let outside = self.graph.outputs.iter().filter(|output| **output == value).count();
            if part.ties < readers[value.0].len() + outside {
                let name = &self.graph.param_at(part.param).name;
                self.units.freeze(&part.units, &format!("`{name}` is also read as a whole"));
            }
        }
    }

    fn kinds(&self, node: &Node) -> Vec<crate::Type> {
        node.inputs.iter().map(|id| self.graph.value(*id).kind.clone()).collect()
    }

    fn rank(&self, id: ValueId) -> usize {
        self.graph.value(id).kind.shape.rank()
    }

    /// Size of an axis; none if it has a symbol.
    fn size(&self, id: ValueId, axis: usize) -> Option<usize> {
        self.graph.value(id).kind.shape.0.get(axis)?.fixed()
    }

    fn freeze(&mut self, id: ValueId, why: &str) {
        if let Some(channels) = self.channels[id.0].take() {
            self.units.freeze(&channels.units, why);
        }
    }

    fn opaque(&mut self, node: &Node) {
        let why = format!("{} `{}` cannot be pruned through", node.op.name(), node.name);
        for id in &node.inputs {
            self.freeze_in_place(*id, &why);
        }
    }

    /// As [`Self::freeze`], but other readers of the value still see its channels.
    fn freeze_in_place(&mut self, id: ValueId, why: &str) {
        if let Some(channels) = &self.channels[id.0] {
            self.units.freeze(&channels.units, why);
        }
    }

    /// Ties an axis of an input to units: a parameter's is cut with them, a value's channels are joined with them, and
    /// anything else keeps them alive.
    fn tie(&mut self, id: ValueId, axis: usize, units: &[usize], node: &Node) {
        let because = format!("{} `{}`", node.op.name(), node.name);
        if self.size(id, axis) != Some(units.len()) {
            self.units.freeze(units, &format!("{because} repeats them"));
            self.freeze_in_place(id, &format!("{because} repeats them"));
        } else if let Some(param) = self.graph.param_of(id) {
            let known = self.parts.iter_mut().find(|part| part.param == param && part.axis == axis);
            match known {
                Some(part) => {
                    part.ties += 1;
                    self.units.join_pairs(&part.units, units, &because);
                }
                None => self.parts.push(Part { param, axis, units: units.to_vec(), ties: 1 }),
            }
        } else if let Some(channels) = self.channels[id.0].clone().filter(|c| c.axis == axis) {
            self.units.join_pairs(&channels.units, units, &because);
        } else {
            self.units.freeze(units, &format!("{because} joins them with what cannot be pruned"));
            self.freeze_in_place(id, &format!("{because} lays them across other channels"));
        }
    }

    fn put(&mut self, node: &Node, channels: &Channels) {
        for output in &node.outputs {
            if self.size(*output, channels.axis) == Some(channels.units.len()) {
                self.channels[output.0] = Some(channels.clone());
            } else {
                let why = format!("{} `{}` counts them", node.op.name(), node.name);
                self.units.freeze(&channels.units, &why);
            }
        }
    }

    fn elementwise(&mut self, node: &Node) {
        let rank = self.rank(node.outputs[0]);
        let on_output = |flow: &Self, id: ValueId| {
            let channels = flow.channels[id.0].clone()?;
            let axis = channels.axis + rank - flow.rank(id);
            Some(Channels { axis, units: channels.units })
        };
        let Some(lead) = node.inputs.iter().find_map(|id| on_output(self, *id)) else { return };
        for id in &node.inputs {
            // An input that is the same for all channels goes with none of them.
            let axis = (lead.axis + self.rank(*id)).checked_sub(rank);
            let apart = axis.is_none_or(|axis| self.size(*id, axis) == Some(1));
            match (apart, axis) {
                (false, Some(axis)) => self.tie(*id, axis, &lead.units, node),
                _ => {
                    self.freeze_in_place(*id, &format!("`{}` spreads them over others", node.name))
                }
            }
        }
        self.put(node, &lead);
    }

    fn per_channel(&mut self, node: &Node) {
        let Some(channels) = self.channels[node.inputs[0].0].clone() else { return };
        if channels.axis != 1 {
            return self.opaque(node);
        }
        for id in &node.inputs[1..] {
            self.tie(*id, 0, &channels.units, node);
        }
        self.put(node, &channels);
    }

    fn convolution(&mut self, node: &Node, group: usize, in_axis_of_transposed: usize) {
        let (x, weight) = (node.inputs[0], node.inputs[1]);
        let (in_axis, out_axis) = (1 - in_axis_of_transposed, in_axis_of_transposed);
        let input = self.channels[x.0].clone().filter(|channels| channels.axis == 1);
        if input.is_none() || self.graph.param_of(weight).is_none() {
            self.opaque(node);
        }
        let Some(outs) = self.size(node.outputs[0], 1) else { return self.opaque(node) };
        if group == 1 {
            if let Some(input) = &input {
                self.tie(weight, in_axis, &input.units, node);
            }
            return self.layer(node, weight, out_axis, (1, outs), node.inputs.get(2).copied());
        }
        let Some(input) = input else { return };
        let because = format!("the groups of {} `{}`", node.op.name(), node.name);
        let units = self.units.fresh(outs);
        let blocks = input.units.chunks(input.units.len() / group);
        for (read, made) in blocks.zip(units.chunks(outs / group)) {
            self.units.join_all(&[read, made].concat(), &because);
        }
        // Groups lie one after the other along the first axis of the weight.
        let first = if in_axis == 0 { &input.units } else { &units };
        self.tie(weight, 0, first, node);
        if let Some(bias) = node.inputs.get(2) {
            self.tie(*bias, 0, &units, node);
        }
        self.put(node, &Channels { axis: 1, units });
    }

    /// New units along an axis of the output, the weight and the bias.
    fn layer(
        &mut self,
        node: &Node,
        weight: ValueId,
        weight_axis: usize,
        (axis, count): (usize, usize),
        bias: Option<ValueId>,
    ) {
        if count < 2 {
            return;
        }
        let units = self.units.fresh(count);
        self.tie(weight, weight_axis, &units, node);
        if let Some(bias) = bias {
            let last = self.rank(bias).checked_sub(1);
            if let Some(last) = last.filter(|last| self.size(bias, *last) != Some(1)) {
                self.tie(bias, last, &units, node);
            }
        }
        self.put(node, &Channels { axis, units });
    }

    fn product(&mut self, node: &Node, trans_a: bool, trans_b: bool) {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let (rank_a, rank_b) = (self.rank(a), self.rank(b));
        if rank_a < 2 || rank_b < 2 {
            return self.opaque(node);
        }
        let (a_m, a_k) = if trans_a { (rank_a - 1, rank_a - 2) } else { (rank_a - 2, rank_a - 1) };
        let (b_k, b_n) = if trans_b { (rank_b - 1, rank_b - 2) } else { (rank_b - 2, rank_b - 1) };
        let rank = self.rank(node.outputs[0]);
        let third = node.inputs.get(2).copied();
        let (of_a, of_b) = (self.channels[a.0].clone(), self.channels[b.0].clone());
        let is_weight =
            |flow: &Self, id: ValueId, rank: usize| rank == 2 && flow.graph.param_of(id).is_some();
        if is_weight(self, b, rank_b) {
            match &of_a {
                Some(channels) if channels.axis == a_k => self.tie(b, b_k, &channels.units, node),
                _ => self.opaque(node),
            }
            if let Some(outs) = self.size(node.outputs[0], rank - 1) {
                self.layer(node, b, b_n, (rank - 1, outs), third);
            }
        } else if is_weight(self, a, rank_a) && third.is_none() {
            match &of_b {
                Some(channels) if channels.axis == b_k => self.tie(a, a_k, &channels.units, node),
                _ => self.opaque(node),
            }
            if let Some(outs) = self.size(node.outputs[0], rank - 2) {
                self.layer(node, a, a_m, (rank - 2, outs), None);
            }
        } else if third.is_some() {
            self.opaque(node);
        } else {
            self.product_of_values(node, [(a, a_k, a_m), (b, b_k, b_n)]);
        }
    }

    /// A product without a weight, as in attention; `sides` are a value, its summed and its free axis.
    fn product_of_values(&mut self, node: &Node, sides: [(ValueId, usize, usize); 2]) {
        let rank = self.rank(node.outputs[0]);
        let mut done: Option<Channels> = None;
        for (i, &(id, summed, free)) in sides.iter().enumerate() {
            let Some(channels) = self.channels[id.0].clone() else { continue };
            let (other, other_summed, _) = sides[1 - i];
            if channels.axis == summed {
                self.tie(other, other_summed, &channels.units, node);
                continue;
            }
            let axis = match channels.axis == free {
                true => rank - 2 + i,
                false => channels.axis + rank - self.rank(id),
            };
            if channels.axis != free {
                match (axis + self.rank(other)).checked_sub(rank) {
                    Some(axis) if self.size(other, axis) != Some(1) => {
                        self.tie(other, axis, &channels.units, node);
                    }
                    _ => {}
                }
            }
            match &done {
                Some(known) if known.axis != axis => {
                    let why =
                        format!("{} `{}` crosses them with others", node.op.name(), node.name);
                    self.units.freeze(&channels.units, &why);
                }
                _ => done = Some(Channels { axis, units: channels.units }),
            }
        }
        if let Some(channels) = done {
            self.put(node, &channels);
        }
    }

    fn mixed(&mut self, node: &Node, axes: &[usize], keepdims: bool) {
        node.inputs[1..].iter().for_each(|id| {
            self.freeze_in_place(*id, &format!("{} `{}` takes them in", node.op.name(), node.name));
        });
        let Some(mut channels) = self.channels[node.inputs[0].0].clone() else { return };
        if axes.contains(&channels.axis) {
            let why = format!("{} `{}` mixes them", node.op.name(), node.name);
            return self.units.freeze(&channels.units, &why);
        }
        if !keepdims {
            channels.axis -= axes.iter().filter(|axis| **axis < channels.axis).count();
        }
        self.put(node, &channels);
    }

    fn chosen(&mut self, node: &Node, axis: usize) {
        self.opaque(node);
        if let Some(count) = self.size(node.outputs[0], axis).filter(|count| *count > 1) {
            let units = self.units.fresh(count);
            self.put(node, &Channels { axis, units });
        }
    }

    fn moved(&mut self, node: &Node, rigid: &[usize]) -> Result<()> {
        if node.inputs.iter().all(|id| self.channels[id.0].is_none()) {
            return Ok(());
        }
        let first = self.channels[node.inputs[0].0].as_ref();
        let is_rigid = first.is_some_and(|channels| rigid.contains(&channels.axis));
        let index = |id: &ValueId| self.graph.value(*id).kind.dtype != DType::F32;
        if is_rigid || node.inputs.iter().any(index) {
            self.opaque(node);
            return Ok(());
        }
        let cells = node.inputs.iter().map(|id| {
            Ok(spread(self.channels[id.0].as_ref(), &bound(self.graph, *id, &self.sizes)?))
        });
        let cells: Vec<Array> = cells.collect::<Result<_>>()?;
        let shapes = node.outputs.iter().map(|id| bound(self.graph, *id, &self.sizes));
        let shapes: Vec<Vec<usize>> = shapes.collect::<Result<_>>()?;
        let arrays = node.op.rule().evaluate(&cells.iter().collect::<Vec<_>>(), &shapes, 0);
        let because = format!("{} `{}`", node.op.name(), node.name);
        for (output, array) in node.outputs.iter().zip(arrays) {
            let cells: Vec<Cell> = array.data.iter().map(|x| Cell::from_number(*x)).collect();
            let shape = &self.graph.value(*output).kind.shape;
            let fixed: Vec<bool> = shape.0.iter().map(|dim| dim.fixed().is_some()).collect();
            self.channels[output.0] =
                gather(&cells, &array.shape, &fixed, &mut self.units, &because);
        }
        Ok(())
    }
}

/// Every symbol of the inputs as 1.
pub(super) fn ones(graph: &Graph) -> Bindings {
    let dims = graph.inputs.iter().flat_map(|id| &graph.value(*id).kind.shape.0);
    dims.filter(|dim| dim.fixed().is_none()).map(|dim| (dim.to_string(), 1)).collect()
}
