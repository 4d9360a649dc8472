//! Integers and truth values that belong to the network: indices, masks.
//!
//! Numbers that can be trained, or have a fraction, are parameters instead.
//! Invariant: integers lie within ±2⁵³, so that f64 holds them exactly.

use super::{Rule, expect_inputs};
use crate::graph::Type;
use crate::shape::Shape;
use crate::tensor::{Array, DType, elements};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The integers that f64 holds exactly reach this far.
const EXACT: u64 = 1 << 53;

/// Always the same integers or truth values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constant {
    /// `I64` or `Bool`.
    pub dtype: DType,
    /// The dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The elements, row-major; truth values are 0 and 1.
    pub data: Vec<i64>,
}

impl Constant {
    /// What is wrong with the attributes: which, what it is, and what it should be.
    fn fault(&self) -> Option<(&'static str, String, String)> {
        let (got, need) = (self.data.len(), elements(&self.shape));
        if need != Some(got) {
            let shape = Shape::from(self.shape.as_slice());
            return Some(("data", format!("{got} elements"), format!("what fills {shape}")));
        }
        let (fits, need): (fn(&i64) -> bool, _) = match self.dtype {
            DType::F32 => return Some(("dtype", "F32".into(), "I64 or Bool".into())),
            DType::I64 => (|x| x.unsigned_abs() <= EXACT, "integers within ±2^53"),
            DType::Bool => (|x| matches!(x, 0 | 1), "0 and 1"),
        };
        let wrong = self.data.iter().find(|x| !fits(x))?;
        Some(("data", format!("[… {wrong} …]"), need.into()))
    }
}

impl Rule for Constant {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        let op = "Constant";
        expect_inputs(op, inputs, 0..=0, "no")?;
        match self.fault() {
            Some((attribute, got, need)) => Err(Mismatch::Attribute { op, attribute, got, need }),
            None => {
                let shape = Shape::from(self.shape.as_slice());
                Ok(vec![Type { dtype: self.dtype, shape }])
            }
        }
    }

    fn evaluate(&self, _: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        vec![Array::from_fn(&outputs[0], |i| self.data[i] as f64)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(dtype: DType, shape: &[usize], data: &[i64]) -> String {
        let op = Constant { dtype, shape: shape.to_vec(), data: data.to_vec() };
        op.infer(&[]).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_tensor_of_integers_is_refused() {
        assert_eq!(
            refuses(DType::I64, &[2, 3], &[1]),
            "Constant: data = 1 elements, need what fills [2, 3]"
        );
        assert_eq!(refuses(DType::F32, &[1], &[1]), "Constant: dtype = F32, need I64 or Bool");
        assert_eq!(
            refuses(DType::Bool, &[2], &[1, 2]),
            "Constant: data = [… 2 …], need 0 and 1"
        );
        assert!(refuses(DType::I64, &[1], &[i64::MIN]).ends_with("need integers within ±2^53"));
        assert!(refuses(DType::I64, &[usize::MAX, 2], &[]).contains("need what fills"));
    }
}
