//! What dead channels still say: the network is run on a few samples, and what does not depend on the sample is constant.
//!
//! Samples differ in sign and in scale, since an activation may say the same everywhere but far from 0, or only there.

use crate::check::Numbers;
use crate::graph::{Graph, ValueId};
use crate::shape::Bindings;
use crate::tensor::strides;
use crate::{Array, DType, Result, bound, evaluate};

/// Seed and scale of every sample. The last two are one sample and its opposite: what is 0 below a threshold passes it
/// in one of them.
const SAMPLES: [(u64, f64); 5] = [(1, 1.0), (2, 1.0), (3, 1.0 / 64.0), (4, 256.0), (4, -256.0)];

/// Values of a network on every sample.
pub(super) struct Probe {
    seen: Vec<(ValueId, Vec<Array>)>,
}

impl Probe {
    /// Runs `graph` with every symbol bound by `sizes`.
    pub(super) fn of(graph: &Graph, sizes: &Bindings, values: &[ValueId]) -> Result<Self> {
        let mut seen: Vec<_> = values.iter().map(|id| (*id, Vec::new())).collect();
        for (seed, scale) in SAMPLES {
            let mut numbers = Numbers(seed);
            let inputs = graph.inputs.iter().map(|id| {
                let shape = bound(graph, *id, sizes)?;
                // An index of 0 is in range wherever any is.
                let is_number = graph.value(*id).kind.dtype == DType::F32;
                let mut number = || if is_number { scale * numbers.number() } else { 0.0 };
                Ok(Array::from_fn(&shape, |_| number()))
            });
            let inputs: Vec<Array> = inputs.collect::<Result<_>>()?;
            let run = evaluate(graph, &inputs, values, 0)?;
            seen.iter_mut().zip(run).for_each(|((_, arrays), array)| arrays.push(array));
        }
        Ok(Self { seen })
    }

    /// The one number that the elements at `index` of an axis are, on all samples. Where a large sample left the range
    /// of numbers, what is no number says nothing.
    pub(super) fn constant(&self, id: ValueId, axis: usize, index: usize) -> Option<f64> {
        let (_, arrays) = self.seen.iter().find(|(known, _)| *known == id)?;
        let shape = &arrays[0].shape;
        let (stride, size) = (strides(shape)[axis], shape[axis]);
        let of_channel = |array: &Array| {
            let all = array.data.iter().enumerate();
            let own = all.filter(|(i, _)| i / stride % size == index).map(|(_, x)| *x);
            own.collect::<Vec<f64>>()
        };
        let first = of_channel(&arrays[0]);
        let value = *first.first()?;
        let mut all = arrays[1..].iter().flat_map(of_channel);
        let same = first.iter().all(|x| *x == value) && all.all(|x| x == value || x.is_nan());
        same.then_some(value)
    }
}
