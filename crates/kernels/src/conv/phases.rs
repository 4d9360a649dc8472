//! The planes of a sample made readable: zeros around them, and pixels that a stride brings together side by side.
//!
//! ```text
//! phase (py, px) of a plane:  [y, x] = padded(y · stride down + py, x · stride right + px)
//! ```
//! A tap of the kernel reads one phase, shifted, so that all strides are stride 1 from here on. Planes that are so already are
//! not copied.

use super::Geometry;
use crate::cache::{collide, spaced};
use crate::frame::Frame;
use crate::lanes::{self, LANES, Lanes, Loop};
use std::ops::Range;

/// Where a sample's pixels lie: the first, from one channel to the next, from one line to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) start: usize,
    pub(crate) plane: usize,
    pub(crate) row: usize,
}

impl View {
    /// Row-major, nothing in between.
    pub(crate) fn plain([height, width]: [usize; 2]) -> Self {
        Self { start: 0, plane: height * width, row: width }
    }
}

/// The pixels that a stride brings together.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    /// Row and column of the padded input where it begins.
    start: [usize; 2],
    /// Its rows and columns that are pixels of the input; around them are zeros.
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
    /// Row and column of the input of the first of them.
    pub(crate) first: [usize; 2],
}

impl Phase {
    fn new(g: &Geometry, size: [usize; 2], start: [usize; 2]) -> Self {
        let inside = |i: usize| {
            let first = g.pad_begin[i].saturating_sub(start[i]).div_ceil(g.stride[i]).min(size[i]);
            let end = (g.pad_begin[i] + g.input[i]).saturating_sub(start[i]).div_ceil(g.stride[i]);
            first..end.clamp(first, size[i])
        };
        let (rows, columns) = (inside(0), inside(1));
        let pixel =
            |i: usize, at: usize| (at * g.stride[i] + start[i]).saturating_sub(g.pad_begin[i]);
        let first = [pixel(0, rows.start), pixel(1, columns.start)];
        Self { start, rows, columns, first }
    }
}

/// The phases that taps read.
#[derive(Debug, Clone)]
pub(crate) struct Phases {
    g: Geometry,
    phases: Vec<Phase>,
    /// Height and width of a phase.
    size: [usize; 2],
    /// Elements past the last plane that may be read.
    slack: usize,
}

impl Phases {
    /// Those of this convolution, readable for `slack` elements past their end.
    pub(crate) fn new(g: Geometry, slack: usize) -> Self {
        let phase = |i: usize, k: usize| k * g.dilation[i] % g.stride[i];
        let mut used: Vec<[usize; 2]> = (0..g.kernel[0])
            .flat_map(|ky| (0..g.kernel[1]).map(move |kx| [phase(0, ky), phase(1, kx)]))
            .collect();
        used.sort_unstable();
        used.dedup();
        let reach = |i: usize| (g.kernel[i] - 1) * g.dilation[i] / g.stride[i];
        let size = [0, 1].map(|i| g.output[i] + reach(i));
        let phases = used.into_iter().map(|start| Phase::new(&g, size, start)).collect();
        Self { g, phases, size, slack }
    }

    /// From one row of a phase to the next.
    pub(crate) fn pitch(g: &Geometry) -> usize {
        g.output[1] + (g.kernel[1] - 1) * g.dilation[1] / g.stride[1]
    }

    /// Whether [`Self::fill`] is needed.
    pub(super) fn are_copied(&self) -> bool {
        let g = &self.g;
        let moved = g.is_padded() || g.stride != [1, 1] || self.size != g.input;
        moved || self.slack > 0 || collide(g.group_in(), self.size[0] * self.size[1])
    }

    /// The phases, as they lie one after the other in a plane.
    pub(crate) fn list(&self) -> &[Phase] {
        &self.phases
    }

    /// Height and width of a phase.
    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// From one channel to the next.
    pub(crate) fn plane(&self) -> usize {
        let all = self.phases.len() * self.size[0] * self.size[1];
        if self.are_copied() { spaced(all) } else { all }
    }

    /// Elements of the copy of a sample; 0 if none is needed.
    pub(crate) fn copy_len(&self) -> usize {
        if self.are_copied() { self.g.channels_in * self.plane() + self.slack } else { 0 }
    }

    /// Where a tap of a channel reads its first pixel.
    pub(crate) fn offset(&self, channel: usize, ky: usize, kx: usize) -> usize {
        let Geometry { dilation: [dy, dx], stride: [sy, sx], .. } = self.g;
        let phase = [ky * dy % sy, kx * dx % sx];
        let phase = self.phases.iter().position(|other| other.start == phase).unwrap_or_default();
        let row = phase * self.size[0] + ky * dy / sy;
        channel * self.plane() + row * self.size[1] + kx * dx / sx
    }

    /// Where each tap of a group reads its first pixel.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let [kh, kw] = self.g.kernel;
        let offset = |t: usize| self.offset(t / (kh * kw), t / kw % kh, t % kw);
        (0..self.g.taps()).map(offset).collect()
    }

    /// Copies a sample whose pixels lie as the view says.
    pub(crate) fn fill(&self, sample: &[f32], view: View, copy: &mut [f32]) {
        let (planes, slack) = copy.split_at_mut(self.g.channels_in * self.plane());
        slack.fill(0.0);
        if let Some(frame) = self.frame(view) {
            return frame.fill(sample, planes, |_| true);
        }
        let [height, width] = self.g.input;
        let last = view.start + (self.g.channels_in - 1) * view.plane + (height - 1) * view.row;
        assert!(last + width <= sample.len(), "every line lies in the sample");
        let phase = self.size[0] * self.size[1];
        assert!(self.phases.len() * phase <= self.plane(), "every phase lies in its plane");
        // SAFETY: lines of the input lie in the sample, as checked above, and those of a phase in the phase: `Phase::new`.
        unsafe { lanes::run(Fill { of: self, sample, view, planes }) };
    }
}

impl Phases {
    /// The only phase as a copy between zeros, where nothing has to be taken apart.
    fn frame(&self, view: View) -> Option<Frame> {
        let [Phase { rows, columns, .. }] = self.phases.as_slice() else { return None };
        let (size, [_, pitch]) = ([rows.len(), columns.len()], self.size);
        let is_whole = self.g.stride == [1, 1] && size == self.g.input && view == View::plain(size);
        let start = rows.start * pitch + columns.start;
        is_whole.then(|| Frame { size, start, pitch, plane: self.plane() })
    }
}

/// All phases of all channels of a sample.
struct Fill<'a> {
    of: &'a Phases,
    sample: &'a [f32],
    view: View,
    planes: &'a mut [f32],
}

impl Loop for Fill<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Phases { g, phases, size, .. } = self.of;
        let ([_, pitch], width) = (*size, g.input[1]);
        let phase = size[0] * pitch;
        for (channel, to) in self.planes.chunks_exact_mut(self.of.plane()).enumerate() {
            // All at once: a call for the few zeros of every line would take longer than the lines.
            to.fill(0.0);
            let from = &self.sample[self.view.start + channel * self.view.plane..];
            let mut done = 0;
            while done < phases.len() {
                let a = &phases[done];
                let lines =
                    Lines { count: a.rows.len(), below: g.stride[0] * self.view.row, pitch, width };
                // SAFETY: rows and columns of a phase are pixels of the input and places of the phase.
                unsafe {
                    let from = from.as_ptr().wrapping_add(a.first[0] * self.view.row);
                    let to = to.as_mut_ptr().add(done * phase + a.rows.start * pitch);
                    done += match phases.get(done + 1) {
                        Some(b) if g.stride[1] == 2 && a.start[0] == b.start[0] => {
                            let both = [(a, to), (b, to.add(phase))].map(|(phase, to)| {
                                let at = phase.columns.start;
                                (
                                    to.wrapping_add(at),
                                    phase.columns.len(),
                                    phase.start[1] + g.pad_begin[1],
                                )
                            });
                            lines.both::<L>(from, both);
                            2
                        }
                        _ => {
                            let to = to.wrapping_add(a.columns.start);
                            lines.one::<L>(from, [a.first[1], g.stride[1]], to, a.columns.len());
                            1
                        }
                    };
                }
            }
        }
    }
}

/// Lines of a channel on their way into phases.
struct Lines {
    count: usize,
    /// From one line to the next, in the input and in a phase.
    below: usize,
    pitch: usize,
    /// Elements of a line of the input.
    width: usize,
}

impl Lines {
    /// Every `stride`-th element of each line from the `first` on, `n` of them.
    ///
    /// # Safety
    /// They must lie in the input, and there must be room for them.
    #[inline(always)]
    unsafe fn one<L: Lanes>(
        &self,
        from: *const f32,
        [first, stride]: [usize; 2],
        to: *mut f32,
        n: usize,
    ) {
        let left = self.width.saturating_sub(first);
        let vectors = match stride {
            1 => n / LANES,
            2 => (n / LANES).min(left / (2 * LANES)),
            _ => 0,
        };
        for line in 0..self.count {
            let from = from.wrapping_add(first + line * self.below);
            let to = to.wrapping_add(line * self.pitch);
            // SAFETY: the caller's promise.
            unsafe {
                for v in 0..vectors {
                    let from = from.add(v * LANES * stride);
                    let x = if stride == 1 { L::load(from) } else { pair::<L>(from)[0] };
                    x.store(to.add(v * LANES));
                }
                for i in vectors * LANES..n {
                    *to.add(i) = *from.add(i * stride);
                }
            }
        }
    }

    /// Elements at even places of each line into one phase, those at odd ones into the other: where its line begins, how many, and a
    /// number that is even for the even ones.
    ///
    /// # Safety
    /// As [`Self::one`].
    #[inline(always)]
    unsafe fn both<L: Lanes>(&self, from: *const f32, both: [(*mut f32, usize, usize); 2]) {
        let [(evens, n, _), (odds, m, _)] =
            if both[0].2.is_multiple_of(2) { both } else { [both[1], both[0]] };
        let vectors = (self.width / (2 * LANES)).min(n / LANES).min(m / LANES);
        for line in 0..self.count {
            let from = from.wrapping_add(line * self.below);
            let [evens, odds] = [evens, odds].map(|to| to.wrapping_add(line * self.pitch));
            // SAFETY: the caller's promise.
            unsafe {
                for v in 0..vectors {
                    let [even, odd] = pair::<L>(from.add(v * 2 * LANES));
                    even.store(evens.add(v * LANES));
                    odd.store(odds.add(v * LANES));
                }
                for i in vectors * LANES..n {
                    *evens.add(i) = *from.add(2 * i);
                }
                for i in vectors * LANES..m {
                    *odds.add(i) = *from.add(2 * i + 1);
                }
            }
        }
    }
}

/// # Safety
/// 16 elements must be readable.
#[inline(always)]
unsafe fn pair<L: Lanes>(from: *const f32) -> [L; 2] {
    // SAFETY: the caller's promise.
    unsafe { L::load(from).unzip(L::load(from.add(LANES))) }
}
