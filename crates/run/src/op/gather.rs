//! Rows at given indices, and the gradient: rows added where they came from.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::DType;
use hoyer_kernels::pool::Chunks;

/// Elements of a task, about.
const CHUNK: usize = 16_384;

/// How rows lie in what is gathered from: `[outer, size, inner]`.
#[derive(Clone, Copy)]
struct Rows {
    size: usize,
    inner: usize,
}

impl Rows {
    fn of(shape: &[usize], axis: i64) -> Self {
        let axis = if axis < 0 { axis + shape.len() as i64 } else { axis } as usize;
        Self { size: shape[axis], inner: shape[axis + 1..].iter().product() }
    }

    /// Where the row begins that an index means, in this block of rows.
    fn start(self, outer: usize, index: i64) -> Option<usize> {
        let from_front = if index < 0 { index.checked_add(self.size as i64)? } else { index };
        let at = usize::try_from(from_front).ok().filter(|&at| at < self.size)?;
        Some((outer * self.size + at) * self.inner)
    }
}

struct Gather(Rows);

struct Scatter(Rows);

/// Takes f32 only.
pub(crate) fn forward(axis: i64, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let is_f32 = site.output_types[0] == DType::F32;
    is_f32.then(|| Box::new(Gather(Rows::of(&site.inputs[0], axis))) as Box<dyn Kernel>)
}

#[expect(clippy::unnecessary_wraps, reason = "every op's maker may decline")]
pub(crate) fn gradient(axis: i64, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    Some(Box::new(Scatter(Rows::of(&site.outputs[0], axis))))
}

impl Kernel for Gather {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (x, indices, rows) = (call.input(0), call.integers_of(1), self.0);
        let y = &mut *call.outputs[0];
        if y.is_empty() {
            return;
        }
        let count = (CHUNK / rows.inner).max(1);
        let chunk = count * rows.inner;
        call.pool.for_each(y.len().div_ceil(chunk), Chunks::new(y, chunk), |task, y| {
            for (row, y) in (task * count..).zip(y.chunks_exact_mut(rows.inner)) {
                match rows.start(row / indices.len(), indices[row % indices.len()]) {
                    Some(start) => y.copy_from_slice(&x[start..][..rows.inner]),
                    // As the op's meaning has it: nothing is there.
                    None => y.fill(f32::NAN),
                }
            }
        });
    }
}

impl Kernel for Scatter {
    fn run(&self, call: &mut Call<'_, '_>) {
        let (dy, indices, rows) = (call.input(0), call.integers_of(1), self.0);
        let dx = &mut *call.outputs[0];
        dx.fill(0.0);
        if indices.is_empty() || rows.inner == 0 {
            return;
        }
        for (row, dy) in dy.chunks_exact(rows.inner).enumerate() {
            let start = rows.start(row / indices.len(), indices[row % indices.len()]);
            let Some(start) = start else { continue };
            let to = &mut dx[start..][..rows.inner];
            to.iter_mut().zip(dy).for_each(|(to, dy)| *to += dy);
        }
    }
}
