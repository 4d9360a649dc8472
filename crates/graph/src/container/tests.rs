//! The `.hoyer` file as a whole: what it keeps, and what it refuses.

use super::*;
use crate::check::Numbers;
use crate::op::{
    BatchNormalization, Clip, Constant, Conv, Flatten, Gemm, MaxPool, Relu, Where, Window,
};
use crate::{Array, DType, Dim, Error, Role, Shape, Tensor, Type, ValueId, evaluate};
use proptest::prelude::*;

/// A network with every kind of storage, role and shape.
fn net() -> Graph {
    let mut numbers = Numbers(7);
    let mut g = Graph::new("net");
    let dims = [Dim::symbol("batch"), Dim::from(2), Dim::from(6), Dim::from(5)];
    let x = g.input("image", Type::f32(Shape(dims.to_vec())));
    let w = g.param("conv.weight", Role::Weight, numbers.tensor(&[3, 2, 3, 3])).unwrap();
    let mut y = g.add("conv", Conv::new(Window::square(3, 1, 1)), &[x, w]).unwrap();
    let mut inputs = vec![y];
    for (part, role, value) in [
        ("scale", Role::NormScale, 1.0),
        ("shift", Role::NormShift, 0.0),
        ("mean", Role::Statistic, -0.0),
        ("var", Role::Statistic, 1.5),
    ] {
        inputs.push(g.param(&format!("norm.{part}"), role, Tensor::full(&[3], value)).unwrap());
    }
    y = g.add("norm", BatchNormalization::default(), &inputs).unwrap();
    y = g.add("relu", Relu, &[y]).unwrap();
    y = g.add("pool", MaxPool::new(Window::square(2, 2, 0)), &[y]).unwrap();
    y = g.add("flatten", Flatten { axis: 1 }, &[y]).unwrap();
    let w = g.param("fc.weight", Role::Weight, numbers.tensor(&[4, 18])).unwrap();
    let b = g.param("fc.bias", Role::Bias, Tensor::full(&[4], 0.0)).unwrap();
    y = g.add("fc", Gemm::linear(), &[y, w, b]).unwrap();
    g.outputs.push(y);
    mask(&mut g, "fc.weight", |i| i % 5 == 0);
    g
}

fn mask(g: &mut Graph, name: &str, lives: impl Fn(usize) -> bool) {
    let id = g.param_named(name).unwrap();
    let param = &mut g.params[id.0];
    let data = param.tensor.data_mut();
    let mask: Vec<bool> = (0..data.len()).map(lives).collect();
    data.iter_mut().zip(&mask).filter(|(_, live)| !**live).for_each(|(x, _)| *x = 0.0);
    param.mask = Some(mask);
}

fn metadata() -> Metadata {
    let mut metadata = Metadata::default();
    metadata.set("classes", &["a", "b", "c", "ä\n\""]).unwrap();
    metadata.set("normalization", &[0.1307_f32, 0.3081]).unwrap();
    metadata
}

fn file() -> Vec<u8> {
    to_bytes(&net(), &metadata()).unwrap()
}

fn message(bytes: &[u8]) -> String {
    from_bytes(bytes).unwrap_err().to_string()
}

/// A whole file whose header had `from` and has `to`, with all lengths and the checksum right.
fn with_header(from: &str, to: &str) -> Vec<u8> {
    let bytes = file();
    let len = u32::from_le_bytes([12, 13, 14, 15].map(|i| bytes[i])) as usize;
    let header = std::str::from_utf8(&bytes[24..24 + len]).unwrap();
    assert!(header.contains(from), "{from} is not in {header}");
    let changed = header.replacen(from, to, 1);
    let lengths = (changed.len() as u32).to_le_bytes();
    let parts = [&bytes[..12], &lengths, &bytes[16..24], changed.as_bytes(), &bytes[24 + len..]];
    frame::reseal(parts.concat())
}

#[test]
fn what_was_saved_is_what_is_loaded_and_it_answers_the_same() {
    let (g, metadata) = (net(), metadata());
    let (back, facts) = from_bytes(&file()).unwrap();
    assert_eq!((&back, &facts), (&g, &metadata));
    let bits = |g: &Graph| -> Vec<u32> {
        g.params.iter().flat_map(|p| p.tensor.data()).map(|x| x.to_bits()).collect()
    };
    assert_eq!(bits(&back), bits(&g));
    let image = Array::from(&Numbers(3).tensor(&[2, 2, 6, 5]));
    let answer = |g: &Graph| evaluate(g, std::slice::from_ref(&image), &g.outputs, 0).unwrap();
    assert_eq!(answer(&back), answer(&g));
}

#[test]
fn training_graphs_survive_with_their_updates() {
    let mut g = crate::training(&net()).unwrap();
    let labels = g.input("labels", Type::i64(Shape(vec![Dim::symbol("batch")])));
    let logits = g.outputs[0];
    let loss = crate::loss::cross_entropy(&mut g, logits, labels).unwrap();
    let wrt = crate::trained(&g);
    let gradients = crate::gradient(&mut g, loss, &wrt).unwrap();
    g.outputs.extend(gradients);
    let bytes = to_bytes(&g, &Metadata::default()).unwrap();
    assert_eq!(from_bytes(&bytes).unwrap().0, g);
    assert_eq!(g.updates.len(), 2);
}

#[test]
fn the_same_network_gives_the_same_bytes() {
    assert_eq!(file(), file());
}

#[test]
fn a_masked_tensor_costs_a_bit_an_element_and_its_live_values() {
    let size = |share: usize| {
        let mut g = Graph::new("g");
        g.param("w", Role::Weight, Numbers(1).tensor(&[100, 320])).unwrap();
        mask(&mut g, "w", |i| i % 100 < share);
        to_bytes(&g, &Metadata::default()).unwrap().len()
    };
    let [full, half, none] = [100, 50, 0].map(size);
    assert_eq!((full - half, full - none), (4 * 16_000, 4 * 32_000));
    let frame = none - 32_000 / 8;
    assert!(frame < 500, "{frame} bytes around an empty tensor");
}

#[test]
fn a_live_zero_stays_alive_and_a_dead_negative_zero_becomes_zero() {
    let mut g = Graph::new("g");
    g.param("w", Role::Weight, Tensor::new(&[3], vec![0.0, -0.0, -0.0]).unwrap()).unwrap();
    g.params[0].mask = Some(vec![true, true, false]);
    let (back, _) = from_bytes(&to_bytes(&g, &Metadata::default()).unwrap()).unwrap();
    assert_eq!(back.params[0].mask, g.params[0].mask);
    let bits: Vec<u32> = back.params[0].tensor.data().iter().map(|x| x.to_bits()).collect();
    assert_eq!(bits, [0, 1 << 31, 0]);
}

#[test]
fn empty_tensors_scalars_and_odd_numbers_survive() {
    let mut g = Graph::new("");
    g.param("none", Role::Constant, Tensor::full(&[0, 5], 1.0)).unwrap();
    g.param("one", Role::Constant, Tensor::full(&[], f32::MIN_POSITIVE / 4.0)).unwrap();
    g.param("wild", Role::Weight, Tensor::full(&[2], f32::INFINITY)).unwrap();
    let bytes = to_bytes(&g, &Metadata::default()).unwrap();
    assert_eq!(from_bytes(&bytes).unwrap().0, g);
}

#[test]
fn integers_and_truth_values_survive() {
    let mut g = Graph::new("g");
    let x = g.input("x", Type::bool(Shape(vec![Dim::symbol("batch"), Dim::from(2)])));
    let near = 1_i64 << 53;
    for (name, dtype, data) in
        [("places", DType::I64, vec![-near, near]), ("mask", DType::Bool, vec![0, 1])]
    {
        let constant = Constant { dtype, shape: vec![2], data };
        let id = g.add(name, constant, &[]).unwrap();
        g.outputs.push(id);
    }
    let y = g.add("y", Where, &[x, g.outputs[0], g.outputs[0]]).unwrap();
    g.outputs.push(y);
    let bytes = to_bytes(&g, &Metadata::default()).unwrap();
    assert_eq!(from_bytes(&bytes).unwrap().0, g);
    g.nodes[1].op = Constant { dtype: DType::Bool, shape: vec![2], data: vec![0, 2] }.into();
    assert!(to_bytes(&g, &Metadata::default()).is_err());
}

#[test]
fn graphs_that_are_not_sound_are_not_written() {
    let broken = |change: fn(&mut Graph)| {
        let mut g = net();
        change(&mut g);
        to_bytes(&g, &Metadata::default()).unwrap_err().to_string()
    };
    type Case = (fn(&mut Graph), &'static str);
    let cases: [Case; 8] = [
        (
            |g| g.params[5].mask = Some(vec![true]),
            "the mask of `fc.weight` has 1 elements, need 72",
        ),
        (|g| g.params[5].tensor.data_mut()[1] = 2.0, "element 1 of `fc.weight` is dead, but is 2"),
        (|g| g.nodes[0].inputs[0] = ValueId(99), "node `conv` reads value 99, which is none"),
        (|g| g.nodes[0].outputs.clear(), "`conv` is not output 0 of node 0"),
        (|g| g.inputs.clear(), "1 values are inputs, 0 are listed"),
        (|g| g.outputs[0] = ValueId(99), "output 99 is no value"),
        (|g| g.inputs[0] = ValueId(1), "value 1 is no input"),
        (|g| g.values[2].kind = Type::f32([1]), "`conv` is F32 [1], need F32 [batch, 3, 6, 5]"),
    ];
    for (change, need) in cases {
        let found = broken(change);
        assert!(found.contains(need), "{found}, need {need}");
    }
    assert!(broken(|g| g.params[0].name = "fc.bias".into()).contains("two parameters named"));
    assert!(broken(|g| g.nodes[5].inputs.truncate(1)).contains("node `fc`"));
}

#[test]
fn attributes_that_json_cannot_hold_are_refused() {
    let mut g = Graph::new("g");
    let x = g.input("x", Type::f32([2]));
    g.add("clip", Clip { min: Some(f32::NEG_INFINITY), max: None }, &[x]).unwrap();
    let error = to_bytes(&g, &Metadata::default()).unwrap_err().to_string();
    assert!(error.ends_with("a number in an attribute is not finite"), "{error}");
    let deep = (0..200).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
    let metadata = Metadata([("deep".to_owned(), deep)].into());
    let error = to_bytes(&Graph::new("g"), &metadata).unwrap_err().to_string();
    assert!(error.contains("recursion limit"), "{error}");
}

#[test]
fn every_part_that_is_cut_off_is_missed() {
    let bytes = file();
    for len in 0..bytes.len() {
        let found = message(&bytes[..len]);
        let word = if len == 0 { "it is empty" } else { "the rest is missing" };
        assert!(found.contains(word), "{len}: {found}");
    }
    assert!(message(&[bytes.as_slice(), &[0]].concat()).contains("should have only"));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let mut bytes = file();
    for i in 0..bytes.len() {
        for bit in 0..8 {
            bytes[i] ^= 1 << bit;
            assert!(from_bytes(&bytes).is_err(), "bit {bit} of byte {i}");
            bytes[i] ^= 1 << bit;
        }
    }
}

#[test]
fn messages_say_what_is_wrong_with_a_file() {
    let mut newer = file();
    newer[8] = 2;
    assert_eq!(message(&newer), "not a usable .hoyer file: it has version 2, need 1");
    assert!(message(b"PK\x03\x04").ends_with("it does not begin as one"));
    let mut damaged = file();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(
        message(&damaged).ends_with("its checksum is wrong, so some of its bytes have changed")
    );
    let mut long = file();
    long[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(
        message(&frame::reseal(long))
            .ends_with("a header of 4294967295 bytes does not fit into it")
    );
}

#[test]
fn headers_that_lie_are_refused() {
    let huge = format!(r#""shape":[9,{}]"#, u64::MAX / 8);
    for (from, to, need) in [
        (r#""shape":[4,18]"#, r#""shape":[4,19]"#, "`fc.weight` does not stand for parameter 5"),
        (r#""shape":[4]"#, r#""shape":[4000000000000]"#, "parameter `fc.bias`: "),
        (r#""shape":[3]"#, huge.as_str(), "its shape is too large"),
        (r#""offset":0"#, r#""offset":4"#, "need one that begins at 0"),
        (r#""length":216"#, r#""length":18446744073709551615"#, "parameter `conv.weight`: it lies"),
        (
            r#""length":216"#,
            r#""length":212"#,
            "212 bytes are left for its values, need 4 for each",
        ),
        (r#""storage":"masked""#, r#""storage":"dense""#, "parameter `fc.weight`: "),
        (
            r#""name":"norm.scale","role""#,
            r#""name":"norm.shift","role""#,
            "two parameters named `norm.shift`",
        ),
        (r#""inputs":[0,1]"#, r#""inputs":[0,7]"#, "node `conv` reads `norm`, which is not there"),
        (r#""strides":[1,1]"#, r#""strides":[0,1]"#, "node `conv`"),
        (r#""pads":[1,1,1,1]"#, r#""pads":[1,1,1,2]"#, "need F32 [batch, 3, 6, 6]"),
        (r#"{"Relu":null}"#, r#"{"Rolu":null}"#, "unknown variant `Rolu`"),
        (
            r#""updates":[]"#,
            r#""updates":[{"param":3,"value":0}]"#,
            "`norm.mean` cannot take `image`",
        ),
        (r#""updates":[]"#, r#""updates":[],"more":1"#, "unknown field `more`"),
    ] {
        let found = message(&with_header(from, to));
        assert!(found.contains(need), "{to}: {found}, need {need}");
    }
    assert!(from_bytes(&with_header("net", "ten")).is_ok());
}

#[test]
fn files_are_replaced_whole_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.hoyer");
    save(&path, &net(), &metadata()).unwrap();
    save(&path, &net(), &Metadata::default()).unwrap();
    assert_eq!(load(&path).unwrap(), (net(), Metadata::default()));
    std::fs::write(&path, b"nonsense").unwrap();
    let error = load(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot use {}", path.display()));
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "not a usable .hoyer file: it does not begin as one");
    assert!(matches!(write_atomic(folder.path(), b"x"), Err(Error::Write { .. })));
    let nowhere = folder.path().join("none/net.hoyer");
    let error = write_atomic(&nowhere, b"x").unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write {}", nowhere.display()));
    assert!(matches!(load(&nowhere), Err(Error::Read { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
    std::fs::write(&file, b"old").unwrap();
    std::os::unix::fs::symlink("file", &link).unwrap();
    write_atomic(&link, b"new").unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read(&file).unwrap(), b"new");
}

/// A change of the bytes between preamble and checksum: at a place, and what to put there.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    // Digits, quotes and brackets more often, since most of the header is made of them.
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"0123456789-\"[]{},:*".to_vec())];
    prop::collection::vec((any::<prop::sample::Index>(), byte), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(from_bytes(&bytes).is_err());
        let mut framed = file()[..12].to_vec();
        framed.extend(bytes);
        if framed.len() >= 28 {
            framed = frame::reseal(framed);
        }
        prop_assert!(from_bytes(&framed).is_err());
    }

    #[test]
    fn a_forged_file_is_refused_or_is_a_sound_graph(changes in changes()) {
        let mut bytes = file();
        for (place, byte) in changes {
            let at = 12 + place.index(bytes.len() - 12);
            bytes[at] = byte;
        }
        if let Ok((graph, metadata)) = from_bytes(&frame::reseal(bytes)) {
            validate(&graph).unwrap();
            let again = to_bytes(&graph, &metadata).unwrap();
            prop_assert_eq!(to_bytes(&from_bytes(&again).unwrap().0, &metadata).unwrap(), again);
        }
    }

    #[test]
    fn any_tensor_and_mask_survive(
        data in prop::collection::vec(prop_oneof![Just(0.0_f32), any::<f32>()], 0..100),
        mask in prop::option::of(prop::collection::vec(any::<bool>(), 100)),
    ) {
        let mut g = Graph::new("g");
        g.param("w", Role::Weight, Tensor::new(&[data.len()], data).unwrap()).unwrap();
        if let Some(lives) = mask {
            mask_by(&mut g, &lives);
        }
        let (back, _) = from_bytes(&to_bytes(&g, &Metadata::default()).unwrap()).unwrap();
        let bits = |g: &Graph| g.params[0].tensor.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&back), bits(&g));
        prop_assert_eq!(&back.params[0].mask, &g.params[0].mask);
    }
}

fn mask_by(g: &mut Graph, lives: &[bool]) {
    mask(g, "w", |i| lives[i]);
}
