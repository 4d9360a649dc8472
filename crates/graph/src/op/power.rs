//! Powers and parametric slopes: functions of two numbers that broadcast.
//!
//! ```text
//! Pow    y = aᵇ                            da = dy · b · aᵇ⁻¹        db = dy · aᵇ · ln a
//! PRelu  y = x if x > 0, else slope · x    dx = dy or slope · dy     dslope = 0 or dy · x
//! ```
//! A gradient is summed over the axes along which its input was broadcast.

use super::arithmetic::{broadcast_map, infer_broadcast};
use super::{Rule, bad_shape};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::{Add, LeakyReluGradient, Mul, Sub};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = aᵇ` over `(a, b)`; NaN where a is negative and b no whole number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pow;

/// The derivative of [`Pow`] by a, `b · aᵇ⁻¹`, over `(a, b)`; 0 where b is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PowBaseSlope;

/// The derivative of [`Pow`] by b, `aᵇ · ln a`, over `(a, b)`; 0 where a is 0 and b is not negative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PowExponentSlope;

/// `y = x if x > 0, else slope · x` over `(x, slope)`; the slope broadcasts to the shape of x.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PRelu;

impl Rule for Pow {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_broadcast("Pow", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        broadcast_map(inputs, &outputs[0], f64::powf)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        if back.needs(node.inputs[0]) {
            let slope = back.add(node, PowBaseSlope, &node.inputs)?;
            let da = back.add(node, Mul, &[dy, slope])?;
            back.accumulate_broadcast(node, 0, da)?;
        }
        if back.needs(node.inputs[1]) {
            let slope = back.add(node, PowExponentSlope, &node.inputs)?;
            let db = back.add(node, Mul, &[dy, slope])?;
            back.accumulate_broadcast(node, 1, db)?;
        }
        Ok(())
    }
}

impl Rule for PowBaseSlope {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_broadcast("PowBaseSlope", inputs)
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let slope = |a: f64, b: f64| if b == 0.0 { 0.0 } else { b * a.powf(b - 1.0) };
        broadcast_map(inputs, &outputs[0], slope)
    }
}

impl Rule for PowExponentSlope {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_broadcast("PowExponentSlope", inputs)
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let slope = |a: f64, b: f64| if a == 0.0 && b >= 0.0 { 0.0 } else { a.powf(b) * a.ln() };
        broadcast_map(inputs, &outputs[0], slope)
    }
}

impl Rule for PRelu {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        let y = infer_broadcast("PRelu", inputs)?;
        if y[0].shape != inputs[0].shape {
            let need = format!("one that broadcasts to {}", inputs[0].shape);
            return Err(bad_shape("PRelu", "the slope", &inputs[1].shape, need));
        }
        Ok(y)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        broadcast_map(inputs, &outputs[0], |x, slope| if x > 0.0 { x } else { slope * x })
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let (x, slope) = (node.inputs[0], node.inputs[1]);
        let above = back.add(node, LeakyReluGradient { alpha: 0.0 }, &[dy, x])?;
        let below = back.add(node, Sub, &[dy, above])?;
        if back.needs(x) {
            let bent = back.add(node, Mul, &[below, slope])?;
            let dx = back.add(node, Add, &[above, bent])?;
            back.accumulate(x, dx)?;
        }
        if back.needs(slope) {
            let dslope = back.add(node, Mul, &[below, x])?;
            back.accumulate_broadcast(node, 1, dslope)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, Numbers};

    #[test]
    fn gradients_of_powers_match_central_differences() {
        for (a, b) in [(&[3, 5][..], &[3, 5][..]), (&[3, 5], &[]), (&[3, 1], &[2, 1, 5])] {
            for seed in 0..8 {
                let mut numbers = Numbers(seed);
                let mut a = numbers.tensor(a);
                a.data_mut().iter_mut().for_each(|a| *a = a.abs() + 0.25);
                let inputs = [a, numbers.tensor(b)];
                assert!(check::op_gradient_error_at(&Pow.into(), &inputs, seed).unwrap() < 1e-6);
            }
        }
    }

    #[test]
    fn slopes_at_zero_are_numbers() {
        let run = |rule: &dyn Rule, a: f64, b: f64| {
            let (a, b) = (Array::new(&[], vec![a]), Array::new(&[], vec![b]));
            rule.evaluate(&[&a, &b], &[vec![]], 0)[0].data[0]
        };
        assert_eq!([run(&PowBaseSlope, 0.0, 2.0), run(&PowBaseSlope, 0.0, 0.0)], [0.0, 0.0]);
        assert_eq!(run(&PowBaseSlope, -3.0, 2.0), -6.0);
        assert_eq!(run(&PowExponentSlope, 0.0, 2.0), 0.0);
    }

    #[test]
    fn gradients_of_slopes_match_central_differences() {
        for slope in [&[3, 5][..], &[5], &[3, 1], &[]] {
            check::op_gradient(PRelu, &[Type::f32([3, 5]), Type::f32(slope)], 8);
        }
        check::op_gradient(PRelu, &[Type::f32([2, 3, 2, 2]), Type::f32([3, 1, 1])], 4);
    }

    #[test]
    fn a_slope_that_would_widen_the_input_is_refused() {
        let error = PRelu.infer(&[Type::f32([5]), Type::f32([3, 5])]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PRelu: the slope has shape [3, 5], need one that broadcasts to [5]"
        );
    }
}
