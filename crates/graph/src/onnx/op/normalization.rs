//! Normalizations within a sample.

use crate::Result;
use crate::graph::{Role, ValueId};
use crate::onnx::context::Context;
use crate::onnx::names::Thing;
use crate::op::{
    Add, AveragePool, Div, Expand, GroupNormalization, InstanceNormalization, LayerNormalization,
    Mul, Pow, Reciprocal, ReduceMean, Sqrt, Standardize, Sub, Window,
};
use crate::shape::{Dim, Shape};

/// A scale or bias that is shaped otherwise than what is normalized is multiplied or added on its own.
pub(crate) fn layer(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, scale) = (cx.value(0)?, cx.param(1, Role::NormScale)?);
    let (axis, epsilon) = (cx.int("axis", -1)?, cx.float("epsilon", 1e-5)?);
    cx.pass(&["stash_type"]);
    let shape = cx.shape(x);
    let at = cx.place(axis, shape.rank())?;
    let mut inputs = vec![x, scale];
    if cx.input(2).is_some() {
        inputs.push(cx.param(2, Role::NormShift)?);
    }
    moments(cx, x, (at, epsilon))?;
    if inputs[1..].iter().all(|id| cx.shape(*id).0 == shape.0[at..]) {
        return cx.add(LayerNormalization { axis, epsilon }, &inputs);
    }
    let unit = cx.add(Standardize { axis, epsilon }, &[x])?;
    let scaled = cx.add(Mul, &[unit, scale])?;
    match inputs.get(2) {
        Some(bias) => cx.add(Add, &[scaled, *bias]),
        None => Ok(scaled),
    }
}

/// Mean and `1 / √(var + epsilon)` over the axes from `at` on, as further outputs where they are read.
fn moments(cx: &mut Context<'_>, x: ValueId, (at, epsilon): (usize, f32)) -> Result<()> {
    if !cx.wants(1) && !cx.wants(2) {
        return Ok(());
    }
    let mean = ReduceMean { axes: (at as i64..cx.rank(x) as i64).collect(), keepdims: true };
    let center = cx.add(mean.clone(), &[x])?;
    let apart = cx.add(Sub, &[x, center])?;
    let square = cx.add(Mul, &[apart, apart])?;
    let (var, epsilon) = (cx.add(mean, &[square])?, cx.number(epsilon)?);
    let sum = cx.add(Add, &[var, epsilon])?;
    let deviation = cx.add(Sqrt, &[sum])?;
    let inverse = cx.add(Reciprocal, &[deviation])?;
    cx.more.extend([(1, Thing::Value(center)), (2, Thing::Value(inverse))]);
    Ok(())
}

/// `x / √(mean x² + epsilon) · scale` over the axes from `axis` on.
pub(crate) fn root_mean_square(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, scale) = (cx.value(0)?, cx.param(1, Role::NormScale)?);
    let (axis, epsilon) = (cx.int("axis", -1)?, cx.float("epsilon", 1e-5)?);
    cx.pass(&["stash_type"]);
    let (rank, epsilon) = (cx.rank(x), cx.number(epsilon)?);
    let axes = (cx.place(axis, rank)? as i64..rank as i64).collect();
    let square = cx.add(Mul, &[x, x])?;
    let mean = cx.add(ReduceMean { axes, keepdims: true }, &[square])?;
    let sum = cx.add(Add, &[mean, epsilon])?;
    let length = cx.add(Sqrt, &[sum])?;
    let unit = cx.add(Div, &[x, length])?;
    cx.add(Mul, &[unit, scale])
}

pub(crate) fn instance(cx: &mut Context<'_>) -> Result<ValueId> {
    let epsilon = cx.float("epsilon", 1e-5)?;
    let inputs = [cx.value(0)?, cx.param(1, Role::NormScale)?, cx.param(2, Role::NormShift)?];
    cx.add(InstanceNormalization { epsilon }, &inputs)
}

/// Before opset 21 scale and bias have one number a group, from then on one a channel.
pub(crate) fn group(cx: &mut Context<'_>) -> Result<ValueId> {
    let epsilon = cx.float("epsilon", 1e-5)?;
    cx.pass(&["stash_type"]);
    let num_groups = usize::try_from(cx.int("num_groups", 0)?).unwrap_or(0);
    let x = cx.value(0)?;
    let mut inputs = [x, cx.param(1, Role::NormScale)?, cx.param(2, Role::NormShift)?];
    let groups = Dim::from(num_groups);
    let each = cx.shape(x).0.get(1).and_then(|channels| channels.divided_by(&groups));
    if let Some(each) = each.filter(|_| cx.opset < 21) {
        for input in &mut inputs[1..] {
            let column = cx.reshape(*input, vec![groups.clone(), Dim::from(1)])?;
            let shape = Shape(vec![groups.clone(), each.clone()]);
            let repeated = cx.add(Expand { shape }, &[column])?;
            let channels = cx.shape(x).0[1].clone();
            *input = cx.reshape(repeated, vec![channels])?;
        }
    }
    cx.add(GroupNormalization { num_groups, epsilon }, &inputs)
}

/// `(x − mean) / (√var + 1e-9)` over some axes.
pub(crate) fn mean_variance(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let axes = cx.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
    let mean =
        |cx: &mut Context<'_>, x| cx.add(ReduceMean { axes: axes.clone(), keepdims: true }, &[x]);
    let center = mean(cx, x)?;
    let apart = cx.add(Sub, &[x, center])?;
    let square = cx.add(Mul, &[apart, apart])?;
    let var = mean(cx, square)?;
    let (deviation, epsilon) = (cx.add(Sqrt, &[var])?, cx.number(1e-9)?);
    let divisor = cx.add(Add, &[deviation, epsilon])?;
    cx.add(Div, &[apart, divisor])
}

/// `x / (bias + alpha / size · Σ x²)^beta`, the sum over `size` channels around each: a mean over windows along them.
pub(crate) fn local_response(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let (alpha, beta) = (cx.float("alpha", 1e-4)?, cx.float("beta", 0.75)?);
    let (bias, size) = (cx.float("bias", 1.0)?, usize::try_from(cx.int("size", 0)?).unwrap_or(0));
    let shape = cx.shape(x);
    let space = Shape(shape.0.iter().skip(2).cloned().collect()).elements();
    let (Some(space), true, true) = (space, size > 0, shape.rank() > 2) else {
        return cx.refuse(format!("over {shape} with size {size} is not supported"));
    };
    let square = cx.add(Mul, &[x, x])?;
    let planes = vec![shape.0[0].clone(), Dim::from(1), shape.0[1].clone(), space];
    let planes = cx.reshape(square, planes)?;
    let window = Window { pads: vec![(size - 1) / 2, 0, size / 2, 0], ..Window::new(&[size, 1]) };
    let pool = AveragePool { window, ceil_mode: false, count_include_pad: true };
    let mean = cx.add(pool, &[planes])?;
    let mean = cx.reshape(mean, shape.0)?;
    let (alpha, beta, bias) = (cx.number(alpha)?, cx.number(beta)?, cx.number(bias)?);
    let scaled = cx.add(Mul, &[mean, alpha])?;
    let sum = cx.add(Add, &[scaled, bias])?;
    let divisor = cx.add(Pow, &[sum, beta])?;
    cx.add(Div, &[x, divisor])
}
