//! The channels of a network as the optimizer sees them: where they lie in the tensors it trains.

use hoyer_graph::groups::{self, ChannelGroup};
use hoyer_graph::{Graph, ParamId};

use crate::Result;
use crate::optimizer::{Coupled, Member, Parameter, Side};

/// The groups of channels that may be removed, as far as they lie in penalized tensors.
pub(super) fn groups_of(
    graph: &Graph,
    trained: &[ParamId],
    parameters: &[Parameter],
) -> Result<Vec<Coupled>> {
    let found = groups::groups(graph)?.groups;
    let removable = found.iter().filter(|group| group.frozen.is_none());
    let coupled = removable.map(|group| coupled(group, trained, parameters));
    Ok(coupled.filter(|group| !group.members.is_empty()).collect())
}

fn coupled(group: &ChannelGroup, trained: &[ParamId], parameters: &[Parameter]) -> Coupled {
    let member = |member: &groups::Member| {
        let tensor = trained.iter().position(|id| *id == member.param)?;
        parameters[tensor].penalty?;
        let side = [Side::Outputs, Side::Inputs].get(member.axis).copied()?;
        Some(Member { tensor, side, places: member.places.clone() })
    };
    Coupled { members: group.members.iter().filter_map(member).collect() }
}
