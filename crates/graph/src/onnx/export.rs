//! From a graph to the bytes of an ONNX file: opset 17, IR version 8, weights inside.
//!
//! Parameters keep their names; a dead weight is a zero like any other. Symbolic sizes become named dimensions. Ops that
//! opset 17 lacks are written as the ops they are made of.
//!
//! Invariants: the same graph and metadata give the same bytes; what is written can be read ([`super::import`]) and
//! computes the same.
//! Not here: single ops (`export/op`, a row for each in `export/op_table.rs`).

mod attribute;
mod dims;
mod op;
mod op_table;
mod writer;

#[cfg(test)]
mod tests;

use super::facts;
use super::messages::{
    DimensionProto, DimensionValue, ModelProto, OperatorSetIdProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use crate::container::{Metadata, validate};
use crate::graph::{Graph, Source, Type};
use crate::shape::Dim;
use crate::tensor::DType;
use crate::{Error, Result};
use prost::Message;
use writer::Writer;

/// The version of ONNX's set of ops that is written.
const OPSET: i64 = 17;
/// The version of the file format that belongs to it.
const IR_VERSION: i64 = 8;
/// No protobuf message may be longer.
const MAX_BYTES: usize = i32::MAX as usize;

/// The bytes of an ONNX file with this network; facts of `metadata` go into its `metadata_props`.
///
/// # Errors
/// - [`Error::NotOnnx`] if an op has no ONNX form, such as those of training
/// - [`Error::TooLarge`] if the file would be larger than 2 GiB
/// - [`Error::Invalid`] or [`Error::Node`] if the graph is not sound
///
/// # Example
/// ```
/// use hoyer_graph::container::Metadata;
/// use hoyer_graph::onnx::{Batch, export, import};
/// use hoyer_graph::{Dim, Gemm, Graph, Role, Shape, Tensor, Type};
///
/// let mut g = Graph::new("net");
/// let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(2)])));
/// let w = g.param("fc.weight", Role::Weight, Tensor::full(&[3, 2], 0.5))?;
/// let y = g.add("fc", Gemm::linear(), &[x, w])?;
/// g.outputs.push(y);
/// let bytes = export(&g, &Metadata::default())?;
/// assert_eq!(import(&bytes, None, Batch::AsStored)?, g);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn export(graph: &Graph, metadata: &Metadata) -> Result<Vec<u8>> {
    validate(graph)?;
    let weights: usize = graph.params.iter().map(|p| p.tensor.data().len()).sum();
    check_size(graph, weights.saturating_mul(4))?;
    if let Some(update) = graph.updates.first() {
        let name = &graph.param_at(update.param).name;
        let what =
            format!("it is made for training (a run changes `{name}`), which ONNX has no form for");
        return Err(Error::Invalid { graph: graph.name.clone(), what });
    }
    let mut writer = Writer::new(graph);
    for node in &graph.nodes {
        op_table::write(&node.op, &mut writer.at(node))?;
    }
    let mut proto = writer.finish();
    let shown = |id: &crate::ValueId, name: &str| info(name, &graph.value(*id).kind);
    proto.graph.input =
        graph.inputs.iter().zip(&proto.inputs).map(|(id, name)| shown(id, name)).collect();
    proto.graph.output =
        graph.outputs.iter().zip(&proto.outputs).map(|(id, name)| shown(id, name)).collect();
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some(facts::PRODUCER.into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(Box::new(proto.graph)),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(OPSET) }],
        metadata_props: facts::to_props(metadata),
    };
    check_size(graph, model.encoded_len())?;
    Ok(model.encode_to_vec())
}

fn check_size(graph: &Graph, bytes: usize) -> Result<()> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    Err(Error::TooLarge { graph: graph.name.clone(), bytes, most: MAX_BYTES })
}

/// Name, element type and shape of an input or output.
fn info(name: &str, kind: &Type) -> ValueInfoProto {
    let dim = |dim: &Dim| DimensionProto {
        value: Some(match dim.fixed().map(i64::try_from) {
            Some(Ok(size)) => DimensionValue::DimValue(size),
            _ => DimensionValue::DimParam(dim.to_string()),
        }),
    };
    let shape = TensorShapeProto { dim: kind.shape.0.iter().map(dim).collect() };
    let tensor = TensorTypeProto { elem_type: Some(element(kind.dtype)), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor) }),
    }
}

fn element(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => data_type::FLOAT,
        DType::I64 => data_type::INT64,
        DType::Bool => data_type::BOOL,
    }
}

/// Whether a value is computed, and not given by the caller or stored.
fn is_computed(graph: &Graph, id: crate::ValueId) -> bool {
    matches!(graph.value(id).source, Source::Node(..))
}
