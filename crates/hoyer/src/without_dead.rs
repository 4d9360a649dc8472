//! A network without its dead channels, and the proof that it says the same.
//!
//! Not here: which channels belong together and how they are taken out (`hoyer_graph::groups`).

use std::sync::Arc;

use hoyer_graph::check::Numbers;
use hoyer_graph::groups::{dead, groups, remove};
use hoyer_graph::{Bindings, DType, Graph, ValueId};
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;

use crate::error::{Error, Result};

/// Samples of the proof.
const PROBE: usize = 32;
/// How far answers may be apart, against the largest answer.
const CLOSE: f32 = 1e-4;

/// Takes out what no output depends on, and what always says the same.
///
/// # Errors
/// - [`Error::NotEqual`] if the smaller network says something else on a probe batch
/// - what compiling either network refuses
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use hoyer_graph::{Dim, Gemm, Graph, Role, Shape, Tensor, Type};
///
/// let mut g = Graph::new("two layers");
/// let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(2)])));
/// let w = g.param("1.w", Role::Weight, Tensor::new(&[2, 2], vec![1.0, 2.0, 0.0, 0.0])?)?;
/// let y = g.add("1", Gemm::linear(), &[x, w])?;
/// let w = g.param("2.w", Role::Weight, Tensor::full(&[3, 2], 1.0))?;
/// let y = g.add("2", Gemm::linear(), &[y, w])?;
/// g.outputs.push(y);
///
/// let pool = Arc::new(hoyer_kernels::pool::Pool::new(1));
/// let small = hoyer::without_dead::without_dead(&g, &pool)?;
/// assert_eq!(small.params[0].tensor.shape(), [1, 2]);
/// # Ok::<(), hoyer::Error>(())
/// ```
pub fn without_dead(graph: &Graph, pool: &Arc<Pool>) -> Result<Graph> {
    let found = groups(graph)?;
    let channels = dead(graph, &found);
    if channels.is_empty() {
        return Ok(graph.clone());
    }
    let small = remove(graph, &found, &channels)?.graph;
    let (before, after) = (answers(graph, pool)?, answers(&small, pool)?);
    let largest = before.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
    let far = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // A NaN is not below the limit either.
    if before.len() == after.len() && far <= CLOSE * largest {
        return Ok(small);
    }
    Err(Error::NotEqual { model: graph.name.clone(), far, most: CLOSE * largest })
}

/// What a network says on random samples.
fn answers(graph: &Graph, pool: &Arc<Pool>) -> Result<Vec<f32>> {
    let sizes = Bindings::from([("batch".into(), PROBE)]);
    let mut program = Program::compile(graph, &sizes, &graph.outputs, pool)?;
    let mut numbers = Numbers(1);
    for input in &graph.inputs {
        match graph.value(*input).kind.dtype {
            DType::F32 => {
                program.input_mut(*input).iter_mut().for_each(|x| *x = numbers.number() as f32);
            }
            // An index of 0 is in range wherever any is.
            DType::I64 => {}
            DType::Bool => {
                program.labels_mut(*input).iter_mut().for_each(|x| *x = numbers.index(2) as i64);
            }
        }
    }
    program.run(&mut graph.params.clone(), 0);
    let answer = |output: &ValueId| match graph.value(*output).kind.dtype {
        DType::F32 => program.value(*output).to_vec(),
        DType::I64 | DType::Bool => program.integers(*output).iter().map(|x| *x as f32).collect(),
    };
    Ok(graph.outputs.iter().flat_map(answer).collect())
}
