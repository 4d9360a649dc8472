//! Softmax along one axis, and its logarithm (ONNX opset 13: the other axes are independent).
//!
//! ```text
//! Softmax      y = e^x / Σ e^x          dx = y · (dy − Σ dy · y)
//! LogSoftmax   y = x − log Σ e^x        dx = dy − e^y · Σ dy
//! ```
//! The gradients read the output, so that the input's memory can be reused.
//! Not here: the loss over logits and labels (`softmax_cross_entropy`).

use super::{Rule, axis_of, infer_alike, infer_unary};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = e^x / Σ e^x` along `axis`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Softmax {
    /// The axis of the sum; a negative one counts from the end.
    pub axis: i64,
}

/// `dx = y · (dy − Σ dy · y)` over `(dy, y)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoftmaxGradient {
    /// The axis of the sum; a negative one counts from the end.
    pub axis: i64,
}

/// `y = x − log Σ e^x` along `axis`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogSoftmax {
    /// The axis of the sum; a negative one counts from the end.
    pub axis: i64,
}

/// `dx = dy − e^y · Σ dy` over `(dy, y)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogSoftmaxGradient {
    /// The axis of the sum; a negative one counts from the end.
    pub axis: i64,
}

fn check_axis(op: &'static str, axis: i64, mut kinds: Vec<Type>) -> Result<Vec<Type>, Mismatch> {
    axis_of(op, axis, kinds[0].shape.rank())?;
    kinds.truncate(1);
    Ok(kinds)
}

/// Calls `f` with every line of the inputs along `axis`, and puts the line it gives into the output.
fn along(inputs: &[&Array], axis: i64, f: impl Fn(&[Vec<f64>]) -> Vec<f64>) -> Vec<Array> {
    let shape = &inputs[0].shape;
    let axis = axis_of("Softmax", axis, shape.len()).expect("checked by infer");
    let (len, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let mut y = Array::zeros(shape);
    for block in 0..shape[..axis].iter().product() {
        for first in (0..inner).map(|i| block * len * inner + i) {
            let place = |i: usize| first + i * inner;
            let line = |x: &&Array| (0..len).map(|i| x.data[place(i)]).collect();
            let lines: Vec<Vec<f64>> = inputs.iter().map(line).collect();
            f(&lines).into_iter().enumerate().for_each(|(i, value)| y.data[place(i)] = value);
        }
    }
    vec![y]
}

/// The line minus its largest element, so that no exponential overflows, and the sum of exponentials.
fn shifted(line: &[f64]) -> (Vec<f64>, f64) {
    let max = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let line: Vec<f64> = line.iter().map(|x| x - max).collect();
    let total = line.iter().map(|x| x.exp()).sum();
    (line, total)
}

/// `Σ a · b`.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Rule for Softmax {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        check_axis("Softmax", self.axis, infer_unary("Softmax", inputs)?)
    }

    fn coupling(&self, inputs: &[Type]) -> Coupling {
        let rank = inputs[0].shape.rank();
        let axes = axis_of("Softmax", self.axis, rank).into_iter().collect();
        Coupling::Mixed { axes, keepdims: true }
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        along(inputs, self.axis, |lines| {
            let (line, total) = shifted(&lines[0]);
            line.iter().map(|x| x.exp() / total).collect()
        })
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, y) = (back.output_gradient(node, 0)?, node.outputs[0]);
        let dx = back.add(node, SoftmaxGradient { axis: self.axis }, &[dy, y])?;
        back.accumulate(node.inputs[0], dx)
    }
}

impl Rule for SoftmaxGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        check_axis("SoftmaxGradient", self.axis, infer_alike("SoftmaxGradient", inputs, 2)?)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        along(inputs, self.axis, |lines| {
            let (dy, y) = (&lines[0], &lines[1]);
            let mean = dot(dy, y);
            dy.iter().zip(y).map(|(dy, y)| y * (dy - mean)).collect()
        })
    }
}

impl Rule for LogSoftmax {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        check_axis("LogSoftmax", self.axis, infer_unary("LogSoftmax", inputs)?)
    }

    fn coupling(&self, inputs: &[Type]) -> Coupling {
        let rank = inputs[0].shape.rank();
        let axes = axis_of("LogSoftmax", self.axis, rank).into_iter().collect();
        Coupling::Mixed { axes, keepdims: true }
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        along(inputs, self.axis, |lines| {
            let (line, total) = shifted(&lines[0]);
            line.iter().map(|x| x - total.ln()).collect()
        })
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, y) = (back.output_gradient(node, 0)?, node.outputs[0]);
        let dx = back.add(node, LogSoftmaxGradient { axis: self.axis }, &[dy, y])?;
        back.accumulate(node.inputs[0], dx)
    }
}

impl Rule for LogSoftmaxGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        check_axis("LogSoftmaxGradient", self.axis, infer_alike("LogSoftmaxGradient", inputs, 2)?)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        along(inputs, self.axis, |lines| {
            let (dy, y) = (&lines[0], &lines[1]);
            let sum: f64 = dy.iter().sum();
            dy.iter().zip(y).map(|(dy, y)| dy - y.exp() * sum).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences_along_every_axis() {
        for axis in [0, 1, 2, -1, -3] {
            check::op_gradient(Softmax { axis }, &[Type::f32([3, 2, 5])], 8);
            check::op_gradient(LogSoftmax { axis }, &[Type::f32([3, 2, 5])], 8);
        }
        check::op_gradient(Softmax { axis: 1 }, &[Type::f32([1, 1])], 2);
    }

    #[test]
    fn large_inputs_do_not_overflow() {
        let x = Array::new(&[2], vec![1e5, 1e5]);
        assert_eq!(Softmax { axis: 0 }.evaluate(&[&x], &[], 0)[0].data, [0.5; 2]);
        let log = LogSoftmax { axis: 0 }.evaluate(&[&x], &[], 0);
        assert!((log[0].data[0] + 2f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn an_axis_that_is_not_there_is_refused() {
        for axis in [2, -3, i64::MIN, i64::MAX] {
            assert!(Softmax { axis }.infer(&[Type::f32([3, 2])]).is_err());
            assert!(LogSoftmax { axis }.infer(&[Type::f32([3, 2])]).is_err());
        }
        assert!(Softmax { axis: 0 }.infer(&[Type::f32([0; 0])]).is_err());
    }
}
