//! Truth values from truth values, with broadcasting.

use super::arithmetic::{broadcast_map, infer_pair};
use super::{Rule, expect_dtype, expect_inputs};
use crate::graph::Type;
use crate::groups::Coupling;
use crate::tensor::{Array, DType};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// Whether `x` is false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Not;

impl Rule for Not {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Not", inputs, 1..=1, "1")?;
        expect_dtype("Not", "the input", &inputs[0], DType::Bool)?;
        Ok(vec![inputs[0].clone()])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![inputs[0].map(|x| 1.0 - x)]
    }
}

macro_rules! connectives {
    ($($(#[$doc:meta])+ $Name:ident, $f:expr;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $Name;

        impl Rule for $Name {
            fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
                expect_inputs(stringify!($Name), inputs, 2..=2, "2")?;
                expect_dtype(stringify!($Name), "the first input", &inputs[0], DType::Bool)?;
                infer_pair(stringify!($Name), inputs)
            }

            fn coupling(&self, _: &[Type]) -> Coupling {
                Coupling::Elementwise
            }

            fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
                broadcast_map(inputs, &outputs[0], $f)
            }
        }
    )+};
}

connectives! {
    /// Whether both are true.
    And, f64::min;
    /// Whether one is true at least.
    Or, f64::max;
    /// Whether exactly one is true.
    Xor, |a, b| f64::from(a != b);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectives_have_their_tables() {
        let (a, b) = (Array::new(&[2, 1], vec![0.0, 1.0]), Array::new(&[2], vec![0.0, 1.0]));
        let table = |op: &dyn Rule| op.evaluate(&[&a, &b], &[vec![2, 2]], 0)[0].data.clone();
        assert_eq!(table(&And), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(table(&Or), [0.0, 1.0, 1.0, 1.0]);
        assert_eq!(table(&Xor), [0.0, 1.0, 1.0, 0.0]);
        assert_eq!(Not.evaluate(&[&b], &[vec![2]], 0)[0].data, [1.0, 0.0]);
        let error = And.infer(&[Type::f32([2]), Type::bool([2])]).unwrap_err();
        assert_eq!(error.to_string(), "And: the first input has type F32, need Bool");
    }
}
