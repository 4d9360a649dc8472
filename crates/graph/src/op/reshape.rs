//! The same numbers under another shape.

use super::{Op, Rule, axis_of, bad_shape, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::{Coupling, Narrowing};
use crate::shape::{Dim, Shape};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = x` seen as `shape`; ONNX's 0 and −1 are already resolved (see [`Reshape::resolve`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reshape {
    /// The new shape; it has as many elements as the old one.
    pub shape: Shape,
}

/// `y = x` as a matrix: axes before `axis` become rows, the rest columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flatten {
    /// The first axis of the columns; may be the rank, or count from the end.
    pub axis: i64,
}

impl Reshape {
    /// The reshape that ONNX means by `extents` on this input: 0 copies the input's dimension,
    /// −1 is whatever is left over.
    ///
    /// # Errors
    /// If the extents do not fit the input.
    pub fn resolve(extents: &[i64], input: &Shape) -> Result<Self, Mismatch> {
        let refuse = || {
            bad_shape("Reshape", "the input", input, format!("one that reshapes to {extents:?}"))
        };
        let mut dims = Vec::with_capacity(extents.len());
        let mut rest = None;
        for (i, &extent) in extents.iter().enumerate() {
            dims.push(match extent {
                0 => input.0.get(i).cloned().ok_or_else(refuse)?,
                -1 if rest.is_none() => {
                    rest = Some(i);
                    Dim::from(1)
                }
                n => Dim::from(usize::try_from(n).map_err(|_| refuse())?),
            });
        }
        if let Some(i) = rest {
            let (all, known) = (input.elements(), Shape(dims.clone()).elements());
            let left = all.zip(known).and_then(|(all, known)| all.divided_by(&known));
            dims[i] = left.ok_or_else(refuse)?;
        }
        Ok(Self { shape: Shape(dims) })
    }
}

fn back_to_input(back: &mut Backward<'_>, node: &Node) -> Result<()> {
    let dy = back.output_gradient(node, 0)?;
    let shape = back.shape(node.inputs[0]).clone();
    let dx = back.add(node, Reshape { shape }, &[dy])?;
    back.accumulate(node.inputs[0], dx)
}

impl Rule for Reshape {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Reshape", inputs, 1..=1, "1")?;
        let from = &inputs[0].shape;
        if from.elements().is_none() || from.elements() != self.shape.elements() {
            let need = format!("as many elements as {}", self.shape);
            return Err(bad_shape("Reshape", "the input", from, need));
        }
        Ok(vec![Type { dtype: inputs[0].dtype, shape: self.shape.clone() }])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Moved { rigid: Vec::new() }
    }

    fn narrowed(&self, narrowing: Narrowing<'_>) -> Option<Op> {
        let made = narrowing.outputs[0].as_ref()?;
        Some(Op::Reshape(Self { shape: made.narrow(&self.shape) }))
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![Array::new(&outputs[0], inputs[0].data.clone())]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        back_to_input(back, node)
    }
}

impl Rule for Flatten {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Flatten", inputs, 1..=1, "1")?;
        let shape = &inputs[0].shape;
        let end = shape.rank() as i64 == self.axis;
        let axis = if end { shape.rank() } else { axis_of("Flatten", self.axis, shape.rank())? };
        let side = |dims: &[Dim]| Shape(dims.to_vec()).elements();
        let (rows, columns) = shape.0.split_at(axis);
        let (Some(rows), Some(columns)) = (side(rows), side(columns)) else {
            return Err(bad_shape("Flatten", "the input", shape, "fewer elements"));
        };
        Ok(vec![Type { dtype: inputs[0].dtype, shape: Shape(vec![rows, columns]) }])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Moved { rigid: Vec::new() }
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![Array::new(&outputs[0], inputs[0].data.clone())]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        back_to_input(back, node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        check::op_gradient(Reshape { shape: Shape::from([5, 6]) }, &[Type::f32([3, 2, 5])], 8);
        for axis in [0, 1, 3, -1] {
            check::op_gradient(Flatten { axis }, &[Type::f32([3, 2, 5])], 2);
        }
    }

    #[test]
    fn onnx_extents_resolve_with_a_symbolic_batch() {
        let input = Shape(vec![Dim::symbol("batch"), Dim::from(20), Dim::from(6)]);
        let resolve = |extents: &[i64]| Reshape::resolve(extents, &input).map(|r| r.shape);
        assert_eq!(resolve(&[0, -1]).unwrap().to_string(), "[batch, 120]");
        assert_eq!(resolve(&[-1, 40]).unwrap().to_string(), "[3*batch, 40]");
        assert!(resolve(&[-1, 7]).is_err());
        assert!(resolve(&[-1, -1]).is_err());
    }
}
