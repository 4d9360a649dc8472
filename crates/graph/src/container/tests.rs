//! The `.hoyer` file as a whole: what it keeps, and what it refuses.

use super::*;
use crate::check::Numbers;
use crate::op::{
    BatchNormalization, Clip, Concat, Constant, Conv, Flatten, Gemm, MaxPool, Relu, Where, Window,
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

/// The content of a file between preamble and checksum: header lengths, header, tensors.
fn content(header: &str, body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    varint::write(header.len() as u64, &mut content);
    varint::write(header.len() as u64, &mut content);
    content.extend(header.as_bytes());
    content.extend(body);
    content
}

/// A whole file whose header had `from` and has `to`, with all lengths and the checksum right.
fn with_header(from: &str, to: &str) -> Vec<u8> {
    let bytes = file();
    let opened = frame::open(&bytes).unwrap();
    let header = String::from_utf8(opened.header).unwrap();
    assert!(header.contains(from), "{from} is not in {header}");
    frame::reseal(&content(&header.replacen(from, to, 1), opened.body))
}

/// A whole file whose tensor at `place` is these bytes.
fn with_record(place: usize, record: &[u8]) -> Vec<u8> {
    let bytes = file();
    let opened = frame::open(&bytes).unwrap();
    let header = Header::from_json(&opened.header).unwrap();
    let mut body = Vec::new();
    for (i, old) in tensors::split(&header.params, opened.body).unwrap().into_iter().enumerate() {
        let record = if i == place { record } else { old };
        varint::write(record.len() as u64, &mut body);
        body.extend(record);
    }
    frame::reseal(&content(std::str::from_utf8(&opened.header).unwrap(), &body))
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
fn names_and_lists_that_would_be_copied_too_often_are_refused() {
    let refused = |g: &Graph, why: &str| {
        let text = to_bytes(g, &Metadata::default()).unwrap_err().to_string();
        assert!(text.contains(why), "{text}");
    };
    let mut g = net();
    g.nodes[0].name = "n".repeat(5_000);
    refused(&g, "a name of more than 4096 bytes");
    let mut g = net();
    let x = g.inputs[0];
    g.outputs = vec![g.add("many", Concat { axis: 0 }, &vec![x; 20_000]).unwrap()];
    refused(&g, "a node that reads more than 16384 values");
}

#[test]
fn a_mask_costs_its_entropy_and_an_empty_tensor_next_to_nothing() {
    let size = |every: usize| {
        let mut g = Graph::new("g");
        g.param("w", Role::Weight, Numbers(1).tensor(&[100, 320])).unwrap();
        let mut numbers = Numbers(2);
        let lives: Vec<bool> = (0..32_000).map(|_| numbers.index(every.max(1)) == 0).collect();
        mask(&mut g, "w", |i| every > 0 && lives[i]);
        g.params[0].tensor.data_mut().iter_mut().for_each(|x| *x = x.signum() * x.abs().ceil());
        (to_bytes(&g, &Metadata::default()).unwrap().len(), g.params[0].nonzero())
    };
    let none = size(0).0;
    assert!(none < 250, "{none} bytes around an empty tensor");
    let (bytes, live) = size(50);
    // Where they are, at 1 of 50, and their signs.
    let entropy = 0.02_f64 * 50_f64.log2() + 0.98 * (1.0 / 0.98_f64).log2();
    let least = (32_000.0 * entropy + live as f64) / 8.0;
    let took = (bytes - none) as f64;
    assert!(took < 1.08 * least + 40.0, "{took} bytes, at least {least}");
}

#[test]
fn tensors_of_few_numbers_are_found_and_stored_as_levels() {
    let stored = |numbers: &[f32], masked: bool| {
        let mut g = Graph::new("g");
        let data = (0..600).map(|i| numbers[i * i % 7 % numbers.len()]).collect();
        g.param("w", Role::Weight, Tensor::new(&[20, 30], data).unwrap()).unwrap();
        if masked {
            mask(&mut g, "w", |i| i % 3 != 1);
        }
        let bytes = to_bytes(&g, &Metadata::default()).unwrap();
        assert_eq!(from_bytes(&bytes).unwrap().0, g);
        (parts(&bytes).unwrap().tensors[0].storage, bytes.len())
    };
    for masked in [false, true] {
        assert_eq!(stored(&[0.25, -0.5, 0.0, 1.75], masked).0, Storage::Steps);
        assert_eq!(stored(&[0.1, -0.37, 0.0, 0.2], masked).0, Storage::List);
        assert_eq!(stored(&[3.0, -0.0, f32::INFINITY], masked).0, Storage::Floats);
    }
}

#[test]
fn many_steps_are_stored_as_such_even_the_largest() {
    let mut g = Graph::new("g");
    let data = (0..600).map(|i| if i == 0 { 32_768.0 } else { (i * 54 - 16_001) as f32 }).collect();
    g.param("w", Role::Weight, Tensor::new(&[20, 30], data).unwrap()).unwrap();
    let bytes = to_bytes(&g, &Metadata::default()).unwrap();
    assert_eq!(from_bytes(&bytes).unwrap().0, g);
    assert_eq!(parts(&bytes).unwrap().tensors[0].storage, Storage::Steps);
}

#[test]
fn a_large_empty_tensor_is_read_and_no_fewer_bytes_ask_for_it() {
    let mut g = Graph::new("g");
    g.param("w", Role::Weight, Tensor::full(&[1_000, 1_000], 0.0)).unwrap();
    let bytes = to_bytes(&g, &Metadata::default()).unwrap();
    assert_eq!(from_bytes(&bytes).unwrap().0, g);
    assert!((976..1_200).contains(&bytes.len()), "{}", bytes.len());
    let opened = frame::open(&bytes).unwrap();
    let header = String::from_utf8(opened.header).unwrap().replace("1000,1000", "1001,1000");
    let found = message(&frame::reseal(&content(&header, opened.body)));
    assert!(found.contains("976 bytes are too few for 1001000 elements"), "{found}");
}

#[test]
fn rows_without_elements_ask_for_no_memory() {
    let mut g = Graph::new("g");
    g.param("w", Role::Weight, Tensor::full(&[4, 0], 0.0)).unwrap();
    g.params[0].mask = Some(Vec::new());
    let bytes = to_bytes(&g, &Metadata::default()).unwrap();
    assert_eq!(from_bytes(&bytes).unwrap().0, g);
    let opened = frame::open(&bytes).unwrap();
    for shape in ["[1099511627776,0]", "[0,1099511627776,1099511627776]"] {
        let header = String::from_utf8(opened.header.clone()).unwrap().replace("[4,0]", shape);
        for record in [opened.body, &[3, 4 + 8, 0, 0]] {
            let read = from_bytes(&frame::reseal(&content(&header, record)));
            assert!(matches!(read, Ok(_) | Err(Error::Container { .. })), "{shape}: {read:?}");
        }
    }
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
    newer[8] = 3;
    assert_eq!(message(&newer), "not a usable .hoyer file: it has version 3, need 2");
    assert!(message(b"PK\x03\x04").ends_with("it does not begin as one"));
    let mut damaged = file();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(
        message(&damaged).ends_with("its checksum is wrong, so some of its bytes have changed")
    );
    for (content, need) in [
        (&[2, 9, 0, 0][..], "a header of 9 bytes does not fit into it"),
        (&[2, 2, b'{', b'x'], "its header: key must be a string at line 1 column 2"),
        (&[0xff, 0xff, 0x03, 1, 3], "1 bytes are too few for a header of 65535"),
        (&[60, 1, 7], "its header: "),
        (&[0x80, 0x80], "the header's length is cut off"),
    ] {
        let found = message(&frame::reseal(content));
        assert!(found.contains(need), "{found}, need {need}");
    }
}

#[test]
fn tensors_that_lie_are_refused() {
    for (place, record, need) in [
        (0, &[][..], "parameter `conv.weight`: it has no bytes"),
        (0, &[0; 212], "211 bytes are left for its values, need 4 for each of 54"),
        (0, &[4; 217], "it is of kind 4, which is none"),
        (0, &[32, 0], "it is of kind 32, which is none"),
        (0, &[33, 0], "it is of kind 33, which is none"),
        (0, &[1, 18], "its width is 18, need less than 18"),
        (0, &[2, 0, 9], "its 1 levels are cut off"),
        (0, &[3, 0, 1, 200, 1, 1, 1], "its 200 levels are cut off"),
        (0, &[3, 0, 1], "its number of levels is cut off"),
        (1, &[3, 0, 0, 0, 0], "it has no level "),
    ] {
        let found = message(&with_record(place, record));
        assert!(found.contains(need), "{record:?}: {found}, need {need}");
    }
    let long = [&[1, 0][..], &[9; 400]].concat();
    assert!(message(&with_record(0, &long)).contains("bytes too many are there"));
}

#[test]
fn headers_that_lie_are_refused() {
    let huge = format!(r#""shape":[9,{}]"#, u64::MAX / 8);
    for (from, to, need) in [
        (r#""shape":[4,18]"#, r#""shape":[4,19]"#, "parameter `fc.weight`: "),
        (r#""shape":[4]"#, r#""shape":[4000000000000]"#, "parameter `fc.bias`: "),
        (r#""shape":[3]"#, huge.as_str(), "its shape is too large"),
        (
            r#""name":"norm.scale","role""#,
            r#""name":"norm.shift","role""#,
            "two parameters named `norm.shift`",
        ),
        (r#""inputs":[0,1]"#, r#""inputs":[0,7]"#, "node `conv`"),
        (r#""inputs":[0,1]"#, r#""inputs":[0,99]"#, "reads or gives value 99, which is none"),
        (r#""strides":[1,1]"#, r#""strides":[0,1]"#, "node `conv`"),
        (r#"{"Relu":null}"#, r#"{"Rolu":null}"#, "unknown variant `Rolu`"),
        (r#"{"param":0}"#, r#"{"param":99}"#, "value 1 has no name"),
        (r#"{"node":[0,0]}"#, r#"{"node":[77,0]}"#, "has no name"),
        (
            r#""metadata""#,
            r#""updates":[{"param":3,"value":0}],"metadata""#,
            "`norm.mean` cannot take `image`",
        ),
        (r#""metadata""#, r#""more":1,"metadata""#, "unknown field `more`"),
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
        prop_assert!(from_bytes(&frame::reseal(&bytes)).is_err());
    }

    #[test]
    fn a_forged_file_is_refused_or_is_a_sound_graph(changes in changes()) {
        let bytes = file();
        let opened = frame::open(&bytes).unwrap();
        let mut bytes = content(std::str::from_utf8(&opened.header).unwrap(), opened.body);
        for (place, byte) in changes {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok((graph, metadata)) = from_bytes(&frame::reseal(&bytes)) {
            validate(&graph).unwrap();
            let again = to_bytes(&graph, &metadata).unwrap();
            prop_assert_eq!(to_bytes(&from_bytes(&again).unwrap().0, &metadata).unwrap(), again);
        }
    }

    /// The tensors' own bytes, with everything around them right.
    #[test]
    fn forged_tensors_are_refused_or_read(
        place in 0_usize..7,
        record in prop::collection::vec(prop_oneof![0_u8..24, any::<u8>()], 0..40),
    ) {
        if let Ok((graph, metadata)) = from_bytes(&with_record(place, &record)) {
            let again = to_bytes(&graph, &metadata).unwrap();
            prop_assert_eq!(to_bytes(&from_bytes(&again).unwrap().0, &metadata).unwrap(), again);
        }
    }

    #[test]
    fn any_tensor_and_mask_survive(
        data in prop_oneof![
            prop::collection::vec(prop_oneof![Just(0.0_f32), any::<f32>()], 0..100),
            prop::collection::vec(prop::sample::select(vec![0.0_f32, 0.25, -1.5, 0.1]), 0..100),
            prop::collection::vec((-9_i32..9).prop_map(|q| q as f32 * 0.375), 0..100),
        ],
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
