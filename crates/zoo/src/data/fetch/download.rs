//! One HTTP request: a body that is bounded, reports its progress, and may be gzip.
//!
//! Not here: where the body goes ([`super::incoming`], [`super::archive`]).

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;
use ureq::tls::{RootCerts, TlsConfig};

use super::{Attempt, Failure, Progress};

const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
/// How long a server may be silent.
const SILENCE_PATIENCE: Duration = Duration::from_secs(60);
/// What packing may add to content that does not compress.
const PACKING_BYTES: u64 = 1 << 20;

/// Asks for `url`, whose content without compression has `content_bytes`: a body that is longer
/// is cut off.
pub(super) fn get<'a>(
    url: &'a str,
    content_bytes: u64,
    progress: &'a mut dyn FnMut(&Progress),
) -> Attempt<impl Read + 'a> {
    let certificates = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let agent = ureq::Agent::config_builder()
        .tls_config(certificates)
        .timeout_connect(Some(CONNECT_PATIENCE))
        .timeout_per_read(Some(SILENCE_PATIENCE))
        .user_agent(concat!("hoyer/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let body = match agent.get(url).call() {
        Ok(response) => response.into_body(),
        Err(e) => return Err(Failure::Mirror(e.to_string())),
    };
    let total_bytes = body.content_length();
    let reader = body.into_reader().take(content_bytes + PACKING_BYTES);
    Ok(Counted { reader, progress, state: Progress { url, bytes: 0, total_bytes } })
}

/// A body that says how far it is.
struct Counted<'a, R> {
    reader: R,
    progress: &'a mut dyn FnMut(&Progress),
    state: Progress<'a>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.state.bytes += read as u64;
        (self.progress)(&self.state);
        Ok(read)
    }
}

/// The content of a body that is gzip, or of one that is not (some servers unpack by themselves).
pub(super) fn unpacked<'a>(body: impl Read + 'a) -> Attempt<Box<dyn Read + 'a>> {
    let mut body = BufReader::with_capacity(1 << 16, body);
    let start = body.fill_buf().map_err(|e| Failure::Mirror(e.to_string()))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(MultiGzDecoder::new(body)));
    }
    Ok(Box::new(body))
}

/// Keeps a body in a nameless file in `folder`, and rewinds it.
pub(super) fn keep(body: &mut dyn Read, folder: &Path) -> Attempt<File> {
    let refused = |source| Failure::writing(folder, source);
    let mut file = tempfile::tempfile_in(folder).map_err(refused)?;
    each_chunk(body, &mut |chunk| file.write_all(chunk).map_err(refused))?;
    file.rewind().map_err(refused)?;
    Ok(file)
}

/// Hands all of `reader` to `take`, a chunk at a time, so that what was read badly and what was
/// written badly are told apart.
pub(super) fn each_chunk(
    reader: &mut dyn Read,
    take: &mut dyn FnMut(&[u8]) -> Attempt<()>,
) -> Attempt<()> {
    let mut chunk = vec![0; 1 << 16];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&chunk[..read])?,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(Failure::Mirror(e.to_string())),
        }
    }
}
