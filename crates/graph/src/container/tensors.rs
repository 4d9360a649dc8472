//! The numbers of a `.hoyer` file: the tensors' bytes one after the other, each with their number before it.
//!
//! Invariants: tensors lie in the order of the parameters, and every byte belongs to one.
//! Not here: what a tensor's bytes are (`coder`).

use super::header::StoredParam;
use super::{coder, damaged, varint};
use crate::graph::Param;
use crate::tensor::{Tensor, elements};
use crate::{Error, Result};

/// The bytes of all tensors.
pub(super) fn encode(params: &[Param]) -> Vec<u8> {
    let mut body = Vec::new();
    for param in params {
        let record = coder::encode(param);
        varint::write(record.len() as u64, &mut body);
        body.extend(record);
    }
    body
}

/// The bytes of each tensor; every byte must be of use.
pub(super) fn split<'a>(stored: &[StoredParam], mut body: &'a [u8]) -> Result<Vec<&'a [u8]>> {
    let mut records = Vec::with_capacity(stored.len());
    for param in stored {
        let length = varint::read(&mut body, "a tensor's length")?;
        let Some((record, rest)) = body.split_at_checked(length) else {
            let left = body.len();
            return Err(refuse(
                param,
                format!("it takes {length} bytes, of which {left} are there"),
            ));
        };
        records.push(record);
        body = rest;
    }
    match body.len() {
        0 => Ok(records),
        left => Err(damaged(format!("{left} bytes belong to no parameter"))),
    }
}

/// The parameters whose bytes these are.
pub(super) fn decode(stored: &[StoredParam], body: &[u8]) -> Result<Vec<Param>> {
    let records = split(stored, body)?;
    stored.iter().zip(records).map(|(param, record)| decode_one(param, record)).collect()
}

fn decode_one(stored: &StoredParam, record: &[u8]) -> Result<Param> {
    let count = elements(&stored.shape).ok_or_else(|| refuse(stored, "its shape is too large"))?;
    let (data, mask) =
        coder::decode(record, &stored.shape, count).map_err(|why| refuse(stored, why))?;
    let tensor = Tensor::new(&stored.shape, data)?;
    Ok(Param { name: stored.name.clone(), role: stored.role, tensor, mask })
}

fn refuse(stored: &StoredParam, why: impl std::fmt::Display) -> Error {
    damaged(format!("parameter `{}`: {why}", stored.name))
}
