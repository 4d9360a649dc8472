//! Another number of elements along some axes: nearest, linear or cubic, one axis after the other.
//!
//! ```text
//! y[o] = Σ_i w[o, i] · x[i]        dx[i] = Σ_o w[o, i] · dy[o]        along every resized axis
//! ```
//! The weights of an output come from its coordinate in the input. Coordinates are computed in f32 as in
//! onnxruntime: where one falls between two elements, rounding decides which is the nearest.
//! An element outside the input is the outermost one, or counts nothing with `exclude_outside`.
//! Not here: ONNX's `tf_crop_and_resize`, and its ways of naming sizes, which are resolved when a file is read.

use super::window::sized;
use super::{Rule, bad_shape, expect_f32, expect_finite, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::shape::{Dim, Shape};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The input with other sizes along some axes.
///
/// # Shapes
/// An axis that is not listed keeps its size. A dimension with a symbol can be scaled by a whole number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resize {
    /// The axes that change, each at most once.
    pub axes: Vec<ResizeAxis>,
    /// How an output is made of the elements around its coordinate.
    pub mode: ResizeMode,
    /// Where outputs lie in the input.
    pub coordinates: ResizeCoordinates,
    /// Which element is the nearest.
    pub nearest: ResizeRounding,
    /// The cubic's parameter, −0.75 as a rule; finite.
    pub cubic_coeff_a: f32,
    /// Whether elements outside the input count nothing, instead of being the outermost.
    pub exclude_outside: bool,
    /// Whether linear and cubic take more elements in where the output is smaller.
    pub antialias: bool,
}

/// One axis of a [`Resize`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResizeAxis {
    /// Which.
    pub axis: usize,
    /// From one output to the next are `1 / scale` elements of the input; finite and above 0.
    pub scale: f32,
    /// The output's size; if it is not said, `⌊input · scale⌋`.
    pub size: Option<usize>,
}

/// How a [`Resize`] makes outputs of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeMode {
    /// The nearest element.
    Nearest,
    /// Two elements a straight line goes through.
    Linear,
    /// Four elements a smooth curve goes through (Keys, 1981).
    Cubic,
}

/// The coordinate in the input of output `o`, over sizes `n` and `m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeCoordinates {
    /// `(o + ½) / scale − ½`
    HalfPixel,
    /// As `HalfPixel`, but the middles of input and output stay together where `m` was rounded.
    HalfPixelSymmetric,
    /// As `HalfPixel`, but 0 if there is one output.
    PytorchHalfPixel,
    /// `o · (n − 1) / (m − 1)`
    AlignCorners,
    /// `o / scale`
    Asymmetric,
}

/// Which element is nearest to a coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeRounding {
    /// The lower of two at the same distance.
    RoundPreferFloor,
    /// The upper of two at the same distance.
    RoundPreferCeil,
    /// The lower one.
    Floor,
    /// The upper one.
    Ceil,
}

/// The gradient of [`Resize`] over `dy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResizeGradient {
    /// The resize.
    pub resize: Resize,
    /// The sizes that its axes had before, in the same order.
    pub dims: Vec<Dim>,
}

/// What an output is made of: places in the input and their weights.
pub type Taps = Vec<(usize, f64)>;

impl Resize {
    /// The nearest element, as networks enlarge images as a rule: every element is repeated.
    pub fn repeated(axes: &[usize], scale: usize) -> Self {
        let axis = |&axis: &usize| ResizeAxis { axis, scale: scale as f32, size: None };
        Self {
            axes: axes.iter().map(axis).collect(),
            mode: ResizeMode::Nearest,
            coordinates: ResizeCoordinates::Asymmetric,
            nearest: ResizeRounding::Floor,
            cubic_coeff_a: -0.75,
            exclude_outside: false,
            antialias: false,
        }
    }

    /// What every one of `m` outputs along this axis is made of, over `n` elements; `n` is at least 1.
    pub fn taps(&self, axis: &ResizeAxis, n: usize, m: usize) -> Vec<Taps> {
        let last = n as i64 - 1;
        let inside = |i: i64| i.clamp(0, last.max(0)) as usize;
        let taps = |o: usize| {
            let at = self.coordinate(o, axis.scale, n, m);
            if self.mode == ResizeMode::Nearest {
                return vec![(inside(self.round(at)), 1.0)];
            }
            let mut taps: Vec<(i64, f64)> = self.weights(f64::from(at), axis.scale);
            if self.exclude_outside {
                taps.retain(|(i, _)| (0..=last).contains(i));
            }
            let sum: f64 = taps.iter().map(|tap| tap.1).sum();
            taps.into_iter().map(|(i, w)| (inside(i), w / sum)).collect()
        };
        (0..m).map(taps).collect()
    }

    fn coordinate(&self, o: usize, scale: f32, n: usize, m: usize) -> f32 {
        let (o, size) = (o as f32, n as f32);
        let half_pixel = (o + 0.5) / scale - 0.5;
        match self.coordinates {
            ResizeCoordinates::HalfPixel => half_pixel,
            ResizeCoordinates::HalfPixelSymmetric => {
                0.5 * size * (1.0 - m as f32 / (scale * size)) + half_pixel
            }
            ResizeCoordinates::PytorchHalfPixel if m == 1 => 0.0,
            ResizeCoordinates::PytorchHalfPixel => half_pixel,
            ResizeCoordinates::AlignCorners if m == 1 => 0.0,
            ResizeCoordinates::AlignCorners => o * (size - 1.0) / (m as f32 - 1.0),
            ResizeCoordinates::Asymmetric => o / scale,
        }
    }

    fn round(&self, at: f32) -> i64 {
        let rounded = match self.nearest {
            ResizeRounding::RoundPreferFloor => (at - 0.5).ceil(),
            ResizeRounding::RoundPreferCeil => (at + 0.5).floor(),
            ResizeRounding::Floor => at.floor(),
            ResizeRounding::Ceil => at.ceil(),
        };
        rounded as i64
    }

    /// Places around a coordinate, which may lie outside, and their weights, whose sum is not yet 1.
    fn weights(&self, at: f64, scale: f32) -> Vec<(i64, f64)> {
        let (reach, weight): (f64, fn(f64, f64) -> f64) = match self.mode {
            ResizeMode::Cubic => (2.0, cubic),
            _ => (1.0, |x, _| (1.0 - x.abs()).max(0.0)),
        };
        let scale = if self.antialias { f64::from(scale).min(1.0) } else { 1.0 };
        let before = at.ceil() - 1.0;
        let first = (-reach / scale).floor() as i64 + 1;
        let tap = |i: i64| {
            let place = before as i64 + i;
            (place, weight(scale * (before + i as f64 - at), f64::from(self.cubic_coeff_a)))
        };
        (first..2 - first).map(tap).collect()
    }

    fn check(&self, op: &'static str, rank: usize) -> Result<(), Mismatch> {
        expect_finite(op, "cubic_coeff_a", self.cubic_coeff_a)?;
        let mut seen = vec![false; rank];
        for ResizeAxis { axis, scale, .. } in &self.axes {
            let free = seen.get_mut(*axis).is_some_and(|seen| !std::mem::replace(seen, true));
            // Below the limit a filter against aliasing would reach beyond any image.
            if !free || !scale.is_finite() || *scale < 1e-4 {
                let need = format!("each of {rank} axes once, and scales of 1e-4 or more");
                return Err(Mismatch::Attribute {
                    op,
                    attribute: "axes",
                    got: format!("{:?}", self.axes),
                    need,
                });
            }
        }
        Ok(())
    }

    fn output(&self, op: &'static str, x: &Shape) -> Result<Type, Mismatch> {
        self.check(op, x.rank())?;
        let mut dims = x.0.clone();
        for entry in &self.axes {
            let dim = &x.0[entry.axis];
            let resized = match (dim.fixed(), entry.size) {
                (Some(0), _) => None,
                (Some(_), Some(size)) => Some(Dim::from(size)),
                (Some(size), None) => Some(Dim::from((size as f32 * entry.scale) as usize)),
                (None, None) if entry.scale.fract() == 0.0 => {
                    dim.times(&Dim::from(entry.scale as usize))
                }
                _ => None,
            };
            match resized.filter(|dim| dim.fixed() != Some(0)) {
                Some(dim) => dims[entry.axis] = dim,
                None => {
                    let need = format!("one that {entry:?} gives a size");
                    return Err(bad_shape(op, "the input", x, need));
                }
            }
        }
        sized(op, Shape(dims))
    }

    fn mixed(&self) -> Vec<usize> {
        self.axes.iter().map(|entry| entry.axis).collect()
    }
}

/// Keys' kernel.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

/// `y[·, o, ·] = Σ w · x[·, i, ·]` along one axis, or the other way round for a gradient.
fn along(x: &Array, axis: usize, taps: &[Taps], to: usize, back: bool) -> Array {
    let (n, inner) = (x.shape[axis], x.shape[axis + 1..].iter().product::<usize>());
    let mut shape = x.shape.clone();
    shape[axis] = to;
    let mut y = Array::zeros(&shape);
    let outer: usize = shape[..axis].iter().product();
    for block in 0..outer {
        for (o, taps) in taps.iter().enumerate() {
            for &(i, weight) in taps {
                let (from, into) = if back { (o, i) } else { (i, o) };
                for k in 0..inner {
                    let from = x.data[(block * n + from) * inner + k];
                    y.data[(block * to + into) * inner + k] += weight * from;
                }
            }
        }
    }
    y
}

impl Rule for Resize {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Resize", inputs, 1..=1, "1")?;
        expect_f32("Resize", "the input", &inputs[0])?;
        Ok(vec![self.output("Resize", &inputs[0].shape)?])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Mixed { axes: self.mixed(), keepdims: true }
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let mut y = inputs[0].clone();
        for entry in &self.axes {
            let (n, m) = (y.shape[entry.axis], outputs[0][entry.axis]);
            y = along(&y, entry.axis, &self.taps(entry, n, m), m, false);
        }
        vec![y]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        let dims = self.axes.iter().map(|entry| back.shape(x).0[entry.axis].clone()).collect();
        let dx = back.add(node, ResizeGradient { resize: self.clone(), dims }, &[dy])?;
        back.accumulate(x, dx)
    }
}

impl Rule for ResizeGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "ResizeGradient";
        expect_inputs(OP, inputs, 1..=1, "1")?;
        expect_f32(OP, "dy", &inputs[0])?;
        let dy = &inputs[0].shape;
        self.resize.check(OP, dy.rank())?;
        let mut x = dy.clone();
        for (entry, dim) in self.resize.axes.iter().zip(&self.dims) {
            x.0[entry.axis] = dim.clone();
        }
        let fits = self.dims.len() == self.resize.axes.len();
        if !fits || self.resize.output(OP, &x)?.shape != *dy {
            return Err(bad_shape(OP, "dy", dy, format!("one that belongs to {x}")));
        }
        Ok(vec![sized(OP, x)?])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let mut dx = inputs[0].clone();
        for entry in self.resize.axes.iter().rev() {
            let (m, n) = (dx.shape[entry.axis], outputs[0][entry.axis]);
            dx = along(&dx, entry.axis, &self.resize.taps(entry, n, m), n, true);
        }
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    const COORDINATES: [ResizeCoordinates; 5] = [
        ResizeCoordinates::HalfPixel,
        ResizeCoordinates::HalfPixelSymmetric,
        ResizeCoordinates::PytorchHalfPixel,
        ResizeCoordinates::AlignCorners,
        ResizeCoordinates::Asymmetric,
    ];

    fn resize(mode: ResizeMode, coordinates: ResizeCoordinates, sizes: &[(f32, usize)]) -> Resize {
        let axis = |(i, &(scale, size)): (usize, &(f32, usize))| ResizeAxis {
            axis: 2 + i,
            scale,
            size: Some(size),
        };
        let axes = sizes.iter().enumerate().map(axis).collect();
        Resize { axes, mode, coordinates, ..Resize::repeated(&[], 1) }
    }

    #[test]
    fn gradients_match_central_differences() {
        for mode in [ResizeMode::Nearest, ResizeMode::Linear, ResizeMode::Cubic] {
            for coordinates in COORDINATES {
                let op = resize(mode, coordinates, &[(1.75, 7), (0.6, 3)]);
                check::op_gradient(op.clone(), &[Type::f32([2, 1, 4, 5])], 1);
                let op = Resize { exclude_outside: true, antialias: true, ..op };
                check::op_gradient(op, &[Type::f32([1, 2, 4, 5])], 1);
            }
        }
    }

    #[test]
    fn weights_of_an_output_add_up_to_one() {
        for mode in [ResizeMode::Linear, ResizeMode::Cubic] {
            for (antialias, exclude_outside) in [(false, false), (true, false), (true, true)] {
                let op = resize(mode, ResizeCoordinates::HalfPixel, &[(0.3, 3)]);
                let op = Resize { antialias, exclude_outside, ..op };
                for taps in op.taps(&op.axes[0], 10, 3) {
                    let sum: f64 = taps.iter().map(|tap| tap.1).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{taps:?}");
                }
            }
        }
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        for mode in [ResizeMode::Nearest, ResizeMode::Linear, ResizeMode::Cubic] {
            for coordinates in COORDINATES {
                let op = resize(mode, coordinates, &[(1.0, 5)]);
                for (o, taps) in op.taps(&op.axes[0], 5, 5).into_iter().enumerate() {
                    let kept: Taps = taps.into_iter().filter(|tap| tap.1 != 0.0).collect();
                    assert_eq!(kept, [(o, 1.0)]);
                }
            }
        }
    }

    #[test]
    fn a_symbol_can_be_scaled_by_whole_numbers() {
        let x = || Type::f32(Shape(vec![Dim::symbol("batch"), 3.into(), Dim::symbol("h")]));
        let y = Resize::repeated(&[2], 2).infer(&[x()]).unwrap();
        assert_eq!(y[0].shape.to_string(), "[batch, 3, 2*h]");
        let dims = vec![Dim::symbol("h")];
        let gradient = ResizeGradient { resize: Resize::repeated(&[2], 2), dims };
        assert_eq!(gradient.infer(&y).unwrap(), [x()]);
        assert!(resize(ResizeMode::Nearest, COORDINATES[0], &[(1.5, 6)]).infer(&[x()]).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let of = |axis, scale, size| {
            let axes = vec![ResizeAxis { axis, scale, size }];
            Resize { axes, ..Resize::repeated(&[], 1) }.infer(&[Type::f32([2, 3])])
        };
        assert!(of(1, 2.0, None).is_ok());
        for (axis, scale, size) in [
            (2, 2.0, None),
            (1, 0.0, None),
            (1, f32::NAN, None),
            (1, -1.0, None),
            (1, 0.1, None),
            (1, 1.0, Some(0)),
            (1, 1.0, Some(usize::MAX)),
            (1, f32::MAX, None),
        ] {
            assert!(of(axis, scale, size).is_err(), "{axis} {scale} {size:?}");
        }
        assert!(Resize::repeated(&[1, 1], 2).infer(&[Type::f32([2, 3])]).is_err());
    }
}
