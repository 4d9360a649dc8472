//! A graph made ready for fixed shapes, and its runs.
//!
//! Invariants: a run allocates nothing; the same inputs, parameters and step give the same bits for any number
//! of threads.
//! Not here: which nodes melt into one (`fuse`), which buffers are shared (`memory`), kernels (`op`).

use crate::Result;
use crate::compile::Compiler;
use crate::kernel::{Call, Few, Input, Kernel};
use hoyer_graph::{Bindings, Graph, NodeId, Param, ParamId, ValueId};
use hoyer_kernels::aligned::Aligned;
use hoyer_kernels::pool::Pool;
use std::sync::Arc;

/// A compiled graph.
///
/// # Example
/// ```
/// use hoyer_graph::{Bindings, Dim, Gemm, Graph, Role, Shape, Tensor, Type};
/// use hoyer_kernels::pool::Pool;
/// use std::sync::Arc;
///
/// let mut g = Graph::new("tiny");
/// let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(2)])));
/// let w = g.param("w", Role::Weight, Tensor::new(&[1, 2], vec![3.0, 4.0])?)?;
/// let y = g.add("fc", Gemm::linear(), &[x, w])?;
///
/// let sizes = Bindings::from([("batch".to_owned(), 1)]);
/// let mut program = hoyer_run::Program::compile(&g, &sizes, &[y], &Arc::new(Pool::new(1)))?;
/// program.input_mut(x).copy_from_slice(&[10.0, 1.0]);
/// program.run(&mut g.params, 0);
/// assert_eq!(program.value(y), [34.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Program {
    pub(crate) pool: Arc<Pool>,
    pub(crate) steps: Vec<Step>,
    pub(crate) places: Vec<Option<Place>>,
    pub(crate) buffers: Vec<Aligned>,
    pub(crate) integers: Vec<Vec<i64>>,
    pub(crate) updates: Vec<(ParamId, Place)>,
    pub(crate) scratch: Aligned,
}

/// Where a value's numbers are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Buffer { index: usize, len: usize },
    Integers { index: usize },
    Param { index: usize },
}

/// A kernel and where it reads and writes.
pub(crate) struct Step {
    /// The node, the first if it computes several.
    pub(crate) node: NodeId,
    pub(crate) kernel: Box<dyn Kernel>,
    pub(crate) inputs: Vec<Place>,
    pub(crate) outputs: Vec<Place>,
    /// The input that lies in the first output's buffer.
    pub(crate) in_place: Option<usize>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("steps", &self.steps.len())
            .field("buffer_bytes", &self.buffer_bytes())
            .finish_non_exhaustive()
    }
}

impl Program {
    /// Makes ready what `outputs` and the graph's updates need, for these sizes of symbols.
    ///
    /// # Errors
    /// - [`Error::Graph`](crate::Error::Graph) if a symbol has no size
    /// - [`Error::TooLarge`](crate::Error::TooLarge) if a value does not fit in memory
    pub fn compile(
        graph: &Graph,
        bindings: &Bindings,
        outputs: &[ValueId],
        pool: &Arc<Pool>,
    ) -> Result<Self> {
        Compiler::new(graph, bindings, outputs)?.program(pool)
    }

    /// The numbers of an f32 input, to be filled before a run.
    ///
    /// # Panics
    /// If `id` is not an f32 input that the program reads.
    pub fn input_mut(&mut self, id: ValueId) -> &mut [f32] {
        match self.places[id.0] {
            Some(Place::Buffer { index, len }) => &mut self.buffers[index][..len],
            _ => panic!("value {} is no f32 input of this program", id.0),
        }
    }

    /// Elements of the memory of an f32 input, at least as many as it has.
    ///
    /// # Panics
    /// As [`Self::input_mut`].
    pub fn input_buffer_len(&self, id: ValueId) -> usize {
        match self.places[id.0] {
            Some(Place::Buffer { index, .. }) => self.buffers[index].len(),
            _ => panic!("value {} is no f32 input of this program", id.0),
        }
    }

    /// Fills an f32 input with the first numbers of `memory`: takes it and leaves memory of as many elements, of no meaning, or copies
    /// where it has another length than [`Self::input_buffer_len`].
    ///
    /// # Panics
    /// As [`Self::input_mut`], or if `memory` is shorter than the input.
    pub fn swap_input(&mut self, id: ValueId, memory: &mut Aligned) {
        match self.places[id.0] {
            Some(Place::Buffer { index, .. }) if self.buffers[index].len() == memory.len() => {
                std::mem::swap(&mut self.buffers[index], memory);
            }
            _ => {
                let input = self.input_mut(id);
                let len = input.len();
                input.copy_from_slice(&memory[..len]);
            }
        }
    }

    /// The numbers of an input of integers or truth values (0 and 1), to be filled before a run.
    ///
    /// # Panics
    /// If `id` is not such an input of this program.
    pub fn labels_mut(&mut self, id: ValueId) -> &mut [i64] {
        match self.places[id.0] {
            Some(Place::Integers { index }) => &mut self.integers[index],
            _ => panic!("value {} is no integer input of this program", id.0),
        }
    }

    /// The numbers of an f32 value that was asked for, after a run.
    ///
    /// # Panics
    /// If `id` was not among the outputs (nor an input), is no f32, or is a parameter.
    pub fn value(&self, id: ValueId) -> &[f32] {
        match self.places[id.0] {
            Some(Place::Buffer { index, len }) => &self.buffers[index][..len],
            _ => panic!("value {} was not asked of this program", id.0),
        }
    }

    /// The numbers of a value of integers or truth values (0 and 1) that was asked for, after a run.
    ///
    /// # Panics
    /// If `id` was not among the outputs (nor an input), or is f32.
    pub fn integers(&self, id: ValueId) -> &[i64] {
        match self.places[id.0] {
            Some(Place::Integers { index }) => &self.integers[index],
            _ => panic!("value {} holds no integers that were asked of this program", id.0),
        }
    }

    /// Memory for values, in bytes.
    pub fn buffer_bytes(&self) -> usize {
        let integers = self.integers.iter().map(Vec::len).sum::<usize>();
        4 * (self.buffers.iter().map(|buffer| buffer.len()).sum::<usize>() + self.scratch.len())
            + 8 * integers
    }

    /// Runs the program over these parameters, in the order of the compiled graph's, and applies its updates.
    /// `step` counts runs: random ops draw from it.
    ///
    /// # Panics
    /// If the parameters are not the compiled graph's, or a label is no class.
    pub fn run(&mut self, params: &mut [Param], step: u64) {
        for i in 0..self.steps.len() {
            self.run_step(i, params, step);
        }
        for (param, place) in &self.updates {
            if let Place::Buffer { index, len } = *place {
                let to = params[param.0].tensor.data_mut();
                to.copy_from_slice(&self.buffers[index][..len]);
            }
        }
    }

    pub(crate) fn run_step(&mut self, i: usize, params: &[Param], step: u64) {
        let this = &self.steps[i];
        let mut taken: Few<(usize, Aligned)> = Few::new();
        let mut taken_integers: Few<(usize, Vec<i64>)> = Few::new();
        for place in &this.outputs {
            match *place {
                Place::Buffer { index, .. } => {
                    taken.push((index, std::mem::take(&mut self.buffers[index])));
                }
                Place::Integers { index } => {
                    taken_integers.push((index, std::mem::take(&mut self.integers[index])));
                }
                Place::Param { .. } => {}
            }
        }
        {
            let read = |(n, place): (usize, &Place)| match *place {
                _ if this.in_place == Some(n) => Input::F32(&[]),
                Place::Buffer { index, len } => Input::F32(&self.buffers[index][..len]),
                Place::Integers { index } => Input::I64(&self.integers[index]),
                Place::Param { index } => Input::F32(params[index].tensor.data()),
            };
            let inputs: Few<Input<'_>> = this.inputs.iter().enumerate().map(read).collect();
            let mut outputs: Few<&mut [f32]> = Few::new();
            let lens = this.outputs.iter().filter_map(|place| match *place {
                Place::Buffer { len, .. } => Some(len),
                _ => None,
            });
            for ((_, buffer), len) in taken.iter_mut().zip(lens) {
                outputs.push(&mut buffer[..len]);
            }
            let mut integers: Few<&mut [i64]> =
                taken_integers.iter_mut().map(|(_, buffer)| buffer.as_mut_slice()).collect();
            let (pool, scratch) = (&*self.pool, &mut *self.scratch);
            this.kernel.run(&mut Call {
                pool,
                step,
                inputs: &inputs,
                outputs: &mut outputs,
                integers: &mut integers,
                scratch,
            });
        }
        for (index, buffer) in taken_integers {
            self.integers[index] = buffer;
        }
        for (index, buffer) in taken {
            self.buffers[index] = buffer;
        }
    }
}
