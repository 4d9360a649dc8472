//! A binary range coder: each bit costs as much as it surprises.
//!
//! ```text
//! low .. high          an interval of 64-bit numbers; at first all of them
//! mid = low + (high - low) / 2^16 * p + (high - low) mod 2^16 * p / 2^16        p: chance of a 1, in 1 / 2^16
//! 1 -> high = mid      0 -> low = mid + 1       leading bytes that low and high share are written and shifted out
//! ```
//! The same code reads and writes: [`Coder::code`] takes the bit to be written and gives the one that was read.
//!
//! Invariants: bytes beyond the end count as 0, so zeros at the end of a stream are not stored; a reader never fails
//! and does a bounded amount of work for each bit it is asked for.
//! Not here: where the chances come from (`predict`).

/// Writes or reads bits.
pub(super) trait Coder {
    /// Writes `bit`, or reads one and ignores `bit`; gives what was written or read.
    ///
    /// # Units
    /// - `chance`: of a 1, in 1 / 65536; 1 to 65535
    fn code(&mut self, bit: bool, chance: u32) -> bool;

    /// As [`Coder::code`] for the lowest `count` bits, the highest of them first, each as likely as not.
    fn plain(&mut self, bits: u32, count: u32) -> u32 {
        (0..count)
            .rev()
            .fold(0, |done, at| done << 1 | u32::from(self.code(bits >> at & 1 == 1, 1 << 15)))
    }
}

/// The interval that is left, and the bytes before it.
struct Interval {
    low: u64,
    high: u64,
}

impl Interval {
    const ALL: Self = Self { low: 0, high: u64::MAX };

    fn mid(&self, chance: u32) -> u64 {
        let (range, chance) = (self.high - self.low, u64::from(chance));
        self.low + (range >> 16) * chance + (((range & 0xffff) * chance) >> 16)
    }

    fn narrow(&mut self, bit: bool, mid: u64) {
        if bit { self.high = mid } else { self.low = mid + 1 }
    }

    /// The leading byte, once both ends share it.
    fn settled(&mut self) -> Option<u8> {
        if (self.low ^ self.high) >> 56 != 0 {
            return None;
        }
        let byte = (self.high >> 56) as u8;
        self.low <<= 8;
        self.high = self.high << 8 | 0xff;
        Some(byte)
    }
}

/// Writes bits.
pub(super) struct Writer {
    interval: Interval,
    bytes: Vec<u8>,
}

impl Writer {
    /// Goes on after `bytes`.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { interval: Interval::ALL, bytes }
    }

    /// All bytes: as few as name a number in the interval, without zeros at the end.
    pub(super) fn finish(mut self, keep: usize) -> Vec<u8> {
        let Interval { low, high } = self.interval;
        for kept in 0..=8_u32 {
            let unit = 1_u64.checked_shl(64 - 8 * kept).unwrap_or(0);
            let rest = if unit == 0 { u64::MAX } else { unit - 1 };
            let Some(up) = (low & !rest).checked_add(if low & rest == 0 { 0 } else { unit }) else {
                continue;
            };
            if up >= low && up <= high {
                self.bytes.extend(&up.to_be_bytes()[..kept as usize]);
                break;
            }
        }
        while self.bytes.len() > keep && self.bytes.last() == Some(&0) {
            self.bytes.pop();
        }
        self.bytes
    }
}

impl Coder for Writer {
    fn code(&mut self, bit: bool, chance: u32) -> bool {
        let mid = self.interval.mid(chance);
        self.interval.narrow(bit, mid);
        while let Some(byte) = self.interval.settled() {
            self.bytes.push(byte);
        }
        bit
    }
}

/// Reads bits.
pub(super) struct Reader<'a> {
    interval: Interval,
    number: u64,
    rest: std::slice::Iter<'a, u8>,
}

impl<'a> Reader<'a> {
    /// Over a whole stream.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut reader = Self { interval: Interval::ALL, number: 0, rest: bytes.iter() };
        (0..8).for_each(|_| reader.shift());
        reader
    }

    /// How many bytes were not even looked at.
    pub(super) fn unread(&self) -> usize {
        self.rest.len()
    }

    fn shift(&mut self) {
        self.number = self.number << 8 | u64::from(self.rest.next().copied().unwrap_or(0));
    }
}

impl Coder for Reader<'_> {
    fn code(&mut self, _: bool, chance: u32) -> bool {
        let mid = self.interval.mid(chance);
        let bit = self.number <= mid;
        self.interval.narrow(bit, mid);
        while self.interval.settled().is_some() {
            self.shift();
        }
        bit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Numbers;

    #[test]
    fn what_is_written_is_read_whatever_the_chances() {
        let mut numbers = Numbers(3);
        for length in [0, 1, 2, 63, 5_000] {
            let chances: Vec<u32> = (0..length)
                .map(|i| {
                    if i % 3 == 0 {
                        1 + 65_534 * (i as u32 % 2)
                    } else {
                        1 + numbers.index(65_535) as u32
                    }
                })
                .collect();
            let bits: Vec<bool> =
                chances.iter().map(|&c| numbers.index(65_536) < c as usize).collect();
            let mut writer = Writer::new(vec![7]);
            for (&bit, &chance) in bits.iter().zip(&chances) {
                writer.code(bit, chance);
            }
            let bytes = writer.finish(1);
            let mut reader = Reader::new(&bytes[1..]);
            let read: Vec<bool> = chances.iter().map(|&c| reader.code(false, c)).collect();
            assert_eq!(read, bits);
            assert_eq!(reader.unread(), 0);
        }
    }

    #[test]
    fn bits_cost_what_they_surprise() {
        let (mut writer, count) = (Writer::new(Vec::new()), 80_000);
        for i in 0..count {
            writer.code(i % 100 == 0, 655);
        }
        let chance = 655.0 / 65_536.0_f64;
        let bits = -(chance.log2() / 100.0 + (1.0 - chance).log2() * 0.99) * f64::from(count);
        let bytes = writer.finish(0).len() as f64;
        assert!((bytes - bits / 8.0).abs() < 3.0, "{bytes} bytes for {bits} bits");
    }
}
