//! Groups of channels: which channels of a network must live or die together, and why.
//!
//! A convolution's output channel is a row of its weight, but also an element of its bias, of the batch norm behind it
//! and a column of whatever reads it; a residual addition ties it to a channel of another layer. [`groups`] finds all
//! of that from what every op says of itself ([`Coupling`]); [`remove`] takes dead channels out, [`cut`] living ones.
//!
//! Invariant: what is not understood stays, with the reason.
//! Not here: which channels should die (`hoyer-learn`).

use std::fmt;

use crate::Result;
use crate::graph::{Graph, ParamId};

mod assemble;
mod branch;
mod constant;
mod coupling;
mod dead;
mod flow;
mod inputs;
mod reader;
mod remove;
mod spread;
#[cfg(test)]
mod tests;
mod units;

pub use branch::{Branch, branches, without_branches};
pub use coupling::{Coupling, Kept, Narrowing};
pub use dead::dead;
use flow::Flow;
pub use inputs::select_inputs;
pub use reader::reading_axes;
pub use remove::{Removed, Stayed, cut, remove};

/// The channels of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Channels with the same members are one group.
    pub groups: Vec<ChannelGroup>,
    /// For every value with channels: their axis, and for every index the channel it belongs to.
    lines: Vec<Option<Line>>,
}

/// An axis, and the channel that each of its indices belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    axis: usize,
    channels: Vec<Channel>,
}

/// One channel of a group: all its indices in all members live or die together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// Place of the group in [`Groups::groups`].
    pub group: usize,
    /// Which of the group's channels.
    pub index: usize,
}

/// Channels that run through the same axes of the same parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelGroup {
    /// How many channels it has.
    pub channels: usize,
    /// The axes they run through.
    pub members: Vec<Member>,
    /// The nodes that tie members together which no chain of layers does.
    pub because: Vec<String>,
    /// Why they cannot be removed, if they cannot.
    pub frozen: Option<String>,
}

/// Why the channels of an output stay.
const OUTPUT: &str = "they are an output of the network";

impl ChannelGroup {
    /// Whether its channels stay because the network says them.
    #[must_use]
    pub fn is_output(&self) -> bool {
        self.frozen.as_deref() == Some(OUTPUT)
    }
}

/// An axis of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The parameter.
    pub param: ParamId,
    /// The axis.
    pub axis: usize,
    /// For every channel of the group, the indices of the axis that belong to it.
    pub places: Vec<Vec<usize>>,
}

/// Finds the groups of channels of an inference graph.
///
/// # Errors
/// [`crate::Error::Unbound`] if a shape has a symbol that no input has.
///
/// # Example
/// ```
/// use hoyer_graph::groups::groups;
/// use hoyer_graph::{Gemm, Graph, Relu, Role, Tensor, Type};
///
/// let mut g = Graph::new("two layers");
/// let x = g.input("x", Type::f32([1, 2]));
/// let w = g.param("fc1.weight", Role::Weight, Tensor::full(&[3, 2], 1.0))?;
/// let y = g.add("fc1", Gemm::linear(), &[x, w])?;
/// let y = g.add("relu", Relu, &[y])?;
/// let w = g.param("fc2.weight", Role::Weight, Tensor::full(&[4, 3], 1.0))?;
/// let y = g.add("fc2", Gemm::linear(), &[y, w])?;
/// g.outputs.push(y);
/// let found = groups(&g)?;
/// assert_eq!(found.text(&g).lines().next(), Some("fc1.weight[3, _] = fc2.weight[_, 3]"));
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn groups(graph: &Graph) -> Result<Groups> {
    Ok(assemble::groups(Flow::through(graph)?))
}

impl Groups {
    /// One line a group, as `conv1.weight[16, _] = bn1.scale[16] = conv2.weight[_, 16]`, then what ties it or why it
    /// stays.
    #[must_use]
    pub fn text(&self, graph: &Graph) -> String {
        let lines = self.groups.iter().filter(|group| !group.members.is_empty());
        lines.map(|group| format!("{}\n", Words { group, graph })).collect()
    }
}

/// A group in words.
struct Words<'a> {
    group: &'a ChannelGroup,
    graph: &'a Graph,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, graph } = self;
        for (i, member) in group.members.iter().enumerate() {
            let param = graph.param_at(member.param);
            let count: usize = member.places.iter().map(Vec::len).sum();
            let axis =
                |axis: usize| if axis == member.axis { count.to_string() } else { "_".into() };
            let axes: Vec<String> = (0..param.tensor.shape().len()).map(axis).collect();
            let sign = if i > 0 { " = " } else { "" };
            write!(f, "{sign}{}[{}]", param.name, axes.join(", "))?;
        }
        let several = |member: &Member| member.places.iter().any(|places| places.len() > 1);
        if group.members.iter().any(several) {
            write!(f, "  in {}", group.channels)?;
        }
        if !group.because.is_empty() {
            write!(f, "  because of {}", group.because.join(", "))?;
        }
        match &group.frozen {
            Some(why) => write!(f, "  stays: {why}"),
            None => Ok(()),
        }
    }
}
