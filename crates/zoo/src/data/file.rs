//! An opened data file: plain or gzip, with its name and place for messages.
//!
//! Invariants: never reserves more memory than the stored bytes could hold (a deflate stream
//! expands at most 1,032-fold), and reserves little before bytes have really come.
//! Not here: what the bytes mean ([`super::idx`], [`super::cifar`]).

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result};

/// Largest factor by which deflate expands (258 bytes from two bits, and some).
const DEFLATE_LIMIT: u64 = 1_032;
/// What is reserved ahead for compressed data, as a multiple of the stored bytes.
const LIKELY_EXPANSION: u64 = 8;
/// What to do about a file that has been cut or spoilt.
pub(crate) const GET_AGAIN: &str = "the file is damaged: get it again";

/// How the content is stored, which bounds how much of it there can be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// One stored byte is one byte of content.
    Plain,
    /// Deflate, as in gzip and zip.
    Deflate,
}

/// A stream of content bytes that knows where it is.
pub(crate) struct DataFile<'a> {
    name: String,
    offset: u64,
    stored_bytes: u64,
    storage: Storage,
    reader: Box<dyn Read + 'a>,
}

impl DataFile<'static> {
    /// Opens `path`; gzip is known by its first two bytes, not by the name.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let refused = |source| Error::Read { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(refused)?;
        let meta = file.metadata().map_err(refused)?;
        if meta.is_dir() {
            return Err(refused(ErrorKind::IsADirectory.into()));
        }
        let reader = BufReader::with_capacity(1 << 16, file);
        Self::detect(path.display().to_string(), meta.len(), reader)
    }
}

impl<'a> DataFile<'a> {
    /// Reads bytes that are already in memory.
    pub(crate) fn from_bytes(name: impl Into<String>, bytes: &'a [u8]) -> Result<Self> {
        Self::detect(name.into(), bytes.len() as u64, bytes)
    }

    /// Wraps a stream whose storage is known, such as a member of an archive.
    pub(crate) fn member(
        name: String,
        stored_bytes: u64,
        storage: Storage,
        reader: Box<dyn Read + 'a>,
    ) -> Self {
        Self { name, offset: 0, stored_bytes, storage, reader }
    }

    fn detect(name: String, stored_bytes: u64, mut reader: impl BufRead + 'a) -> Result<Self> {
        let start = match reader.fill_buf() {
            Ok(start) => start,
            Err(source) => return Err(Error::Read { path: name.into(), source }),
        };
        let (storage, reader): (_, Box<dyn Read + 'a>) = if start.starts_with(&[0x1f, 0x8b]) {
            (Storage::Deflate, Box::new(MultiGzDecoder::new(reader)))
        } else {
            (Storage::Plain, Box::new(reader))
        };
        Ok(Self { name, offset: 0, stored_bytes, storage, reader })
    }

    /// How messages call this file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Content bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads exactly `N` bytes, named `what` in messages.
    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        let mut got = 0;
        while got < N {
            match self.reader.read(&mut bytes[got..]) {
                Ok(0) => return Err(self.cut(got as u64, N as u64, what)),
                Ok(n) => got += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.broken(e)),
            }
        }
        self.offset += N as u64;
        Ok(bytes)
    }

    /// The next byte, or nothing at the end of the content.
    pub(crate) fn next_byte(&mut self) -> Result<Option<u8>> {
        let mut byte = [0; 1];
        loop {
            match self.reader.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.broken(e)),
            }
        }
        self.offset += 1;
        Ok(Some(byte[0]))
    }

    /// Checks that `bytes` more bytes, named `what` in messages, can come at all, and returns how
    /// many to reserve memory for.
    pub(crate) fn claim(&self, bytes: u64, what: &str) -> Result<usize> {
        let most = self.most_left();
        if bytes > most {
            return Err(self.cut(most, bytes, what));
        }
        let ahead = bytes.min(self.stored_bytes.saturating_mul(LIKELY_EXPANSION));
        Ok(usize::try_from(ahead).unwrap_or(0))
    }

    /// Appends exactly `bytes` bytes, named `what` in messages, to `into`, or nothing.
    pub(crate) fn append(&mut self, bytes: u64, what: &str, into: &mut Vec<u8>) -> Result<()> {
        into.reserve(self.claim(bytes, what)?);
        let before = into.len();
        let fault = match (&mut self.reader).take(bytes).read_to_end(into) {
            Ok(got) if got as u64 == bytes => {
                self.offset += bytes;
                return Ok(());
            }
            Ok(got) => self.cut(got as u64, bytes, what),
            Err(e) => self.broken(e),
        };
        into.truncate(before);
        Err(fault)
    }

    /// Checks that the content ends here, which also checks a gzip file's checksum.
    pub(crate) fn end(&mut self, why: &str) -> Result<()> {
        match self.next_byte()? {
            None => Ok(()),
            Some(_) => Err(Error::Data {
                file: self.name.clone(),
                at: format!("byte {}", self.offset - 1),
                came: "more bytes".into(),
                need: format!("the end of the file ({why})"),
                hint: GET_AGAIN,
            }),
        }
    }

    /// Content bytes that can still come, at most.
    fn most_left(&self) -> u64 {
        match self.storage {
            Storage::Plain => self.stored_bytes.saturating_sub(self.offset),
            Storage::Deflate => self.stored_bytes.saturating_mul(DEFLATE_LIMIT),
        }
    }

    fn cut(&self, got: u64, need: u64, what: &str) -> Error {
        let most = match (self.storage, got == self.most_left()) {
            (Storage::Deflate, true) => "at most ",
            _ => "",
        };
        Error::Data {
            file: self.name.clone(),
            at: format!("byte {}", self.offset),
            came: format!("{most}{got} bytes left"),
            need: format!("{need} of {what}"),
            hint: "the file is cut short: get it again",
        }
    }

    fn broken(&self, source: std::io::Error) -> Error {
        match source.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                Error::Data {
                    file: self.name.clone(),
                    at: format!("after byte {}", self.offset),
                    came: format!("damaged compressed data ({source})"),
                    need: "an intact stream".into(),
                    hint: GET_AGAIN,
                }
            }
            _ => Error::Read { path: self.name.clone().into(), source },
        }
    }
}
