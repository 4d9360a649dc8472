//! Sound ONNX files that damaged ones are made of.

use hoyer_graph::container::Metadata;
use hoyer_graph::onnx::export;
use hoyer_graph::onnx::messages::ModelProto;
use prost::Message;

use super::zoo;

/// The networks of the nasty zoo.
pub(crate) fn nasty() -> Vec<ModelProto> {
    let build = |(name, _): &(&str, _)| {
        let mut facts = Metadata::default();
        facts.set("classes", &["a", "b"]).unwrap();
        ModelProto::decode(export(&zoo::build(name), &facts).unwrap().as_slice()).unwrap()
    };
    zoo::ZOO.iter().map(build).collect()
}
