//! What dead channels still say: the network is run on two samples, and what does not depend on the sample is constant.

use crate::check::Numbers;
use crate::graph::{Graph, ValueId};
use crate::shape::Bindings;
use crate::tensor::strides;
use crate::{Array, DType, Result, bound, evaluate};

/// Values of a network on two samples.
pub(super) struct Probe {
    seen: Vec<(ValueId, [Array; 2])>,
}

impl Probe {
    /// Runs `graph` with every symbol bound by `sizes`.
    pub(super) fn of(graph: &Graph, sizes: &Bindings, values: &[ValueId]) -> Result<Self> {
        let mut runs = Vec::new();
        for seed in [1, 2] {
            let mut numbers = Numbers(seed);
            let inputs = graph.inputs.iter().map(|id| {
                let shape = bound(graph, *id, sizes)?;
                // An index of 0 is in range wherever any is.
                let is_number = graph.value(*id).kind.dtype == DType::F32;
                let mut number = || if is_number { numbers.number() } else { 0.0 };
                Ok(Array::from_fn(&shape, |_| number()))
            });
            let inputs: Vec<Array> = inputs.collect::<Result<_>>()?;
            runs.push(evaluate(graph, &inputs, values, 0)?.into_iter());
        }
        let [mut first, mut second] = [runs.remove(0), runs.remove(0)];
        let pair = |id: &ValueId| Some((*id, [first.next()?, second.next()?]));
        Ok(Self { seen: values.iter().filter_map(pair).collect() })
    }

    /// The one number that the elements at `index` of an axis are, on both samples.
    pub(super) fn constant(&self, id: ValueId, axis: usize, index: usize) -> Option<f64> {
        let (_, [first, second]) = self.seen.iter().find(|(known, _)| *known == id)?;
        let stride = strides(&first.shape)[axis];
        let is_there = |i: &usize| i / stride % first.shape[axis] == index;
        let mut all = (0..first.data.len()).filter(is_there);
        let value = first.data[all.clone().next()?];
        all.all(|i| first.data[i] == value && second.data[i] == value).then_some(value)
    }
}
