//! Planes copied into frames of zeros, line by line in vectors: a call of the library for every line would take longer than the line.
//!
//! Invariant: [`Frame::check`] held before the unsafe loops run, so every access lies inside its slice.
//! Not here: copies for strides (`conv::phases`).

use crate::isa::{Isa, isa};
use crate::vector::{Vector, WIDEST, over_vectors};

/// Where lines of a plane come to lie; all else is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Lines, and elements of a line.
    pub(crate) size: [usize; 2],
    /// From the start of a frame to the first element.
    pub(crate) start: usize,
    /// From one line to the next.
    pub(crate) pitch: usize,
    /// From one frame to the next.
    pub(crate) plane: usize,
}

impl Frame {
    /// Elements up to the end of the last line.
    fn end(&self) -> usize {
        self.start + (self.size[0] - 1) * self.pitch + self.size[1]
    }

    fn check(&self) -> bool {
        let [height, width] = self.size;
        height >= 1 && width >= 1 && self.pitch >= width && self.end() <= self.plane
    }

    /// Copies those planes of `from`, which lie without a gap, whose number is `wanted`; leaves other frames as they are.
    ///
    /// # Panics
    /// If lines do not fit into a frame.
    pub(crate) fn fill(&self, from: &[f32], to: &mut [f32], wanted: impl Fn(usize) -> bool) {
        assert!(self.check(), "lines fit into their frame: {self:?}");
        let planes = from.chunks_exact(self.size[0] * self.size[1]);
        for (i, (from, to)) in planes.zip(to.chunks_exact_mut(self.plane)).enumerate() {
            if wanted(i) {
                self.copy(from, to);
            }
        }
    }

    /// Copies one plane; both slices have its size.
    fn copy(&self, from: &[f32], to: &mut [f32]) {
        // A line shorter than a wide vector would be copied element by element.
        let isa = isa();
        let short = isa == Isa::Avx512 && self.size[1] < WIDEST;
        let with = if short { Isa::Avx2 } else { isa };
        // SAFETY: `check` held for the frame.
        unsafe { run_on(with, self, from, to) };
    }
}

over_vectors! {
    /// # Safety
    /// `check` must hold, and the slices must have a plane and a frame.
    unsafe fn run_on(frame: &Frame, from: &[f32], to: &mut [f32]) = run
}

/// # Safety
/// `check` must hold, the slices must have a plane and a frame, and the machine must have the vectors.
#[inline(always)]
unsafe fn run<V: Vector>(frame: &Frame, from: &[f32], to: &mut [f32]) {
    let ([height, width], gap) = (frame.size, frame.pitch - frame.size[1]);
    // SAFETY: the lines lie inside both slices, and what is between them inside the frame.
    unsafe {
        zeros::<V>(to.as_mut_ptr(), frame.start);
        let (mut line, mut at) = (from.as_ptr(), to.as_mut_ptr().add(frame.start));
        for i in 0..height {
            copy::<V>(line, at, width);
            if i + 1 < height {
                zeros::<V>(at.add(width), gap);
                at = at.add(frame.pitch);
                line = line.add(width);
            }
        }
        zeros::<V>(at.add(width), frame.plane - frame.end());
    }
}

/// # Safety
/// `len` elements must be readable and writable.
#[inline(always)]
unsafe fn copy<V: Vector>(from: *const f32, to: *mut f32, len: usize) {
    // SAFETY: the caller's promise; the last vector ends with the line.
    unsafe {
        if len < V::LEN {
            for i in 0..len {
                // Volatile, so that the compiler sees no copy that the library could do.
                to.add(i).write_volatile(from.add(i).read());
            }
            return;
        }
        let mut at = 0;
        while at + V::LEN <= len {
            V::load(from.add(at)).store(to.add(at));
            at += V::LEN;
        }
        if at < len {
            V::load(from.add(len - V::LEN)).store(to.add(len - V::LEN));
        }
    }
}

/// # Safety
/// `len` elements must be writable.
#[inline(always)]
unsafe fn zeros<V: Vector>(to: *mut f32, len: usize) {
    // SAFETY: the caller's promise; the last vector ends with the stretch.
    unsafe {
        if len < V::LEN {
            for i in 0..len {
                // Volatile, as in `copy`.
                to.add(i).write_volatile(0.0);
            }
            return;
        }
        let mut at = 0;
        while at + V::LEN <= len {
            V::splat(0.0).store(to.add(at));
            at += V::LEN;
        }
        if at < len {
            V::splat(0.0).store(to.add(len - V::LEN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Frame;

    #[test]
    fn lines_find_their_place_and_all_else_in_the_frame_is_zero() {
        for width in [1, 3, 7, 8, 9, 16, 20, 32, 33] {
            for gap in [0, 1, 2, 9, 20] {
                let (height, start, tail) = (3, 11, gap + 5);
                let pitch = width + gap;
                let plane = start + height * pitch + tail;
                let frame = Frame { size: [height, width], start, pitch, plane };
                let from: Vec<f32> = (1..=3 * height * width).map(|i| i as f32).collect();
                let mut to = vec![-1.0; 3 * plane];
                frame.fill(&from, &mut to, |i| i != 1);
                for (at, to) in to.iter().enumerate() {
                    let (channel, at) = (at / plane, (at % plane).wrapping_sub(start));
                    let (y, x) = (at / pitch, at % pitch);
                    let inside = at < height * pitch && x < width;
                    let want = match channel {
                        1 => -1.0,
                        _ if inside => from[(channel * height + y) * width + x],
                        _ => 0.0,
                    };
                    assert_eq!(*to, want, "{width} {gap} {channel} {y} {x}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "lines fit into their frame")]
    fn a_frame_that_is_too_small_is_refused() {
        let frame = Frame { size: [2, 4], start: 1, pitch: 4, plane: 8 };
        frame.fill(&[0.0; 8], &mut [0.0; 8], |_| true);
    }
}
