//! What the executor asks of a kernel.

use crate::forecast::Forecast;
use hoyer_graph::{DType, Node, Op};
use hoyer_kernels::gemm::Activation;
use hoyer_kernels::pool::Pool;
use smallvec::SmallVec;

/// Borrowed slices without an allocation for the usual few.
pub(crate) type Few<T> = SmallVec<[T; 6]>;

/// A node made ready for fixed shapes.
pub(crate) trait Kernel: Send {
    /// Scratch memory with this many threads, in f32.
    fn scratch_len(&self, threads: usize) -> usize {
        let _ = threads;
        0
    }

    /// What is expected of it, if it computes products.
    fn forecast(&self) -> Option<Forecast> {
        None
    }

    /// Computes the node.
    fn run(&self, call: &mut Call<'_, '_>);
}

/// What a kernel works on.
pub(crate) struct Call<'a, 'b> {
    /// Threads to share the work.
    pub(crate) pool: &'a Pool,
    /// Number of the run; random ops draw from it.
    pub(crate) step: u64,
    /// Inputs in order. The one computed in place is empty here and lies in `outputs[0]`.
    pub(crate) inputs: &'b [Input<'a>],
    /// Outputs of f32, in order.
    pub(crate) outputs: &'b mut [&'a mut [f32]],
    /// Outputs of integers and truth values, in order.
    pub(crate) integers: &'b mut [&'a mut [i64]],
    /// Memory without meaning before or after.
    pub(crate) scratch: &'a mut [f32],
}

/// An input, by element type; truth values are integers, 0 and 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    F32(&'a [f32]),
    I64(&'a [i64]),
}

impl<'a> Input<'a> {
    /// The numbers of an f32 input.
    pub(crate) fn f32(self) -> &'a [f32] {
        match self {
            Input::F32(data) => data,
            Input::I64(_) => panic!("an input holds integers: shape inference let it through"),
        }
    }

    /// The numbers of an integer input.
    pub(crate) fn i64(self) -> &'a [i64] {
        match self {
            Input::I64(data) => data,
            Input::F32(_) => panic!("an input holds no integers: shape inference let it through"),
        }
    }
}

impl<'a> Call<'a, '_> {
    /// An f32 input.
    pub(crate) fn input(&self, i: usize) -> &'a [f32] {
        self.inputs[i].f32()
    }

    /// An input of integers or truth values.
    pub(crate) fn integers_of(&self, i: usize) -> &'a [i64] {
        self.inputs[i].i64()
    }
}

/// Limits whose gradient is computed by a normalization's, and what the last input is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gate {
    /// What the limits gave.
    Given([f32; 2]),
    /// The shift of the normalization that the limits were behind.
    Again([f32; 2]),
}

/// What is known when a node is made ready.
pub(crate) struct Site<'a> {
    /// The node.
    pub(crate) node: &'a Node,
    /// Shapes of its inputs.
    pub(crate) inputs: &'a [Vec<usize>],
    /// Shapes of its outputs.
    pub(crate) outputs: &'a [Vec<usize>],
    /// For every output: whether anybody reads it.
    pub(crate) wanted: &'a [bool],
    /// Element types of its inputs.
    pub(crate) input_types: &'a [DType],
    /// Element types of its outputs.
    pub(crate) output_types: &'a [DType],
    /// For every input: its numbers, if they never change.
    pub(crate) constants: &'a [Option<&'a [f32]>],
    /// What the following node was fused in as.
    pub(crate) activation: Activation,
    /// The limits whose gradient was fused in: then the first input is the gradient by what they gave.
    pub(crate) gate: Option<Gate>,
}

impl Site<'_> {
    /// The op.
    pub(crate) fn op(&self) -> &Op {
        &self.node.op
    }

    /// Whether all that the node reads and writes is f32.
    pub(crate) fn is_f32(&self) -> bool {
        self.input_types.iter().chain(self.output_types).all(|dtype| *dtype == DType::F32)
    }
}
