//! One tensor as bytes: whole, or which elements live and then these, each bit as cheap as it is likely.
//!
//! ```text
//! kind    bits 0-1  0 raw, 1 floats, 2 steps, 3 list;  bit 2 masked;  bit 3 turned;  bit 4 wide
//! width   varint                                                                  not of raw
//! levels  steps: the step;  list: how many below and above zero (varints), then these
//!         each 4 bytes if wide, else the upper 2; so have the elements of floats  of steps and list
//! stream  raw: 4 bytes an element;  else the range coder's: mask, then live elements
//! ```
//! Written is what is smallest of all coders and orders tried. Elements that are not masked live if they are not 0.
//!
//! Invariants: what is written is read back bit for bit, but for a dead `-0`; a tensor of n elements takes at least n / 1024
//! bytes, so that no bytes ask for more than 5 KiB of memory each; time is linear in n.
//! Not here: names and shapes (`header`), where a tensor's bytes begin (`tensors`).

mod grid;
mod levels;
mod mask;
mod predict;
mod range;
mod values;

use crate::graph::Param;
use grid::Grid;
use levels::Levels;
use predict::Stretch;
use range::{Reader, Writer};
use values::Zeros;

use super::varint;

/// Most elements that a byte may stand for.
const ELEMENTS_A_BYTE: usize = 1_024;
/// Larger tensors are coded in one order only, and as they are if they are neither sparse nor quantized: trying takes time.
const LARGE: usize = 1 << 18;

const MASKED: u8 = 4;
const TURNED: u8 = 8;
const WIDE: u8 = 16;

/// How a tensor is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Every element, 4 bytes each.
    Raw,
    /// Which elements live, and their bits.
    Floats,
    /// Which elements live, and which multiples of a step they are.
    Steps,
    /// Which elements live, and which numbers of a list they are.
    List,
}

impl Storage {
    const ALL: [Self; 4] = [Self::Raw, Self::Floats, Self::Steps, Self::List];

    /// Its name, as `hoyer inspect` prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Floats => "floats",
            Self::Steps => "steps",
            Self::List => "list",
        }
    }

    /// How the tensor with these bytes is stored.
    pub(super) fn of(record: &[u8]) -> Self {
        Self::ALL[usize::from(record.first().copied().unwrap_or(0) & 3)]
    }
}

/// The smallest bytes found for a tensor.
pub(super) fn encode(param: &Param) -> Vec<u8> {
    let data = param.tensor.data();
    let live: Vec<bool> = match &param.mask {
        Some(mask) => mask.clone(),
        None => data.iter().map(|x| x.to_bits() != 0).collect(),
    };
    let raw = || {
        [&[0], data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>().as_slice()].concat()
    };
    let numbers: Vec<f32> = data.iter().zip(&live).filter(|(_, l)| **l).map(|(x, _)| *x).collect();
    let levels = levels::find(&numbers);
    let dense = numbers.len() >= data.len() / 10 * 9;
    if param.mask.is_none() && levels.is_empty() && dense && data.len() > LARGE {
        return raw();
    }
    let stretch = Stretch::new();
    let one = |grid: &Grid, levels: Option<&Levels>| {
        Plan { param, live: &live, grid, levels, stretch: &stretch }.bytes()
    };
    let mut grids = Grid::candidates(param.tensor.shape());
    grids.truncate(if data.len() > LARGE { 1 } else { grids.len() });
    let tried = grids.iter().flat_map(|grid| match levels.as_slice() {
        [] => vec![one(grid, None)],
        found => found.iter().map(|levels| one(grid, Some(levels))).collect(),
    });
    let whole = param.mask.is_none().then(raw);
    let least = whole.into_iter().chain(tried).min_by_key(Vec::len);
    let mut bytes = least.unwrap_or_default();
    bytes.resize(bytes.len().max(data.len() / ELEMENTS_A_BYTE), 0);
    bytes
}

/// One way to write a tensor.
struct Plan<'a> {
    param: &'a Param,
    live: &'a [bool],
    grid: &'a Grid,
    levels: Option<&'a Levels>,
    stretch: &'a Stretch,
}

impl Plan<'_> {
    fn bytes(&self) -> Vec<u8> {
        let (head, data) = (self.head(), self.param.tensor.data());
        let keep = head.len();
        let (mut writer, mut live) = (Writer::new(head), self.live.to_vec());
        mask::code(&mut writer, &mut live, self.grid, self.stretch);
        let place = (self.live, self.grid);
        if let Some(levels) = self.levels {
            let mut codes: Vec<i32> = data.iter().map(|&x| levels.level(x)).collect();
            let zeros = if self.param.mask.is_some() { Zeros::Live } else { Zeros::Dead };
            values::code_levels(&mut writer, &mut codes, place, zeros, self.stretch);
        } else {
            let mut bits: Vec<u32> = data.iter().map(|x| x.to_bits()).collect();
            values::code_floats(
                &mut writer,
                (&mut bits, digits(self.is_wide())),
                place,
                self.stretch,
            );
        }
        writer.finish(keep)
    }

    /// Whether anything that is stored has lower bytes.
    fn is_wide(&self) -> bool {
        let has_lower = |x: f32| x.to_bits() & 0xffff != 0;
        match self.levels {
            Some(levels) => levels.stored().into_iter().any(has_lower),
            None => {
                self.param.tensor.data().iter().zip(self.live).any(|(x, l)| *l && has_lower(*x))
            }
        }
    }

    fn head(&self) -> Vec<u8> {
        let stored = self.levels.map(Levels::stored).unwrap_or_default();
        let wide = self.is_wide();
        let kind = match self.levels {
            None => 1,
            Some(Levels::Steps(_)) => 2,
            Some(Levels::List { .. }) => 3,
        };
        let flags = [(self.param.mask.is_some(), MASKED), (self.grid.turned, TURNED), (wide, WIDE)];
        let mut head =
            vec![flags.iter().filter(|flag| flag.0).fold(kind, |all, flag| all | flag.1)];
        varint::write(self.grid.width as u64, &mut head);
        if let Some(Levels::List { below, above }) = self.levels {
            varint::write(below.len() as u64, &mut head);
            varint::write(above.len() as u64, &mut head);
        }
        for number in stored {
            head.extend(&number.to_le_bytes()[if wide { 0 } else { 2 }..]);
        }
        head
    }
}

/// The elements of a tensor, and which of them live if it is masked; why not, if its bytes make no sense.
///
/// # Shapes
/// - `count`: the product of `shape`
pub(super) fn decode(
    record: &[u8],
    shape: &[usize],
    count: usize,
) -> Result<(Vec<f32>, Option<Vec<bool>>), String> {
    let Some((&kind, mut rest)) = record.split_first() else {
        return Err("it has no bytes".into());
    };
    if Storage::of(record) == Storage::Raw {
        return Ok((raw(kind, rest, count)?, None));
    }
    if kind >= 2 * WIDE {
        return Err(format!("it is of kind {kind}, which is none"));
    }
    // Counted before anything is allocated.
    if count / ELEMENTS_A_BYTE > record.len() {
        return Err(format!("{} bytes are too few for {count} elements", record.len()));
    }
    let width = varint::read(&mut rest, "its width").map_err(|error| error.to_string())?;
    let grid = Grid::new(shape, width, kind & TURNED > 0);
    if width > 0 && width >= grid.columns {
        return Err(format!("its width is {width}, need less than {}", grid.columns));
    }
    let levels = read_levels(kind, &mut rest)?;
    let filled = record.len() == count / ELEMENTS_A_BYTE;
    let mut reader = Reader::new(rest);
    let (data, live) = elements(&mut reader, &grid, levels.as_ref(), kind)?;
    if reader.unread() > 0 && !filled {
        return Err(format!("{} bytes too many are there for its elements", reader.unread()));
    }
    Ok((data, (kind & MASKED > 0).then_some(live)))
}

fn raw(kind: u8, bytes: &[u8], count: usize) -> Result<Vec<f32>, String> {
    if kind != 0 {
        return Err(format!("it is of kind {kind}, which is none"));
    }
    if count.checked_mul(4) != Some(bytes.len()) {
        return Err(format!(
            "{} bytes are left for its values, need 4 for each of {count}",
            bytes.len()
        ));
    }
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn read_levels(kind: u8, bytes: &mut &[u8]) -> Result<Option<Levels>, String> {
    if kind & 3 == 1 {
        return Ok(None);
    }
    let count = |bytes: &mut &[u8]| {
        varint::read(bytes, "its number of levels").map_err(|error| error.to_string())
    };
    if kind & 3 == 2 {
        return Ok(Some(Levels::Steps(read_numbers(kind, bytes, 1)?[0])));
    }
    let (below, above) = (count(bytes)?, count(bytes)?);
    let below = read_numbers(kind, bytes, below)?;
    Ok(Some(Levels::List { below, above: read_numbers(kind, bytes, above)? }))
}

fn read_numbers(kind: u8, bytes: &mut &[u8], count: usize) -> Result<Vec<f32>, String> {
    let size = if kind & WIDE > 0 { 4 } else { 2 };
    let split = count.checked_mul(size).and_then(|all| bytes.split_at_checked(all));
    let Some((numbers, rest)) = split else {
        return Err(format!("its {count} levels are cut off"));
    };
    *bytes = rest;
    let number = |b: &[u8]| {
        let mut whole = [0; 4];
        whole[4 - size..].copy_from_slice(b);
        f32::from_le_bytes(whole)
    };
    Ok(numbers.chunks_exact(size).map(number).collect())
}

/// Digits of a float behind the first.
fn digits(wide: bool) -> u32 {
    if wide { 22 } else { 6 }
}

fn elements(
    reader: &mut Reader<'_>,
    grid: &Grid,
    levels: Option<&Levels>,
    kind: u8,
) -> Result<(Vec<f32>, Vec<bool>), String> {
    let (count, stretch) = (grid.rows * grid.columns, Stretch::new());
    let mut live = vec![false; count];
    mask::code(reader, &mut live, grid, &stretch);
    let Some(levels) = levels else {
        let mut bits = vec![0; count];
        let digits = digits(kind & WIDE > 0);
        values::code_floats(reader, (&mut bits, digits), (&live, grid), &stretch);
        return Ok((bits.into_iter().map(f32::from_bits).collect(), live));
    };
    let mut codes = vec![0; count];
    let zeros = if kind & MASKED > 0 { Zeros::Live } else { Zeros::Dead };
    values::code_levels(reader, &mut codes, (&live, grid), zeros, &stretch);
    let number = |code| levels.number(code).ok_or_else(|| format!("it has no level {code}"));
    Ok((codes.into_iter().map(number).collect::<Result<_, _>>()?, live))
}
