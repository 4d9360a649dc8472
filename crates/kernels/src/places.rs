//! Elements taken from regular places: slices, zeros between and around, transposes, repeats.
//!
//! ```text
//! y[o] = f(x[start + Σ step · k])    where o = first + every · k with k < count along every axis
//! y[o] = fill                        elsewhere
//! ```
//! Axes that read on where the one outside of them left off are seen as one.

use crate::elementwise::CHUNK;
use crate::isa::vectorize;
use crate::pool::{Chunks, Pool};

/// One axis of the output: which of its elements come from the input, and how far apart they lie there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Elements of the output.
    pub len: usize,
    /// The first that comes from the input.
    pub first: usize,
    /// From one that comes from the input to the next; at least 1.
    pub every: usize,
    /// How many come from the input.
    pub count: usize,
    /// From one to the next in the input, in elements.
    pub step: isize,
}

/// Where every element of an output comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    start: isize,
    axes: Vec<Axis>,
    /// Elements that the input must have.
    reach: usize,
}

impl Axis {
    /// An axis whose every element comes from the input.
    pub fn whole(len: usize, step: isize) -> Self {
        Self { len, first: 0, every: 1, count: len, step }
    }

    fn is_whole(self) -> bool {
        self.every == 1 && self.count == self.len
    }

    /// This axis and the one inside of it as one, if they can be.
    fn join(self, inner: Self) -> Option<Self> {
        if self.is_whole() && self.len == 1 {
            return Some(inner);
        }
        if inner.is_whole() && inner.len == 1 {
            return Some(self);
        }
        let continues = self.every == 1 && self.step == inner.step * inner.len as isize;
        (inner.is_whole() && continues).then(|| Self {
            len: self.len * inner.len,
            first: self.first * inner.len,
            every: 1,
            count: self.count * inner.len,
            step: inner.step,
        })
    }

    /// How far into the input the element at `o` lies, if it comes from there.
    #[inline(always)]
    fn place(self, o: usize) -> Option<isize> {
        let past = o.checked_sub(self.first)?;
        let k = if self.every == 1 { past } else { past / self.every };
        (k < self.count && k * self.every == past).then(|| k as isize * self.step)
    }
}

impl Places {
    /// Places along these axes, the outermost first; `start` is that of the first element from the input.
    pub fn new(start: usize, axes: &[Axis]) -> Self {
        let mut joined: Vec<Axis> = Vec::new();
        for &axis in axes {
            let both = joined.last().and_then(|outer| outer.join(axis));
            if both.is_some() {
                joined.pop();
            }
            joined.push(both.unwrap_or(axis));
        }
        if joined.is_empty() {
            joined.push(Axis::whole(1, 0));
        }
        let reads = joined.iter().all(|axis| axis.count > 0);
        let far = joined.iter().map(|axis| axis.step.max(0) * (axis.count.max(1) as isize - 1));
        let reach = if reads { start + far.sum::<isize>() as usize + 1 } else { 0 };
        Self { start: start as isize, axes: joined, reach }
    }

    /// `y = f(x at the places)`, and `fill` where there is no place.
    ///
    /// # Panics
    /// If `x` is too short, `y` does not fill the axes, or a place lies before the beginning of `x`.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::{places::{Axis, Places}, pool::Pool};
    ///
    /// let transpose = Places::new(0, &[Axis::whole(2, 1), Axis::whole(3, 2)]);
    /// let mut y = [0.0; 6];
    /// transpose.gather(&Pool::new(1), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut y, 0.0, |x| x);
    /// assert_eq!(y, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    /// ```
    pub fn gather(
        &self,
        pool: &Pool,
        x: &[f32],
        y: &mut [f32],
        fill: f32,
        f: impl Fn(f32) -> f32 + Sync,
    ) {
        let len: usize = self.axes.iter().map(|axis| axis.len).product();
        assert_eq!(y.len(), len, "the output fills its axes");
        assert!(x.len() >= self.reach, "the input has {} elements or more", self.reach);
        let (row, outer) = self.axes.split_last().expect("there is one axis at least");
        pool.for_each(len.div_ceil(CHUNK), Chunks::new(y, CHUNK), |task, mut y| {
            let mut at = task * CHUNK;
            vectorize(|| {
                while !y.is_empty() {
                    let from = at % row.len;
                    let count = y.len().min(row.len - from);
                    let (part, rest) = std::mem::take(&mut y).split_at_mut(count);
                    match start(outer, at / row.len) {
                        Some(start) => {
                            let start = self.start + start;
                            read(&Row { axis: *row, start, from }, x, part, fill, &f);
                        }
                        None => part.fill(fill),
                    }
                    (y, at) = (rest, at + count);
                }
            });
        });
    }
}

/// How far into the input a row of the output starts, if it comes from there.
#[inline(always)]
fn start(outer: &[Axis], mut row: usize) -> Option<isize> {
    let mut start = 0;
    for axis in outer.iter().rev() {
        start += axis.place(row % axis.len)?;
        row /= axis.len;
    }
    Some(start)
}

/// Part of a row of the output.
struct Row {
    axis: Axis,
    /// Where in the input the row starts.
    start: isize,
    /// The first element of the part.
    from: usize,
}

#[inline(always)]
fn read(row: &Row, x: &[f32], y: &mut [f32], fill: f32, f: &impl Fn(f32) -> f32) {
    let Row { axis, start, from } = *row;
    if axis.every != 1 {
        y.fill(fill);
        let k = from.saturating_sub(axis.first).div_ceil(axis.every);
        let (first, count) = (axis.first + k * axis.every - from, axis.count.saturating_sub(k));
        let place = |i: usize| (start + axis.step * (k + i) as isize) as usize;
        let spread = y.iter_mut().skip(first).step_by(axis.every).take(count);
        spread.enumerate().for_each(|(i, y)| *y = f(x[place(i)]));
        return;
    }
    let low = axis.first.saturating_sub(from).min(y.len());
    let high = (axis.first + axis.count).saturating_sub(from).clamp(low, y.len());
    y[..low].fill(fill);
    y[high..].fill(fill);
    let y = &mut y[low..high];
    if y.is_empty() {
        return;
    }
    let start = (start + axis.step * (from + low - axis.first) as isize) as usize;
    match axis.step {
        1 => y.iter_mut().zip(&x[start..][..high - low]).for_each(|(y, x)| *y = f(*x)),
        0 => y.fill(f(x[start])),
        2 => y.iter_mut().zip(x[start..].chunks(2)).for_each(|(y, x)| *y = f(x[0])),
        step if step > 0 => {
            let from = x[start..].iter().step_by(step as usize);
            y.iter_mut().zip(from).for_each(|(y, x)| *y = f(*x));
        }
        step => {
            let place = |i: usize| (start as isize + step * i as isize) as usize;
            y.iter_mut().enumerate().for_each(|(i, y)| *y = f(x[place(i)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(places: &Places, x: &[f32], len: usize) -> Vec<f32> {
        let mut y = vec![f32::NAN; len];
        places.gather(&Pool::new(2), x, &mut y, -1.0, |x| x);
        y
    }

    #[test]
    fn a_row_cut_by_a_task_goes_on_in_the_next() {
        let x: Vec<f32> = (0..3 * CHUNK).map(|i| i as f32).collect();
        for (first, every, step) in
            [(0, 1, 1), (5, 1, 1), (3, 2, 1), (1, 3, 2), (0, 1, 3), (2, 5, -1)]
        {
            let (len, count) = (2 * CHUNK + 77, 4_000);
            let axis = Axis { len, first, every, count, step };
            let start = if step < 0 { 10_000 } else { 9 };
            let y = gather(&Places::new(start, &[axis]), &x, len);
            let want = |o: usize| {
                let k = o.checked_sub(first).filter(|past| past % every == 0)? / every;
                (k < count).then(|| x[(start as isize + step * k as isize) as usize])
            };
            let all = (0..len).all(|o| y[o] == want(o).unwrap_or(-1.0));
            assert!(all, "first {first}, every {every}, step {step}");
        }
    }

    #[test]
    fn axes_that_read_on_are_joined() {
        let axes = |list: &[Axis]| Places::new(0, list).axes.len();
        assert_eq!(axes(&[Axis::whole(4, 15), Axis::whole(3, 5), Axis::whole(5, 1)]), 1);
        assert_eq!(axes(&[Axis::whole(4, 0), Axis::whole(3, 0), Axis::whole(5, 1)]), 2);
        assert_eq!(axes(&[Axis { len: 9, first: 2, ..Axis::whole(4, 5) }, Axis::whole(5, 1)]), 1);
        assert_eq!(axes(&[Axis::whole(5, 1), Axis { len: 9, first: 2, ..Axis::whole(4, 5) }]), 2);
    }

    #[test]
    fn nothing_is_read_where_an_axis_takes_nothing() {
        let empty = Axis { len: 3, first: 0, every: 1, count: 0, step: 1 };
        assert_eq!(gather(&Places::new(0, &[Axis::whole(2, 0), empty]), &[], 6), [-1.0; 6]);
    }
}
