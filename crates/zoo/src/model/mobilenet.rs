//! MobileNetV2 for small images: blocks that widen, filter every channel by itself, and narrow again.
//!
//! ```text
//! block  y = norm(1×1(r(norm(3×3 depthwise(r(norm(1×1(x)))))))) [+ shortcut(x) where the stride is 1]
//! r      min(max(·, 0), 6)
//! shortcut  x, or norm(1×1(x)) where the channels differ
//! ```
//!
//! # Source
//! Sandler et al. (2018), <https://doi.org/10.1109/CVPR.2018.00474>, table 2, in the form that papers on CIFAR-10
//! count at 2.30 M parameters and 91.2 M multiply-accumulates. It differs from the table in this: the stem and the second
//! stage keep the size of the image, the first block has a 1×1 convolution too, and blocks of stride 1 that change
//! the channels have a shortcut with a convolution.

use super::Plan;
use super::normalized::{Brick, channels};
use hoyer_graph::{Add, Clip, Flatten, GlobalAveragePool, Graph, Result, ValueId};

/// One stage: how much its blocks widen, their channels, how many they are, and the stride of the first.
struct Stage {
    widen: usize,
    outputs: usize,
    blocks: usize,
    stride: usize,
}

const fn stage(widen: usize, outputs: usize, blocks: usize, stride: usize) -> Stage {
    Stage { widen, outputs, blocks, stride }
}

const STAGES: [Stage; 7] = [
    stage(1, 16, 1, 1),
    stage(6, 24, 2, 1),
    stage(6, 32, 3, 2),
    stage(6, 64, 4, 2),
    stage(6, 96, 3, 1),
    stage(6, 160, 3, 2),
    stage(6, 320, 1, 1),
];
/// Channels before the mean.
const LAST: usize = 1280;

pub(super) fn two(plan: &Plan<'_>) -> Result<Graph> {
    let (mut g, x) = plan.start();
    let mut y = limited(plan, &mut g, "conv1", x, Brick::new(32, 3))?;
    for (i, stage) in (1..).zip(&STAGES) {
        for number in 1..=stage.blocks {
            let stride = if number == 1 { stage.stride } else { 1 };
            let name = format!("stage{i}.block{number}");
            y = block(plan, &mut g, &name, y, &Stage { stride, ..*stage })?;
        }
    }
    y = limited(plan, &mut g, "conv2", y, Brick::new(LAST, 1))?;
    y = g.add("mean", GlobalAveragePool, &[y])?;
    y = g.add("flatten", Flatten { axis: 1 }, &[y])?;
    y = plan.linear(&mut g, "fc", y, [LAST, plan.classes])?;
    g.outputs.push(y);
    Ok(g)
}

fn block(plan: &Plan<'_>, g: &mut Graph, name: &str, x: ValueId, stage: &Stage) -> Result<ValueId> {
    let inputs = channels(g, x);
    let width = inputs * stage.widen;
    let y = limited(plan, g, &format!("{name}.expand"), x, Brick::new(width, 1))?;
    let filter = Brick { stride: stage.stride, group: width, ..Brick::new(width, 3) };
    let y = limited(plan, g, &format!("{name}.depthwise"), y, filter)?;
    let narrow = Brick::new(stage.outputs, 1);
    let y = plan.normalized(g, &format!("{name}.project"), y, narrow)?;
    if stage.stride != 1 {
        return Ok(y);
    }
    let short = if inputs == stage.outputs {
        x
    } else {
        plan.normalized(g, &format!("{name}.shortcut"), x, narrow)?
    };
    g.add(&format!("{name}.add"), Add, &[y, short])
}

/// Convolution, normalization, and limits of 0 and 6.
fn limited(
    plan: &Plan<'_>,
    g: &mut Graph,
    name: &str,
    x: ValueId,
    brick: Brick,
) -> Result<ValueId> {
    let y = plan.normalized(g, name, x, brick)?;
    g.add(&format!("{name}.relu6"), Clip { min: Some(0.0), max: Some(6.0) }, &[y])
}
