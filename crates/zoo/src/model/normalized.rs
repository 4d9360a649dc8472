//! A convolution and the batch normalization behind it: the brick of deep image networks.
//!
//! The convolution has no bias, since the normalization's shift does the same. Its weights begin as He et al.'s
//! normal numbers that keep the variance of gradients, scales at 1, shifts and means at 0, variances at 1.

use super::Plan;
use crate::init;
use hoyer_graph::{BatchNormalization, Conv, Graph, Relu, Result, Role, Tensor, ValueId, Window};

/// A square convolution that keeps the size of images, but for its stride; kernels of odd size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brick {
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) group: usize,
}

impl Brick {
    /// A convolution of all channels with all, which moves one pixel at a time.
    pub(super) fn new(outputs: usize, kernel: usize) -> Self {
        Self { outputs, kernel, stride: 1, group: 1 }
    }
}

impl Plan<'_> {
    /// Convolution and normalization.
    pub(super) fn normalized(
        &self,
        g: &mut Graph,
        name: &str,
        x: ValueId,
        brick: Brick,
    ) -> Result<ValueId> {
        let Brick { outputs, kernel, stride, group } = brick;
        let shape = [outputs, channels(g, x) / group, kernel, kernel];
        let fan_out = outputs / group * kernel * kernel;
        let weight = format!("{name}.weight");
        let values = init::he_normal(self.seed, &weight, &shape, fan_out)?;
        let w = g.param(&weight, Role::Weight, values)?;
        let window = Window::square(kernel, stride, kernel / 2);
        let y = g.add(name, Conv { window, group }, &[x, w])?;
        normalize(g, name, y)
    }

    /// Convolution, normalization and ReLU.
    pub(super) fn normalized_relu(
        &self,
        g: &mut Graph,
        name: &str,
        x: ValueId,
        brick: Brick,
    ) -> Result<ValueId> {
        let y = self.normalized(g, name, x, brick)?;
        g.add(&format!("{name}.relu"), Relu, &[y])
    }
}

/// Batch normalization of every channel, with parameters named after the layer before it.
pub(super) fn normalize(g: &mut Graph, name: &str, x: ValueId) -> Result<ValueId> {
    let size = channels(g, x);
    let mut inputs = vec![x];
    for (part, role, value) in [
        ("scale", Role::NormScale, 1.0),
        ("shift", Role::NormShift, 0.0),
        ("mean", Role::Statistic, 0.0),
        ("var", Role::Statistic, 1.0),
    ] {
        let name = format!("{name}.norm.{part}");
        inputs.push(g.param(&name, role, Tensor::full(&[size], value))?);
    }
    g.add(&format!("{name}.norm"), BatchNormalization::default(), &inputs)
}

/// The channels (or features) of a value.
pub(super) fn channels(g: &Graph, x: ValueId) -> usize {
    g.value(x).kind.shape.0[1]
        .fixed()
        .expect("builders give every dimension but the batch a number")
}
