//! Limits from below and above.
//!
//! ```text
//! y  = min if x < min, max if x > max, else x
//! dx = dy · [min < y < max]
//! ```
//! The gradient reads the output, so that the input's memory can be reused; the slope at a limit is
//! therefore 0, as that of `Relu` at 0. A NaN passes, so that it is never hidden.

use super::{Rule, infer_alike, infer_unary};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = x` limited to `min..=max`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// The lower limit, if there is one.
    pub min: Option<f32>,
    /// The upper limit, if there is one; not below `min`.
    pub max: Option<f32>,
}

/// `dx = dy · [min < y < max]` over `(dy, y)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipGradient {
    /// The limits.
    #[serde(flatten)]
    pub clip: Clip,
}

impl Clip {
    /// The lower and the upper limit, infinite where there is none.
    pub fn bounds(&self) -> [f32; 2] {
        [self.min.unwrap_or(f32::NEG_INFINITY), self.max.unwrap_or(f32::INFINITY)]
    }

    fn limits(&self) -> [f64; 2] {
        self.bounds().map(f64::from)
    }

    fn check(&self, op: &'static str) -> Result<(), Mismatch> {
        let [min, max] = self.limits();
        if min <= max {
            return Ok(());
        }
        let (got, need) = (min.to_string(), format!("a number not above max = {max}"));
        Err(Mismatch::Attribute { op, attribute: "min", got, need })
    }
}

impl Rule for Clip {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        self.check("Clip")?;
        infer_unary("Clip", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let [min, max] = self.limits();
        vec![inputs[0].map(|x| match x {
            x if x < min => min,
            x if x > max => max,
            x => x,
        })]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, y) = (back.output_gradient(node, 0)?, node.outputs[0]);
        let dx = back.add(node, ClipGradient { clip: self.clone() }, &[dy, y])?;
        back.accumulate(node.inputs[0], dx)
    }
}

impl Rule for ClipGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        self.clip.check("ClipGradient")?;
        infer_alike("ClipGradient", inputs, 2)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, y, [min, max]) = (inputs[0], inputs[1], self.clip.limits());
        let through = |i: usize| {
            if min < y.data[i] && y.data[i] < max { dy.data[i] } else { 0.0 }
        };
        vec![Array::from_fn(&dy.shape, through)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences_for_one_two_and_no_limits() {
        for (min, max) in [(Some(-0.5), Some(1.0)), (Some(0.0), None), (None, Some(0.7)), (None, None)]
        {
            check::op_gradient(Clip { min, max }, &[Type::f32([3, 5])], 8);
        }
    }

    #[test]
    fn limits_that_cross_or_are_no_numbers_are_refused() {
        for (min, max) in [(Some(1.0), Some(0.0)), (Some(f32::NAN), None), (None, Some(f32::NAN))] {
            assert!(Clip { min, max }.infer(&[Type::f32([3])]).is_err());
        }
    }
}
