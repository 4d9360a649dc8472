//! Elements added around the input.
//!
//! ```text
//! y[o] = x[place(o)]        place(o) = o − begin inside the input, and outside of it
//!   constant: nowhere (y is the value)    edge: the nearest element    reflect: mirrored at the outermost
//! dx[i] = Σ of dy[o] over place(o) = i
//! ```
//! Not here: ONNX's negative pads, which are a `Slice`.

use super::window::sized;
use super::{Op, Rule, bad_shape, expect_f32, expect_finite, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::{Coupling, Narrowing};
use crate::op::Slice;
use crate::shape::{Dim, Shape};
use crate::tensor::{Array, for_each_index, strides};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// What padding is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PadMode {
    /// A constant.
    Constant,
    /// The input mirrored at its outermost elements, which are not repeated.
    Reflect,
    /// The outermost elements.
    Edge,
}

/// `y = x` with elements added at both ends of every axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pad {
    /// How many elements: begin of every axis, then end of every axis.
    pub pads: Vec<usize>,
    /// What they are.
    pub mode: PadMode,
    /// The constant, if they are that.
    pub value: f32,
}

/// The gradient of [`Pad`] over `dy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PadGradient {
    /// The padding.
    #[serde(flatten)]
    pub pad: Pad,
}

impl Pad {
    /// Zeros around the input.
    pub fn zeros(pads: &[usize]) -> Self {
        Self { pads: pads.to_vec(), mode: PadMode::Constant, value: 0.0 }
    }

    fn check(&self, op: &'static str, rank: usize) -> Result<(), Mismatch> {
        expect_finite(op, "value", self.value)?;
        if self.pads.len() == 2 * rank {
            return Ok(());
        }
        let (got, need) = (format!("{:?}", self.pads), format!("{} numbers", 2 * rank));
        Err(Mismatch::Attribute { op, attribute: "pads", got, need })
    }

    /// The elements added to one axis of a shape of this rank, if they are countable.
    fn added(&self, axis: usize, rank: usize) -> Option<usize> {
        self.pads[axis].checked_add(self.pads[axis + rank])
    }

    /// Whether the mode finds elements for all padding of an axis of this size.
    fn has_elements(&self, axis: usize, rank: usize, size: usize) -> bool {
        let most = self.pads[axis].max(self.pads[axis + rank]);
        match self.mode {
            PadMode::Constant => true,
            PadMode::Reflect => most < size || most == 0,
            PadMode::Edge => size > 0 || most == 0,
        }
    }

    /// The place along one axis that the element `o` of the output comes from.
    fn place(&self, axis: usize, o: usize, size: usize) -> Option<usize> {
        let begin = self.pads[axis];
        let last = size.checked_sub(1);
        match (self.mode, o.checked_sub(begin)) {
            (_, Some(i)) if i < size => Some(i),
            (PadMode::Constant, _) => None,
            (PadMode::Edge, None) => last.map(|_| 0),
            (PadMode::Edge, Some(_)) => last,
            (PadMode::Reflect, None) => Some(begin - o),
            (PadMode::Reflect, Some(i)) => last.map(|last| last - (i - last)),
        }
    }

    /// Where in the input every element of the output comes from.
    fn places(&self, input: &[usize], output: &[usize]) -> Vec<Option<usize>> {
        let (steps, mut places) = (strides(input), Vec::new());
        for_each_index(output, |o| {
            let along = |axis: usize| Some(self.place(axis, o[axis], input[axis])? * steps[axis]);
            places.push((0..input.len()).map(along).sum());
        });
        places
    }

    /// The slice of the output that is the input.
    fn inside(&self, input: &Shape) -> Slice {
        let (mut starts, mut ends, mut axes) = (Vec::new(), Vec::new(), Vec::new());
        for (axis, dim) in input.0.iter().enumerate() {
            // A dimension with a symbol has no padding, and infer keeps all others below i64::MAX.
            if let Some(size) = dim.fixed() {
                starts.push(self.pads[axis] as i64);
                ends.push((self.pads[axis] + size) as i64);
                axes.push(axis as i64);
            }
        }
        let steps = vec![1; axes.len()];
        Slice { starts, ends, axes, steps }
    }
}

impl Rule for Pad {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Pad", inputs, 1..=1, "1")?;
        let (shape, rank) = (&inputs[0].shape, inputs[0].shape.rank());
        self.check("Pad", rank)?;
        let unfit = || {
            let need = format!("one that holds pads {:?} of mode {:?}", self.pads, self.mode);
            bad_shape("Pad", "the input", shape, need)
        };
        let dim = |(axis, dim): (usize, &Dim)| match (self.added(axis, rank)?, dim.fixed()) {
            (0, _) => Some(dim.clone()),
            (added, Some(size)) if self.has_elements(axis, rank, size) => {
                let padded = size.checked_add(added).filter(|&n| isize::try_from(n).is_ok());
                padded.map(Dim::from)
            }
            _ => None,
        };
        let dims = shape.0.iter().enumerate().map(dim).collect::<Option<_>>();
        let padded = sized("Pad", Shape(dims.ok_or_else(unfit)?))?;
        Ok(vec![Type { dtype: inputs[0].dtype, ..padded }])
    }

    fn coupling(&self, inputs: &[Type]) -> Coupling {
        let rank = inputs[0].shape.rank();
        let repeats = |axis: &usize| self.pads[*axis] + self.pads[axis + rank] > 0;
        let rigid = match self.mode {
            PadMode::Constant => Vec::new(),
            PadMode::Reflect | PadMode::Edge => (0..rank).filter(repeats).collect(),
        };
        Coupling::Moved { rigid }
    }

    fn narrowed(&self, narrowing: Narrowing<'_>) -> Option<Op> {
        let made = narrowing.outputs[0].as_ref()?;
        let (axis, rank, size) = (made.axis, self.pads.len() / 2, made.keep.len());
        let mut pad = self.clone();
        pad.pads[axis] = made.before(self.pads[axis]);
        pad.pads[axis + rank] = made.count() - made.before(size - self.pads[axis + rank]);
        Some(Op::Pad(pad))
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let x = inputs[0];
        let element = |place: Option<usize>| place.map_or(f64::from(self.value), |i| x.data[i]);
        let data = self.places(&x.shape, &outputs[0]).into_iter().map(element).collect();
        vec![Array::new(&outputs[0], data)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        let dx = if self.mode == PadMode::Constant {
            back.add(node, self.inside(back.shape(x)), &[dy])?
        } else {
            back.add(node, PadGradient { pad: self.clone() }, &[dy])?
        };
        back.accumulate(x, dx)
    }
}

impl Rule for PadGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "PadGradient";
        expect_inputs(OP, inputs, 1..=1, "1")?;
        expect_f32(OP, "dy", &inputs[0])?;
        let (dy, rank) = (&inputs[0].shape, inputs[0].shape.rank());
        self.pad.check(OP, rank)?;
        let dim = |(axis, dim): (usize, &Dim)| match (self.pad.added(axis, rank)?, dim.fixed()) {
            (0, _) => Some(dim.clone()),
            (added, Some(size)) => {
                let inner = size.checked_sub(added)?;
                self.pad.has_elements(axis, rank, inner).then(|| Dim::from(inner))
            }
            (_, None) => None,
        };
        let dims = dy.0.iter().enumerate().map(dim).collect::<Option<_>>();
        let need = || format!("one padded by {:?}", self.pad.pads);
        Ok(vec![Type::f32(Shape(dims.ok_or_else(|| bad_shape(OP, "dy", dy, need()))?))])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, mut dx) = (inputs[0], Array::zeros(&outputs[0]));
        for (place, dy) in self.pad.places(&outputs[0], &dy.shape).into_iter().zip(&dy.data) {
            if let Some(place) = place {
                dx.data[place] += dy;
            }
        }
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    const MODES: [PadMode; 3] = [PadMode::Constant, PadMode::Reflect, PadMode::Edge];

    fn pad(pads: &[usize], mode: PadMode) -> Pad {
        Pad { pads: pads.to_vec(), mode, value: 0.5 }
    }

    #[test]
    fn gradients_match_central_differences_in_every_mode() {
        for mode in MODES {
            check::op_gradient(pad(&[0, 1, 2, 1, 0, 4], mode), &[Type::f32([3, 2, 5])], 4);
            check::op_gradient(pad(&[2, 2], mode), &[Type::f32([3])], 4);
            check::op_gradient(pad(&[0, 0, 0, 0], mode), &[Type::f32([1, 1])], 1);
            let gradient = PadGradient { pad: pad(&[2, 2], mode) };
            let kinds = gradient.infer(&[Type::f32([7])]).unwrap();
            assert_eq!(kinds, [Type::f32([3])]);
        }
    }

    #[test]
    fn padding_is_what_its_mode_says() {
        let x = Array::new(&[3], vec![1.0, 2.0, 3.0]);
        let run = |mode| pad(&[2, 2], mode).evaluate(&[&x], &[vec![7]], 0).remove(0).data;
        assert_eq!(run(PadMode::Constant), [0.5, 0.5, 1.0, 2.0, 3.0, 0.5, 0.5]);
        assert_eq!(run(PadMode::Reflect), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
        assert_eq!(run(PadMode::Edge), [1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
    }

    #[test]
    fn a_symbol_cannot_be_padded_but_its_neighbors_can() {
        let kind = || Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(4)]));
        for mode in MODES {
            let padded = pad(&[0, 1, 0, 2], mode).infer(&[kind()]).unwrap();
            assert_eq!(padded[0].shape.to_string(), "[batch, 7]");
            assert!(pad(&[1, 0, 0, 0], mode).infer(&[kind()]).is_err());
        }
        let zeros = Pad::zeros(&[0, 1, 0, 2]).inside(&kind().shape);
        let padded = Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(7)]));
        assert_eq!(zeros.infer(&[padded]).unwrap(), [kind()]);
    }

    #[test]
    fn malformed_padding_is_refused() {
        let huge = usize::MAX;
        let refuses = |op: Pad, shape: &[usize]| {
            assert!(op.infer(&[Type::f32(shape)]).is_err(), "{op:?}");
        };
        for mode in MODES {
            refuses(pad(&[1], mode), &[3]);
            refuses(pad(&[1, huge], mode), &[3]);
            refuses(pad(&[0, huge, 0, 0], mode), &[0, 3]);
            refuses(Pad { value: f32::NAN, ..pad(&[1, 1], mode) }, &[3]);
        }
        refuses(pad(&[3, 0], PadMode::Reflect), &[3]);
        refuses(pad(&[0, 1], PadMode::Reflect), &[0]);
        refuses(pad(&[0, 1], PadMode::Edge), &[0]);
        let gradient = |pads: &[usize]| PadGradient { pad: pad(pads, PadMode::Reflect) };
        assert!(gradient(&[2, 2]).infer(&[Type::f32([3])]).is_err());
        assert!(gradient(&[2, 2]).infer(&[Type::f32([6])]).is_err());
        assert!(gradient(&[huge, 2]).infer(&[Type::f32([6])]).is_err());
    }
}
