//! The numbers of a `.hoyer` file: each tensor whole, or as a bitmap and the values whose bit is set.
//!
//! ```text
//! dense   value value value …                              4 bytes each, IEEE 754, little-endian
//! masked  bitmap of the mask, then the values that live
//! sparse  bitmap of what is not zero, then those values    no mask; where this is smaller than dense
//! bitmap  element i is bit i mod 8 (lowest first) of byte i / 8; filled up with zeros to 4 bytes
//! ```
//! Invariants: tensors lie in the order of the parameters without gaps; what has no bit is exactly `0`.

use super::damaged;
use super::header::StoredParam;
use crate::graph::Param;
use crate::tensor::{Tensor, elements};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How a tensor is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stored {
    Dense,
    Masked,
    Sparse,
}

/// What the header says about the parameters, and their bytes.
pub(super) fn encode(params: &[Param]) -> (Vec<StoredParam>, Vec<u8>) {
    let mut body = Vec::new();
    let stored = params.iter().map(|param| {
        let offset = body.len();
        let storage = encode_one(param, &mut body);
        StoredParam {
            name: param.name.clone(),
            role: param.role,
            shape: param.tensor.shape().to_vec(),
            storage,
            offset,
            length: body.len() - offset,
        }
    });
    (stored.collect(), body)
}

fn encode_one(param: &Param, body: &mut Vec<u8>) -> Stored {
    let data = param.tensor.data();
    if let Some(mask) = &param.mask {
        encode_live(data, mask, body);
        return Stored::Masked;
    }
    // By bits, since -0 is not what a missing bit means.
    let live: Vec<bool> = data.iter().map(|x| x.to_bits() != 0).collect();
    let count = live.iter().filter(|&&live| live).count();
    if bitmap_bytes(data.len()) + 4 * count < 4 * data.len() {
        encode_live(data, &live, body);
        return Stored::Sparse;
    }
    body.extend(data.iter().flat_map(|x| x.to_le_bytes()));
    Stored::Dense
}

fn encode_live(data: &[f32], live: &[bool], body: &mut Vec<u8>) {
    let start = body.len();
    body.resize(start + bitmap_bytes(data.len()), 0);
    for (i, _) in live.iter().enumerate().filter(|(_, live)| **live) {
        body[start + i / 8] |= 1 << (i % 8);
    }
    let values = data.iter().zip(live).filter(|(_, live)| **live);
    body.extend(values.flat_map(|(x, _)| x.to_le_bytes()));
}

fn bitmap_bytes(elements: usize) -> usize {
    elements.div_ceil(32) * 4
}

/// The parameters whose bytes these are; every byte must be of use.
pub(super) fn decode(stored: &[StoredParam], body: &[u8]) -> Result<Vec<Param>> {
    let mut at = 0_usize;
    let mut params = Vec::with_capacity(stored.len());
    for param in stored {
        let end = at.checked_add(param.length).filter(|&end| end <= body.len());
        let Some(end) = end.filter(|_| param.offset == at) else {
            let (offset, length, all) = (param.offset, param.length, body.len());
            let lies = format!("{length} bytes from byte {offset} on");
            let need = format!("one that begins at {at} and ends by {all}");
            return Err(refuse(param, format!("it lies at {lies}, need {need}")));
        };
        params.push(decode_one(param, &body[at..end])?);
        at = end;
    }
    if at != body.len() {
        return Err(damaged(format!("{} bytes belong to no parameter", body.len() - at)));
    }
    Ok(params)
}

fn decode_one(stored: &StoredParam, bytes: &[u8]) -> Result<Param> {
    let count = elements(&stored.shape).ok_or_else(|| refuse(stored, "its shape is too large"))?;
    let (data, mask) = match stored.storage {
        Stored::Dense => (decode_dense(stored, count, bytes)?, None),
        Stored::Masked => {
            let (data, live) = decode_live(stored, count, bytes)?;
            (data, Some(live))
        }
        Stored::Sparse => (decode_live(stored, count, bytes)?.0, None),
    };
    let tensor = Tensor::new(&stored.shape, data)?;
    Ok(Param { name: stored.name.clone(), role: stored.role, tensor, mask })
}

fn decode_dense(stored: &StoredParam, count: usize, bytes: &[u8]) -> Result<Vec<f32>> {
    // The bytes are counted before anything is allocated.
    if count.checked_mul(4) != Some(bytes.len()) {
        return Err(length(stored, bytes.len(), format!("4 for each of {count} values")));
    }
    Ok(values(bytes).collect())
}

fn decode_live(stored: &StoredParam, count: usize, bytes: &[u8]) -> Result<(Vec<f32>, Vec<bool>)> {
    let Some((bitmap, bytes)) = bytes.split_at_checked(bitmap_bytes(count)) else {
        return Err(length(stored, bytes.len(), format!("a bit for each of {count} values")));
    };
    let bit = |i: usize| bitmap[i / 8] >> (i % 8) & 1 == 1;
    if (count..8 * bitmap.len()).any(bit) {
        return Err(refuse(stored, format!("its bitmap goes on beyond {count} values")));
    }
    let live: Vec<bool> = (0..count).map(bit).collect();
    let alive = live.iter().filter(|&&live| live).count();
    if alive * 4 != bytes.len() {
        return Err(length(
            stored,
            bytes.len(),
            format!("4 for each of {alive} values with a bit"),
        ));
    }
    let mut values = values(bytes);
    let next = |&live: &bool| if live { values.next().unwrap_or_default() } else { 0.0 };
    Ok((live.iter().map(next).collect(), live))
}

fn values(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn length(stored: &StoredParam, got: usize, need: String) -> Error {
    refuse(stored, format!("{got} bytes are left for its values, need {need}"))
}

fn refuse(stored: &StoredParam, why: impl std::fmt::Display) -> Error {
    damaged(format!("parameter `{}`: {why}", stored.name))
}
