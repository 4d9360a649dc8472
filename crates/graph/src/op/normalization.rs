//! Normalizations that look at one sample alone: over a layer, a channel, or a group of channels.
//!
//! ```text
//! x̂ = (x − mean) / √(var + epsilon)        over a row of elements that are normalized together
//! y = scale · x̂ + bias
//! dx = (dx̂ − mean dx̂ − x̂ · mean(dx̂ · x̂)) / √(var + epsilon)        dx̂ = scale · dy
//! ```
//! The variance is the biased one. Rows lie together in memory, so that all three are one computation.
//! Not here: normalization over the batch (`batch_normalization`).

use super::{Rule, axis_of, bad_shape, expect_f32, expect_inputs, infer_alike};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::op::{Mul, ReduceSum, Reshape};
use crate::shape::{Dim, Shape};
use crate::tensor::Array;
use crate::{Error, Mismatch, Result};
use serde::{Deserialize, Serialize};

/// Normalizes the axes from `axis` on, over `(X, Scale)` or `(X, Scale, B)`.
///
/// # Shapes
/// - `Scale`, `B`: the dimensions of `X` from `axis` on
///
/// # Source
/// Ba, Kiros & Hinton (2016), <https://arxiv.org/abs/1607.06450>.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerNormalization {
    /// The first axis that is normalized; a negative one counts from the end.
    pub axis: i64,
    /// Added to the variance; not negative.
    pub epsilon: f32,
}

/// Normalizes every channel of every sample, over `(X, scale, B)`.
///
/// # Shapes
/// - `X`: `[batch, channels, spatial…]`
/// - `scale`, `B`: `[channels]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceNormalization {
    /// Added to the variance; not negative.
    pub epsilon: f32,
}

/// Normalizes groups of neighboring channels of every sample, over `(X, scale, bias)`, as ONNX does from opset 21 on.
///
/// # Shapes
/// - `X`: `[batch, channels, spatial…]`
/// - `scale`, `bias`: `[channels]`
///
/// # Source
/// Wu & He (2018), <https://arxiv.org/abs/1803.08494>.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupNormalization {
    /// Into how many groups the channels are split.
    pub num_groups: usize,
    /// Added to the variance; not negative.
    pub epsilon: f32,
}

/// `x̂` over `x`: the axes from `axis` on are normalized together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standardize {
    /// The first axis that is normalized; a negative one counts from the end.
    pub axis: i64,
    /// Added to the variance; not negative.
    pub epsilon: f32,
}

/// The gradient of [`Standardize`] over `(dx̂, x)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandardizeGradient {
    /// The first axis that is normalized.
    pub axis: i64,
    /// Added to the variance.
    pub epsilon: f32,
}

fn expect_epsilon(op: &'static str, epsilon: f32) -> Result<(), Mismatch> {
    if epsilon.is_finite() && epsilon >= 0.0 {
        return Ok(());
    }
    let (got, need) = (epsilon.to_string(), "a number from 0 on".to_owned());
    Err(Mismatch::Attribute { op, attribute: "epsilon", got, need })
}

/// Mean and `1 / √(var + epsilon)` of a row.
fn moments(row: &[f64], epsilon: f32) -> (f64, f64) {
    let count = row.len() as f64;
    let mean = row.iter().sum::<f64>() / count;
    let var = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
    (mean, 1.0 / (var + f64::from(epsilon)).sqrt())
}

/// `x̂` of rows of this length.
fn standardized(x: &Array, len: usize, epsilon: f32) -> Array {
    let mut y = x.clone();
    for row in y.data.chunks_exact_mut(len.max(1)) {
        let (mean, scale) = moments(row, epsilon);
        row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
    }
    y
}

fn row_len(op: &'static str, axis: i64, shape: &[usize]) -> usize {
    let axis = axis_of(op, axis, shape.len()).expect("checked by infer");
    shape[axis..].iter().product()
}

/// Checks `X`, and that the others have this shape.
fn infer_normalized(
    op: &'static str,
    inputs: &[Type],
    shape: &Shape,
) -> Result<Vec<Type>, Mismatch> {
    expect_f32(op, "X", &inputs[0])?;
    for (kind, what) in inputs[1..].iter().zip(["the scale", "the bias"]) {
        expect_f32(op, what, kind)?;
        if kind.shape != *shape {
            return Err(bad_shape(op, what, &kind.shape, shape.to_string()));
        }
    }
    Ok(vec![inputs[0].clone()])
}

/// As [`infer_normalized`], for a scale and a bias a channel.
fn infer_channels(op: &'static str, inputs: &[Type], epsilon: f32) -> Result<Vec<Type>, Mismatch> {
    expect_inputs(op, inputs, 3..=3, "3")?;
    expect_epsilon(op, epsilon)?;
    let shape = &inputs[0].shape;
    let channels = shape.0.get(1).cloned();
    let channels = channels.ok_or_else(|| bad_shape(op, "X", shape, "[batch, channels, …]"))?;
    infer_normalized(op, inputs, &Shape(vec![channels]))
}

/// `scale · x̂ + bias` where the first element of both belongs to `inner` elements in a row.
fn affine(mut y: Array, inputs: &[&Array], inner: usize) -> Array {
    let scale = &inputs[1].data;
    for (i, y) in y.data.iter_mut().enumerate() {
        let at = i / inner % scale.len();
        *y = *y * scale[at] + inputs.get(2).map_or(0.0, |bias| bias.data[at]);
    }
    y
}

fn evaluate_channels(inputs: &[&Array], groups: usize, epsilon: f32) -> Vec<Array> {
    let x = inputs[0];
    let inner: usize = x.shape[2..].iter().product();
    let len = x.shape[1] / groups.max(1) * inner;
    vec![affine(standardized(x, len, epsilon), inputs, inner.max(1))]
}

/// The gradients of a normalization by scale and bias a channel, of so many groups.
fn gradient_channels(
    back: &mut Backward<'_>,
    node: &Node,
    groups: &Dim,
    epsilon: f32,
) -> Result<()> {
    let dy = back.output_gradient(node, 0)?;
    let (x, scale, bias) = (node.inputs[0], node.inputs[1], node.inputs[2]);
    let shape = back.shape(x).clone();
    let len = Shape(shape.0[1..].to_vec()).elements().and_then(|all| all.divided_by(groups));
    let len = len.ok_or_else(|| {
        let source = bad_shape(node.op.name(), "X", &shape, format!("{groups} groups"));
        Error::Node { node: node.name.clone(), source }
    })?;
    let rows = Reshape { shape: Shape(vec![shape.0[0].clone(), groups.clone(), len]) };
    let x_rows = back.add(node, rows.clone(), &[x])?;
    let others: Vec<i64> = (0..shape.rank() as i64).filter(|axis| *axis != 1).collect();
    let per_channel = || ReduceSum { axes: others.clone(), keepdims: false };
    if back.needs(bias) {
        let db = back.add(node, per_channel(), &[dy])?;
        back.accumulate(bias, db)?;
    }
    if back.needs(scale) {
        let unit = back.add(node, Standardize { axis: 2, epsilon }, &[x_rows])?;
        let unit = back.add(node, Reshape { shape: shape.clone() }, &[unit])?;
        let slope = back.add(node, Mul, &[dy, unit])?;
        let dscale = back.add(node, per_channel(), &[slope])?;
        back.accumulate(scale, dscale)?;
    }
    if back.needs(x) {
        let mut column = vec![Dim::from(1); shape.rank() - 1];
        column[0] = shape.0[1].clone();
        let column = back.add(node, Reshape { shape: Shape(column) }, &[scale])?;
        let scaled = back.add(node, Mul, &[dy, column])?;
        let scaled = back.add(node, rows, &[scaled])?;
        let dx = back.add(node, StandardizeGradient { axis: 2, epsilon }, &[scaled, x_rows])?;
        let dx = back.add(node, Reshape { shape }, &[dx])?;
        back.accumulate(x, dx)?;
    }
    Ok(())
}

impl Rule for LayerNormalization {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "LayerNormalization";
        expect_inputs(OP, inputs, 2..=3, "2 or 3")?;
        expect_epsilon(OP, self.epsilon)?;
        let shape = &inputs[0].shape;
        let axis = axis_of(OP, self.axis, shape.rank())?;
        infer_normalized(OP, inputs, &Shape(shape.0[axis..].to_vec()))
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let len = row_len("LayerNormalization", self.axis, &inputs[0].shape);
        vec![affine(standardized(inputs[0], len, self.epsilon), inputs, 1)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let (x, scale) = (node.inputs[0], node.inputs[1]);
        let (axis, epsilon) = (self.axis, self.epsilon);
        if node.inputs.len() == 3 {
            back.accumulate_broadcast(node, 2, dy)?;
        }
        if back.needs(scale) {
            let unit = back.add(node, Standardize { axis, epsilon }, &[x])?;
            let slope = back.add(node, Mul, &[dy, unit])?;
            back.accumulate_broadcast(node, 1, slope)?;
        }
        if back.needs(x) {
            let scaled = back.add(node, Mul, &[dy, scale])?;
            let dx = back.add(node, StandardizeGradient { axis, epsilon }, &[scaled, x])?;
            back.accumulate(x, dx)?;
        }
        Ok(())
    }
}

impl Rule for InstanceNormalization {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_channels("InstanceNormalization", inputs, self.epsilon)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        evaluate_channels(inputs, inputs[0].shape[1], self.epsilon)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let channels = back.shape(node.inputs[0]).0[1].clone();
        gradient_channels(back, node, &channels, self.epsilon)
    }
}

impl Rule for GroupNormalization {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "GroupNormalization";
        let types = infer_channels(OP, inputs, self.epsilon)?;
        let channels = &inputs[0].shape.0[1];
        if channels.divided_by(&Dim::from(self.num_groups)).is_none() {
            let (got, need) = (self.num_groups.to_string(), format!("a divisor of {channels}"));
            return Err(Mismatch::Attribute { op: OP, attribute: "num_groups", got, need });
        }
        Ok(types)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        evaluate_channels(inputs, self.num_groups, self.epsilon)
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        gradient_channels(back, node, &Dim::from(self.num_groups), self.epsilon)
    }
}

impl Rule for Standardize {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_epsilon("Standardize", self.epsilon)?;
        let types = infer_alike("Standardize", inputs, 1)?;
        axis_of("Standardize", self.axis, inputs[0].shape.rank())?;
        Ok(types)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let len = row_len("Standardize", self.axis, &inputs[0].shape);
        vec![standardized(inputs[0], len, self.epsilon)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        let op = StandardizeGradient { axis: self.axis, epsilon: self.epsilon };
        let dx = back.add(node, op, &[dy, x])?;
        back.accumulate(x, dx)
    }
}

impl Rule for StandardizeGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_epsilon("StandardizeGradient", self.epsilon)?;
        let types = infer_alike("StandardizeGradient", inputs, 2)?;
        axis_of("StandardizeGradient", self.axis, inputs[0].shape.rank())?;
        Ok(types)
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (mut dx, x) = (inputs[0].clone(), inputs[1]);
        let len = row_len("StandardizeGradient", self.axis, &x.shape).max(1);
        for (dx, x) in dx.data.chunks_exact_mut(len).zip(x.data.chunks_exact(len)) {
            let (mean, scale) = moments(x, self.epsilon);
            let unit = |x: &f64| (x - mean) * scale;
            let shift = dx.iter().sum::<f64>() / len as f64;
            let along = dx.iter().zip(x).map(|(d, x)| d * unit(x)).sum::<f64>() / len as f64;
            dx.iter_mut().zip(x).for_each(|(d, x)| *d = (*d - shift - unit(x) * along) * scale);
        }
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        let epsilon = 0.01;
        for axis in [0, 1, -1] {
            let place = axis_of("Test", axis, 3).unwrap();
            let scale = || Type::f32(&[2, 3, 5][place..]);
            let op = LayerNormalization { axis, epsilon };
            check::op_gradient(op.clone(), &[Type::f32([2, 3, 5]), scale(), scale()], 4);
            check::op_gradient(op, &[Type::f32([2, 3, 5]), scale()], 2);
            check::op_gradient(Standardize { axis, epsilon }, &[Type::f32([2, 3, 5])], 4);
        }
        let channels = |shape: &[usize]| [Type::f32(shape), Type::f32([4]), Type::f32([4])];
        for shape in [&[2, 4, 3, 2][..], &[1, 4, 5]] {
            check::op_gradient(InstanceNormalization { epsilon }, &channels(shape), 4);
            for num_groups in [1, 2, 4] {
                check::op_gradient(GroupNormalization { num_groups, epsilon }, &channels(shape), 4);
            }
        }
    }

    #[test]
    fn one_group_a_channel_is_instance_normalization() {
        let mut numbers = check::Numbers(4);
        let mut array = |shape: &[usize]| Array::from_fn(shape, |_| numbers.number());
        let (x, scale, bias) = (array(&[2, 4, 3]), array(&[4]), array(&[4]));
        let inputs = [&x, &scale, &bias];
        let group = GroupNormalization { num_groups: 4, epsilon: 0.5 };
        let instance = InstanceNormalization { epsilon: 0.5 };
        assert_eq!(group.evaluate(&inputs, &[], 0), instance.evaluate(&inputs, &[], 0));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let t = |shape: &[usize]| Type::f32(shape);
        let layer = |axis, epsilon| LayerNormalization { axis, epsilon };
        assert!(layer(1, 0.0).infer(&[t(&[2, 3]), t(&[2])]).is_err());
        assert!(layer(2, 0.0).infer(&[t(&[2, 3]), t(&[3])]).is_err());
        assert!(layer(1, -1.0).infer(&[t(&[2, 3]), t(&[3])]).is_err());
        assert!(layer(1, f32::NAN).infer(&[t(&[2, 3]), t(&[3])]).is_err());
        let instance = InstanceNormalization { epsilon: 0.0 };
        assert!(instance.infer(&[t(&[2]), t(&[2]), t(&[2])]).is_err());
        for num_groups in [0, 3, usize::MAX] {
            let group = GroupNormalization { num_groups, epsilon: 0.0 };
            assert!(group.infer(&[t(&[2, 4, 3]), t(&[4]), t(&[4])]).is_err());
        }
    }
}
