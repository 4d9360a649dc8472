//! A sample copied once for every column of the kernel, so that what a weight reads begins where vectors begin.
//!
//! ```text
//! copy (c, k):  [y, x] = x[c, y, x + k · dilation]      row = output width, in whole vectors of eight
//! ```
//! A vector that crosses a cache line is read twice; read in place, most do. Where many weights read each copy, copying is cheaper.
//! Only for stride 1 without padding: then every line of a copy lies in the input, but for what is behind its last pixel.

use crate::cache::spaced;
use crate::conv::Geometry;
use crate::conv::phases::View;
use crate::lanes::{self, LANES, Lanes, Loop};
use crate::vector::WIDEST;

/// What a copied vector costs over what an aligned one saves in a product, about.
const COPY: usize = 3;

/// Where the copies of a sample lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shifts {
    g: Geometry,
    row: usize,
    plane: usize,
}

impl Shifts {
    /// Those of a convolution with so many weights left, if they are worth it.
    pub(super) fn worth(g: &Geometry, weights: usize) -> Option<Self> {
        let may = g.stride == [1, 1] && !g.is_padded() && g.kernel[1] > 1;
        let copied = g.channels_in * g.kernel[1] * g.input[0];
        (may && weights * g.output[0] > COPY * copied).then(|| Self::of(g))
    }

    fn of(g: &Geometry) -> Self {
        let row = g.output[1].next_multiple_of(LANES);
        Self { g: *g, row, plane: spaced(g.input[0] * row) }
    }

    /// From one line to the next.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    /// Elements of the copies of a sample.
    pub(super) fn len(&self) -> usize {
        self.g.channels_in * self.g.kernel[1] * self.plane + WIDEST
    }

    /// Where a tap of a channel reads its first pixel.
    pub(super) fn offset(&self, channel: usize, ky: usize, kx: usize) -> usize {
        (channel * self.g.kernel[1] + kx) * self.plane + ky * self.g.dilation[0] * self.row
    }

    /// Copies a sample whose pixels lie as the view says.
    pub(super) fn fill(&self, sample: &[f32], view: View, copies: &mut [f32]) {
        let g = &self.g;
        let (planes, slack) = copies.split_at_mut(self.len() - WIDEST);
        slack.fill(0.0);
        let last = view.start + (g.channels_in - 1) * view.plane + (g.input[0] - 1) * view.row;
        assert!(last + g.input[1] <= sample.len(), "every line lies in the sample");
        // SAFETY: lines of the input lie in the sample, as checked above, and those of a copy in its plane: `Self::of`.
        unsafe { lanes::run(Fill { of: self, sample, view, planes }) };
    }
}

/// All copies of all channels of a sample.
struct Fill<'a> {
    of: &'a Shifts,
    sample: &'a [f32],
    view: View,
    planes: &'a mut [f32],
}

impl Loop for Fill<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Shifts { g, row, plane } = self.of;
        let [_, columns] = g.kernel;
        for (copy, to) in self.planes.chunks_exact_mut(*plane).enumerate() {
            let first =
                self.view.start + copy / columns * self.view.plane + copy % columns * g.dilation[1];
            for (y, to) in to.chunks_exact_mut(*row).take(g.input[0]).enumerate() {
                let at = first + y * self.view.row;
                if at + row > self.sample.len() {
                    to[..g.output[1]].copy_from_slice(&self.sample[at..at + g.output[1]]);
                    continue;
                }
                for v in (0..*row).step_by(LANES) {
                    // SAFETY: `row` elements, whole vectors, may be read at `at`, as just checked, and written to the line.
                    unsafe {
                        L::load(self.sample.as_ptr().add(at + v)).store(to.as_mut_ptr().add(v))
                    };
                }
            }
        }
    }
}
