//! Functions that are flat almost everywhere: their gradient is 0.

use super::{Rule, expect_inputs, expect_numbers, infer_unary};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

macro_rules! steps {
    ($($(#[$doc:meta])+ $Name:ident, $f:expr;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $Name;

        impl Rule for $Name {
            fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
                infer(stringify!($Name), inputs)
            }

            fn coupling(&self, _: &[Type]) -> Coupling {
                Coupling::Elementwise
            }

            fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
                vec![inputs[0].map($f)]
            }

            fn gradient(&self, _: &mut Backward<'_>, _: &Node) -> Result<()> {
                Ok(())
            }
        }
    )+};
}

/// Only the sign is one of integers too.
fn infer(op: &'static str, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
    if op != "Sign" {
        return infer_unary(op, inputs);
    }
    expect_inputs(op, inputs, 1..=1, "1")?;
    expect_numbers(op, "the input", &inputs[0])?;
    Ok(vec![inputs[0].clone()])
}

steps! {
    /// −1, 0 or 1, as `x` is below, at or above 0; NaN stays.
    Sign, |x: f64| if x == 0.0 || x.is_nan() { x } else { x.signum() };
    /// The largest whole number that is not above `x`.
    Floor, f64::floor;
    /// The smallest whole number that is not below `x`.
    Ceil, f64::ceil;
    /// The nearest whole number; of two the even one.
    Round, f64::round_ties_even;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::op::Op;

    #[test]
    fn gradients_match_central_differences_between_the_steps() {
        for op in [Op::from(Sign), Floor.into(), Ceil.into(), Round.into()] {
            check::op_gradient(op, &[Type::f32([3, 5])], 8);
        }
    }

    #[test]
    fn halves_round_to_even() {
        let x = Array::new(&[4], vec![-2.5, -0.5, 1.5, 2.5]);
        assert_eq!(Round.evaluate(&[&x], &[vec![4]], 0)[0].data, [-2.0, -0.0, 2.0, 2.0]);
        assert_eq!(Sign.evaluate(&[&x], &[vec![4]], 0)[0].data, [-1.0, -1.0, 1.0, 1.0]);
    }
}
