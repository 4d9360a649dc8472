//! Rectified linear unit with a slope below 0.
//!
//! ```text
//! y  = x if x > 0, else alpha · x
//! dx = dy if x > 0, else alpha · dy
//! ```
//! If alpha is not negative, `y > 0` wherever `x > 0` and nowhere else: then the gradient reads the output,
//! so that the input's memory can be reused.

use super::{Rule, expect_finite, infer_alike, infer_unary};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// `y = x if x > 0, else alpha · x`; its slope at 0 is taken as alpha.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeakyRelu {
    /// The slope below 0; finite.
    pub alpha: f32,
}

/// `dx = dy if s > 0, else alpha · dy` over `(dy, s)`, where `s` is `y`, or `x` if alpha is negative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeakyReluGradient {
    /// The slope below 0; finite.
    pub alpha: f32,
}

impl Rule for LeakyRelu {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_finite("LeakyRelu", "alpha", self.alpha)?;
        infer_unary("LeakyRelu", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![inputs[0].map(|x| if x > 0.0 { x } else { f64::from(self.alpha) * x })]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let sign = if self.alpha < 0.0 { node.inputs[0] } else { node.outputs[0] };
        let dx = back.add(node, LeakyReluGradient { alpha: self.alpha }, &[dy, sign])?;
        back.accumulate(node.inputs[0], dx)
    }
}

impl Rule for LeakyReluGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_finite("LeakyReluGradient", "alpha", self.alpha)?;
        infer_alike("LeakyReluGradient", inputs, 2)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, sign) = (inputs[0], inputs[1]);
        let slope = |i: usize| if sign.data[i] > 0.0 { 1.0 } else { f64::from(self.alpha) };
        vec![Array::from_fn(&dy.shape, |i| dy.data[i] * slope(i))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences_for_slopes_of_every_sign() {
        for alpha in [0.01, 0.0, -0.5, 2.0] {
            check::op_gradient(LeakyRelu { alpha }, &[Type::f32([3, 5])], 8);
        }
    }

    #[test]
    fn a_slope_that_is_no_number_is_refused() {
        let error = LeakyRelu { alpha: f32::NAN }.infer(&[Type::f32([3])]).unwrap_err();
        assert_eq!(error.to_string(), "LeakyRelu: alpha = NaN, need a finite number");
    }
}
