//! Element-wise arithmetic with broadcasting.
//!
//! ```text
//! Add  da = dy          db = dy
//! Sub  da = dy          db = −dy
//! Mul  da = dy · b      db = dy · a
//! Div  da = dy / b      db = −dy · y / b
//! ```
//! A gradient is summed over the axes along which its input was broadcast. All but `Div` take integers too, which
//! are exact up to 2⁵³; `IntegerDiv` is ONNX's `Div` of them.

use super::{Rule, bad_shape, expect_dtype, expect_f32, expect_inputs, expect_numbers};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::{Array, DType, broadcast_strides, for_each_index, offset};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = a + b`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Add;

/// `y = a − b`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sub;

/// `y = a · b`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mul;

/// `y = a / b`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Div;

/// `y = a / b` of integers, rounded towards 0; division by 0 gives 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntegerDiv;

/// `y = −x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neg;

/// The rule of an element-wise op over two f32 inputs that broadcast.
pub(crate) fn infer_broadcast(op: &'static str, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
    expect_inputs(op, inputs, 2..=2, "2")?;
    expect_f32(op, "the first input", &inputs[0])?;
    infer_pair(op, inputs)
}

/// As [`infer_broadcast`], over f32 or integers.
pub(crate) fn infer_numbers(op: &'static str, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
    expect_inputs(op, inputs, 2..=2, "2")?;
    expect_numbers(op, "the first input", &inputs[0])?;
    infer_pair(op, inputs)
}

/// As [`infer_broadcast`], over any type that both inputs have.
pub(crate) fn infer_pair(op: &'static str, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
    expect_inputs(op, inputs, 2..=2, "2")?;
    let dtype = inputs[0].dtype;
    expect_dtype(op, "the second input", &inputs[1], dtype)?;
    let (a, b) = (&inputs[0].shape, &inputs[1].shape);
    let fitting = || bad_shape(op, "the second input", b, format!("one that broadcasts with {a}"));
    Ok(vec![Type { dtype, shape: a.broadcast(b).ok_or_else(fitting)? }])
}

/// `f` of every pair of elements of two inputs that broadcast to `shape`.
pub(crate) fn broadcast_map(
    inputs: &[&Array],
    shape: &[usize],
    f: impl Fn(f64, f64) -> f64,
) -> Vec<Array> {
    let (a, b) = (inputs[0], inputs[1]);
    let (sa, sb) = (broadcast_strides(&a.shape, shape), broadcast_strides(&b.shape, shape));
    let mut data = Vec::new();
    for_each_index(shape, |i| data.push(f(a.data[offset(i, &sa)], b.data[offset(i, &sb)])));
    vec![Array::new(shape, data)]
}

impl Rule for Add {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_numbers("Add", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        broadcast_map(inputs, &outputs[0], |a, b| a + b)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        back.accumulate_broadcast(node, 0, dy)?;
        back.accumulate_broadcast(node, 1, dy)
    }
}

impl Rule for Sub {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_numbers("Sub", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        broadcast_map(inputs, &outputs[0], |a, b| a - b)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        back.accumulate_broadcast(node, 0, dy)?;
        if back.needs(node.inputs[1]) {
            let db = back.add(node, Neg, &[dy])?;
            back.accumulate_broadcast(node, 1, db)?;
        }
        Ok(())
    }
}

impl Rule for Mul {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_numbers("Mul", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        broadcast_map(inputs, &outputs[0], |a, b| a * b)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        for (this, other) in [(0, 1), (1, 0)] {
            if back.needs(node.inputs[this]) {
                let gradient = back.add(node, Mul, &[dy, node.inputs[other]])?;
                back.accumulate_broadcast(node, this, gradient)?;
            }
        }
        Ok(())
    }
}

impl Rule for Div {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_broadcast("Div", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        broadcast_map(inputs, &outputs[0], |a, b| a / b)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let da = back.add(node, Div, &[dy, node.inputs[1]])?;
        back.accumulate_broadcast(node, 0, da)?;
        if back.needs(node.inputs[1]) {
            let slope = back.add(node, Mul, &[da, node.outputs[0]])?;
            let db = back.add(node, Neg, &[slope])?;
            back.accumulate_broadcast(node, 1, db)?;
        }
        Ok(())
    }
}

impl Rule for IntegerDiv {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("IntegerDiv", inputs, 2..=2, "2")?;
        expect_dtype("IntegerDiv", "the first input", &inputs[0], DType::I64)?;
        infer_pair("IntegerDiv", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let quotient = |a: f64, b: f64| if b == 0.0 { 0.0 } else { (a / b).trunc() };
        broadcast_map(inputs, &outputs[0], quotient)
    }
}

impl Rule for Neg {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Neg", inputs, 1..=1, "1")?;
        expect_numbers("Neg", "the input", &inputs[0])?;
        Ok(vec![inputs[0].clone()])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![inputs[0].map(|x| -x)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let dx = back.add(node, Neg, &[dy])?;
        back.accumulate(node.inputs[0], dx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    /// Equal shapes, a row, a column, and both sides stretched.
    fn cases() -> [[Type; 2]; 4] {
        let t = |shape: &[usize]| Type::f32(shape);
        [
            [t(&[3, 5]), t(&[3, 5])],
            [t(&[3, 5]), t(&[5])],
            [t(&[3, 5]), t(&[3, 1])],
            [t(&[7, 1, 2]), t(&[3, 1])],
        ]
    }

    #[test]
    fn gradients_match_central_differences() {
        for case in cases() {
            check::op_gradient(Add, &case, 8);
            check::op_gradient(Sub, &case, 8);
            check::op_gradient(Mul, &case, 8);
            check::op_gradient(Div, &case, 8);
        }
        check::op_gradient(Neg, &[Type::f32([3, 5])], 8);
    }
}
