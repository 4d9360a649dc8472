//! Cutting along an axis.
//!
//! ```text
//! x = y₁ ‖ y₂ ‖ …        dx = Σ of every dyᵢ between zeros
//! ```
//! An output that the loss does not depend on costs its gradient nothing.

use super::{Op, Rule, axis_of, bad_shape, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::{Coupling, Kept, Narrowing};
use crate::op::{Slice, SliceGradient};
use crate::shape::Dim;
use crate::tensor::Array;
use crate::{Error, Mismatch, Result};
use serde::{Deserialize, Serialize};

/// Parts of the input, one after the other along `axis`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// The axis that is cut; a negative one counts from the end.
    pub axis: i64,
    /// Sizes of the outputs along the axis; together that of the input.
    pub sizes: Vec<usize>,
}

impl Split {
    /// Where each output lies along the axis.
    fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        self.sizes.iter().scan(0, |start, size| {
            let range = *start..*start + size;
            *start = range.end;
            Some(range)
        })
    }
}

impl Rule for Split {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Split", inputs, 1..=1, "1")?;
        let shape = &inputs[0].shape;
        let axis = axis_of("Split", self.axis, shape.rank())?;
        let all = self.sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size));
        if self.sizes.is_empty() || all != shape.0[axis].fixed() {
            let need = format!("parts {:?} along axis {axis}", self.sizes);
            return Err(bad_shape("Split", "the input", shape, need));
        }
        let part = |size: &usize| {
            let mut part = inputs[0].clone();
            part.shape.0[axis] = Dim::from(*size);
            part
        };
        Ok(self.sizes.iter().map(part).collect())
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Moved { rigid: vec![] }
    }

    fn narrowed(&self, narrowing: Narrowing<'_>) -> Option<Op> {
        let read = narrowing.inputs[0].as_ref()?;
        if axis_of("Split", self.axis, read.rank) != Ok(read.axis) {
            return None;
        }
        let parts = self.sizes.iter().zip(narrowing.outputs);
        let sizes = parts.map(|(size, kept)| kept.as_ref().map_or(*size, Kept::count)).collect();
        Some(Op::Split(Self { axis: self.axis, sizes }))
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let x = inputs[0];
        let axis = axis_of("Split", self.axis, x.shape.len()).expect("checked by infer");
        let inner: usize = x.shape[axis + 1..].iter().product();
        let run = x.shape[axis] * inner;
        let part = |(range, shape): (std::ops::Range<usize>, &Vec<usize>)| {
            let runs = x.data.chunks_exact(run.max(1));
            let data = runs.flat_map(|x| &x[range.start * inner..range.end * inner]).copied();
            Array::new(shape, data.collect())
        };
        self.ranges().zip(outputs).map(part).collect()
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let x = node.inputs[0];
        let shape = back.shape(x).clone();
        let axis = axis_of("Split", self.axis, shape.rank())
            .map_err(|source| Error::Node { node: node.name.clone(), source })?;
        for (i, range) in self.ranges().enumerate() {
            // An output without a gradient adds nothing.
            let Ok(dy) = back.output_gradient(node, i) else { continue };
            let slice = Slice::along(axis, range.start as i64..range.end as i64);
            let dx = back.add(node, SliceGradient { slice, shape: shape.clone() }, &[dy])?;
            back.accumulate(x, dx)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Concat, Graph, Mul, ReduceSum, Role, check};

    fn split(axis: i64, sizes: &[usize]) -> Split {
        Split { axis, sizes: sizes.to_vec() }
    }

    #[test]
    fn the_gradient_of_one_part_matches_central_differences() {
        check::op_gradient(split(1, &[2, 3]), &[Type::f32([2, 5, 3])], 4);
        check::op_gradient(split(-1, &[1, 0, 2]), &[Type::f32([2, 5, 3])], 4);
    }

    #[test]
    fn the_gradients_of_all_parts_match_central_differences() {
        let mut g = Graph::new("g");
        let x = g.param("x", Role::Weight, check::Numbers(3).tensor(&[4, 5])).unwrap();
        let parts = g.add_all("split", split(1, &[1, 3, 1]), &[x]).unwrap();
        let gated = g.add("gated", Mul, &[parts[1], parts[2]]).unwrap();
        let both = g.add("both", Concat { axis: 1 }, &[gated, parts[0]]).unwrap();
        let square = g.add("square", Mul, &[both, both]).unwrap();
        let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[square]).unwrap();
        assert!(check::graph_gradient(&g, loss, &[x], &[], 0).unwrap() < 1e-6);
    }

    #[test]
    fn joined_parts_are_the_whole() {
        let x = Array::from_fn(&[2, 5, 3], |i| i as f64);
        for (axis, sizes) in [(0, vec![1, 1]), (1, vec![2, 0, 3]), (-1, vec![3])] {
            let op = split(axis, &sizes);
            let kinds = op.infer(&[Type::f32([2, 5, 3])]).unwrap();
            let shapes: Vec<_> = kinds.iter().map(|kind| kind.shape.fixed().unwrap()).collect();
            let parts = op.evaluate(&[&x], &shapes, 0);
            let parts: Vec<&Array> = parts.iter().collect();
            assert_eq!(Concat { axis }.evaluate(&parts, &[vec![2, 5, 3]], 0)[0], x);
        }
    }

    #[test]
    fn parts_that_are_not_the_whole_are_refused() {
        for (axis, sizes) in
            [(1, vec![2, 2]), (1, vec![]), (3, vec![3]), (1, vec![usize::MAX, 6]), (0, vec![5])]
        {
            assert!(split(axis, &sizes).infer(&[Type::f32([2, 5, 3])]).is_err(), "{sizes:?}");
        }
    }
}
