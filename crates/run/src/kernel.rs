//! What the executor asks of a kernel.

use hoyer_graph::{Node, Op};
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
    /// Outputs in order.
    pub(crate) outputs: &'b mut [&'a mut [f32]],
    /// Memory without meaning before or after.
    pub(crate) scratch: &'a mut [f32],
}

/// An input, by element type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    F32(&'a [f32]),
    I64(&'a [i64]),
}

impl<'a> Call<'a, '_> {
    /// An f32 input.
    pub(crate) fn input(&self, i: usize) -> &'a [f32] {
        match self.inputs[i] {
            Input::F32(data) => data,
            Input::I64(_) => panic!("input {i} holds integers: shape inference let it through"),
        }
    }

    /// An i64 input.
    pub(crate) fn labels(&self, i: usize) -> &'a [i64] {
        match self.inputs[i] {
            Input::I64(data) => data,
            Input::F32(_) => panic!("input {i} holds no integers: shape inference let it through"),
        }
    }
}

/// What is known when a node is made ready.
pub(crate) struct Site<'a> {
    /// The node.
    pub(crate) node: &'a Node,
    /// Shapes of its inputs.
    pub(crate) inputs: &'a [Vec<usize>],
    /// Shapes of its outputs.
    pub(crate) outputs: &'a [Vec<usize>],
    /// What the following node was fused in as.
    pub(crate) activation: Activation,
}

impl Site<'_> {
    /// The op.
    pub(crate) fn op(&self) -> &Op {
        &self.node.op
    }
}
