//! Pools over windows of any stride, padding and dilation, and their gradients.
//!
//! ```text
//! max      y[p] = the largest x of the window          dx[i] = Σ dy[p] over the windows p whose first largest is i
//! average  y[p] = Σ x of the window / divisor[p]       dx[i] = Σ dy[p] / divisor[p] over the windows p that see i
//! ```
//! Taps outside of the input do not exist; a divisor is a product of one count per axis. A NaN counts as largest.
//! Not here: the pool of 2 x 2 windows side by side (`max_pool`), which is faster.

use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};
use std::ops::Range;

/// Elements that a task writes or reads, about.
const WORK: usize = 8_192;

/// How windows lie along one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Elements of the input.
    pub input: usize,
    /// Windows.
    pub output: usize,
    /// Taps of a window.
    pub kernel: usize,
    /// From one window to the next.
    pub stride: usize,
    /// From one tap to the next.
    pub dilation: usize,
    /// Padding in front.
    pub pad: usize,
    /// What an average divides by, for every window.
    pub divisors: Vec<f32>,
}

/// Windows over many planes.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// Samples times channels.
    pub planes: usize,
    /// Down and right.
    pub axes: [Axis; 2],
}

impl Axis {
    /// Where a tap of a window lies in the input.
    #[inline(always)]
    fn place(&self, window: usize, tap: usize) -> Option<usize> {
        let padded = window * self.stride + tap * self.dilation;
        padded.checked_sub(self.pad).filter(|&i| i < self.input)
    }

    /// The windows that have this tap inside the input.
    #[inline(always)]
    fn windows(&self, tap: usize) -> Range<usize> {
        let shift = tap * self.dilation;
        let first = self.pad.saturating_sub(shift).div_ceil(self.stride);
        let end = (self.input + self.pad).saturating_sub(shift).div_ceil(self.stride);
        let end = end.min(self.output);
        first.min(end)..end
    }

    /// The taps of a window that lie inside the input.
    #[inline(always)]
    fn taps(&self, window: usize) -> Range<usize> {
        let start = window * self.stride;
        let (before, up_to) =
            (self.pad.saturating_sub(start), (self.input + self.pad).saturating_sub(start));
        // Division is slow, and there is mostly nothing to divide by.
        let taps = |elements: usize| match self.dilation {
            1 => elements,
            dilation => elements.div_ceil(dilation),
        };
        let end = taps(up_to).min(self.kernel);
        taps(before).min(end)..end
    }

    /// How many of the taps lie inside the input, for every window.
    pub fn taps_inside(&self) -> Vec<usize> {
        (0..self.output).map(|window| self.taps(window).len()).collect()
    }
}

impl Windows {
    fn sizes(&self) -> [usize; 2] {
        let [down, right] = &self.axes;
        [down.input * right.input, down.output * right.output]
    }

    /// Planes of a task.
    fn chunk(&self) -> usize {
        (WORK / self.sizes()[0].max(1)).max(1)
    }

    /// Runs `f(x, y)` for every plane, where `y` is written and has `sizes[1]` elements.
    fn each(
        &self,
        pool: &Pool,
        [from, to]: [usize; 2],
        (x, y): (&[f32], &mut [f32]),
        f: impl Fn(&[f32], &mut [f32]) + Sync,
    ) {
        assert_eq!(x.len(), self.planes * from, "what is read fills its shape");
        assert_eq!(y.len(), self.planes * to, "what is written fills its shape");
        let chunk = self.chunk();
        pool.for_each(self.planes.div_ceil(chunk), Chunks::new(y, chunk * to), |task, y| {
            let x = &x[task * chunk * from..];
            vectorize(|| {
                x.chunks_exact(from).zip(y.chunks_exact_mut(to)).for_each(|(x, y)| f(x, y))
            });
        });
    }

    /// `y = maxpool(x)`.
    ///
    /// # Panics
    /// If a slice does not fill its shape.
    pub fn max(&self, pool: &Pool, x: &[f32], y: &mut [f32]) {
        self.each(pool, self.sizes(), (x, y), |x, y| {
            y.fill(f32::NEG_INFINITY);
            self.gather(x, y, |y, x| if (x > y) | x.is_nan() { x } else { y });
        });
    }

    /// `y = averagepool(x)`.
    ///
    /// # Panics
    /// If a slice does not fill its shape.
    pub fn average(&self, pool: &Pool, x: &[f32], y: &mut [f32]) {
        self.each(pool, self.sizes(), (x, y), |x, y| {
            y.fill(0.0);
            self.gather(x, y, |y, x| y + x);
            let [down, right] = &self.axes;
            for (y, rows) in y.chunks_exact_mut(right.output).zip(&down.divisors) {
                let divisors = y.iter_mut().zip(&right.divisors);
                divisors.for_each(|(y, columns)| *y /= rows * columns);
            }
        });
    }

    /// `y = f(y, x)` for every tap inside the input, in row-major order.
    #[inline(always)]
    fn gather(&self, x: &[f32], y: &mut [f32], f: impl Fn(f32, f32) -> f32) {
        let [down, right] = &self.axes;
        for (oy, y) in y.chunks_exact_mut(right.output).enumerate() {
            for line in (0..down.kernel).filter_map(|tap| down.place(oy, tap)) {
                let x = &x[line * right.input..][..right.input];
                for tap in 0..right.kernel {
                    let windows = right.windows(tap);
                    let Some(first) = right.place(windows.start, tap) else { continue };
                    let y = y[windows].iter_mut();
                    match right.stride {
                        1 => y.zip(&x[first..]).for_each(|(y, x)| *y = f(*y, *x)),
                        2 => y.zip(x[first..].chunks(2)).for_each(|(y, x)| *y = f(*y, x[0])),
                        stride => {
                            let x = x[first..].iter().step_by(stride);
                            y.zip(x).for_each(|(y, x)| *y = f(*y, *x));
                        }
                    }
                }
            }
        }
    }

    /// The average's `dx` from `dy`.
    ///
    /// # Panics
    /// If a slice does not fill its shape.
    pub fn average_gradient(&self, pool: &Pool, dy: &[f32], dx: &mut [f32]) {
        let [inputs, outputs] = self.sizes();
        let [down, right] = &self.axes;
        self.each(pool, [outputs, inputs], (dy, dx), |dy, dx| {
            dx.fill(0.0);
            for (oy, dy) in dy.chunks_exact(right.output).enumerate() {
                for line in (0..down.kernel).filter_map(|tap| down.place(oy, tap)) {
                    let dx = &mut dx[line * right.input..][..right.input];
                    for tap in 0..right.kernel {
                        let windows = right.windows(tap);
                        let Some(first) = right.place(windows.start, tap) else { continue };
                        let dx = dx[first..].iter_mut().step_by(right.stride);
                        let dy = dy[windows.clone()].iter().zip(&right.divisors[windows]);
                        for (dx, (dy, columns)) in dx.zip(dy) {
                            *dx += dy / (down.divisors[oy] * columns);
                        }
                    }
                }
            }
        });
    }

    /// The maximum's `dx` from `(dy, x)`.
    ///
    /// # Panics
    /// If a slice does not fill its shape.
    pub fn max_gradient(&self, pool: &Pool, (dy, x): (&[f32], &[f32]), dx: &mut [f32]) {
        let [inputs, outputs] = self.sizes();
        assert!(
            x.len() == self.planes * inputs && dx.len() == x.len(),
            "the input fills its shape"
        );
        assert_eq!(dy.len(), self.planes * outputs, "the output fills its shape");
        let chunk = self.chunk();
        pool.for_each(self.planes.div_ceil(chunk), Chunks::new(dx, chunk * inputs), |task, dx| {
            let (x, dy) = (&x[task * chunk * inputs..], &dy[task * chunk * outputs..]);
            let planes = x.chunks_exact(inputs).zip(dy.chunks_exact(outputs));
            for (dx, (x, dy)) in dx.chunks_exact_mut(inputs).zip(planes) {
                dx.fill(0.0);
                for (oy, dy) in dy.chunks_exact(self.axes[1].output).enumerate() {
                    let lines = self.axes[0].taps(oy);
                    for (ox, dy) in dy.iter().enumerate() {
                        if let Some(first) = self.first_maximum(x, [oy, ox], lines.clone()) {
                            dx[first] += dy;
                        }
                    }
                }
            }
        });
    }

    /// Where the first largest element of a window lies, of those in some of its lines.
    #[inline(always)]
    fn first_maximum(&self, x: &[f32], window: [usize; 2], lines: Range<usize>) -> Option<usize> {
        let [down, right] = &self.axes;
        let columns = right.taps(window[1]);
        if lines.is_empty() || columns.is_empty() {
            return None;
        }
        let place = |axis: &Axis, window: usize, tap: usize| {
            window * axis.stride + tap * axis.dilation - axis.pad
        };
        let corner = place(right, window[1], columns.start);
        let mut best = place(down, window[0], lines.start) * right.input + corner;
        let mut largest = x[best];
        for line in lines {
            let row = place(down, window[0], line) * right.input + corner;
            for i in 0..columns.len() {
                let at = row + i * right.dilation;
                let larger = (x[at] > largest) | (x[at].is_nan() & !largest.is_nan());
                best = if larger { at } else { best };
                largest = if larger { x[at] } else { largest };
            }
        }
        Some(best)
    }
}
