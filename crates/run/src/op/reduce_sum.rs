//! Sums over leading and trailing axes: what bias gradients and losses need.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::ReduceSum;
use hoyer_kernels::isa::vectorize;
use hoyer_kernels::pool::Chunks;

/// The input seen as `[lead, kept, tail]`, summed over `lead` and `tail`.
struct Sum {
    lead: usize,
    kept: usize,
    tail: usize,
}

/// Takes sums in which the kept axes stand together.
pub(crate) fn kernel(op: &ReduceSum, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let shape = &site.inputs[0];
    let mut gone = vec![op.axes.is_empty(); shape.len()];
    for &axis in &op.axes {
        let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
        gone[usize::try_from(axis).ok()?] = true;
    }
    let first = gone.iter().position(|gone| !gone).unwrap_or(shape.len());
    let last = gone.iter().rposition(|gone| !gone).map_or(first, |i| i + 1);
    let together = gone[first..last].iter().all(|gone| !gone);
    let size = |dims: &[usize]| dims.iter().product::<usize>();
    together.then(|| {
        let (lead, kept, tail) = (&shape[..first], &shape[first..last], &shape[last..]);
        Box::new(Sum { lead: size(lead), kept: size(kept), tail: size(tail) }) as Box<dyn Kernel>
    })
}

impl Kernel for Sum {
    fn run(&self, call: &mut Call<'_, '_>) {
        let x = call.input(0);
        let y = &mut *call.outputs[0];
        if self.tail == 1 {
            self.columns(x, y);
            return;
        }
        call.pool.for_each(self.kept, Chunks::new(y, 1), |k, y| {
            let rows = (0..self.lead).map(|l| &x[(l * self.kept + k) * self.tail..][..self.tail]);
            y[0] = rows.map(sum).fold(0.0, |total, row| total + row) as f32;
        });
    }
}

impl Sum {
    fn columns(&self, x: &[f32], y: &mut [f32]) {
        y.fill(0.0);
        vectorize(|| {
            for row in x.chunks_exact(self.kept.max(1)) {
                y.iter_mut().zip(row).for_each(|(y, x)| *y += x);
            }
        });
    }
}

/// The sum of a row: eight running f32 sums a stretch, stretches in f64.
fn sum(row: &[f32]) -> f64 {
    let stretch = |part: &[f32]| {
        vectorize(|| {
            let mut lanes = [0.0_f32; 8];
            let chunks = part.chunks_exact(8);
            let rest: f32 = chunks.remainder().iter().sum();
            for chunk in chunks {
                lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += x);
            }
            f64::from(lanes.iter().sum::<f32>() + rest)
        })
    };
    row.chunks(1024).map(stretch).sum()
}
