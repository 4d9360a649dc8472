//! Batch normalization and its gradients, channel by channel.
//!
//! ```text
//! y = scale · (x − mean) · inv_std + shift                inv_std = 1 / √(var + epsilon)
//! dshift = Σ dy      dscale = inv_std · Σ dy · (x − mean)
//! training   dx = slope · (dy − dshift / count − (x − mean) · inv_std · dscale / count)
//! inference  dx = slope · dy                              slope = scale · inv_std
//! ```
//! A task owns the channels it works on in all samples: it sums them in one pass, then writes them in a second, while they are
//! in the cache, the last ones first. Limits behind the normalization (a ReLU) are part of the second. The gradients are in `gradient`.
//! Sums are kept in f64. The definition and its source are in the graph crate, at the op.

mod gradient;

pub use gradient::{Backward, Gate, Gradients, Source, gradient};

use crate::gemm::Activation;
use crate::isa::vectorize;
use crate::pool::{Chunks, ColumnPart, Columns, Pool};
use crate::sums::{sum, sums};

/// The most channels of a task.
const GROUP: usize = 32;
/// Elements of a sample that a task should at least have: what memory gives in one piece.
const PIECE: usize = 512;

/// The sizes of `[batch, channels, space]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Samples.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Elements of a channel in one sample.
    pub space: usize,
}

/// The two learned numbers of every channel.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// What the normalized channel is multiplied by.
    pub scale: &'a [f32],
    /// What is added then.
    pub shift: &'a [f32],
}

/// What a distance from the mean is multiplied by: the same forward and backward, to the last bit.
#[inline(always)]
fn slope(scale: f32, inv_std: f32) -> f32 {
    (f64::from(scale) * f64::from(inv_std)) as f32
}

/// Where training puts the statistics of every channel.
#[derive(Debug)]
pub struct Statistics<'a> {
    /// The batch's mean.
    pub mean: &'a mut [f32],
    /// The batch's variance, divided by the count.
    pub var: &'a mut [f32],
    /// `1 / √(var + epsilon)`.
    pub inv_std: &'a mut [f32],
}

/// `y` within the limits. Two tests and no `clamp`: a NaN passes, and loops vectorize.
#[inline(always)]
fn limited(y: f32, [low, high]: [f32; 2]) -> f32 {
    let y = if y < low { low } else { y };
    if y > high { high } else { y }
}

/// The channels of one task.
#[derive(Clone, Copy)]
struct Group {
    first: usize,
    channels: usize,
    batch: usize,
    /// Elements of a channel in a sample.
    space: usize,
    /// Elements of a sample, and of those the group's.
    stride: usize,
    width: usize,
    /// From the first element of a sample to the group's.
    start: usize,
}

impl Sizes {
    fn len(&self) -> usize {
        self.batch * self.channels * self.space
    }

    fn group(&self) -> usize {
        PIECE.div_ceil(self.space.max(1)).clamp(1, GROUP)
    }

    fn tasks(&self) -> usize {
        if self.space == 0 { 0 } else { self.channels.div_ceil(self.group()) }
    }

    fn columns<'a>(&self, x: &'a mut [f32]) -> Columns<'a, f32> {
        Columns::new(x, self.channels * self.space, self.group() * self.space)
    }

    fn task(&self, task: usize) -> Group {
        let first = task * self.group();
        let channels = self.group().min(self.channels - first);
        let (stride, width) = (self.channels * self.space, channels * self.space);
        let (batch, space, start) = (self.batch, self.space, first * self.space);
        Group { first, channels, batch, space, stride, width, start }
    }
}

impl Group {
    #[inline(always)]
    fn row<'a>(&self, x: &'a [f32], sample: usize) -> &'a [f32] {
        &x[sample * self.stride + self.start..][..self.width]
    }

    #[inline(always)]
    fn of<'a>(&self, per_channel: &'a [f32]) -> &'a [f32] {
        &per_channel[self.first..][..self.channels]
    }

    /// How many elements a channel has in all samples.
    fn count(&self) -> f64 {
        (self.batch * self.width / self.channels) as f64
    }

    /// Mean and variance of every channel, from sums of the distances from a center near the mean.
    #[inline(always)]
    fn statistics(&self, x: &[f32]) -> [[f64; GROUP]; 2] {
        let (mut center, mut total, mut squares) = ([0.0; GROUP], [0.0; GROUP], [0.0; GROUP]);
        if self.batch > 0 {
            for (center, x) in center.iter_mut().zip(self.row(x, 0).chunks_exact(self.space)) {
                *center = (sum(x, |x| x) / self.space as f64) as f32;
            }
        }
        for sample in 0..self.batch {
            let row = self.row(x, sample);
            if self.space == 1 {
                for (i, x) in row.iter().enumerate() {
                    let distance = f64::from(*x - center[i]);
                    total[i] += distance;
                    squares[i] += distance * distance;
                }
                continue;
            }
            for (i, x) in row.chunks_exact(self.space).enumerate() {
                let [sum, square] =
                    sums([x], self.stride, |[x]| [x - center[i], (x - center[i]).powi(2)]);
                total[i] += sum;
                squares[i] += square;
            }
        }
        let (mut mean, mut var, count) = ([0.0; GROUP], [0.0; GROUP], self.count());
        for i in 0..GROUP {
            let distance = total[i] / count;
            mean[i] = f64::from(center[i]) + distance;
            var[i] = (squares[i] / count - distance * distance).max(0.0);
        }
        [mean, var]
    }
}

/// The training form: normalizes `x` by its own statistics, which it also gives; then the activation.
///
/// # Panics
/// If a slice does not fill its shape.
pub fn train(
    pool: &Pool,
    (sizes, epsilon): (&Sizes, f32),
    (x, affine): (&[f32], &Affine<'_>),
    (y, activation): (&mut [f32], Activation),
    statistics: &mut Statistics<'_>,
) {
    assert!(x.len() == sizes.len() && y.len() == x.len(), "input and output fill their shape");
    let chunk = sizes.group();
    let Statistics { mean, var, inv_std } = statistics;
    let per_channel =
        (Chunks::new(mean, chunk), Chunks::new(var, chunk), Chunks::new(inv_std, chunk));
    let parts = (sizes.columns(y), per_channel);
    pool.for_each(sizes.tasks(), parts, |task, (mut y, (mean, var, inv_std))| {
        let group = sizes.task(task);
        let (scale, shift) = (group.of(affine.scale), group.of(affine.shift));
        let [exact_mean, exact_var] = group.statistics(x);
        let mut line = Line::default();
        for i in 0..group.channels {
            let inverse = 1.0 / (exact_var[i] + f64::from(epsilon)).sqrt();
            (mean[i], var[i], inv_std[i]) =
                (exact_mean[i] as f32, exact_var[i] as f32, inverse as f32);
            line.center[i] = mean[i];
            line.slope[i] = slope(scale[i], inv_std[i]);
            line.shift[i] = shift[i];
        }
        line.write(&group, x, &mut y, activation.limits());
    });
}

/// The inference form: normalizes `x`, or `y` itself if `x` is empty, by stored statistics; then the activation.
///
/// # Panics
/// If a slice does not fill its shape.
pub fn infer(
    pool: &Pool,
    (sizes, epsilon): (&Sizes, f32),
    (x, affine): (&[f32], &Affine<'_>),
    (mean, var): (&[f32], &[f32]),
    (y, activation): (&mut [f32], Activation),
) {
    assert_eq!(y.len(), sizes.len(), "the output fills its shape");
    pool.for_each(sizes.tasks(), sizes.columns(y), |task, mut y| {
        let group = sizes.task(task);
        let (scale, shift) = (group.of(affine.scale), group.of(affine.shift));
        let mut line = Line::default();
        for i in 0..group.channels {
            let deviation = (f64::from(group.of(var)[i]) + f64::from(epsilon)).sqrt();
            line.center[i] = group.of(mean)[i];
            line.slope[i] = (f64::from(scale[i]) / deviation) as f32;
            line.shift[i] = shift[i];
        }
        line.write(&group, x, &mut y, activation.limits());
    });
}

/// `slope · (x − center) + shift` for every channel of a group.
#[derive(Default)]
struct Line {
    center: [f32; GROUP],
    slope: [f32; GROUP],
    shift: [f32; GROUP],
}

impl Line {
    /// `slope · (x − center) + shift`, within the limits.
    fn write(&self, group: &Group, x: &[f32], y: &mut ColumnPart<'_, f32>, limits: [f32; 2]) {
        for sample in (0..group.batch).rev() {
            let y = y.row_mut(sample);
            if group.space == 1 {
                if !x.is_empty() {
                    y.copy_from_slice(group.row(x, sample));
                }
                for (i, y) in y.iter_mut().enumerate() {
                    let line = (*y - self.center[i]) * self.slope[i] + self.shift[i];
                    *y = limited(line, limits);
                }
                continue;
            }
            for (i, y) in y.chunks_exact_mut(group.space).enumerate() {
                let (center, slope, shift) = (self.center[i], self.slope[i], self.shift[i]);
                let line = |x: f32| limited((x - center) * slope + shift, limits);
                if x.is_empty() {
                    vectorize(|| y.iter_mut().for_each(|y| *y = line(*y)));
                } else {
                    let x = &group.row(x, sample)[i * group.space..][..group.space];
                    vectorize(|| y.iter_mut().zip(x).for_each(|(y, x)| *y = line(*x)));
                }
            }
        }
    }
}
