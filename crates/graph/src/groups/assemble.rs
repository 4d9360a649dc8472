//! From units and the parts of parameters they run through to groups: units with the same members are one group.

use std::collections::BTreeMap;

use super::flow::{Channels, Flow, Part};
use super::units::Units;
use super::{Channel, ChannelGroup, Groups, Line, Member};

/// For every part that a unit runs through, the indices of the axis that belong to it.
type Places = BTreeMap<usize, Vec<usize>>;

/// The groups of a network that channels have flowed through.
pub(super) fn groups(flow: Flow<'_>) -> Groups {
    let Flow { mut units, channels, parts, .. } = flow;
    let mut assembly = Assembly { parts: &parts, groups: Vec::new(), channels: BTreeMap::new() };
    for (unit, places) in places(&parts, &channels, &mut units) {
        assembly.add(unit, &places, &units);
    }
    let mut line = |Channels { axis, units: indices }: Channels| Line {
        axis,
        channels: indices.iter().map(|unit| assembly.channels[&units.root(*unit)]).collect(),
    };
    let lines = channels.into_iter().map(|channels| channels.map(&mut line)).collect();
    Groups { groups: assembly.groups, lines }
}

/// Where every unit lies, by its root.
fn places(
    parts: &[Part],
    channels: &[Option<Channels>],
    units: &mut Units,
) -> BTreeMap<usize, Places> {
    let mut places: BTreeMap<usize, Places> = BTreeMap::new();
    for (at, part) in parts.iter().enumerate() {
        for (index, unit) in part.units.iter().enumerate() {
            let own = places.entry(units.root(*unit)).or_default();
            own.entry(at).or_default().push(index);
        }
    }
    for unit in channels.iter().flatten().flat_map(|channels| &channels.units) {
        places.entry(units.root(*unit)).or_default();
    }
    places
}

struct Assembly<'a> {
    parts: &'a [Part],
    groups: Vec<ChannelGroup>,
    channels: BTreeMap<usize, Channel>,
}

impl Assembly<'_> {
    /// Adds a unit to the group of its likes.
    fn add(&mut self, unit: usize, places: &Places, units: &Units) {
        let frozen = units.frozen(unit);
        let is_like = |group: &ChannelGroup| {
            let parts = places.keys().map(|at| (self.parts[*at].param, self.parts[*at].axis));
            group.frozen.is_some() == frozen.is_some()
                && parts.eq(group.members.iter().map(|member| (member.param, member.axis)))
        };
        let group = self.groups.iter().position(is_like).unwrap_or_else(|| {
            let member = |at: &usize| {
                let Part { param, axis, .. } = self.parts[*at];
                Member { param, axis, places: Vec::new() }
            };
            let members = places.keys().map(member).collect();
            let frozen = frozen.map(str::to_owned);
            self.groups.push(ChannelGroup { members, frozen, ..ChannelGroup::default() });
            self.groups.len() - 1
        });
        let into = &mut self.groups[group];
        self.channels.insert(unit, Channel { group, index: into.channels });
        into.channels += 1;
        for (member, indices) in into.members.iter_mut().zip(places.values()) {
            member.places.push(indices.clone());
        }
        for reason in units.because(unit) {
            if !into.because.contains(reason) {
                into.because.push(reason.clone());
            }
        }
    }
}
