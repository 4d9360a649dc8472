//! Damaged `.hoyer` files: a sound file whose header and tensors are changed, mostly with all lengths and the checksum
//! right again, so that what is inside is really read.
//!
//! Not here: what is done with them (`trial`).

use std::io::Read;

use hoyer_graph::check::Numbers;
use hoyer_graph::container::{Metadata, to_bytes};

use super::zoo;

/// The parts of a sound file.
#[derive(Clone)]
pub(crate) struct Parts {
    header: Vec<u8>,
    /// The tensors' bytes.
    records: Vec<Vec<u8>>,
}

/// The networks of the nasty zoo as files; half their weights are zero, and of half of them there are few levels.
pub(crate) fn seeds() -> Vec<Parts> {
    let mut seeds = Vec::new();
    for (i, (name, _)) in zoo::ZOO.iter().enumerate() {
        let mut graph = zoo::build(name);
        for param in &mut graph.params {
            let sparse = param.tensor.data().len() > 8;
            for (at, x) in param.tensor.data_mut().iter_mut().enumerate() {
                let level = if i % 2 == 0 { (*x * 6.0).round() * 0.25 } else { *x };
                *x = if sparse && at * at % 7 < 4 { 0.0 } else { level };
            }
            if sparse && i % 3 == 0 {
                param.mask = Some(param.tensor.data().iter().map(|x| *x != 0.0).collect());
            }
        }
        let mut facts = Metadata::default();
        facts.set("classes", &["a", "b"]).unwrap();
        let bytes = to_bytes(&graph, &facts).unwrap();
        if bytes.len() < 8_192 {
            seeds.push(parts(&bytes));
        }
    }
    assert!(seeds.len() > 5);
    seeds
}

fn parts(bytes: &[u8]) -> Parts {
    let mut rest = &bytes[9..bytes.len() - 4];
    let [_, length, stored] = [0; 3].map(|_| number(&mut rest));
    let (packed, mut body) = rest.split_at(stored);
    let mut header = packed.to_vec();
    if stored < length {
        header.clear();
        flate2::read::DeflateDecoder::new(packed).read_to_end(&mut header).unwrap();
    }
    let mut records = Vec::new();
    while !body.is_empty() {
        let length = number(&mut body);
        let (record, after) = body.split_at(length);
        records.push(record.to_vec());
        body = after;
    }
    Parts { header, records }
}

fn number(bytes: &mut &[u8]) -> usize {
    let mut found = 0;
    for shift in (0..63).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        found |= usize::from(byte & 127) << shift;
        if byte < 128 {
            break;
        }
    }
    found
}

fn write(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 128 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A damaged file, made of one of `seeds`.
pub(crate) fn damaged(seeds: &[Parts], numbers: &mut Numbers) -> Vec<u8> {
    let mut parts = seeds[numbers.index(seeds.len())].clone();
    for _ in 0..=numbers.index(3) {
        match numbers.index(8) {
            0..=2 => change_header(&mut parts.header, numbers),
            _ => change_record(&mut parts.records, numbers),
        }
    }
    let mut bytes = sealed(&parts, numbers);
    match numbers.index(20) {
        0 => bytes.truncate(numbers.index(bytes.len())),
        1 => flip(&mut bytes, numbers),
        _ => {}
    }
    bytes
}

/// A file of these parts; one in ten has a length that lies.
fn sealed(parts: &Parts, numbers: &mut Numbers) -> Vec<u8> {
    let lies = numbers.index(10) == 0;
    let mut honest = |length: usize| match lies && numbers.index(3) == 0 {
        true => [0, 1, length as u64 * 65, u64::MAX >> 1, length as u64 + 1][numbers.index(5)],
        false => length as u64,
    };
    let mut content = Vec::new();
    write(honest(parts.header.len()), &mut content);
    write(honest(parts.header.len()), &mut content);
    content.extend(&parts.header);
    for record in &parts.records {
        write(honest(record.len()), &mut content);
        content.extend(record);
    }
    let mut bytes = b"\x89HOYER\r\n\x02".to_vec();
    write(content.len() as u64 + 4, &mut bytes);
    bytes.extend(content);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn change_header(header: &mut Vec<u8>, numbers: &mut Numbers) {
    const WORDS: [&[u8]; 10] = [
        b"0",
        b"1",
        b"9",
        b"1000",
        b"65536",
        b"4294967296",
        b"9007199254740993",
        b"-1",
        b"null",
        b"[]",
    ];
    let digits: Vec<usize> = (0..header.len()).filter(|&i| header[i].is_ascii_digit()).collect();
    let any = numbers.index(header.len().max(1));
    match numbers.index(6) {
        0 => flip(header, numbers),
        1 => drop(header.splice(any..(any + 1 + numbers.index(8)).min(header.len()), [])),
        _ if digits.is_empty() => flip(header, numbers),
        _ => {
            let at = digits[numbers.index(digits.len())];
            let word = WORDS[numbers.index(WORDS.len())];
            header.splice(at..=at, word.iter().copied());
        }
    }
}

fn change_record(records: &mut [Vec<u8>], numbers: &mut Numbers) {
    if records.is_empty() {
        return;
    }
    let at = numbers.index(records.len());
    let record = &mut records[at];
    match numbers.index(7) {
        0 => drop(record.pop()),
        1 => record.push(numbers.index(256) as u8),
        2 if !record.is_empty() => record[0] = numbers.index(40) as u8,
        3 if record.len() > 1 => record[1] = numbers.index(256) as u8,
        4 => *record = (0..numbers.index(40)).map(|_| numbers.index(256) as u8).collect(),
        5 => record.truncate(numbers.index(record.len() + 1)),
        _ => flip(record, numbers),
    }
}

fn flip(bytes: &mut [u8], numbers: &mut Numbers) {
    if !bytes.is_empty() {
        let at = numbers.index(bytes.len());
        bytes[at] ^= 1 << numbers.index(8);
    }
}
