//! Any op by its plain meaning in f64: right on every op, slow, and it allocates. Integers are exact up to 2⁵³.

use crate::kernel::{Call, Input, Kernel, Site};
use hoyer_graph::{Array, DType, Op};

struct Reference {
    op: Op,
    inputs: Vec<Vec<usize>>,
    outputs: Vec<Vec<usize>>,
    output_types: Vec<DType>,
    limits: [f64; 2],
}

/// Runs the op as `hoyer_graph` defines it.
pub(crate) fn kernel(site: &Site<'_>) -> Box<dyn Kernel> {
    let limits = site.activation.limits().map(f64::from);
    let (inputs, outputs) = (site.inputs.to_vec(), site.outputs.to_vec());
    let output_types = site.output_types.to_vec();
    Box::new(Reference { op: site.op().clone(), inputs, outputs, output_types, limits })
}

impl Kernel for Reference {
    fn run(&self, call: &mut Call<'_, '_>) {
        let array = |(input, shape): (&Input<'_>, &Vec<usize>)| match *input {
            Input::F32(data) => Array::new(shape, data.iter().map(|&x| f64::from(x)).collect()),
            Input::I64(data) => Array::new(shape, data.iter().map(|&x| x as f64).collect()),
        };
        let arrays: Vec<Array> = call.inputs.iter().zip(&self.inputs).map(array).collect();
        let arguments: Vec<&Array> = arrays.iter().collect();
        let results = self.op.rule().evaluate(&arguments, &self.outputs, call.step);
        let (mut floats, mut integers) = (call.outputs.iter_mut(), call.integers.iter_mut());
        for (i, (result, dtype)) in results.into_iter().zip(&self.output_types).enumerate() {
            if *dtype == DType::F32 {
                let to = floats.next().into_iter().flat_map(|y| y.iter_mut());
                let [low, high] =
                    if i == 0 { self.limits } else { [f64::NEG_INFINITY, f64::INFINITY] };
                // Two tests and no `clamp`: a NaN is never hidden.
                let limited = |x: f64| match x {
                    x if x < low => low,
                    x if x > high => high,
                    x => x,
                };
                to.zip(result.data).for_each(|(y, x)| *y = limited(x) as f32);
            } else {
                let to = integers.next().into_iter().flat_map(|y| y.iter_mut());
                to.zip(result.data).for_each(|(y, x)| *y = x as i64);
            }
        }
    }
}
