//! The outermost layer of a `.hoyer` file: magic, version, lengths and checksum around header and tensors.
//!
//! Not here: what the header says (`header`), what the tensors are (`tensors`).

use super::damaged;
use crate::{Error, Result};

/// First bytes of every file. The first is no text and the last are line ends, so that a transfer that treats
/// the file as text is noticed at once.
const MAGIC: [u8; 8] = *b"\x89HOYER\r\n";
/// The layout described in `docs/format.md`.
const VERSION: u32 = 1;
/// Magic, version, header length, file length.
const PREAMBLE: usize = 24;
/// The checksum at the end.
const CHECKSUM: usize = 4;
/// The header's length is a multiple of this, so that tensors lie aligned.
const ALIGNMENT: usize = 8;
/// Longer headers are refused: a network of a million nodes needs less.
const MAX_HEADER_BYTES: usize = 1 << 28;

/// Puts header and tensors into a file.
pub(super) fn seal(mut header: Vec<u8>, body: &[u8]) -> Result<Vec<u8>> {
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    if header.len() > MAX_HEADER_BYTES {
        return Err(damaged(format!("a header of {} bytes is too long", header.len())));
    }
    let len = PREAMBLE + header.len() + body.len() + CHECKSUM;
    let mut bytes = Vec::with_capacity(len);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend((len as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(body);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    Ok(bytes)
}

/// The header and the tensors of a file, whose length and checksum are right.
pub(super) fn open(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let header_len = check_preamble(bytes)?;
    let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    if checksum != crc32fast::hash(content).to_le_bytes() {
        return Err(damaged("its checksum is wrong, so some of its bytes have changed"));
    }
    let content = &content[PREAMBLE..];
    if header_len > content.len().min(MAX_HEADER_BYTES) {
        return Err(damaged(format!("a header of {header_len} bytes does not fit into it")));
    }
    Ok(content.split_at(header_len))
}

/// The header's length, after magic, version and the file's own length were found right.
fn check_preamble(bytes: &[u8]) -> Result<usize> {
    if bytes.is_empty() {
        return Err(damaged("it is empty"));
    }
    if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
        return Err(damaged("it does not begin as one"));
    }
    if bytes.len() < PREAMBLE + CHECKSUM {
        return Err(truncated(bytes.len(), "more"));
    }
    let u32_at = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
    let version = u32_at(8);
    if version != VERSION {
        return Err(damaged(format!("it has version {version}, need {VERSION}")));
    }
    let len = u64::from(u32_at(16)) | u64::from(u32_at(20)) << 32;
    match len.cmp(&(bytes.len() as u64)) {
        std::cmp::Ordering::Greater => Err(truncated(bytes.len(), len)),
        std::cmp::Ordering::Less => {
            Err(damaged(format!("it has {} bytes, should have only {len}", bytes.len())))
        }
        std::cmp::Ordering::Equal => Ok(u32_at(12) as usize),
    }
}

fn truncated(got: usize, need: impl std::fmt::Display) -> Error {
    damaged(format!("it has {got} bytes, should have {need}: the rest is missing"))
}

/// Makes length and checksum right again after a test has changed header or tensors.
#[cfg(test)]
pub(super) fn reseal(mut bytes: Vec<u8>) -> Vec<u8> {
    let len = bytes.len() as u64;
    bytes[16..24].copy_from_slice(&len.to_le_bytes());
    let at = bytes.len() - CHECKSUM;
    let checksum = crc32fast::hash(&bytes[..at]);
    bytes[at..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}
