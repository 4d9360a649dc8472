//! A small perceptron for small data, such as the embedded digits.

use super::Plan;
use hoyer_graph::{Flatten, Graph, Result};

/// features-64-32-classes.
pub(super) fn small(plan: &Plan<'_>) -> Result<Graph> {
    let (mut g, x) = plan.start();
    let y = g.add("flatten", Flatten { axis: 1 }, &[x])?;
    let y = plan.linear_relu(&mut g, "fc1", y, [plan.features(), 64])?;
    let y = plan.linear_relu(&mut g, "fc2", y, [64, 32])?;
    let y = plan.linear(&mut g, "fc3", y, [32, plan.classes])?;
    g.outputs.push(y);
    Ok(g)
}
