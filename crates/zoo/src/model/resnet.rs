//! Residual networks for small images: a stem, three stages of blocks with 16, 32 and 64 channels, a mean, a layer.
//!
//! ```text
//! block  y = ReLU(norm(conv(ReLU(norm(conv(x))))) + shortcut(x))
//! shortcut (option A)  x, or, where a stage halves the image, every second pixel of x between channels of zeros
//! depth  6 · blocks + 2
//! ```
//! Option A has no parameters, so that the counts are those of the paper.
//!
//! # Source
//! He et al. (2016), <https://doi.org/10.1109/CVPR.2016.90>, section 4.2 and table 6.

use super::Plan;
use super::normalized::{Brick, channels};
use hoyer_graph::{Add, Flatten, GlobalAveragePool, Graph, Pad, Relu, Result, Slice, ValueId};

/// A network with this many blocks per stage.
pub(super) fn residual(plan: &Plan<'_>, blocks: usize) -> Result<Graph> {
    let (mut g, x) = plan.start();
    let mut y = plan.normalized_relu(&mut g, "conv1", x, Brick::new(16, 3))?;
    for (stage, outputs) in (1..).zip([16, 32, 64]) {
        for number in 1..=blocks {
            let stride = if stage > 1 && number == 1 { 2 } else { 1 };
            let name = format!("stage{stage}.block{number}");
            y = block(plan, &mut g, &name, y, Brick { stride, ..Brick::new(outputs, 3) })?;
        }
    }
    let y = g.add("mean", GlobalAveragePool, &[y])?;
    let y = g.add("flatten", Flatten { axis: 1 }, &[y])?;
    let y = plan.linear(&mut g, "fc", y, [64, plan.classes])?;
    g.outputs.push(y);
    Ok(g)
}

fn block(plan: &Plan<'_>, g: &mut Graph, name: &str, x: ValueId, first: Brick) -> Result<ValueId> {
    let y = plan.normalized_relu(g, &format!("{name}.conv1"), x, first)?;
    let second = Brick { stride: 1, ..first };
    let y = plan.normalized(g, &format!("{name}.conv2"), y, second)?;
    let short = if first.stride == 1 { x } else { shortcut(g, name, x, first.outputs)? };
    let y = g.add(&format!("{name}.add"), Add, &[y, short])?;
    g.add(&format!("{name}.relu"), Relu, &[y])
}

/// Every second pixel, between as many new channels of zeros on both sides.
fn shortcut(g: &mut Graph, name: &str, x: ValueId, outputs: usize) -> Result<ValueId> {
    let (starts, ends) = (vec![0; 2], vec![i64::MAX; 2]);
    let halves = Slice { starts, ends, axes: vec![2, 3], steps: vec![2; 2] };
    let y = g.add(&format!("{name}.shortcut"), halves, &[x])?;
    let new = outputs - channels(g, x);
    let pads = [0, new / 2, 0, 0, 0, new - new / 2, 0, 0];
    g.add(&format!("{name}.shortcut.pad"), Pad::zeros(&pads), &[y])
}
