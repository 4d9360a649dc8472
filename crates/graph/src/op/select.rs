//! Chosen elements of an axis.
//!
//! ```text
//! y[… i …] = x[… indices[i] …]        dx[… j …] = Σ dy[… i …] over all i with indices[i] = j
//! ```
//! ONNX's `Gather` with indices that are known. A channel that is chosen can be left out without anybody else noticing, which
//! is how a network stops reading an input.

use super::window::sized;
use super::{Op, Rule, axis_of, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::{Coupling, Narrowing};
use crate::shape::{Dim, Shape};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// These elements of one axis, in this order.
///
/// # Example
/// ```
/// use hoyer_graph::{Array, Graph, Select, Type, evaluate};
///
/// let mut g = Graph::new("net");
/// let x = g.input("x", Type::f32([3]));
/// let y = g.add("last, then first", Select { axis: 0, indices: vec![2, 0] }, &[x])?;
/// assert_eq!(g.value(y).kind.shape.to_string(), "[2]");
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Select {
    /// The axis; a negative one counts from the end.
    pub axis: i64,
    /// Places along the axis, from 0; the same may come several times.
    pub indices: Vec<usize>,
}

/// The gradient of [`Select`] over `dy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectGradient {
    /// The choice.
    #[serde(flatten)]
    pub select: Select,
    /// The shape of its input.
    pub shape: Shape,
}

impl Select {
    fn output(&self, op: &'static str, shape: &Shape) -> Result<Shape, Mismatch> {
        let axis = axis_of(op, self.axis, shape.rank())?;
        let Some(size) = shape.0[axis].fixed() else {
            return Err(bad_shape(op, "the input", shape, "a number where it chooses"));
        };
        if let Some(beyond) = self.indices.iter().find(|index| **index >= size) {
            let (got, need) = (beyond.to_string(), format!("indices below {size}"));
            return Err(Mismatch::Attribute { op, attribute: "indices", got, need });
        }
        let mut shape = shape.clone();
        shape.0[axis] = Dim::from(self.indices.len());
        Ok(shape)
    }

    /// Calls `f` with a place in the output and the place in an input of this shape that it comes from.
    fn for_each(&self, shape: &[usize], mut f: impl FnMut(usize, usize)) {
        let axis = axis_of("Select", self.axis, shape.len()).expect("checked by infer");
        let (outer, inner): (usize, usize) =
            (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        let mut to = 0;
        for block in 0..outer {
            for index in &self.indices {
                for i in 0..inner {
                    f(to, (block * shape[axis] + index) * inner + i);
                    to += 1;
                }
            }
        }
    }
}

impl Rule for Select {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Select", inputs, 1..=1, "1")?;
        expect_f32("Select", "the input", &inputs[0])?;
        Ok(vec![sized("Select", self.output("Select", &inputs[0].shape)?)?])
    }

    fn coupling(&self, inputs: &[Type]) -> Coupling {
        let axis = axis_of("Select", self.axis, inputs[0].shape.rank());
        axis.map_or(Coupling::Opaque, |axis| Coupling::Chosen { axis })
    }

    fn narrowed(&self, narrowing: Narrowing<'_>) -> Option<Op> {
        let made = narrowing.outputs[0].as_ref()?;
        let indices = self.indices.iter().zip(&made.keep).filter(|(_, keep)| **keep);
        let indices = indices.map(|(index, _)| *index).collect();
        Some(Op::Select(Self { axis: self.axis, indices }))
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (x, mut y) = (inputs[0], Array::zeros(&outputs[0]));
        self.for_each(&x.shape, |to, from| y.data[to] = x.data[from]);
        vec![y]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        let op = SelectGradient { select: self.clone(), shape: back.shape(x).clone() };
        let dx = back.add(node, op, &[dy])?;
        back.accumulate(x, dx)
    }
}

impl Rule for SelectGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "SelectGradient";
        expect_inputs(OP, inputs, 1..=1, "1")?;
        expect_f32(OP, "dy", &inputs[0])?;
        let need = self.select.output(OP, &self.shape)?;
        if inputs[0].shape != need {
            return Err(bad_shape(OP, "dy", &inputs[0].shape, need.to_string()));
        }
        Ok(vec![sized(OP, self.shape.clone())?])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, mut dx) = (inputs[0], Array::zeros(&outputs[0]));
        self.select.for_each(&outputs[0], |from, to| dx.data[to] += dy.data[from]);
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        for (axis, indices) in [(1, vec![2, 0, 2]), (-1, vec![4]), (0, vec![1, 0, 1, 1])] {
            check::op_gradient(Select { axis, indices }, &[Type::f32([2, 3, 5])], 4);
        }
    }

    #[test]
    fn elements_come_in_the_order_of_the_indices() {
        let x = Array::from_fn(&[2, 3], |i| i as f64);
        let select = Select { axis: 1, indices: vec![2, 0] };
        assert_eq!(select.evaluate(&[&x], &[vec![2, 2]], 0)[0].data, [2.0, 0.0, 5.0, 3.0]);
    }

    #[test]
    fn malformed_choices_are_refused() {
        let kind = || Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(4)]));
        let of = |axis, indices| Select { axis, indices };
        assert!(of(-1, vec![3, 3]).infer(&[kind()]).is_ok());
        for bad in [of(0, vec![0]), of(1, vec![4]), of(2, vec![]), of(i64::MIN, vec![0])] {
            assert!(bad.infer(&[kind()]).is_err(), "{bad:?}");
        }
        let gradient = |shape: [usize; 2]| SelectGradient { select: of(1, vec![0, 2]), shape: shape.into() };
        assert!(gradient([2, 3]).infer(&[Type::f32([2, 2])]).is_ok());
        assert!(gradient([2, 2]).infer(&[Type::f32([2, 2])]).is_err());
        assert!(gradient([2, 3]).infer(&[Type::f32([2, 3])]).is_err());
    }
}
