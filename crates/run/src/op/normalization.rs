//! Normalization of rows that lie together: of a layer, a channel, or a group of channels, and its gradient.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::Op;
use hoyer_kernels::pool::Chunks;

/// Elements of a task, about.
const CHUNK: usize = 16_384;
/// Partial sums, so that loops over a row vectorize.
const LANES: usize = 16;

struct Normalization {
    /// Elements that are normalized together.
    row: usize,
    epsilon: f32,
    /// Elements in a row that share a scale and a bias.
    inner: usize,
    /// How many scales and biases there are.
    scales: usize,
}

struct Gradient {
    row: usize,
    epsilon: f32,
}

/// Takes inputs with elements.
pub(crate) fn kernel(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let x = &site.inputs[0];
    if x.contains(&0) {
        return None;
    }
    let from = |axis: i64| {
        let axis = if axis < 0 { axis + x.len() as i64 } else { axis } as usize;
        x[axis..].iter().product::<usize>()
    };
    let channels = |groups: usize, epsilon: f32| {
        let inner: usize = x[2..].iter().product();
        Normalization { row: x[1] / groups * inner, epsilon, inner, scales: x[1] }
    };
    let forward = match site.op() {
        Op::Standardize(op) => {
            Normalization { row: from(op.axis), epsilon: op.epsilon, inner: 1, scales: 1 }
        }
        Op::LayerNormalization(op) => {
            let row = from(op.axis);
            Normalization { row, epsilon: op.epsilon, inner: 1, scales: row }
        }
        Op::InstanceNormalization(op) => channels(x[1], op.epsilon),
        Op::GroupNormalization(op) => channels(op.num_groups, op.epsilon),
        Op::StandardizeGradient(op) => {
            return Some(Box::new(Gradient { row: from(op.axis), epsilon: op.epsilon }));
        }
        _ => return None,
    };
    Some(Box::new(forward))
}

/// `Σ f(x, y)` over two rows.
#[inline(always)]
fn sum(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (blocks_x, blocks_y) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f32 =
        blocks_x.remainder().iter().zip(blocks_y.remainder()).map(|(x, y)| f(*x, *y)).sum();
    for (x, y) in blocks_x.zip(blocks_y) {
        for lane in 0..LANES {
            lanes[lane] += f(x[lane], y[lane]);
        }
    }
    rest + lanes.iter().sum::<f32>()
}

/// Mean and `1 / √(var + epsilon)` of a row.
fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let count = x.len() as f32;
    let mean = sum(x, x, |x, _| x) / count;
    let var = sum(x, x, |x, _| (x - mean) * (x - mean)) / count;
    (mean, 1.0 / (var + epsilon).sqrt())
}

impl Kernel for Normalization {
    fn run(&self, call: &mut Call<'_, '_>) {
        let x = call.input(0);
        let scale = (call.inputs.len() > 1).then(|| call.input(1));
        let bias = (call.inputs.len() > 2).then(|| call.input(2));
        let y = &mut *call.outputs[0];
        let rows = (CHUNK / self.row).max(1);
        let chunk = rows * self.row;
        call.pool.for_each(y.len().div_ceil(chunk), Chunks::new(y, chunk), |task, y| {
            for (i, y) in y.chunks_exact_mut(self.row).enumerate() {
                let start = (task * rows + i) * self.row;
                let x = &x[start..][..self.row];
                let (mean, norm) = moments(x, self.epsilon);
                y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - mean) * norm);
                let Some(scale) = scale else { continue };
                self.affine(y, start, scale, bias);
            }
        });
    }
}

impl Normalization {
    /// `y = scale · y + bias` of the row that starts at this element.
    fn affine(&self, y: &mut [f32], start: usize, scale: &[f32], bias: Option<&[f32]>) {
        if self.inner == 1 && self.scales == self.row {
            y.iter_mut().zip(scale).for_each(|(y, scale)| *y *= scale);
            if let Some(bias) = bias {
                y.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
            }
            return;
        }
        for (channel, y) in y.chunks_exact_mut(self.inner).enumerate() {
            let at = (start / self.inner + channel) % self.scales;
            let (scale, bias) = (scale[at], bias.map_or(0.0, |bias| bias[at]));
            y.iter_mut().for_each(|y| *y = scale * *y + bias);
        }
    }
}

impl Kernel for Gradient {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, x, dx) = (call.input(0), call.input(1), &mut *call.outputs[0]);
        let (rows, count) = ((CHUNK / self.row).max(1), self.row as f32);
        let chunk = rows * self.row;
        call.pool.for_each(dx.len().div_ceil(chunk), Chunks::new(dx, chunk), |task, dx| {
            for (i, dx) in dx.chunks_exact_mut(self.row).enumerate() {
                let start = (task * rows + i) * self.row;
                let (x, dy) = (&x[start..][..self.row], &dy[start..][..self.row]);
                let (mean, norm) = moments(x, self.epsilon);
                let shift = sum(dy, x, |dy, _| dy) / count;
                let along = sum(dy, x, |dy, x| dy * ((x - mean) * norm)) / count;
                for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
                    *dx = (dy - shift - (x - mean) * norm * along) * norm;
                }
            }
        });
    }
}
