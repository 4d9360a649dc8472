//! Where a kernel slides over an input: the geometry that convolutions and pools share.
//!
//! ```text
//! reach = dilation · (kernel − 1) + 1
//! out   = ⌊(in + pad_begin + pad_end − reach) / stride⌋ + 1       ⌈·⌉ instead of ⌊·⌋ in ceil mode
//! place = stride · o − pad_begin + dilation · tap                  of output o, for tap in 0..kernel
//! ```
//! In ceil mode a window that would start in the end padding is dropped, as ONNX and PyTorch do.
//! A dimension with a symbol passes only where the window leaves sizes as they are.
//! Not here: what is computed in a window (`conv`, `max_pool`, `average_pool`).

use super::{bad_shape, expect_f32};
use crate::graph::Type;
use crate::shape::{Dim, Shape};
use crate::tensor::{elements, for_each_index, offset, strides};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// A kernel's size and how it slides, one entry per spatial axis; names and meaning are ONNX's.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `kernel_shape` | – | ≥ 1 | taps |
/// | `strides` | 1 | ≥ 1 | from one output to the next, in elements of the input |
/// | `pads` | 0 | ≥ 0 | elements added around the input: all beginnings, then all ends |
/// | `dilations` | 1 | ≥ 1 | from one tap to the next, in elements of the input |
///
/// # Example
/// ```
/// use hoyer_graph::Window;
/// let strided = Window { strides: vec![2, 2], ..Window::new(&[3, 3]) };
/// assert_eq!(Window::square(3, 2, 1), Window { pads: vec![1; 4], ..strided });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Size of the kernel.
    pub kernel_shape: Vec<usize>,
    /// Step of the kernel.
    pub strides: Vec<usize>,
    /// Padding: begin of every axis, then end of every axis.
    pub pads: Vec<usize>,
    /// Spacing of the kernel's elements.
    pub dilations: Vec<usize>,
}

/// What becomes of a last window that does not fit whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    Floor,
    Ceil,
}

impl Rounding {
    /// What ONNX's `ceil_mode` means.
    pub(crate) fn of(ceil_mode: bool) -> Self {
        if ceil_mode { Self::Ceil } else { Self::Floor }
    }
}

impl Window {
    /// A dense kernel that moves one element at a time, without padding.
    pub fn new(kernel_shape: &[usize]) -> Self {
        let rank = kernel_shape.len();
        Self {
            kernel_shape: kernel_shape.to_vec(),
            strides: vec![1; rank],
            pads: vec![0; 2 * rank],
            dilations: vec![1; rank],
        }
    }

    /// A square kernel over images, with the same stride and padding on all sides.
    pub fn square(kernel: usize, stride: usize, pad: usize) -> Self {
        Self { strides: vec![stride; 2], pads: vec![pad; 4], ..Self::new(&[kernel; 2]) }
    }

    /// How many spatial axes there are.
    pub fn rank(&self) -> usize {
        self.kernel_shape.len()
    }

    /// Refuses lists of wrong lengths and zeros where there can be none.
    fn check(&self, op: &'static str) -> Result<(), Mismatch> {
        let rank = self.rank();
        let attribute = |attribute, list: &[usize], need: String| {
            Err(Mismatch::Attribute { op, attribute, got: format!("{list:?}"), need })
        };
        if rank == 0 {
            return attribute("kernel_shape", &self.kernel_shape, "one size per axis".into());
        }
        for (name, list) in [
            ("kernel_shape", &self.kernel_shape),
            ("strides", &self.strides),
            ("dilations", &self.dilations),
        ] {
            if list.len() != rank || list.contains(&0) {
                return attribute(name, list, format!("{rank} numbers, all at least 1"));
            }
        }
        if self.pads.len() != 2 * rank {
            return attribute("pads", &self.pads, format!("{} numbers", 2 * rank));
        }
        Ok(())
    }

    /// The input elements from a window's first tap to its last, along one axis.
    fn reach(&self, axis: usize) -> Option<usize> {
        (self.kernel_shape[axis] - 1).checked_mul(self.dilations[axis])?.checked_add(1)
    }

    /// Begin and end padding of one axis.
    fn pads_of(&self, axis: usize) -> [usize; 2] {
        [self.pads[axis], self.pads[axis + self.rank()]]
    }

    /// The spatial dimensions after sliding over `input`, which is `[batch, channels, spatial…]`.
    ///
    /// # Errors
    /// If the attributes are malformed, or the kernel does not fit into the padded input.
    pub(crate) fn output(
        &self,
        op: &'static str,
        input: &Shape,
        rounding: Rounding,
    ) -> Result<Vec<Dim>, Mismatch> {
        self.check(op)?;
        if input.rank() != self.rank() + 2 {
            let need = format!("[batch, channels] and {} spatial dimensions", self.rank());
            return Err(bad_shape(op, "the input", input, need));
        }
        let along = |axis: usize| match input.0[axis + 2].fixed() {
            Some(size) => self.slide(axis, size, rounding).map(Dim::from),
            None => self.keeps_size(axis).then(|| input.0[axis + 2].clone()),
        };
        let dims: Option<_> = (0..self.rank()).map(along).collect();
        dims.ok_or_else(|| bad_shape(op, "the input", input, self.need(rounding)))
    }

    /// The size after sliding over `size` elements along one axis.
    fn slide(&self, axis: usize, size: usize, rounding: Rounding) -> Option<usize> {
        let ([begin, end], stride) = (self.pads_of(axis), self.strides[axis]);
        let padded = size.checked_add(begin)?.checked_add(end)?;
        let room = padded.checked_sub(self.reach(axis)?)?;
        if rounding == Rounding::Floor {
            return (room / stride).checked_add(1);
        }
        // Windows start at 0, stride, … up to room and one more if there is a rest; one that starts
        // beyond the begin padding and the input is dropped.
        let up_to_room = room.div_ceil(stride).checked_add(1)?;
        Some(up_to_room.min((size + begin).div_ceil(stride)))
    }

    /// Whether the output is as long as the input, whatever that is.
    fn keeps_size(&self, axis: usize) -> bool {
        let [begin, end] = self.pads_of(axis);
        let pads = begin.checked_add(end);
        self.strides[axis] == 1 && pads.is_some() && pads == self.reach(axis).map(|r| r - 1)
    }

    fn need(&self, rounding: Rounding) -> String {
        let way = if rounding == Rounding::Ceil { ", rounded up" } else { "" };
        format!(
            "sizes that hold kernel {:?} with strides {:?}, pads {:?}, dilations {:?}{way}",
            self.kernel_shape, self.strides, self.pads, self.dilations
        )
    }

    /// The type of a pool's output over `[batch, channels, spatial…]`. Besides [`Window::output`]'s
    /// conditions, every window must see at least one element of the input.
    pub(crate) fn pool(
        &self,
        op: &'static str,
        input: &Type,
        rounding: Rounding,
    ) -> Result<Type, Mismatch> {
        expect_f32(op, "the input", input)?;
        let mut dims = input.shape.0[..input.shape.rank().min(2)].to_vec();
        dims.extend(self.output(op, &input.shape, rounding)?);
        for axis in 0..self.rank() {
            let pads = self.pads_of(axis);
            let reach = self.reach(axis).unwrap_or(usize::MAX);
            // Taps over the input's front are `dilation` apart, so that many elements hold one.
            let size = input.shape.0[axis + 2].fixed().unwrap_or(1);
            let straddles = pads[0] == 0 || self.dilations[axis] <= size;
            if size == 0 || !straddles || pads.iter().any(|&pad| pad >= reach) {
                let need = format!("every window of {self:?} to see an element");
                return Err(bad_shape(op, "the input", &input.shape, need));
            }
        }
        sized(op, Shape(dims))
    }

    /// For every output place in row-major order, the `[tap, place in the input]` pairs that lie inside
    /// the input, row-major too.
    pub(crate) fn taps(&self, input: &[usize], output: &[usize]) -> Vec<Vec<[usize; 2]>> {
        let (steps, kernel) = (strides(input), strides(&self.kernel_shape));
        let mut all = Vec::new();
        for_each_index(output, |o| {
            let mut inside = Vec::new();
            for_each_index(&self.kernel_shape, |tap| {
                let place = |axis: usize| {
                    let padded = o[axis] * self.strides[axis] + tap[axis] * self.dilations[axis];
                    padded.checked_sub(self.pads[axis]).filter(|&i| i < input[axis])
                };
                let places: Option<Vec<usize>> = (0..self.rank()).map(place).collect();
                if let Some(places) = places {
                    inside.push([offset(tap, &kernel), offset(&places, &steps)]);
                }
            });
            all.push(inside);
        });
        all
    }

    /// Calls `f(o, places)` for every window over `[batch, channels, spatial…]`: where its output lies, and
    /// where the input elements it sees lie, in row-major order.
    pub(crate) fn for_each_window(
        &self,
        input: &[usize],
        output: &[usize],
        mut f: impl FnMut(usize, &[usize]),
    ) {
        let taps = self.taps(&input[2..], &output[2..]);
        let (space, windows): (usize, _) = (input[2..].iter().product(), taps.len());
        let mut places = Vec::new();
        for plane in 0..input[0] * input[1] {
            for (o, taps) in taps.iter().enumerate() {
                places.clear();
                places.extend(taps.iter().map(|[_, place]| plane * space + place));
                f(plane * windows + o, &places);
            }
        }
    }

    /// For every output place in row-major order, how many taps lie inside the input or its padding.
    pub(crate) fn padded_taps(&self, input: &[usize], output: &[usize]) -> Vec<usize> {
        let mut all = Vec::new();
        for_each_index(output, |o| {
            let along = |axis: usize| {
                let [begin, end] = self.pads_of(axis);
                let left = input[axis] + begin + end - o[axis] * self.strides[axis];
                left.div_ceil(self.dilations[axis]).min(self.kernel_shape[axis])
            };
            all.push((0..self.rank()).map(along).product());
        });
        all
    }
}

/// An f32 output of this shape, refused if no memory could ever hold it.
pub(crate) fn sized(op: &'static str, shape: Shape) -> Result<Type, Mismatch> {
    let fixed: Vec<usize> = shape.0.iter().filter_map(Dim::fixed).collect();
    match elements(&fixed) {
        Some(count) if count <= isize::MAX as usize / size_of::<f64>() => Ok(Type::f32(shape)),
        _ => Err(bad_shape(op, "the output", &shape, "fewer elements")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(window: &Window, size: usize, rounding: Rounding) -> Option<usize> {
        let dims = window.output("Test", &Shape::from([1, 1, size]), rounding);
        dims.ok().map(|dims| dims[0].fixed().unwrap())
    }

    fn line(kernel: usize, stride: usize, pads: [usize; 2], dilation: usize) -> Window {
        Window {
            kernel_shape: vec![kernel],
            strides: vec![stride],
            pads: pads.to_vec(),
            dilations: vec![dilation],
        }
    }

    #[test]
    fn sizes_are_those_of_counting_windows() {
        for kernel in 1..4 {
            for (stride, dilation, size) in
                [(1, 1, 7), (2, 1, 7), (3, 1, 7), (2, 2, 7), (3, 2, 8), (4, 3, 9)]
            {
                for pads in [[0, 0], [0, 1], [1, 1], [2, 0]] {
                    let w = line(kernel, stride, pads, dilation);
                    let padded = size + pads[0] + pads[1];
                    let reach = dilation * (kernel - 1) + 1;
                    let starts = || (0..padded).step_by(stride);
                    let whole = starts().filter(|s| s + reach <= padded).count();
                    assert_eq!(output(&w, size, Rounding::Floor), Some(whole), "{w:?}");
                    // The first that hangs over the end counts too, unless it begins beyond the input.
                    let begins_inside = |s: &usize| *s < size + pads[0];
                    let counted = starts().filter(|s| s + reach < padded + stride);
                    let ceil = counted.filter(begins_inside).count();
                    assert_eq!(output(&w, size, Rounding::Ceil), Some(ceil), "{w:?}");
                }
            }
        }
    }

    #[test]
    fn a_symbol_passes_where_sizes_stay_as_they_are() {
        let image = Shape(vec![Dim::from(1), Dim::from(1), Dim::symbol("height")]);
        let keeps = line(3, 1, [2, 2], 2).output("Test", &image, Rounding::Floor).unwrap();
        assert_eq!(keeps, [Dim::symbol("height")]);
        for shrinks in [line(3, 1, [0, 0], 1), line(2, 2, [0, 0], 1), line(1, 2, [0, 0], 1)] {
            assert!(shrinks.output("Test", &image, Rounding::Floor).is_err());
        }
    }

    #[test]
    fn malformed_windows_are_refused() {
        let huge = usize::MAX;
        for bad in [
            line(0, 1, [0, 0], 1),
            line(1, 0, [0, 0], 1),
            line(1, 1, [0, 0], 0),
            line(8, 1, [0, 0], 1),
            line(huge, 1, [0, 0], 1),
            line(3, 1, [0, 0], huge),
            line(3, 1, [0, huge], 1),
            line(3, 1, [huge, huge], 1),
            Window { strides: vec![], ..line(1, 1, [0, 0], 1) },
            Window { pads: vec![0; 3], ..line(1, 1, [0, 0], 1) },
            Window::new(&[]),
            Window::square(3, 1, 1),
        ] {
            for rounding in [Rounding::Floor, Rounding::Ceil] {
                assert_eq!(output(&bad, 7, rounding), None, "{bad:?}");
                let pool = bad.pool("Test", &Type::f32([1, 1, 7]), rounding);
                assert!(pool.is_err(), "{bad:?}");
            }
        }
        assert_eq!(output(&line(1, huge, [0, 0], 1), huge, Rounding::Ceil), Some(1));
    }

    #[test]
    fn a_pool_whose_window_sees_only_padding_is_refused() {
        let pool = |window: Window, size: usize| {
            window.pool("Test", &Type::f32([1, 1, size]), Rounding::Floor).is_ok()
        };
        assert!(pool(line(2, 1, [1, 1], 1), 3));
        assert!(!pool(line(2, 1, [2, 0], 1), 3));
        assert!(!pool(line(2, 1, [0, 2], 1), 3));
        assert!(!pool(line(2, 1, [2, 2], 3), 2), "the first window sees places -2 and 1");
    }
}
