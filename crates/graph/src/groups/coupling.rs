//! What an op says about the channels of what it reads and writes, and about itself once some are gone.

use crate::Shape;

/// How an op ties the channels of its inputs and outputs.
///
/// A channel is an index along one axis of a value; an op without a rule is [`Coupling::Opaque`], which is
/// always right: what it reads stays whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coupling {
    /// An element of the outputs is made of the same element of every input, broadcast as ONNX does.
    Elementwise,
    /// Elements of the outputs are elements of the inputs at other places, or zeros. Along the `rigid` axes of the
    /// first input no channel can be taken out, because the op could not say so.
    Moved {
        /// Axes of the first input.
        rigid: Vec<usize>,
    },
    /// Channel `c` (axis 1) of the output is made of channel `c` of the first input and of element `c` of every
    /// further one.
    PerChannel,
    /// A convolution over `X`, `W` and perhaps `B`, in so many groups; a transposed one has input channels first.
    Convolution {
        /// Groups of channels.
        group: usize,
        /// Whether `W` is `[in, out / group, …]` instead of `[out, in / group, …]`.
        transposed: bool,
    },
    /// A product over the last two axes of `A` and `B`, and perhaps a broadcast `C` that is added.
    Product {
        /// Whether `A` is `[k, m]`.
        trans_a: bool,
        /// Whether `B` is `[n, k]`.
        trans_b: bool,
    },
    /// Elements along these axes are mixed, and none can be taken out; other axes stay apart.
    Mixed {
        /// Axes of the first input.
        axes: Vec<usize>,
        /// Whether outputs still have those axes.
        keepdims: bool,
    },
    /// Elements of the output are chosen ones of the first input along this axis: any of them can be left out, none of the
    /// input's can.
    Chosen {
        /// The axis.
        axis: usize,
    },
    /// Nothing is known.
    Opaque,
}

/// Which indices of an axis stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The axis.
    pub axis: usize,
    /// How many axes there are.
    pub rank: usize,
    /// One flag an index.
    pub keep: Vec<bool>,
}

impl Kept {
    /// How many stay.
    #[must_use]
    pub fn count(&self) -> usize {
        Self::count_of(&self.keep)
    }

    /// How many of the first `end` indices stay.
    #[must_use]
    pub fn before(&self, end: usize) -> usize {
        Self::count_of(&self.keep[..end.min(self.keep.len())])
    }

    fn count_of(keep: &[bool]) -> usize {
        keep.iter().filter(|keep| **keep).count()
    }

    /// This shape once the others are gone.
    #[must_use]
    pub fn narrow(&self, shape: &Shape) -> Shape {
        let mut shape = shape.clone();
        shape.0[self.axis] = self.count().into();
        shape
    }
}

/// What stays of a node's inputs and outputs; `None` where nothing goes.
#[derive(Debug, Clone, Copy)]
pub struct Narrowing<'a> {
    /// One entry an input.
    pub inputs: &'a [Option<Kept>],
    /// One entry an output.
    pub outputs: &'a [Option<Kept>],
}
