//! Damaged ONNX files: a sound file whose messages are changed, field by field, and sometimes its bytes.
//!
//! Not here: what is done with them (`trial`).

use hoyer_graph::check::Numbers;
use hoyer_graph::onnx::messages::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, ValueInfoProto,
};
use prost::Message;

use super::words::{ATTRIBUTES, NUMBERS, OPS, TEXTS};

/// A damaged file, made of one of `seeds`.
pub(crate) fn damaged(seeds: &[ModelProto], numbers: &mut Numbers) -> Vec<u8> {
    let mut model = seeds[numbers.index(seeds.len())].clone();
    for _ in 0..=numbers.index(4) {
        change(&mut model, seeds, numbers);
    }
    let mut bytes = model.encode_to_vec();
    if numbers.index(8) == 0 && !bytes.is_empty() {
        for _ in 0..=numbers.index(3) {
            change_bytes(&mut bytes, numbers);
        }
    }
    bytes
}

fn change(model: &mut ModelProto, seeds: &[ModelProto], numbers: &mut Numbers) {
    let Some(graph) = model.graph.as_deref_mut() else { return };
    match numbers.index(20) {
        0 => change_opset(&mut model.opset_import, numbers),
        1..=2 => change_value(graph, numbers),
        3..=6 => change_tensor(any_tensor(graph, numbers), numbers),
        7..=8 => change_list(&mut graph.node, numbers),
        9 => change_list(&mut graph.initializer, numbers),
        10 => join(graph, seeds, numbers),
        11 => change_facts(&mut model.metadata_props, numbers),
        12 => {
            let node = one_op(numbers, &names(graph));
            graph.node.push(node);
        }
        13..=15 => {
            let names = names(graph);
            if let Some(node) = any(&mut graph.node, numbers) {
                change_edges(node, &names, numbers);
            }
        }
        _ => {
            if let Some(node) = any(&mut graph.node, numbers) {
                change_attributes(node, numbers);
            }
        }
    }
}

fn any<'a, T>(list: &'a mut [T], numbers: &mut Numbers) -> Option<&'a mut T> {
    if list.is_empty() {
        return None;
    }
    let at = numbers.index(list.len());
    list.get_mut(at)
}

fn one<T: Copy>(list: &[T], numbers: &mut Numbers) -> T {
    list[numbers.index(list.len())]
}

/// A number that breaks careless arithmetic, or a small one.
fn number(numbers: &mut Numbers) -> i64 {
    if numbers.index(3) == 0 { one(NUMBERS, numbers) } else { numbers.index(8) as i64 - 2 }
}

fn float(numbers: &mut Numbers) -> f32 {
    one(&[0.0, -0.0, 1.0, -1.0, 0.5, f32::NAN, f32::INFINITY, f32::MAX, 1e-40, 1e9], numbers)
}

/// Removes, doubles, or exchanges elements.
fn change_list<T: Clone>(list: &mut Vec<T>, numbers: &mut Numbers) {
    if list.is_empty() {
        return;
    }
    let (at, other) = (numbers.index(list.len()), numbers.index(list.len()));
    match numbers.index(3) {
        0 => drop(list.remove(at)),
        1 => list.insert(other, list[at].clone()),
        _ => list.swap(at, other),
    }
}

fn change_numbers(list: &mut Vec<i64>, numbers: &mut Numbers) {
    match numbers.index(6) {
        0 => list.push(number(numbers)),
        1 => drop(list.pop()),
        2 if numbers.index(20) == 0 => list.extend(vec![1; 1 + numbers.index(300)]),
        _ => {
            let wanted = number(numbers);
            if let Some(found) = any(list, numbers) {
                *found = wanted;
            }
        }
    }
}

/// Every name that is read or given.
fn names(graph: &GraphProto) -> Vec<String> {
    let stored = graph.initializer.iter().filter_map(|tensor| tensor.name.clone());
    let nodes = graph.node.iter().flat_map(|node| node.input.iter().chain(&node.output).cloned());
    let ends = graph.input.iter().chain(&graph.output).filter_map(|info| info.name.clone());
    stored.chain(nodes).chain(ends).collect()
}

fn some_name(names: &[String], numbers: &mut Numbers) -> String {
    match numbers.index(12) {
        0 => String::new(),
        1 => "nowhere".into(),
        _ => names.get(numbers.index(names.len().max(1))).cloned().unwrap_or_default(),
    }
}

fn change_opset(sets: &mut Vec<OperatorSetIdProto>, numbers: &mut Numbers) {
    let version =
        if numbers.index(8) == 0 { number(numbers) } else { 6 + numbers.index(18) as i64 };
    let domain = (numbers.index(20) == 0).then(|| "ai.other".to_owned());
    sets.clear();
    sets.push(OperatorSetIdProto { domain, version: Some(version) });
}

fn change_facts(facts: &mut Vec<StringStringEntryProto>, numbers: &mut Numbers) {
    let text = one(&["", "7", "[1", "{\"a\": [[[[", "text", "null", "1e999"], numbers);
    facts.push(StringStringEntryProto { key: Some("k".into()), value: Some(text.into()) });
}

/// Takes nodes, and what they read, from another file.
fn join(graph: &mut GraphProto, seeds: &[ModelProto], numbers: &mut Numbers) {
    let other = &seeds[numbers.index(seeds.len())];
    let Some(other) = other.graph.as_deref().filter(|other| !other.node.is_empty()) else { return };
    let from = numbers.index(other.node.len());
    let nodes = &other.node[from..(from + 1 + numbers.index(3)).min(other.node.len())];
    let names = names(graph);
    for node in nodes {
        let mut node = node.clone();
        if let Some(first) = node.input.first_mut() {
            *first = some_name(&names, numbers);
        }
        let read =
            |tensor: &&TensorProto| tensor.name.as_ref().is_some_and(|n| node.input.contains(n));
        graph.initializer.extend(other.initializer.iter().filter(read).cloned());
        graph.node.push(node);
    }
}

/// A node of some op over names that are there, whose output may be the network's.
fn one_op(numbers: &mut Numbers, names: &[String]) -> NodeProto {
    let mut node = NodeProto {
        op_type: Some(one(OPS, numbers).into()),
        input: (0..=numbers.index(4)).map(|_| some_name(names, numbers)).collect(),
        output: vec![format!("made{}", numbers.index(3))],
        ..NodeProto::default()
    };
    for _ in 0..numbers.index(3) {
        change_attributes(&mut node, numbers);
    }
    node
}

fn change_edges(node: &mut NodeProto, names: &[String], numbers: &mut Numbers) {
    let wanted = some_name(names, numbers);
    match numbers.index(8) {
        0 => node.op_type = Some(one(OPS, numbers).into()),
        1 => node.input.push(wanted),
        2 => drop(node.input.pop()),
        3 => node.output.push(wanted),
        4 => {
            if let Some(output) = any(&mut node.output, numbers) {
                *output = wanted;
            }
        }
        _ => {
            if let Some(input) = any(&mut node.input, numbers) {
                *input = wanted;
            }
        }
    }
}

fn change_attributes(node: &mut NodeProto, numbers: &mut Numbers) {
    if numbers.index(4) == 0 || node.attribute.is_empty() {
        let name = Some(one(ATTRIBUTES, numbers).to_owned());
        node.attribute.push(AttributeProto { name, ..AttributeProto::default() });
    }
    let at = numbers.index(node.attribute.len());
    if numbers.index(8) == 0 {
        node.attribute.remove(at);
        return;
    }
    let attribute = &mut node.attribute[at];
    match numbers.index(9) {
        0 => attribute.name = Some(one(ATTRIBUTES, numbers).into()),
        1 | 2 => attribute.i = Some(number(numbers)),
        3 => attribute.f = Some(float(numbers)),
        4 => attribute.s = Some(one(TEXTS, numbers).as_bytes().to_vec()),
        5 => attribute.floats.push(float(numbers)),
        6 => {
            let tensor = attribute.t.get_or_insert_default();
            change_tensor(Some(tensor), numbers);
        }
        _ => change_numbers(&mut attribute.ints, numbers),
    }
}

/// A stored tensor, or one in an attribute.
fn any_tensor<'a>(graph: &'a mut GraphProto, numbers: &mut Numbers) -> Option<&'a mut TensorProto> {
    if numbers.index(4) == 0 {
        let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
        let mut tensors: Vec<_> = attributes.filter_map(|found| found.t.as_deref_mut()).collect();
        let at = numbers.index(tensors.len().max(1));
        return (at < tensors.len()).then(|| tensors.swap_remove(at));
    }
    any(&mut graph.initializer, numbers)
}

fn change_tensor(tensor: Option<&mut TensorProto>, numbers: &mut Numbers) {
    let Some(tensor) = tensor else { return };
    let size = |numbers: &mut Numbers| numbers.index(20);
    match numbers.index(10) {
        0..=2 => change_numbers(&mut tensor.dims, numbers),
        3 => tensor.data_type = Some(numbers.index(25) as i32 - 1),
        4 => {
            let length = size(numbers);
            if let Some(raw) = &mut tensor.raw_data {
                raw.truncate(length);
            }
        }
        5 => tensor.raw_data = None,
        6 => tensor.float_data = vec![float(numbers); size(numbers)],
        7 => {
            // Integers that a shape, an axis or a pad may be.
            let list: Vec<i64> = (0..numbers.index(6)).map(|_| number(numbers)).collect();
            *tensor = TensorProto {
                dims: vec![list.len() as i64],
                data_type: Some(7),
                name: tensor.name.clone(),
                int64_data: list,
                ..TensorProto::default()
            };
        }
        8 => {
            let entry = |key: &str, value: String| StringStringEntryProto {
                key: Some(key.into()),
                value: Some(value),
            };
            tensor.data_location = Some(1);
            tensor.external_data = vec![
                entry("location", one(&["w.bin", "../x", "/etc/passwd", "."], numbers).into()),
                entry("offset", number(numbers).to_string()),
            ];
        }
        _ => {
            let at = numbers.index(8);
            let bits = numbers.bits() as u8;
            if let Some(byte) = tensor.raw_data.as_mut().and_then(|raw| raw.get_mut(at)) {
                *byte = bits;
            }
        }
    }
}

/// Changes what an input or output is said to be.
fn change_value(graph: &mut GraphProto, numbers: &mut Numbers) {
    let names = names(graph);
    let wanted = some_name(&names, numbers);
    let list = if numbers.index(3) == 0 { &mut graph.output } else { &mut graph.input };
    match numbers.index(10) {
        0 => change_list(list, numbers),
        1 => list.push(ValueInfoProto { name: Some(wanted), r#type: None }),
        2 => {
            if let Some(found) = any(list, numbers) {
                found.name = Some(wanted);
            }
        }
        _ => {
            let found = any(list, numbers).and_then(|found| found.r#type.as_mut());
            let Some(tensor) = found.and_then(|kind| kind.tensor_type.as_mut()) else { return };
            if numbers.index(6) == 0 {
                tensor.elem_type = Some(numbers.index(18) as i32 - 1);
                return;
            }
            let Some(shape) = &mut tensor.shape else { return };
            match numbers.index(4) {
                0 => change_list(&mut shape.dim, numbers),
                _ => {
                    let wanted = dimension(numbers);
                    if let Some(dim) = any(&mut shape.dim, numbers) {
                        *dim = wanted;
                    }
                }
            }
        }
    }
}

fn dimension(numbers: &mut Numbers) -> DimensionProto {
    let value = match numbers.index(5) {
        0 => None,
        1 => Some(DimensionValue::DimParam(one(&["batch", "", "a*b", "7", "n"], numbers).into())),
        _ => Some(DimensionValue::DimValue(number(numbers))),
    };
    DimensionProto { value }
}

fn change_bytes(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    let at = numbers.index(bytes.len().max(1));
    match numbers.index(5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at.min(bytes.len()), numbers.bits() as u8),
        2 => {
            // A length or a number that is as large as it can be.
            let end = (at + 9).min(bytes.len());
            bytes[at.min(end)..end].fill(0xff);
        }
        _ => {
            let bits = numbers.bits();
            if let Some(byte) = bytes.get_mut(at) {
                *byte =
                    if bits & 1 == 0 { (bits >> 8) as u8 } else { *byte ^ (1 << (bits >> 8 & 7)) };
            }
        }
    }
}
