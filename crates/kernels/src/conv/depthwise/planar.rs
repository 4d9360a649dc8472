//! Forward for 3x3 kernels, channel by channel: vectors of pixels side by side, four lines at a time.
//!
//! ```text
//! for four lines and a vector of columns:   sums = b;  for a line that is read, for kx:  x = its pixels;  sums += w[ky, kx] · x
//! ```
//! A vector that is read serves all lines that its line is a neighbor of; a stride of 2 takes every second pixel of two vectors. A plane
//! is copied between zeros first, into the nearest cache, unless it lies between zeros already. A line's last vector is moved back to
//! end with it; shorter lines are written with what lies behind them, which planes have room for, and row-major values have not: these
//! are written with room behind them first.
//! Invariant: [`Job::check`] held before the unsafe loops run, so every access lies inside its slice.
//! Not here: other kernels (`gather`).

use crate::conv::phases::View;
use crate::conv::{Geometry, Work};
use crate::isa::{Isa, isa};
use crate::plane_product::Finish;
use crate::sparse::{Layout, Planes};
use crate::vector::{Vector, WIDEST, over_vectors};

/// Pixels of a narrow vector, which a shorter line reads and writes anyway.
const NARROW: usize = 8;

/// The convolution, ready to run.
#[derive(Debug, Clone)]
pub(in crate::conv) struct Planar {
    g: Geometry,
    ends: [Layout; 2],
    /// One channel between zeros, where it does not lie so.
    copy: Option<Planes>,
    from: View,
}

impl Planar {
    /// The convolution from one layout to another, if it is one and lines are long enough for what they lie in.
    pub(in crate::conv) fn new(g: &Geometry, ends: [Layout; 2]) -> Option<Self> {
        let x = ends[0];
        let is_near = g.groups == g.channels_in && g.kernel == [3, 3] && g.dilation == [1, 1];
        let is_step = g.stride == [1, 1] || g.stride == [2, 2];
        // Short lines between two row-major values are left to `gather`, which may or may not be faster.
        let is_short = ends == [Layout::Plain; 2] && g.output[1] < NARROW;
        if !is_near || !is_step || is_short {
            return None;
        }
        let pad = g.pad_begin.into_iter().chain(g.pad_end).max().unwrap_or(0);
        if pad > WIDEST {
            return None;
        }
        let one = Planes::new(1, g.input, pad);
        let in_place = x.planes().is_some_and(|planes| planes.pad() >= pad);
        let mut from = if in_place { x } else { Layout::Planes(one) }.view(g.input);
        from.start -= g.pad_begin[0] * from.row + g.pad_begin[1];
        let planar = Self { g: *g, ends, copy: (!in_place).then_some(one), from };
        planar.has_room().then_some(planar)
    }

    /// Whether short lines may be read and written with what lies behind them, in the last plane, too.
    fn has_room(&self) -> bool {
        let (g, to) = (&self.g, self.ends[1].view(self.g.output));
        let from = if self.copy.is_some() { self.copy_len() } else { self.from.plane + WIDEST };
        let (pitch, step, size) = (self.from.row, g.stride[0], g.output);
        let job = Job { w: &[0.0; 9], bias: 0.0, floor: 0.0, pitch, step, size, to };
        job.check(from - self.from.start, to.plane.max(self.short_len()))
    }

    /// Room for a channel with short lines that is written row-major, and for what is written behind its last line; none for others.
    fn short_len(&self) -> usize {
        let is_short = self.ends[1] == Layout::Plain && self.g.output[1] < NARROW;
        if is_short { self.g.pixels() + NARROW } else { 0 }
    }

    /// Elements of the copy of a channel.
    fn copy_len(&self) -> usize {
        self.copy.map_or(0, |planes| planes.len(1) + WIDEST)
    }

    /// Elements of the weights, which stay as they are.
    pub(in crate::conv) fn packed_len(&self) -> usize {
        self.g.channels_out * self.g.taps()
    }

    /// What a sample takes.
    pub(in crate::conv) fn work(&self) -> Work {
        let g = &self.g;
        let pixels = g.output[0] * g.output[1].next_multiple_of(NARROW) * g.stride[0];
        let moved = if self.copy.is_some() { g.sample_in() } else { 0 };
        Work { products: g.channels_out * g.taps() * pixels, moved }
    }

    /// Scratch memory of a thread, in elements.
    pub(in crate::conv) fn scratch_len(&self) -> usize {
        self.copy_len() + self.short_len()
    }

    /// One sample.
    pub(in crate::conv) fn sample(
        &self,
        x: &[f32],
        w: &[f32],
        finish: &Finish<'_>,
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.g;
        let [given, to] = [self.ends[0].view(g.input), self.ends[1].view(g.output)];
        let (copy, short) = scratch[..self.scratch_len()].split_at_mut(self.copy_len());
        let taps = w.as_chunks::<9>().0.iter().zip(y.chunks_exact_mut(to.plane));
        for (channel, (w, y)) in taps.take(g.channels_out).enumerate() {
            let x = &x[channel * given.plane..];
            let bias = finish.bias.map_or(0.0, |bias| bias[channel]);
            let pitch = self.from.row;
            let (step, size) = (g.stride[0], g.output);
            let job = Job { w, bias, floor: finish.floor, pitch, step, size, to };
            let x = match &self.copy {
                Some(planes) => {
                    self.fill(planes, &x[given.start..], copy);
                    &*copy
                }
                None => x,
            };
            let x = &x[self.from.start..];
            if short.is_empty() {
                multiply_on(isa(), &job, x, y);
            } else {
                multiply_on(isa(), &job, x, short);
                y.copy_from_slice(&short[..to.plane]);
            }
            if let Layout::Planes(planes) = &self.ends[1] {
                planes.clear_around(y);
            }
        }
    }

    /// Copies a channel between zeros.
    fn fill(&self, planes: &Planes, x: &[f32], copy: &mut [f32]) {
        let ([height, width], row) = (self.g.input, self.ends[0].view(self.g.input).row);
        if row == width {
            return planes.pack(&x[..height * width], copy);
        }
        for (line, x) in x.chunks(row).take(height).enumerate() {
            copy[planes.lead() + line * planes.row()..][..width].copy_from_slice(&x[..width]);
        }
        planes.clear_around(&mut copy[..planes.plane()]);
    }
}

/// One channel.
#[derive(Debug, Clone)]
struct Job<'a> {
    w: &'a [f32; 9],
    bias: f32,
    floor: f32,
    /// From one line that is read to the next.
    pitch: usize,
    /// The stride: 1 or 2.
    step: usize,
    /// Lines, and pixels of a line.
    size: [usize; 2],
    to: View,
}

impl Job<'_> {
    fn check(&self, x: usize, y: usize) -> bool {
        let ([height, width], step) = (self.size, self.step);
        let width = width.max(NARROW);
        // With a stride of 2, what lies behind the last pixel is read along with it.
        ((height - 1) * step + 2) * self.pitch + width * step + 2 <= x
            && self.to.start + (height - 1) * self.to.row + width <= y
    }
}

/// Computes a channel with the vectors of an instruction set, or the best below it that the machine has.
fn multiply_on(with: Isa, job: &Job<'_>, x: &[f32], y: &mut [f32]) {
    if job.size.contains(&0) {
        return;
    }
    assert!(job.check(x.len(), y.len()), "every pixel lies inside its plane");
    let with = if job.size[1] < WIDEST { with.min(Isa::Avx2) } else { with };
    // SAFETY: the accesses were checked above; a line that is read in wide vectors fills one.
    unsafe {
        match job.step {
            1 => run_near(with, job, x, y),
            _ => run_apart(with, job, x, y),
        }
    }
}

over_vectors! {
    /// # Safety
    /// `job.check` must hold, and a line must fill a vector wider than [`NARROW`].
    unsafe fn run_near(job: &Job<'_>, x: &[f32], y: &mut [f32]) = near
}

over_vectors! {
    /// # Safety
    /// As [`run_near`].
    unsafe fn run_apart(job: &Job<'_>, x: &[f32], y: &mut [f32]) = apart
}

/// # Safety
/// As [`run_near`], and the machine must have the vectors.
#[inline(always)]
unsafe fn near<V: Vector>(job: &Job<'_>, x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promise is passed on.
    unsafe { run::<V, 1>(job, x, y) };
}

/// # Safety
/// As [`near`].
#[inline(always)]
unsafe fn apart<V: Vector>(job: &Job<'_>, x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promise is passed on.
    unsafe { run::<V, 2>(job, x, y) };
}

/// # Safety
/// As [`near`]; the stride is `S`.
#[inline(always)]
unsafe fn run<V: Vector, const S: usize>(job: &Job<'_>, x: &[f32], y: &mut [f32]) {
    let w = job.w.map(V::splat);
    let mut line = 0;
    // SAFETY: so many lines are left; the rest is the caller's promise.
    unsafe {
        while line + 4 <= job.size[0] {
            lines::<V, S, 4>(job, &w, line, (x, y));
            line += 4;
        }
        if line + 2 <= job.size[0] {
            lines::<V, S, 2>(job, &w, line, (x, y));
            line += 2;
        }
        if line < job.size[0] {
            lines::<V, S, 1>(job, &w, line, (x, y));
        }
    }
}

/// `R` lines from front to back.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn lines<V: Vector, const S: usize, const R: usize>(
    job: &Job<'_>,
    w: &[V; 9],
    line: usize,
    (x, y): (&[f32], &mut [f32]),
) {
    let (width, floor) = (job.size[1], V::splat(job.floor));
    for column in 0..width.div_ceil(V::LEN) {
        let at = (column * V::LEN).min(width.saturating_sub(V::LEN));
        let mut sums = [V::splat(job.bias); R];
        // SAFETY: `check` held for all lines and columns.
        unsafe {
            let x = x.as_ptr().add(line * S * job.pitch + at * S);
            for i in 0..(R - 1) * S + 3 {
                let read = pixels::<V, S>(x.add(i * job.pitch));
                for (kx, x) in read.into_iter().enumerate() {
                    for (r, sum) in sums.iter_mut().enumerate() {
                        if r * S <= i && i <= r * S + 2 {
                            *sum = sum.add_product(w[(i - r * S) * 3 + kx], x);
                        }
                    }
                }
            }
            let to = y.as_mut_ptr().add(job.to.start + line * job.to.row + at);
            for (r, sum) in sums.into_iter().enumerate() {
                sum.at_least(floor).store(to.add(r * job.to.row));
            }
        }
    }
}

/// What the taps of a line read: the pixels from three neighbors on, every `S`-th.
///
/// # Safety
/// `S` vectors and two elements more must be readable.
#[inline(always)]
unsafe fn pixels<V: Vector, const S: usize>(x: *const f32) -> [V; 3] {
    // SAFETY: the caller's promise.
    unsafe {
        if S == 1 {
            return std::array::from_fn(|kx| V::load(x.add(kx)));
        }
        let pair = |x: *const f32| (V::load(x), V::load(x.add(V::LEN)));
        let ((a, b), (c, d)) = (pair(x), pair(x.add(2)));
        [a.evens(b), a.odds(b), c.evens(d)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_computes_the_sums_and_keeps_what_is_no_number() {
        for size in [[1, 1], [7, 7], [14, 14], [6, 33], [9, 18], [3, 64]] {
            for step in [1, 2] {
                let (pitch, row) = (step * size[1] + 3, size[1].max(8) + 3);
                let number = |i: usize| ((i * 7919) % 251) as f32 / 125.0 - 1.0;
                let len = ((size[0] - 1) * step + 2) * pitch + size[1].max(8) * step + 2;
                let mut x: Vec<f32> = (0..len).map(number).collect();
                x[0] = f32::NAN;
                let w: [f32; 9] = std::array::from_fn(|i| number(i + 5));
                let to = View { start: 2, plane: size[0] * row + 2, row };
                let job = Job { w: &w, bias: 0.25, floor: -0.5, pitch, step, size, to };
                for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
                    let mut y = vec![9.0; to.plane];
                    multiply_on(isa, &job, &x, &mut y);
                    for (line, y) in y[2..].chunks(row).enumerate() {
                        for (column, y) in y.iter().enumerate().take(size[1]) {
                            let read = |t: usize| {
                                let line = line * step + t / 3;
                                f64::from(x[line * pitch + column * step + t % 3])
                            };
                            let sum: f64 = (0..9).map(|t| f64::from(w[t]) * read(t)).sum();
                            let want = (sum + 0.25).max(-0.5);
                            let both = y.is_nan() && sum.is_nan();
                            let same = both || (f64::from(*y) - want).abs() < 1e-5;
                            assert!(same, "{isa:?} {size:?} {line} {column}: {y}, need {want}");
                        }
                        let untouched = &y[size[1].max(8)..];
                        assert!(untouched.iter().all(|y| *y == 9.0), "{isa:?} {size:?} {line}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "every pixel lies inside its plane")]
    fn a_tap_that_reads_beyond_the_plane_is_refused() {
        let to = View { start: 0, plane: 16, row: 8 };
        let job = Job { w: &[1.0; 9], bias: 0.0, floor: 0.0, pitch: 10, step: 1, size: [2, 8], to };
        multiply_on(Isa::Portable, &job, &[0.0; 39], &mut [0.0; 16]);
    }
}
