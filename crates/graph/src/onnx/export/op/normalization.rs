//! Normalizations.

use crate::Result;
use crate::Shape;
use crate::onnx::export::attribute::{float, int};
use crate::onnx::export::writer::Draft;
use crate::op::{
    BatchNormalization, GroupNormalization, InstanceNormalization, LayerNormalization, Standardize,
};

pub(crate) fn batch(op: &BatchNormalization, to: &mut Draft<'_, '_>) -> Result<()> {
    if op.training {
        return to.refuse("it uses the batch's statistics, export the network without training");
    }
    to.with(vec![float("epsilon", op.epsilon), float("momentum", op.momentum)])
}

pub(crate) fn instance(op: &InstanceNormalization, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![float("epsilon", op.epsilon)])
}

pub(crate) fn layer(op: &LayerNormalization, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![int("axis", op.axis), float("epsilon", op.epsilon)])
}

/// A layer normalization whose scale is 1.
pub(crate) fn standardize(op: &Standardize, to: &mut Draft<'_, '_>) -> Result<()> {
    let shape = to.shape(0);
    let at = if op.axis < 0 { op.axis + shape.rank() as i64 } else { op.axis };
    let Some(sizes) = Shape(shape.0[at as usize..].to_vec()).fixed() else {
        return to.refuse("its sizes are not known before the network runs");
    };
    let ones = vec![1.0; sizes.iter().product()];
    let scale = to.floats("ones", &sizes, &ones);
    let inputs = [to.inputs(), vec![scale]].concat();
    to.last("LayerNormalization", inputs, vec![int("axis", op.axis), float("epsilon", op.epsilon)])
}

/// Every group as one channel of an instance normalization, then scale and bias of the real channels; an op of its own
/// with a scale a channel from opset 21 on only.
pub(crate) fn group(op: &GroupNormalization, to: &mut Draft<'_, '_>) -> Result<()> {
    let shape = to.shape(0).0.clone();
    let [x, scale, bias] = <[String; 3]>::try_from(to.inputs()).unwrap_or_default();
    let groups = op.num_groups;
    let each = Shape(shape[1..].to_vec()).elements().and_then(|all| all.divided_by(&groups.into()));
    let Some(each) = each else { return to.refuse("its groups have no size") };
    let (lines, attributes) = to.target(&shape, &[shape[0].clone(), groups.into(), each])?;
    let grouped = to.step("Reshape", vec![x, lines], attributes);
    let (one, zero) = (vec![1.0; groups], vec![0.0; groups]);
    let one = to.floats("ones", &[groups], &one);
    let zero = to.floats("zeros", &[groups], &zero);
    let epsilon = vec![float("epsilon", op.epsilon)];
    let normal = to.step("InstanceNormalization", vec![grouped, one, zero], epsilon);
    let (whole, attributes) = to.target(&shape[..1], &shape)?;
    let normal = to.step("Reshape", vec![normal, whole], attributes);
    let mut column = vec![1; shape.len() - 1];
    column[0] = -1;
    let column = to.ints("column", &column);
    let scale = to.step("Reshape", vec![scale, column.clone()], Vec::new());
    let bias = to.step("Reshape", vec![bias, column], Vec::new());
    let scaled = to.step("Mul", vec![normal, scale], Vec::new());
    to.last("Add", vec![scaled, bias], Vec::new())
}
