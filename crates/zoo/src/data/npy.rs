//! One NumPy array: its header, and its numbers as bytes, f32 or labels.
//!
//! ```text
//! \x93NUMPY, version (2 bytes), header length (u16; u32 from version 2), little-endian,
//! {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } padded, then the numbers
//! ```
//!
//! Own code because the headers come from strangers: `npyz` 0.9 overflows on large shapes and
//! `ndarray-npy` 0.10 allocates what a header claims. Nothing here recurses.
//! Not here: which arrays make a data set ([`super::npz`]).
//!
//! # Source
//! NumPy, `numpy.lib.format`, <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use super::Features;
use super::file::{DataFile, GET_AGAIN};
use crate::{Error, Result};
use std::path::Path;

/// What is read at a time where numbers are converted.
const CHUNK_BYTES: u64 = 1 << 18;
/// Longer headers are refused; real ones are about 128 bytes.
const MAX_HEADER_BYTES: u64 = 1 << 16;

/// Reads one array: its shape, and its numbers; bytes stay bytes, floats and other integers become f32.
///
/// # Errors
/// - [`Error::Read`] if the file cannot be opened
/// - [`Error::Data`] if it is no array of numbers, damaged, or holds a number that is not finite
///
/// # Example
/// ```
/// let path = std::env::temp_dir().join("hoyer-doc.npy");
/// let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }\n";
/// let start = [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes()].concat();
/// std::fs::write(&path, [&start[..], header.as_bytes(), &[7, 9]].concat())?;
/// let (shape, numbers) = hoyer_zoo::data::npy::read(&path)?;
/// assert_eq!((shape, numbers.len()), (vec![1, 2], 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read(path: &Path) -> Result<(Vec<usize>, Features)> {
    let mut file = DataFile::open(path)?;
    let header = Header::read(&mut file)?;
    let features = header.features(&mut file)?;
    Ok((header.shape, features))
}

/// What precedes the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) shape: Vec<usize>,
    number: Number,
    descr: String,
    fortran_order: bool,
}

/// How one number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number {
    kind: Kind,
    bytes: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
}

impl Header {
    /// Reads everything up to the numbers.
    pub(crate) fn read(file: &mut DataFile) -> Result<Self> {
        let start: [u8; 8] = file.array("the magic and the version")?;
        if start[..6] != *b"\x93NUMPY" || !(1..=3).contains(&start[6]) {
            let came = format!("{:02x?}", start);
            return Err(fault(file, came, "the start of a NumPy array, version 1 to 3"));
        }
        let length = match start[6] {
            1 => u64::from(u16::from_le_bytes(file.array("the header length")?)),
            _ => u64::from(u32::from_le_bytes(file.array("the header length")?)),
        };
        if length > MAX_HEADER_BYTES {
            let came = format!("a header of {length} bytes");
            return Err(fault(file, came, "at most 65536 bytes"));
        }
        let mut text = Vec::new();
        file.append(length, "the header", &mut text)?;
        let text = String::from_utf8_lossy(&text);
        Self::parse(&text).map_err(|(came, need)| fault(file, came, need))
    }

    fn parse(text: &str) -> std::result::Result<Self, (String, &'static str)> {
        let shown = |value: Option<&str>| -> String {
            value.unwrap_or("missing").chars().take(40).collect()
        };
        let descr = value(text, "descr");
        let Some((descr, number)) = descr.and_then(number) else {
            return Err((
                format!("type {}", shown(descr)),
                "a type such as '<f4', '<f8', '|u1' or '<i8'",
            ));
        };
        let order = value(text, "fortran_order");
        let fortran_order = match order {
            Some(order) if order.starts_with("True") => true,
            Some(order) if order.starts_with("False") => false,
            _ => return Err((format!("fortran_order {}", shown(order)), "True or False")),
        };
        let shape = value(text, "shape");
        match shape.and_then(dimensions) {
            Some(shape) => Ok(Self { shape, number, descr, fortran_order }),
            None => Err((format!("shape {}", shown(shape)), "a tuple of sizes")),
        }
    }

    /// How many numbers there are; `u64::MAX` where that overflows, which fits no file.
    fn count(&self) -> u64 {
        self.shape.iter().fold(1, |count, &dim| count.saturating_mul(dim as u64))
    }

    /// The sample that number `i` of the file belongs to.
    fn sample(&self, i: usize) -> usize {
        let samples = self.shape.first().copied().unwrap_or(1).max(1);
        if self.fortran_order { i % samples } else { i / (self.count() as usize / samples).max(1) }
    }

    /// Reads features: bytes stay bytes, floats and other integers become f32.
    pub(crate) fn features(&self, file: &mut DataFile) -> Result<Features> {
        let Number { kind, bytes, .. } = self.number;
        let features = match (kind, bytes) {
            (Kind::Unsigned, 1) => {
                let mut values = Vec::new();
                file.append(self.count(), &self.what(), &mut values)?;
                Features::U8(self.in_c_order(values))
            }
            (Kind::Float, 2) => {
                return Err(self.bad_type(file, "float32 or uint8: save x.astype('float32')"));
            }
            _ => Features::F32(self.in_c_order(self.floats(file)?)),
        };
        file.end("the shape says so")?;
        Ok(features)
    }

    /// Reads class labels.
    pub(crate) fn labels(&self, file: &mut DataFile) -> Result<Vec<u16>> {
        if self.number.kind == Kind::Float {
            return Err(self.bad_type(file, "class numbers: save y.astype('int64')"));
        }
        let mut labels = Vec::new();
        self.convert(file, &mut labels, |number, bytes| {
            let label = number.integer(bytes);
            u16::try_from(label).map_err(|_| Bad {
                came: format!("label {label}"),
                need: "0 to 65535",
                hint: "number the classes from 0",
            })
        })?;
        file.end("the shape says so")?;
        Ok(labels)
    }

    fn floats(&self, file: &mut DataFile) -> Result<Vec<f32>> {
        let mut values = Vec::new();
        self.convert(file, &mut values, |number, bytes| {
            let wide = match number.kind {
                Kind::Float => number.float(bytes),
                _ => number.integer(bytes) as f64,
            };
            if (wide as f32).is_finite() {
                return Ok(wide as f32);
            }
            Err(Bad {
                came: if wide.is_finite() { format!("{wide:e}") } else { wide.to_string() },
                need: "a finite 32-bit number",
                hint: "clean or drop the sample",
            })
        })?;
        Ok(values)
    }

    /// Reads all numbers in file order, a chunk at a time, through `each`.
    fn convert<T>(
        &self,
        file: &mut DataFile,
        out: &mut Vec<T>,
        each: impl Fn(Number, &[u8]) -> std::result::Result<T, Bad>,
    ) -> Result<()> {
        let total = self.count().saturating_mul(self.number.bytes as u64);
        let ahead = file.claim(total, &self.what())? / self.number.bytes;
        out.reserve(ahead);
        let mut left = total;
        let mut chunk = Vec::new();
        while left > 0 {
            chunk.clear();
            file.append(left.min(CHUNK_BYTES), &self.what(), &mut chunk)?;
            left -= chunk.len() as u64;
            for bytes in chunk.chunks_exact(self.number.bytes) {
                match each(self.number, bytes) {
                    Ok(value) => out.push(value),
                    Err(bad) => return Err(bad.error(file, self.sample(out.len()))),
                }
            }
        }
        Ok(())
    }

    /// Moves numbers from Fortran order, first index fastest, to C order.
    fn in_c_order<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        if !self.fortran_order || self.shape.len() < 2 || values.is_empty() {
            return values;
        }
        let rank = self.shape.len();
        let mut strides = vec![1; rank];
        for axis in 1..rank {
            strides[axis] = strides[axis - 1] * self.shape[axis - 1];
        }
        let mut index = vec![0; rank];
        let mut from = 0;
        let mut out = Vec::with_capacity(values.len());
        for _ in 0..values.len() {
            out.push(values[from]);
            for axis in (0..rank).rev() {
                index[axis] += 1;
                from += strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                from -= strides[axis] * self.shape[axis];
                index[axis] = 0;
            }
        }
        out
    }

    fn what(&self) -> String {
        format!("numbers (shape {:?}, type {})", self.shape, self.descr)
    }

    fn bad_type(&self, file: &DataFile, hint: &'static str) -> Error {
        let need = if self.number.kind == Kind::Float && self.number.bytes == 2 {
            "32- or 64-bit floats, or integers"
        } else {
            "integers"
        };
        Error::Data {
            file: file.name().into(),
            at: "header".into(),
            came: format!("type {}", self.descr),
            need: need.into(),
            hint,
        }
    }
}

/// A number that cannot be taken.
struct Bad {
    came: String,
    need: &'static str,
    hint: &'static str,
}

impl Bad {
    fn error(self, file: &DataFile, sample: usize) -> Error {
        Error::Data {
            file: file.name().into(),
            at: format!("sample {sample}"),
            came: self.came,
            need: self.need.into(),
            hint: self.hint,
        }
    }
}

impl Number {
    /// The bits, least significant first, in the low bytes of eight.
    fn little_endian(self, bytes: &[u8]) -> [u8; 8] {
        let mut all = [0; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            all[..bytes.len()].reverse();
        }
        all
    }

    fn integer(self, bytes: &[u8]) -> i128 {
        let bits = u64::from_le_bytes(self.little_endian(bytes));
        let unused = 64 - 8 * bytes.len();
        match self.kind {
            Kind::Signed => i128::from((bits << unused) as i64 >> unused),
            _ => i128::from(bits),
        }
    }

    fn float(self, bytes: &[u8]) -> f64 {
        let bits = u64::from_le_bytes(self.little_endian(bytes));
        if bytes.len() == 4 { f32::from_bits(bits as u32).into() } else { f64::from_bits(bits) }
    }
}

/// What follows `'key':` in the text of a header.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let after = ['\'', '"'].iter().find_map(|quote| {
        let quoted = format!("{quote}{key}{quote}");
        text.split_once(&quoted).map(|(_, after)| after)
    })?;
    after.trim_start().strip_prefix(':').map(str::trim_start)
}

/// `'<f4', …` as the type's name and meaning.
fn number(text: &str) -> Option<(String, Number)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let descr = text[1..].split(quote).next()?;
    let mut chars = descr.chars();
    let big_endian = match chars.next()? {
        '<' | '|' | '=' => false,
        '>' => true,
        _ => return None,
    };
    let kind = match chars.next()? {
        'f' => Kind::Float,
        'i' => Kind::Signed,
        'u' => Kind::Unsigned,
        _ => return None,
    };
    let bytes = match (kind, chars.as_str()) {
        (Kind::Signed | Kind::Unsigned, "1") => 1,
        (_, "2") => 2,
        (_, "4") => 4,
        (_, "8") => 8,
        _ => return None,
    };
    Some((descr.into(), Number { kind, bytes, big_endian }))
}

/// `(3, 4), …` as sizes.
fn dimensions(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0.trim();
    if inside.is_empty() {
        return Some(Vec::new());
    }
    let inside = inside.strip_suffix(',').unwrap_or(inside);
    inside.split(',').map(|dim| dim.trim().trim_end_matches('L').parse().ok()).collect()
}

fn fault(file: &DataFile, came: String, need: &str) -> Error {
    Error::Data {
        file: file.name().into(),
        at: "header".into(),
        came,
        need: need.into(),
        hint: GET_AGAIN,
    }
}
