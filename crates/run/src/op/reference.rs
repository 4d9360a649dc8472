//! Any op by its plain meaning in f64: right on every op, slow, and it allocates.

use crate::kernel::{Call, Input, Kernel, Site};
use hoyer_graph::{Array, Op};
use hoyer_kernels::gemm::Activation;

struct Reference {
    op: Op,
    inputs: Vec<Vec<usize>>,
    outputs: Vec<Vec<usize>>,
    floor: f64,
}

/// Runs the op as `hoyer_graph` defines it.
pub(crate) fn kernel(site: &Site<'_>) -> Box<dyn Kernel> {
    let floor = match site.activation {
        Activation::None => f64::NEG_INFINITY,
        Activation::Relu => 0.0,
    };
    let (inputs, outputs) = (site.inputs.to_vec(), site.outputs.to_vec());
    Box::new(Reference { op: site.op().clone(), inputs, outputs, floor })
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
        for (output, result) in call.outputs.iter_mut().zip(results) {
            output.iter_mut().zip(result.data).for_each(|(y, x)| *y = x.max(self.floor) as f32);
        }
    }
}
