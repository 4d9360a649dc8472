//! Units that no longer matter: hidden features that nobody reads, or that always say the same.
//!
//! ```text
//! no living weight out   →  the weights into it and its bias go
//! no living weight in    →  it says a = act(b), always: the biases behind it take in Σ w a, and its weights out go
//! ```
//!
//! What one removal leaves may be another's cause, so it goes on until nothing changes.
//! Invariant: the network's answers stay the same, up to the rounding of the new biases.
//! Not here: networks with branches (their units stay); making tensors smaller.

#[cfg(test)]
mod tests;

use hoyer_graph::{Graph, NodeId, Op, Param, ParamId, ValueId};

/// All places where one layer's units are read by exactly one other layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units(Vec<Joint>);

/// A layer's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layer {
    weight: usize,
    bias: Option<usize>,
}

/// Two layers with nothing between them but what acts on each unit alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Joint {
    from: Layer,
    to: Layer,
    units: usize,
    activation: Activation,
    border: Border,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activation {
    None,
    Relu,
}

/// Whether the reading layer sees zeros where there is no unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Border {
    None,
    Zeros,
}

impl Units {
    /// Finds them: convolutions and linear layers in a row, with `Relu`, `MaxPool`, `Flatten`, `Dropout` or `Identity`
    /// between them.
    #[must_use]
    pub fn of(graph: &Graph) -> Self {
        let readers = graph.readers();
        let joints = (0..graph.nodes.len()).filter_map(|i| joint(graph, &readers, NodeId(i)));
        Self(joints.collect())
    }

    /// Masks the weights of units that do not matter, and gives how many units were removed.
    ///
    /// # Example
    /// ```
    /// use hoyer_graph::{Gemm, Graph, Relu, Role, Tensor, Type};
    /// use hoyer_learn::units::Units;
    ///
    /// let mut g = Graph::new("two layers");
    /// let x = g.input("x", Type::f32([1, 2]));
    /// let w = g.param("1.w", Role::Weight, Tensor::new(&[2, 2], vec![1.0, 2.0, 0.0, 0.0])?)?;
    /// let b = g.param("1.b", Role::Bias, Tensor::new(&[2], vec![0.0, 0.5])?)?;
    /// let y = g.add("1", Gemm::linear(), &[x, w, b])?;
    /// let y = g.add("relu", Relu, &[y])?;
    /// let w = g.param("2.w", Role::Weight, Tensor::new(&[1, 2], vec![3.0, 4.0])?)?;
    /// let b = g.param("2.b", Role::Bias, Tensor::new(&[1], vec![1.0])?)?;
    /// let y = g.add("2", Gemm::linear(), &[y, w, b])?;
    /// g.outputs.push(y);
    ///
    /// // The second unit always says 0.5, which the last bias takes in: 1 + 4 · 0.5.
    /// assert_eq!(Units::of(&g).remove_dead(&mut g.params), 1);
    /// assert_eq!(g.params[2].tensor.data(), [3.0, 0.0]);
    /// assert_eq!(g.params[3].tensor.data(), [3.0]);
    /// # Ok::<(), hoyer_graph::Error>(())
    /// ```
    pub fn remove_dead(&self, params: &mut [Param]) -> usize {
        let mut removed = 0;
        loop {
            let before = removed;
            for joint in &self.0 {
                removed += (0..joint.units).filter(|unit| joint.remove(*unit, params)).count();
            }
            if removed == before {
                return removed;
            }
        }
    }

    /// The biases that removed units may change, by their place among the parameters.
    pub(crate) fn biases(&self, params: &[Param]) -> Vec<(usize, Vec<f32>)> {
        let mut places: Vec<usize> = self.0.iter().filter_map(|joint| joint.to.bias).collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|at| (at, params[at].tensor.data().to_vec())).collect()
    }
}

impl Joint {
    /// Removes a unit if it is dead; false if it lives or is gone already.
    fn remove(&self, unit: usize, params: &mut [Param]) -> bool {
        let is_read = self.outgoing(unit, params).into_iter().any(|at| self.to.lives(at, params));
        let incoming = self.incoming(unit, params);
        let listens = incoming.clone().any(|at| self.from.lives(at, params));
        let bias = self.from.bias.map_or(0.0, |bias| params[bias].tensor.data()[unit]);
        match (listens, is_read) {
            (true, true) => return false,
            (false, false) if bias == 0.0 => return false,
            (_, false) => incoming.for_each(|at| kill(&mut params[self.from.weight], at)),
            (false, true) => {
                let says = if self.activation == Activation::Relu { bias.max(0.0) } else { bias };
                if says != 0.0 && !self.fold(unit, says, params) {
                    return false;
                }
                for at in self.outgoing(unit, params) {
                    kill(&mut params[self.to.weight], at);
                }
            }
        }
        if let Some(bias) = self.from.bias {
            kill(&mut params[bias], unit);
        }
        true
    }

    /// Adds what a unit that always says the same gives to the next layer's biases, if that can be done.
    fn fold(&self, unit: usize, says: f32, params: &mut [Param]) -> bool {
        let Some(bias) = self.to.bias.filter(|_| self.border == Border::None) else { return false };
        let weights = params[self.to.weight].tensor.data();
        let outs = params[bias].tensor.data().len();
        let row = weights.len() / outs.max(1);
        let mut sums = vec![0.0_f64; outs];
        for at in self.outgoing(unit, params) {
            sums[at / row] += f64::from(weights[at]) * f64::from(says);
        }
        // What a mask holds at zero stays there.
        let is_dead = |at: usize| params[bias].mask.as_ref().is_some_and(|mask| !mask[at]);
        if sums.iter().enumerate().any(|(at, sum)| *sum != 0.0 && is_dead(at)) {
            return false;
        }
        for (bias, sum) in params[bias].tensor.data_mut().iter_mut().zip(sums) {
            *bias = (f64::from(*bias) + sum) as f32;
        }
        true
    }

    fn incoming(&self, unit: usize, params: &[Param]) -> std::ops::Range<usize> {
        let row = params[self.from.weight].tensor.data().len() / self.units;
        unit * row..(unit + 1) * row
    }

    /// Places of the weights that read a unit.
    fn outgoing(&self, unit: usize, params: &[Param]) -> Vec<usize> {
        let weight = &params[self.to.weight].tensor;
        let outs = weight.shape()[0];
        let row = weight.data().len() / outs.max(1);
        let block = row / self.units;
        (0..outs).flat_map(|o| (0..block).map(move |i| o * row + unit * block + i)).collect()
    }
}

impl Layer {
    fn lives(self, at: usize, params: &[Param]) -> bool {
        params[self.weight].tensor.data()[at] != 0.0
    }
}

/// Sets an element to zero for good.
fn kill(param: &mut Param, at: usize) {
    let len = param.tensor.data().len();
    param.mask.get_or_insert_with(|| vec![true; len])[at] = false;
    param.tensor.data_mut()[at] = 0.0;
}

/// The joint that begins with this node, if there is one.
fn joint(graph: &Graph, readers: &[Vec<NodeId>], node: NodeId) -> Option<Joint> {
    let from = layer(graph, readers, node)?;
    let units = *graph.params[from.weight].tensor.shape().first()?;
    let mut value = graph.node(node).outputs[0];
    let mut activation = Activation::None;
    loop {
        let next = only_reader(graph, readers, value)?;
        match &graph.node(next).op {
            Op::Relu(_) => activation = Activation::Relu,
            Op::Flatten(flatten) if flatten.axis == 1 => {}
            Op::MaxPool(_) | Op::Dropout(_) | Op::Identity(_) => {}
            Op::Gemm(_) | Op::Conv(_) => {
                let to =
                    layer(graph, readers, next).filter(|_| graph.node(next).inputs[0] == value)?;
                let weight = &graph.params[to.weight].tensor;
                let row = weight.data().len().checked_div(*weight.shape().first()?)?;
                let fits = units > 0 && row > 0 && row % units == 0;
                let border = border(&graph.node(next).op);
                return fits.then_some(Joint { from, to, units, activation, border });
            }
            _ => return None,
        }
        value = graph.node(next).outputs[0];
    }
}

/// The parameters of a plain convolution or linear layer that nobody shares.
fn layer(graph: &Graph, readers: &[Vec<NodeId>], node: NodeId) -> Option<Layer> {
    let node = graph.node(node);
    let plain = match &node.op {
        Op::Gemm(gemm) => *gemm == hoyer_graph::Gemm::linear(),
        Op::Conv(conv) => conv.group == 1,
        _ => false,
    };
    let own = |id: &ValueId| {
        let ParamId(param) = graph.param_of(*id).filter(|_| readers[id.0].len() == 1)?;
        Some(param)
    };
    let weight = node.inputs.get(1).filter(|_| plain).and_then(own)?;
    let bias = match node.inputs.get(2) {
        Some(id) => Some(own(id)?),
        None => None,
    };
    let outs = graph.params[weight].tensor.shape().first().copied();
    let fits = bias.is_none_or(|bias| Some(graph.params[bias].tensor.data().len()) == outs);
    fits.then_some(Layer { weight, bias })
}

fn only_reader(graph: &Graph, readers: &[Vec<NodeId>], value: ValueId) -> Option<NodeId> {
    match readers[value.0].as_slice() {
        [reader] if !graph.outputs.contains(&value) => Some(*reader),
        _ => None,
    }
}

fn border(op: &Op) -> Border {
    match op {
        Op::Conv(conv) if conv.window.pads.iter().any(|pad| *pad > 0) => Border::Zeros,
        _ => Border::None,
    }
}
