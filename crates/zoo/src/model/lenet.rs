//! The two LeNets of the pruning literature.
//!
//! # Source
//! LeCun et al. (1998), <https://doi.org/10.1109/5.726791>; `lenet-5` is the variant that Caffe made common
//! (20 and 50 channels, 500 hidden units), with a ReLU after both convolutions.

use super::Plan;
use hoyer_graph::{Conv, Flatten, Graph, MaxPool, Relu, Result, ValueId, Window};

/// features-300-100-classes.
pub(super) fn perceptron(plan: &Plan<'_>) -> Result<Graph> {
    let (mut g, x) = plan.start();
    let y = g.add("flatten", Flatten { axis: 1 }, &[x])?;
    let y = plan.linear_relu(&mut g, "fc1", y, [plan.features(), 300])?;
    let y = plan.linear_relu(&mut g, "fc2", y, [300, 100])?;
    let y = plan.linear(&mut g, "fc3", y, [100, plan.classes])?;
    g.outputs.push(y);
    Ok(g)
}

/// 20×5×5, pool, 50×5×5, pool, 500, classes.
pub(super) fn convolutional(plan: &Plan<'_>) -> Result<Graph> {
    let (mut g, x) = plan.start();
    let y = block(plan, &mut g, 1, x, [plan.sample[0], 20])?;
    let y = block(plan, &mut g, 2, y, [20, 50])?;
    let y = g.add("flatten", Flatten { axis: 1 }, &[y])?;
    let features = g.value(y).kind.shape.0[1].fixed().unwrap_or(0);
    let y = plan.linear_relu(&mut g, "fc1", y, [features, 500])?;
    let y = plan.linear(&mut g, "fc2", y, [500, plan.classes])?;
    g.outputs.push(y);
    Ok(g)
}

/// Convolution 5×5, ReLU, max pooling 2×2.
fn block(
    plan: &Plan<'_>,
    g: &mut Graph,
    number: usize,
    x: ValueId,
    [inputs, outputs]: [usize; 2],
) -> Result<ValueId> {
    let name = format!("conv{number}");
    let (w, b) = plan.layer(g, &name, &[outputs, inputs, 5, 5], inputs * 25)?;
    let y = g.add(&name, Conv::new(Window::new(&[5, 5])), &[x, w, b])?;
    let y = g.add(&format!("{name}.relu"), Relu, &[y])?;
    let halves = Window { strides: vec![2, 2], ..Window::new(&[2, 2]) };
    g.add(&format!("pool{number}"), MaxPool::new(halves), &[y])
}
