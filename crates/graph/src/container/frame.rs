//! The outermost layer of a `.hoyer` file: magic, version, lengths and checksum around header and tensors.
//!
//! Not here: what the header says (`header`), what the tensors are (`tensors`).

use std::io::{Read, Write};

use super::{damaged, varint};
use crate::{Error, Result};

/// First bytes of every file. The first is no text and the last are line ends, so that a transfer that treats
/// the file as text is noticed at once.
const MAGIC: [u8; 8] = *b"\x89HOYER\r\n";
/// The layout described in `docs/format.md`.
const VERSION: u8 = 2;
/// The checksum at the end.
const CHECKSUM: usize = 4;
/// A deflated header gets at most so many times larger, so that no few bytes ask for much memory.
const INFLATION: usize = 64;

/// Puts header and tensors into a file.
pub(super) fn seal(header: &[u8], body: &[u8]) -> Vec<u8> {
    let deflated = deflate(header);
    let stored = match deflated.len() {
        small if small < header.len() && header.len() / INFLATION <= small => &deflated,
        _ => header,
    };
    let mut content = Vec::with_capacity(stored.len() + body.len() + 16);
    varint::write(header.len() as u64, &mut content);
    varint::write(stored.len() as u64, &mut content);
    content.extend(stored);
    content.extend(body);
    let mut bytes = [MAGIC.as_slice(), &[VERSION]].concat();
    varint::write((content.len() + CHECKSUM) as u64, &mut bytes);
    bytes.extend(content);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

/// What is in a file whose length and checksum are right.
pub(super) struct Opened<'a> {
    /// The header, inflated.
    pub(super) header: Vec<u8>,
    /// Bytes it takes in the file, its lengths included.
    pub(super) header_bytes: usize,
    /// The tensors.
    pub(super) body: &'a [u8],
}

/// Opens a file.
pub(super) fn open(bytes: &[u8]) -> Result<Opened<'_>> {
    let content = check_preamble(bytes)?;
    let mut rest = content;
    let length = varint::read(&mut rest, "the header's length")?;
    let stored = varint::read(&mut rest, "the header's stored length")?;
    let Some((header, body)) = rest.split_at_checked(stored) else {
        return Err(damaged(format!("a header of {stored} bytes does not fit into it")));
    };
    let header = inflate(header, length)?;
    Ok(Opened { header, header_bytes: content.len() - body.len(), body })
}

/// What lies between preamble and checksum, after magic, version, length and checksum were found right.
fn check_preamble(bytes: &[u8]) -> Result<&[u8]> {
    if bytes.is_empty() {
        return Err(damaged("it is empty"));
    }
    if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
        return Err(damaged("it does not begin as one"));
    }
    let Some((&version, mut rest)) = bytes.get(MAGIC.len()..).and_then(<[u8]>::split_first) else {
        return Err(truncated(bytes.len(), "more"));
    };
    if version != VERSION {
        return Err(damaged(format!("it has version {version}, need {VERSION}")));
    }
    let Ok(length) = varint::read(&mut rest, "") else {
        return Err(truncated(bytes.len(), "more"));
    };
    match length.cmp(&rest.len()) {
        std::cmp::Ordering::Greater => {
            let need = (bytes.len() - rest.len()).saturating_add(length);
            return Err(truncated(bytes.len(), need));
        }
        std::cmp::Ordering::Less => {
            let (got, need) = (bytes.len(), bytes.len() - rest.len() + length);
            return Err(damaged(format!("it has {got} bytes, should have only {need}")));
        }
        std::cmp::Ordering::Equal => {}
    }
    let Some(end) = length.checked_sub(CHECKSUM) else { return Err(damaged("it has no checksum")) };
    let (content, checksum) = rest.split_at(end);
    if checksum != crc32fast::hash(&bytes[..bytes.len() - CHECKSUM]).to_le_bytes() {
        return Err(damaged("its checksum is wrong, so some of its bytes have changed"));
    }
    Ok(content)
}

fn inflate(stored: &[u8], length: usize) -> Result<Vec<u8>> {
    if stored.len() == length {
        return Ok(stored.to_vec());
    }
    if length / INFLATION > stored.len() {
        let got = stored.len();
        return Err(damaged(format!("{got} bytes are too few for a header of {length}")));
    }
    let mut header = Vec::new();
    let mut decoder = flate2::read::DeflateDecoder::new(stored);
    let read = decoder.by_ref().take(length as u64 + 1).read_to_end(&mut header);
    match read {
        Ok(got) if got == length && decoder.total_in() == stored.len() as u64 => Ok(header),
        Ok(got) if got == length => Err(damaged("bytes of its header are of no use")),
        Ok(got) => Err(damaged(format!("its header has {got} bytes or more, need {length}"))),
        Err(error) => Err(damaged(format!("its header: {error}"))),
    }
}

fn truncated(got: usize, need: impl std::fmt::Display) -> Error {
    damaged(format!("it has {got} bytes, should have {need}: the rest is missing"))
}

/// Puts a changed content between preamble and checksum, for tests.
#[cfg(test)]
pub(super) fn reseal(content: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &[VERSION]].concat();
    varint::write((content.len() + CHECKSUM) as u64, &mut bytes);
    bytes.extend(content);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}
