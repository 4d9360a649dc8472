//! Channels that look dead: no weight makes them, or none reads them.

use super::{Channel, Groups, Member};
use crate::graph::{Graph, Role};
use crate::tensor::strides;

/// Channels of which all weights in one of their layers are zero. Not all of them can be removed: one may still get
/// something from a second layer, through a sum; [`super::remove`] finds that out.
///
/// # Panics
/// If `groups` are those of another network.
#[must_use]
pub fn dead(graph: &Graph, groups: &Groups) -> Vec<Channel> {
    let mut dead = Vec::new();
    for (group, found) in groups.groups.iter().enumerate().filter(|(_, g)| g.frozen.is_none()) {
        let silent: Vec<Vec<bool>> =
            found.members.iter().filter_map(|member| silent(graph, member)).collect();
        let is_dead = |index: &usize| silent.iter().any(|layer| layer[*index]);
        dead.extend((0..found.channels).filter(is_dead).map(|index| Channel { group, index }));
    }
    dead
}

/// For every channel, whether a weight has only zeros for it; none for other parameters.
fn silent(graph: &Graph, member: &Member) -> Option<Vec<bool>> {
    let param = graph.param_at(member.param);
    if param.role != Role::Weight {
        return None;
    }
    let shape = param.tensor.shape();
    let (stride, size) = (strides(shape)[member.axis], shape[member.axis]);
    let mut lives = vec![false; size];
    for (i, w) in param.tensor.data().iter().enumerate() {
        lives[i / stride % size] |= *w != 0.0;
    }
    let silent = |places: &Vec<usize>| places.iter().all(|at| !lives[*at]);
    Some(member.places.iter().map(silent).collect())
}
