//! Axes of size 1 taken out and put in.

use super::{Rule, axis_of, bad_shape, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::Reshape;
use crate::shape::{Dim, Shape};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = x` without these axes, which have size 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Squeeze {
    /// Which axes of the input; negative ones count from the end. ONNX's "all of size 1" is already resolved.
    pub axes: Vec<i64>,
}

/// `y = x` with further axes of size 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unsqueeze {
    /// Which axes of the output; negative ones count from the end.
    pub axes: Vec<i64>,
}

/// One flag an axis; refuses an axis that comes twice.
fn flags(op: &'static str, axes: &[i64], rank: usize) -> Result<Vec<bool>, Mismatch> {
    let mut flags = vec![false; rank];
    for &axis in axes {
        if std::mem::replace(&mut flags[axis_of(op, axis, rank)?], true) {
            let (got, need) = (format!("{axes:?}"), "every axis at most once".to_owned());
            return Err(Mismatch::Attribute { op, attribute: "axes", got, need });
        }
    }
    Ok(flags)
}

fn back_to_input(back: &mut Backward<'_>, node: &Node) -> Result<()> {
    let dy = back.output_gradient(node, 0)?;
    let shape = back.shape(node.inputs[0]).clone();
    let dx = back.add(node, Reshape { shape }, &[dy])?;
    back.accumulate(node.inputs[0], dx)
}

impl Rule for Squeeze {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Squeeze", inputs, 1..=1, "1")?;
        let shape = &inputs[0].shape;
        let gone = flags("Squeeze", &self.axes, shape.rank())?;
        if shape.0.iter().zip(&gone).any(|(dim, gone)| *gone && !dim.is_one()) {
            let need = format!("size 1 along {:?}", self.axes);
            return Err(bad_shape("Squeeze", "the input", shape, need));
        }
        let kept = shape.0.iter().zip(gone).filter(|(_, gone)| !gone).map(|(dim, _)| dim.clone());
        Ok(vec![Type { dtype: inputs[0].dtype, shape: Shape(kept.collect()) }])
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

impl Rule for Unsqueeze {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Unsqueeze", inputs, 1..=1, "1")?;
        let shape = &inputs[0].shape;
        let new = flags("Unsqueeze", &self.axes, shape.rank() + self.axes.len())?;
        let mut old = shape.0.iter().cloned();
        let dim = |new: bool| if new { Dim::from(1) } else { old.next().expect("one is left") };
        let shape = Shape(new.into_iter().map(dim).collect());
        Ok(vec![Type { dtype: inputs[0].dtype, shape }])
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
        for axes in [vec![1], vec![-1, 1], vec![]] {
            check::op_gradient(Squeeze { axes }, &[Type::f32([3, 1, 2, 1])], 2);
        }
        for axes in [vec![0], vec![-1, 1], vec![]] {
            check::op_gradient(Unsqueeze { axes }, &[Type::f32([3, 2])], 2);
        }
    }

    #[test]
    fn axes_are_those_of_the_longer_shape() {
        let batch = Shape(vec![Dim::symbol("batch"), Dim::from(4)]);
        let longer = Unsqueeze { axes: vec![-1, 1] }.infer(&[Type::f32(batch.clone())]).unwrap();
        assert_eq!(longer[0].shape.to_string(), "[batch, 1, 4, 1]");
        let back = Squeeze { axes: vec![3, -3] }.infer(&longer).unwrap();
        assert_eq!(back[0].shape, batch);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for axes in [vec![0], vec![2], vec![1, -1], vec![i64::MIN]] {
            assert!(Squeeze { axes }.infer(&[Type::f32([3, 1])]).is_err());
        }
        for axes in [vec![3], vec![0, 0], vec![0, -4], vec![i64::MIN]] {
            assert!(Unsqueeze { axes }.infer(&[Type::f32([3, 1])]).is_err());
        }
    }
}
