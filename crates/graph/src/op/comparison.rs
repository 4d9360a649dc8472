//! Comparisons with broadcasting: numbers in, truth values out.
//!
//! No gradient runs through them.

use super::arithmetic::{broadcast_map, infer_numbers, infer_pair};
use super::Rule;
use crate::graph::Type;
use crate::groups::Coupling;
use crate::tensor::{Array, DType};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

macro_rules! comparisons {
    ($($(#[$doc:meta])+ $Name:ident, $infer:ident, $f:expr;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $Name;

        impl Rule for $Name {
            fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
                let broadcast = $infer(stringify!($Name), inputs)?.remove(0);
                Ok(vec![Type { dtype: DType::Bool, ..broadcast }])
            }

            fn coupling(&self, _: &[Type]) -> Coupling {
                Coupling::Elementwise
            }

            fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
                let f: fn(&f64, &f64) -> bool = $f;
                broadcast_map(inputs, &outputs[0], |a, b| f64::from(f(&a, &b)))
            }
        }
    )+};
}

comparisons! {
    /// Whether `a = b`; truth values too.
    Equal, infer_pair, f64::eq;
    /// Whether `a > b`.
    Greater, infer_numbers, f64::gt;
    /// Whether `a ≥ b`.
    GreaterOrEqual, infer_numbers, f64::ge;
    /// Whether `a < b`.
    Less, infer_numbers, f64::lt;
    /// Whether `a ≤ b`.
    LessOrEqual, infer_numbers, f64::le;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_need_one_type_and_an_order() {
        let refuse = |op: &dyn Rule, kinds: [Type; 2]| op.infer(&kinds).unwrap_err().to_string();
        let mixed = [Type::f32([2]), Type::i64([2])];
        assert_eq!(
            refuse(&Equal, mixed),
            "Equal: the second input has type I64, need F32"
        );
        let truths = [Type::bool([2]), Type::bool([2])];
        assert_eq!(Equal.infer(&truths).unwrap(), [Type::bool([2])]);
        assert_eq!(
            refuse(&Less, truths),
            "Less: the first input has type Bool, need F32 or I64"
        );
    }
}
