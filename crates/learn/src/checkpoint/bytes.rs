//! Numbers as little-endian bytes, each list with its length before it, a checksum at the end.

use crate::snapshot::{Kept, Snapshot};

/// Collects bytes.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(magic: &[u8; 8]) -> Self {
        Self(magic.to_vec())
    }

    pub(super) fn length(&mut self, length: usize) {
        self.0.extend((length as u64).to_le_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend(bytes);
    }

    pub(super) fn floats(&mut self, numbers: &[f32]) {
        self.length(numbers.len());
        numbers.iter().for_each(|x| self.0.extend(x.to_le_bytes()));
    }

    pub(super) fn snapshot(&mut self, snapshot: &Snapshot) {
        self.length(snapshot.0.len());
        for Kept { values, mask } in &snapshot.0 {
            self.floats(values);
            self.0.push(u8::from(mask.is_some()));
            if let Some(mask) = mask {
                self.length(mask.len());
                self.0.extend(mask.iter().map(|live| u8::from(*live)));
            }
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let sum = crc32fast::hash(&self.0);
        self.0.extend(sum.to_le_bytes());
        self.0
    }
}

/// Takes them apart again; `None` where there are too few.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks the first and the last bytes.
    pub(super) fn new(bytes: &'a [u8], magic: &[u8; 8]) -> Result<Self, &'static str> {
        let rest = bytes.strip_prefix(magic).ok_or("it does not begin like a checkpoint")?;
        let (rest, sum) = rest.split_last_chunk::<4>().ok_or("it ends too early")?;
        if crc32fast::hash(&bytes[..bytes.len() - 4]) != u32::from_le_bytes(*sum) {
            return Err("its checksum is wrong");
        }
        Ok(Self(rest))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        self.0.split_off(..len)
    }

    fn length(&mut self) -> Option<usize> {
        let bytes = self.take(8)?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.length()?;
        self.take(len)
    }

    pub(super) fn floats(&mut self) -> Option<Vec<f32>> {
        let len = self.length()?.checked_mul(4)?;
        let (numbers, _) = self.take(len)?.as_chunks::<4>();
        Some(numbers.iter().map(|x| f32::from_le_bytes(*x)).collect())
    }

    /// As many of something as the length before them says.
    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let len = self.length()?;
        (0..len).map(|_| one(self)).collect()
    }

    pub(super) fn snapshot(&mut self) -> Option<Snapshot> {
        self.list(Self::kept).map(Snapshot)
    }

    fn kept(&mut self) -> Option<Kept> {
        let values = self.floats()?;
        let mask = match self.take(1)? {
            [0] => None,
            _ => Some(self.bytes()?.iter().map(|live| *live != 0).collect()),
        };
        Some(Kept { values, mask })
    }
}
