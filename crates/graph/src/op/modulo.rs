//! Remainders with broadcasting.
//!
//! ```text
//! y  = a − n · b        n = a / b rounded down, or towards 0
//! da = dy               db = −dy · n = −dy · (a − y) / b
//! ```

use super::Rule;
use super::arithmetic::{broadcast_map, infer_numbers};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::{Div, Mul, Sub};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The remainder of `a / b`. Of integers, that of a division by 0 is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mod {
    /// Whether it has the sign of `a`, as in C, and not that of `b`, as in Python.
    pub sign_of_a: bool,
}

impl Mod {
    fn of(&self, a: f64, b: f64) -> f64 {
        let rest = a % b;
        let other_side = rest != 0.0 && (rest < 0.0) != (b < 0.0);
        if other_side && !self.sign_of_a { rest + b } else { rest }
    }
}

impl Rule for Mod {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_numbers("Mod", inputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Elementwise
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        // The NaN of a division by 0 becomes 0 where it is held as an integer.
        broadcast_map(inputs, &outputs[0], |a, b| self.of(a, b))
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        back.accumulate_broadcast(node, 0, dy)?;
        let [a, b] = [node.inputs[0], node.inputs[1]];
        if back.needs(b) {
            let whole = back.add(node, Sub, &[node.outputs[0], a])?;
            let slope = back.add(node, Div, &[whole, b])?;
            let db = back.add(node, Mul, &[dy, slope])?;
            back.accumulate_broadcast(node, 1, db)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences_between_the_jumps() {
        for sign_of_a in [false, true] {
            let kinds = [Type::f32([3, 5]), Type::f32([5])];
            check::op_gradient(Mod { sign_of_a }, &kinds, 8);
        }
    }

    #[test]
    fn the_sign_is_that_of_one_side() {
        let a = Array::new(&[4], vec![-4.0, 7.0, 5.0, -6.0]);
        let b = Array::new(&[4], vec![3.0, -3.0, 8.0, 3.0]);
        let y = |sign_of_a| Mod { sign_of_a }.evaluate(&[&a, &b], &[vec![4]], 0)[0].data.clone();
        assert_eq!(y(false), [2.0, -2.0, 5.0, 0.0]);
        assert_eq!(y(true), [-1.0, 1.0, 5.0, 0.0]);
    }
}
