//! Joining along an axis.
//!
//! ```text
//! y = x₁ ‖ x₂ ‖ …        dxᵢ = the part of dy that xᵢ became
//! ```

use super::window::sized;
use super::{Rule, axis_of, bad_shape, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::Slice;
use crate::shape::Dim;
use crate::tensor::Array;
use crate::{Error, Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The inputs one after the other along `axis`; all other dimensions agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Concat {
    /// The axis that grows; a negative one counts from the end.
    pub axis: i64,
}

impl Rule for Concat {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Concat", inputs, 1..=usize::MAX, "at least 1")?;
        let first = &inputs[0];
        let axis = axis_of("Concat", self.axis, first.shape.rank())?;
        let mut joined = first.shape.clone();
        joined.0[axis] = Dim::from(0);
        for kind in inputs {
            if kind.dtype != first.dtype {
                let (what, got, need) = ("an input", kind.dtype, first.dtype);
                return Err(Mismatch::Type { op: "Concat", what, got, need });
            }
            let fits = |(i, (a, b))| i == axis || a == b;
            let agrees = kind.shape.rank() == joined.rank()
                && kind.shape.0.iter().zip(&joined.0).enumerate().all(fits);
            let sum = if agrees { joined.0[axis].plus(&kind.shape.0[axis]) } else { None };
            joined.0[axis] = sum.ok_or_else(|| {
                let need = format!("one that joins {} along axis {axis}", first.shape);
                bad_shape("Concat", "an input", &kind.shape, need)
            })?;
        }
        Ok(vec![Type { dtype: first.dtype, ..sized("Concat", joined)? }])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Moved { rigid: Vec::new() }
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let shape = &outputs[0];
        let axis = axis_of("Concat", self.axis, shape.len()).expect("checked by infer");
        let run = |x: &Array| x.shape[axis..].iter().product::<usize>();
        let mut data = Vec::with_capacity(shape.iter().product());
        for block in 0..shape[..axis].iter().product() {
            for x in inputs {
                data.extend_from_slice(&x.data[block * run(x)..][..run(x)]);
            }
        }
        vec![Array::new(shape, data)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let rank = back.shape(dy).rank();
        let axis = axis_of("Concat", self.axis, rank)
            .map_err(|source| Error::Node { node: node.name.clone(), source })?;
        let mut start = 0;
        for &x in &node.inputs {
            let size = back.shape(x).0[axis].fixed().and_then(|size| i64::try_from(size).ok());
            let size = size.ok_or_else(|| Error::NoGradient {
                node: node.name.clone(),
                op: "Concat",
                why: " along a symbolic axis",
            })?;
            if back.needs(x) {
                let dx = back.add(node, Slice::along(axis, start..start + size), &[dy])?;
                back.accumulate(x, dx)?;
            }
            start += size;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::{Graph, Shape};

    #[test]
    fn gradients_match_central_differences_along_every_axis() {
        for axis in [0, 1, 2, -1] {
            let mut shapes = [[2, 3, 5]; 3];
            let place = axis_of("Concat", axis, 3).unwrap();
            (shapes[1][place], shapes[2][place]) = (1, 4);
            check::op_gradient(Concat { axis }, &shapes.map(Type::f32), 4);
        }
        check::op_gradient(Concat { axis: 0 }, &[Type::f32([3])], 1);
    }

    #[test]
    fn one_value_joined_with_itself_gets_both_gradients() {
        let mut g = Graph::new("g");
        let x = g.param("x", crate::Role::Weight, crate::Tensor::full(&[2], 1.0)).unwrap();
        let y = g.add("join", Concat { axis: 0 }, &[x, x]).unwrap();
        let y = g.add("square", crate::Mul, &[y, y]).unwrap();
        let sum = crate::ReduceSum { axes: vec![], keepdims: false };
        let loss = g.add("loss", sum, &[y]).unwrap();
        assert!(check::graph_gradient(&g, loss, &[x], &[], 0).unwrap() < 1e-6);
    }

    #[test]
    fn columns_are_joined_row_by_row() {
        let a = Array::new(&[2, 1], vec![1.0, 2.0]);
        let b = Array::new(&[2, 2], vec![3.0, 4.0, 5.0, 6.0]);
        let y = Concat { axis: 1 }.evaluate(&[&a, &b], &[vec![2, 3]], 0).remove(0);
        assert_eq!(y.data, [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
    }

    #[test]
    fn symbols_add_up_but_have_no_gradient() {
        let mut g = Graph::new("g");
        let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("nodes")])));
        let y = g.add("join", Concat { axis: 0 }, &[x, x]).unwrap();
        assert_eq!(g.value(y).kind.shape.to_string(), "[2*nodes]");
        let sum = crate::ReduceSum { axes: vec![], keepdims: false };
        let loss = g.add("loss", sum, &[y]).unwrap();
        let error = crate::gradient(&mut g, loss, &[x]).unwrap_err();
        let text = "node `join`: Concat has no gradient along a symbolic axis";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn what_does_not_join_is_refused() {
        let t = |shape: &[usize]| Type::f32(shape);
        let refuses = |types: &[Type]| assert!(Concat { axis: 0 }.infer(types).is_err());
        refuses(&[]);
        refuses(&[t(&[])]);
        refuses(&[t(&[2, 3]), t(&[2, 4])]);
        refuses(&[t(&[2, 3]), t(&[2])]);
        refuses(&[t(&[2]), Type::i64([2])]);
        refuses(&[t(&[usize::MAX]), t(&[1])]);
        refuses(&[t(&[1 << 62]), t(&[1 << 62])]);
    }
}
