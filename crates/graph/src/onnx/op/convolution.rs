//! Convolutions, pools and batch normalization.

use crate::Result;
use crate::graph::{Role, ValueId};
use crate::onnx::context::Context;
use crate::op::{AveragePool, BatchNormalization, Conv, GlobalAveragePool, MaxPool, Window};

/// Attributes that say where windows lie, over an input `x`.
fn window(cx: &mut Context<'_>, x: ValueId, kernel: Vec<i64>) -> Result<Window> {
    let rank = kernel.len();
    let listed = [
        kernel,
        cx.ints("strides").unwrap_or_else(|| vec![1; rank]),
        cx.ints("dilations").unwrap_or_else(|| vec![1; rank]),
        cx.ints("pads").unwrap_or_else(|| vec![0; 2 * rank]),
    ];
    let mut lists = Vec::new();
    for list in listed {
        match list.iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>() {
            Ok(list) => lists.push(list),
            Err(_) => {
                return cx.refuse(format!("with a negative number in {list:?} is not supported"));
            }
        }
    }
    let [kernel_shape, strides, dilations, pads] =
        <[Vec<usize>; 4]>::try_from(lists).unwrap_or_default();
    let window = Window { kernel_shape, strides, pads, dilations };
    let auto = cx.text("auto_pad", "NOTSET")?;
    match auto.as_str() {
        "NOTSET" | "" => Ok(window),
        "VALID" => Ok(Window { pads: vec![0; 2 * rank], ..window }),
        "SAME_UPPER" | "SAME_LOWER" => same(cx, x, window, auto == "SAME_UPPER"),
        other => cx.refuse(format!("with auto_pad {other} is not supported")),
    }
}

/// Padding that gives `⌈size / stride⌉` outputs, the odd element at the end (upper) or the beginning.
fn same(cx: &Context<'_>, x: ValueId, mut window: Window, upper: bool) -> Result<Window> {
    let (rank, shape) = (window.rank(), cx.shape(x));
    let fits = shape.rank() == rank + 2
        && [&window.strides, &window.dilations].iter().all(|l| l.len() == rank);
    window.pads = vec![0; 2 * rank];
    for axis in 0..if fits { rank } else { 0 } {
        let (stride, kernel) = (window.strides[axis], window.kernel_shape[axis]);
        let reach =
            kernel.saturating_sub(1).saturating_mul(window.dilations[axis]).saturating_add(1);
        let total = match shape.0[axis + 2].fixed() {
            _ if stride == 0 => 0,
            Some(size) => {
                let outputs = size.div_ceil(stride);
                let last = outputs.saturating_sub(1).saturating_mul(stride);
                last.saturating_add(reach).saturating_sub(size)
            }
            None if stride == 1 => reach - 1,
            None => return cx.refuse("with auto_pad over a symbolic size is not supported"),
        };
        let (less, more) = (total / 2, total - total / 2);
        (window.pads[axis], window.pads[axis + rank]) =
            if upper { (less, more) } else { (more, less) };
    }
    Ok(window)
}

pub(crate) fn conv(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, w) = (cx.value(0)?, cx.param(1, Role::Weight)?);
    let sizes = cx.shape(w).0.into_iter().skip(2).map(|dim| dim.fixed().map_or(-1, |n| n as i64));
    let sizes: Vec<i64> = sizes.collect();
    let kernel = cx.ints("kernel_shape").unwrap_or(sizes);
    let window = window(cx, x, kernel)?;
    let group = usize::try_from(cx.int("group", 1)?).unwrap_or(0);
    let mut inputs = vec![x, w];
    if cx.input(2).is_some() {
        inputs.push(cx.param(2, Role::Bias)?);
    }
    cx.add(Conv { window, group }, &inputs)
}

fn pool_window(cx: &mut Context<'_>, x: ValueId) -> Result<Window> {
    match cx.ints("kernel_shape") {
        Some(kernel) => window(cx, x, kernel),
        None => cx.refuse("has no kernel_shape"),
    }
}

pub(crate) fn max_pool(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    cx.pass(&["storage_order"]);
    let window = pool_window(cx, x)?;
    let ceil_mode = cx.flag("ceil_mode")?;
    cx.add(MaxPool { window, ceil_mode }, &[x])
}

pub(crate) fn average_pool(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let window = pool_window(cx, x)?;
    let (ceil_mode, count_include_pad) = (cx.flag("ceil_mode")?, cx.flag("count_include_pad")?);
    cx.add(AveragePool { window, ceil_mode, count_include_pad }, &[x])
}

pub(crate) fn global_average_pool(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    cx.add(GlobalAveragePool, &[x])
}

/// Inference only: the form that normalizes by the batch is refused.
pub(crate) fn batch_normalization(cx: &mut Context<'_>) -> Result<ValueId> {
    let epsilon = cx.float("epsilon", 1e-5)?;
    let momentum = cx.float("momentum", 0.9)?;
    if cx.flag("training_mode")? {
        return cx.refuse("in training mode is not supported");
    }
    if cx.opset < 9 && cx.int("spatial", 1)? == 0 {
        return cx.refuse("with spatial = 0 is not supported");
    }
    let roles = [Role::NormScale, Role::NormShift, Role::Statistic, Role::Statistic];
    let mut inputs = vec![cx.value(0)?];
    for (i, role) in roles.into_iter().enumerate() {
        inputs.push(cx.param(i + 1, role)?);
    }
    cx.add(BatchNormalization { epsilon, momentum, training: false }, &inputs)
}
