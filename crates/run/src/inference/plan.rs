//! What a network runs, step by step, and why: to be read by people and programs.
//!
//! Not here: the choices themselves (`layers`).

use super::fuse::Fused;
use super::layers::{BIAS_TO_DENSE, Layer};
use crate::program::Program;
use hoyer_graph::Graph;
use std::fmt;

/// How a step computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A layer with stored weights, all of them multiplied.
    Dense,
    /// A layer with stored weights, zeros skipped.
    Sparse,
    /// Anything else.
    Other,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanStep {
    /// The node's name.
    pub name: String,
    /// The op, and the ops that melted into it.
    pub ops: Vec<&'static str>,
    /// How it computes.
    pub format: Format,
    /// Stored weights, and how many of them are not zero.
    pub weights: usize,
    /// See `weights`.
    pub nonzero: usize,
    /// What the cost model says for both formats, or what trying them said; layers only.
    pub dense_us: Option<f64>,
    /// See `dense_us`.
    pub sparse_us: Option<f64>,
    /// Median time of the step in this network, if it was measured.
    pub measured_us: Option<f64>,
    /// Why the format; empty for what is no layer.
    pub why: String,
}

/// What a network runs. Its `Display` is a table of 80 columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<PlanStep>,
}

/// Layers that a summary names.
const NAMED: usize = 3;

impl Plan {
    /// How many of the layers run sparse, and which do not, in a line.
    ///
    /// # Example
    /// ```
    /// assert_eq!(hoyer_run::Plan::default().summary(), "no layer has a mask");
    /// ```
    pub fn summary(&self) -> String {
        let layers = self.steps.iter().filter(|step| step.weights > 0);
        let (sparse, dense): (Vec<_>, Vec<_>) =
            layers.partition(|step| step.format == Format::Sparse);
        let all = sparse.len() + dense.len();
        if all == 0 {
            return "no layer has a mask".into();
        }
        let verb = if sparse.len() == 1 { "runs" } else { "run" };
        let line = format!("{} of {all} masked layers {verb} sparse", sparse.len());
        if dense.is_empty() {
            return line;
        }
        let named = dense.iter().take(NAMED).map(|step| format!("{} ({})", step.name, step.why));
        let named = named.collect::<Vec<_>>().join(", ");
        match dense.len().saturating_sub(NAMED) {
            0 => format!("{line}; dense: {named}"),
            more => format!("{line}; dense: {named}, and {more} more"),
        }
    }
}

pub(super) fn plan(
    graph: &Graph,
    program: &Program,
    layers: &[Option<Layer>],
    fused: &[Option<Fused>],
) -> Plan {
    let step = |step: &crate::program::Step| {
        let node = graph.node(step.node);
        let layer = layers[step.node.0].as_ref();
        let absorbed = fused[step.node.0].iter().flat_map(|fused| &fused.absorbs);
        let ops = absorbed.map(|id| graph.node(*id).op.name());
        PlanStep {
            name: node.name.clone(),
            ops: std::iter::once(node.op.name()).chain(ops).collect(),
            format: match layer {
                None => Format::Other,
                Some(layer) if layer.is_sparse => Format::Sparse,
                Some(_) => Format::Dense,
            },
            weights: layer.map_or(0, |layer| layer.weights),
            nonzero: layer.map_or(0, |layer| layer.nonzero),
            dense_us: layer.map(|layer| layer.dense_us),
            sparse_us: layer.map(|layer| layer.sparse_us),
            measured_us: None,
            why: layer.map(why).unwrap_or_default(),
        }
    };
    Plan { steps: program.steps.iter().map(step).collect() }
}

/// What the other format would take, in terms of the chosen one.
pub(crate) fn why(layer: &Layer) -> String {
    let (dense, sparse) = (layer.dense_us.max(1e-9), layer.sparse_us.max(1e-9));
    match layer.is_sparse {
        true if sparse < dense => format!("dense takes {:.1}x", dense / sparse),
        true => format!("asked; dense is {:.1}x", dense / sparse),
        false if dense <= sparse => format!("sparse takes {:.1}x", sparse / dense),
        false if sparse * BIAS_TO_DENSE >= dense => "sparse gains < 8 %".into(),
        false => format!("asked; sparse is {:.1}x", sparse / dense),
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dense => "dense",
            Self::Sparse => "sparse",
            Self::Other => "-",
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:22} {:>7} {:6} {:>9} {:>8}  why",
            "step (times in µs)", "zeros", "format", "predicted", "measured"
        )?;
        let us = |time: Option<f64>| time.map_or_else(|| "-".into(), |us| format!("{us:.2}"));
        for step in &self.steps {
            let name: String = std::iter::once(step.name.as_str())
                .chain(step.ops[1..].iter().copied())
                .collect::<Vec<_>>()
                .join("+");
            let name = if name.chars().count() > 22 {
                format!("{}…", name.chars().take(21).collect::<String>())
            } else {
                name
            };
            let zeros = match step.weights {
                0 => "-".into(),
                n => format!("{:.1} %", 100.0 * (1.0 - step.nonzero as f64 / n as f64)),
            };
            let predicted =
                us(if step.format == Format::Sparse { step.sparse_us } else { step.dense_us });
            let (format, measured) = (step.format, us(step.measured_us));
            let line = format!(
                "{name:22} {zeros:>7} {format:6} {predicted:>9} {measured:>8}  {}",
                step.why
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        let sum: f64 = self.steps.iter().filter_map(|step| step.measured_us).sum();
        if sum > 0.0 {
            writeln!(f, "{:22} {:>7} {:6} {:>9} {sum:>8.2}", "all", "", "", "")?;
        }
        Ok(())
    }
}
