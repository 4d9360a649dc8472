//! Cutting along an axis.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::{Split, strides};
use hoyer_kernels::places::{Axis, Places};

/// Where each output lies in the input.
struct Cut(Vec<Places>);

/// Takes inputs with elements.
pub(crate) fn kernel(op: &Split, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let shape = &site.inputs[0];
    let axis = if op.axis < 0 { op.axis + shape.len() as i64 } else { op.axis } as usize;
    let own = strides(shape);
    let mut start = 0;
    let mut places = Vec::with_capacity(op.sizes.len());
    for (output, size) in site.outputs.iter().zip(&op.sizes) {
        let along = output.iter().zip(&own).map(|(&len, &step)| Axis::whole(len, step as isize));
        places.push(Places::new(start * own[axis], &along.collect::<Vec<_>>()));
        start += size;
    }
    (!shape.contains(&0)).then(|| Box::new(Cut(places)) as Box<dyn Kernel>)
}

impl Kernel for Cut {
    fn run(&self, call: &mut Call<'_, '_>) {
        let x = call.input(0);
        for (places, y) in self.0.iter().zip(call.outputs.iter_mut()) {
            if !y.is_empty() {
                places.gather(call.pool, x, y, 0.0, |x| x);
            }
        }
    }
}
