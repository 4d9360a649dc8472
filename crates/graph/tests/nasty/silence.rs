//! Channels whose weights are zero, under biases that make it hard to tell.

use hoyer_graph::groups::{Channel, ChannelGroup, Groups};
use hoyer_graph::*;

/// What the biases and shifts of a network are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Biases {
    /// As they were drawn, times this.
    Times(f32),
    /// As they were drawn, but those of dead channels: so large that a constant survives every activation.
    Dead(f32),
}

/// Random ones of every size, and adversarial ones.
pub(crate) const BIASES: &[Biases] = &[
    Biases::Times(1.0),
    Biases::Times(-20.0),
    Biases::Times(1e-6),
    Biases::Dead(30.0),
    Biases::Dead(-30.0),
    Biases::Dead(3.0),
];

/// Every third channel of every group that may lose some.
pub(crate) fn every_third(found: &Groups) -> Vec<Channel> {
    let free = found.groups.iter().enumerate().filter(|(_, one)| one.frozen.is_none());
    let some = |(group, one): (usize, &ChannelGroup)| {
        (0..one.channels).step_by(3).map(move |index| Channel { group, index }).collect::<Vec<_>>()
    };
    free.flat_map(some).collect()
}

/// The network with zero weights where these channels are made.
pub(crate) fn silenced(g: &Graph, found: &Groups, dead: &[Channel], biases: Biases) -> Graph {
    let mut g = g.clone();
    if let Biases::Times(scale) = biases {
        for param in g.params.iter_mut().filter(|param| says(param)) {
            param.tensor.data_mut().iter_mut().for_each(|b| *b *= scale);
        }
    }
    for channel in dead {
        for member in &found.groups[channel.group].members {
            let param = &mut g.params[member.param.0];
            let shape = param.tensor.shape();
            let (stride, size) = (strides(shape)[member.axis], shape[member.axis]);
            let out = usize::from(param.name.starts_with("t."));
            let value = match (param.role, biases) {
                (Role::Weight, _) if member.axis == out => Some(0.0),
                (_, Biases::Dead(value)) if says(param) => Some(value),
                _ => None,
            };
            let Some(value) = value else { continue };
            for (i, w) in param.tensor.data_mut().iter_mut().enumerate() {
                if member.places[channel.index].contains(&(i / stride % size)) {
                    *w = value;
                }
            }
        }
    }
    g
}

/// Whether a parameter is what a channel without weights still says.
fn says(param: &Param) -> bool {
    matches!(param.role, Role::Bias | Role::NormShift)
}
