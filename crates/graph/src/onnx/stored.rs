//! Tensors of an ONNX file: raw bytes, typed fields, or another file, as f32 or i64.
//!
//! | stored as | becomes |
//! | --- | --- |
//! | float, float16, bfloat16, double | f32; a double is rounded |
//! | int8 … int64, uint8 … uint64 | i64; a number beyond it is refused |
//! | bool | truth values |
//!
//! Invariants: nothing is allocated for a tensor beyond what its bytes hold.
//! Not here: files beside the model (`external`).

use super::known::{Extent, Ints, Known};
use super::messages::{TensorProto, data_type};
use super::{External, unusable};
use crate::Result;
use crate::tensor::{DType, Tensor, elements};

/// More dimensions than any network has.
pub(crate) const MAX_RANK: usize = 16;

/// The numbers of a tensor.
///
/// # Errors
/// [`crate::Error::Onnx`] if shape, type and data do not belong together.
pub(crate) fn read(proto: &TensorProto, external: &External<'_>) -> Result<Known> {
    let name = proto.name.as_deref().unwrap_or_default();
    let shape = shape_of(name, &proto.dims)?;
    let count = elements(&shape).unwrap_or(usize::MAX);
    let kind = proto.data_type.unwrap_or_default();
    let need = width(name, kind)?.saturating_mul(count);
    let from_file = external.read(name, proto, need as u64)?;
    let raw = from_file.as_deref().or(proto.raw_data.as_deref());
    let is_float = [data_type::FLOAT, data_type::FLOAT16, data_type::BFLOAT16, data_type::DOUBLE];
    let check = |got: usize| match got == count {
        true => Ok(()),
        false => {
            unusable(format!("tensor `{name}` has {got} values, its shape {shape:?} needs {count}"))
        }
    };
    if is_float.contains(&kind) {
        let data = match raw {
            Some(bytes) => raw_floats(name, kind, bytes)?,
            None => typed_floats(kind, proto),
        };
        check(data.len())?;
        return Ok(Known::Floats(Tensor::new(&shape, data)?));
    }
    let data = match raw {
        Some(bytes) => raw_ints(name, kind, bytes)?,
        None => typed_ints(name, kind, proto)?,
    };
    check(data.len())?;
    let dtype = if kind == data_type::BOOL { DType::Bool } else { DType::I64 };
    Ok(Known::Ints(Ints { dtype, shape, data: data.into_iter().map(Extent::Number).collect() }))
}

/// The element type of a value that the network computes with.
pub(crate) fn dtype_of(kind: i32) -> Option<DType> {
    match kind {
        data_type::FLOAT | data_type::FLOAT16 | data_type::BFLOAT16 | data_type::DOUBLE => {
            Some(DType::F32)
        }
        data_type::INT64 | data_type::INT32 => Some(DType::I64),
        data_type::BOOL => Some(DType::Bool),
        _ => None,
    }
}

/// The bytes of a number of this type.
fn width(name: &str, kind: i32) -> Result<usize> {
    match kind {
        data_type::INT8 | data_type::UINT8 | data_type::BOOL => Ok(1),
        data_type::FLOAT16 | data_type::BFLOAT16 | data_type::INT16 | data_type::UINT16 => Ok(2),
        data_type::FLOAT | data_type::INT32 | data_type::UINT32 => Ok(4),
        data_type::DOUBLE | data_type::INT64 | data_type::UINT64 => Ok(8),
        _ => unusable(format!("tensor `{name}` has element type {kind}, which is not read")),
    }
}

fn shape_of(name: &str, dims: &[i64]) -> Result<Vec<usize>> {
    let shape: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    match shape {
        Some(shape) if shape.len() <= MAX_RANK => Ok(shape),
        _ => unusable(format!("tensor `{name}` has shape {dims:?}")),
    }
}

/// Splits bytes into numbers of `N` bytes each.
fn split<const N: usize, T>(name: &str, bytes: &[u8], f: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
    let (whole, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        let len = bytes.len();
        return unusable(format!("tensor `{name}` has {len} bytes, need a multiple of {N}"));
    }
    Ok(whole.iter().map(|chunk| f(*chunk)).collect())
}

fn raw_floats(name: &str, kind: i32, bytes: &[u8]) -> Result<Vec<f32>> {
    match kind {
        data_type::FLOAT => split(name, bytes, f32::from_le_bytes),
        data_type::DOUBLE => split(name, bytes, |b| f64::from_le_bytes(b) as f32),
        data_type::FLOAT16 => split(name, bytes, |b| from_half(u16::from_le_bytes(b))),
        _ => split(name, bytes, |b| from_bfloat(u16::from_le_bytes(b))),
    }
}

fn typed_floats(kind: i32, proto: &TensorProto) -> Vec<f32> {
    let halves = proto.int32_data.iter();
    match kind {
        data_type::FLOAT => proto.float_data.clone(),
        data_type::DOUBLE => proto.double_data.iter().map(|&x| x as f32).collect(),
        data_type::FLOAT16 => halves.map(|&x| from_half(x as u16)).collect(),
        _ => halves.map(|&x| from_bfloat(x as u16)).collect(),
    }
}

fn raw_ints(name: &str, kind: i32, bytes: &[u8]) -> Result<Vec<i64>> {
    match kind {
        data_type::INT64 => split(name, bytes, i64::from_le_bytes),
        data_type::INT32 => split(name, bytes, |b| i64::from(i32::from_le_bytes(b))),
        data_type::UINT32 => split(name, bytes, |b| i64::from(u32::from_le_bytes(b))),
        data_type::INT16 => split(name, bytes, |b| i64::from(i16::from_le_bytes(b))),
        data_type::UINT16 => split(name, bytes, |b| i64::from(u16::from_le_bytes(b))),
        data_type::INT8 => split(name, bytes, |b| i64::from(i8::from_le_bytes(b))),
        data_type::UINT8 => split(name, bytes, |b| i64::from(u8::from_le_bytes(b))),
        data_type::BOOL => split(name, bytes, |b: [u8; 1]| i64::from(b[0] != 0)),
        data_type::UINT64 => signed(name, split(name, bytes, u64::from_le_bytes)?.into_iter()),
        _ => unusable(format!("tensor `{name}` has element type {kind}, which is not read")),
    }
}

fn typed_ints(name: &str, kind: i32, proto: &TensorProto) -> Result<Vec<i64>> {
    match kind {
        data_type::INT64 => Ok(proto.int64_data.clone()),
        data_type::UINT32 | data_type::UINT64 => signed(name, proto.uint64_data.iter().copied()),
        data_type::BOOL => Ok(proto.int32_data.iter().map(|&x| i64::from(x != 0)).collect()),
        data_type::INT32
        | data_type::INT16
        | data_type::UINT16
        | data_type::INT8
        | data_type::UINT8 => Ok(proto.int32_data.iter().map(|&x| i64::from(x)).collect()),
        _ => unusable(format!("tensor `{name}` has element type {kind}, which is not read")),
    }
}

fn signed(name: &str, numbers: impl Iterator<Item = u64>) -> Result<Vec<i64>> {
    let fit = numbers.map(i64::try_from).collect::<Result<Vec<i64>, _>>();
    fit.or_else(|_| unusable(format!("tensor `{name}` holds a number above {}", i64::MAX)))
}

/// IEEE 754 binary16 as f32, exactly.
pub(crate) fn from_half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// The upper half of an f32.
pub(crate) fn from_bfloat(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read_exactly() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 2f32.powi(-14)),
            (0x0001, 2f32.powi(-24)),
            (0x7c00, f32::INFINITY),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(from_half(bits), value, "{bits:#x}");
        }
        assert!(from_half(0x7e00).is_nan());
        assert_eq!(from_bfloat(0x3f80), 1.0);
    }

    fn ints(proto: &TensorProto) -> Vec<i64> {
        match read(proto, &External::none()).unwrap() {
            Known::Ints(ints) => ints.data.iter().filter_map(Extent::number).collect(),
            Known::Floats(tensor) => panic!("{tensor:?}"),
        }
    }

    #[test]
    fn integers_of_all_sizes_are_read_from_bytes_and_from_fields() {
        let proto = |kind, dims: &[i64]| TensorProto {
            data_type: Some(kind),
            dims: dims.to_vec(),
            ..TensorProto::default()
        };
        let raw = |kind, bytes: &[u8]| TensorProto {
            raw_data: Some(bytes.to_vec()),
            ..proto(kind, &[1])
        };
        assert_eq!(ints(&raw(data_type::INT8, &[255])), [-1]);
        assert_eq!(ints(&raw(data_type::UINT16, &[255, 255])), [65535]);
        assert_eq!(ints(&raw(data_type::INT32, &[254, 255, 255, 255])), [-2]);
        assert_eq!(ints(&raw(data_type::BOOL, &[3])), [1]);
        let typed = TensorProto { int32_data: vec![7, -8], ..proto(data_type::INT32, &[2]) };
        assert_eq!(ints(&typed), [7, -8]);
        assert!(read(&raw(data_type::UINT64, &[255; 8]), &External::none()).is_err());
        assert!(read(&proto(8, &[1]), &External::none()).is_err());
    }

    #[test]
    fn a_tensor_that_lies_about_its_size_is_refused() {
        let lie = TensorProto {
            name: Some("w".into()),
            dims: vec![1 << 40, 1 << 40],
            data_type: Some(data_type::FLOAT),
            raw_data: Some(vec![0; 8]),
            ..TensorProto::default()
        };
        let error = read(&lie, &External::none()).unwrap_err().to_string();
        assert!(error.contains("tensor `w` has 2 values"), "{error}");
    }
}
