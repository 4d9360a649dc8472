//! A network without its dead channels, and the proof that it says the same.
//!
//! Not here: which channels belong together and how they are taken out (`hoyer_graph::groups`).

use std::sync::Arc;

use hoyer_graph::Graph;
use hoyer_graph::groups::{dead, groups, remove};
use hoyer_kernels::pool::Pool;

use crate::error::{Error, Result};
use crate::probe::{Probe, apart};

/// Samples of the proof.
const PROBE: usize = 32;

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
    let probe = Probe::new(graph, PROBE)?;
    let (before, after) = (probe.answers(graph, pool)?, probe.answers(&small, pool)?);
    let (far, most) = apart(&before.concat(), &after.concat());
    if far <= most {
        return Ok(small);
    }
    Err(Error::NotEqual { model: graph.name.clone(), far, most })
}
