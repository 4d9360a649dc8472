//! Convolutions, pools and batch normalization.

use crate::Result;
use crate::graph::{Role, ValueId};
use crate::onnx::context::Context;
use crate::op::{
    AveragePool, BatchNormalization, Conv, ConvTranspose, GlobalAveragePool, MaxPool, Window,
};
use crate::shape::Dim;

/// Attributes that say where windows lie, over an input `x`.
fn window(cx: &mut Context<'_>, x: ValueId, kernel: Vec<i64>) -> Result<Window> {
    let rank = kernel.len();
    let window = listed(cx, kernel)?;
    let auto = cx.text("auto_pad", "NOTSET")?;
    match auto.as_str() {
        "NOTSET" | "" => Ok(window),
        "VALID" => Ok(Window { pads: vec![0; 2 * rank], ..window }),
        "SAME_UPPER" | "SAME_LOWER" => same(cx, x, window, auto == "SAME_UPPER"),
        other => cx.refuse(format!("with auto_pad {other} is not supported")),
    }
}

/// As [`window`], without looking at `auto_pad`.
fn listed(cx: &mut Context<'_>, kernel: Vec<i64>) -> Result<Window> {
    const NAMES: [&str; 4] = ["kernel_shape", "strides", "dilations", "pads"];
    let rank = kernel.len();
    let listed = [
        kernel,
        cx.ints("strides")?.unwrap_or_else(|| vec![1; rank]),
        cx.ints("dilations")?.unwrap_or_else(|| vec![1; rank]),
        cx.ints("pads")?.unwrap_or_else(|| vec![0; 2 * rank]),
    ];
    let mut lists = Vec::new();
    for (name, list) in NAMES.into_iter().zip(listed) {
        lists.push(counts(cx, name, &list)?);
    }
    let [kernel_shape, strides, dilations, pads] =
        <[Vec<usize>; 4]>::try_from(lists).unwrap_or_default();
    Ok(Window { kernel_shape, strides, pads, dilations })
}

fn counts(cx: &Context<'_>, name: &str, list: &[i64]) -> Result<Vec<usize>> {
    match list.iter().map(|&n| usize::try_from(n)).collect() {
        Ok(list) => Ok(list),
        Err(_) => cx.refuse(format!("has {name} {list:?}, need none below 0")),
    }
}

fn groups(cx: &mut Context<'_>) -> Result<usize> {
    let told = cx.int("group", 1)?;
    match usize::try_from(told) {
        Ok(group) if group > 0 => Ok(group),
        _ => cx.refuse(format!("has group {told}, need at least 1")),
    }
}

/// The sizes of a weight's kernel, if `kernel_shape` does not say them.
fn kernel_of(cx: &mut Context<'_>, w: ValueId) -> Result<Vec<i64>> {
    let sizes = cx.shape(w).0.into_iter().skip(2).map(|dim| dim.fixed().map_or(-1, |n| n as i64));
    let sizes = sizes.collect();
    Ok(cx.ints("kernel_shape")?.unwrap_or(sizes))
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
    let kernel = kernel_of(cx, w)?;
    let window = window(cx, x, kernel)?;
    let group = groups(cx)?;
    let mut inputs = vec![x, w];
    if cx.input(2).is_some() {
        inputs.push(cx.param(2, Role::Bias)?);
    }
    cx.add(Conv { window, group }, &inputs)
}

/// Padding may follow from the size that is wanted: what is missing to it goes to the end.
pub(crate) fn conv_transpose(cx: &mut Context<'_>) -> Result<ValueId> {
    let (x, w) = (cx.value(0)?, cx.param(1, Role::Weight)?);
    let kernel = kernel_of(cx, w)?;
    let mut window = listed(cx, kernel)?;
    let rank = window.rank();
    let mut output_padding = match cx.ints("output_padding")? {
        Some(list) => counts(cx, "output_padding", &list)?,
        None => vec![0; rank],
    };
    let shape = cx.shape(x);
    let fits = shape.rank() == rank + 2
        && [&window.strides, &window.dilations, &output_padding].iter().all(|l| l.len() == rank);
    if !fits {
        return cx.refuse(format!("with {window:?} over {shape} is not supported"));
    }
    let wanted = cx.ints("output_shape")?;
    let auto = cx.text("auto_pad", "NOTSET")?;
    match (wanted, auto.as_str()) {
        (Some(sizes), _) => {
            let sizes = counts(cx, "output_shape", &sizes)?;
            let spatial = sizes[sizes.len().saturating_sub(rank)..].to_vec();
            let spatial = spatial.into_iter().map(Some).collect::<Vec<_>>();
            reach_sizes(cx, x, (&mut window, &mut output_padding), &spatial)?;
        }
        (None, "SAME_UPPER" | "SAME_LOWER") => {
            let along = |i: usize| shape.0[2 + i].fixed()?.checked_mul(window.strides[i]);
            let spatial: Vec<Option<usize>> = (0..rank).map(along).collect();
            reach_sizes(cx, x, (&mut window, &mut output_padding), &spatial)?;
        }
        (None, "VALID") => window.pads = vec![0; 2 * rank],
        (None, "NOTSET" | "") => {}
        (None, other) => return cx.refuse(format!("with auto_pad {other} is not supported")),
    }
    let group = groups(cx)?;
    let mut inputs = vec![x, w];
    if cx.input(2).is_some() {
        inputs.push(cx.param(2, Role::Bias)?);
    }
    cx.add(ConvTranspose { window, group, output_padding }, &inputs)
}

/// Pads, or lengthens, so that the output has these sizes.
fn reach_sizes(
    cx: &mut Context<'_>,
    x: ValueId,
    (window, output_padding): (&mut Window, &mut [usize]),
    sizes: &[Option<usize>],
) -> Result<()> {
    let (rank, shape) = (window.rank(), cx.shape(x));
    let upper = cx.text("auto_pad", "NOTSET")? == "SAME_UPPER";
    window.pads = vec![0; 2 * rank];
    for axis in 0..rank {
        let reach = window.kernel_shape[axis].checked_sub(1);
        let reach = reach.and_then(|taps| taps.checked_mul(window.dilations[axis]));
        let steps = shape.0[2 + axis].fixed().and_then(|size| size.checked_sub(1));
        let steps = steps.and_then(|steps| steps.checked_mul(window.strides[axis]));
        let full = steps.zip(reach).and_then(|(steps, reach)| steps.checked_add(reach));
        let full = full.and_then(|full| full.checked_add(output_padding[axis])?.checked_add(1));
        let (Some(full), Some(Some(size))) = (full, sizes.get(axis)) else {
            return cx.refuse(format!("over {shape} cannot have the output's size"));
        };
        if *size > full {
            output_padding[axis] += size - full;
            continue;
        }
        let total = full - size;
        let (less, more) = (total / 2, total - total / 2);
        (window.pads[axis], window.pads[axis + rank]) =
            if upper { (less, more) } else { (more, less) };
    }
    Ok(())
}

/// A pool with a window over all there is.
pub(crate) fn global_max_pool(cx: &mut Context<'_>) -> Result<ValueId> {
    let x = cx.value(0)?;
    let shape = cx.shape(x);
    let spatial: Option<Vec<usize>> = shape.0.iter().skip(2).map(Dim::fixed).collect();
    match spatial {
        Some(sizes) if !sizes.is_empty() => cx.add(MaxPool::new(Window::new(&sizes)), &[x]),
        _ => cx.refuse(format!("over {shape} is not supported")),
    }
}

fn pool_window(cx: &mut Context<'_>, x: ValueId) -> Result<Window> {
    match cx.ints("kernel_shape")? {
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
    // Further outputs were what said so before.
    if cx.opset < 14 && cx.node.output.iter().skip(1).any(|name| !name.is_empty()) {
        return cx.refuse("that gives the statistics of a batch is not supported");
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
