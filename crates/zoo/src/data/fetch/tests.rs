//! Tests of downloading, against a server in this process; nothing leaves the machine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::data::catalog::Format;

/// Serves these bodies by path until the process ends, and gives its address.
fn serve(bodies: HashMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            for line in lines.by_ref() {
                if line.unwrap().is_empty() {
                    break;
                }
            }
            let path = request.split(' ').nth(1).unwrap().trim_start_matches('/');
            let (status, body) = match bodies.get(path) {
                Some(body) => ("200 OK", &body[..]),
                None => ("404 Not Found", &b""[..]),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            // A client that has seen enough hangs up.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    address
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn tarball(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

/// A data set of these files. Catalog entries live forever; so do these.
fn entry(files: &[(&'static str, &[u8])]) -> Entry {
    let files: Vec<FileEntry> = files
        .iter()
        .map(|(name, content)| {
            let sha256: String =
                Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
            FileEntry { name, bytes: content.len() as u64, sha256: sha256.leak() }
        })
        .collect();
    Entry {
        name: "toys",
        what: "",
        train: 0,
        test: 0,
        shape: [1, 1, 1],
        classes: &[],
        augmentation: crate::data::Augmentation::NONE,
        licence: "",
        origin: "",
        folders: &["toys"],
        files: files.leak(),
        format: Format::Idx,
        mirrors: &[],
    }
}

fn quietly(entry: &Entry, root: &Path, mirrors: &[Mirror]) -> Result<Fetched> {
    fetch(entry, root, mirrors, &mut |_| {})
}

/// All names in the folder of the data set, hidden ones too.
fn names(root: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(root.path().join("toys")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_come_unpacked_and_are_not_fetched_twice() {
    let entry = entry(&[("a", b"first"), ("b", b"second")]);
    let bodies = [("a.gz", gzip(b"first")), ("b.gz", b"second".to_vec())];
    let url = serve(bodies.map(|(path, body)| (path.into(), body)).into());
    let mirror = Mirror { url: &url, pack: Pack::GzipFiles };
    let root = TempDir::new().unwrap();
    let folder = root.path().join("toys");
    let mut seen = Vec::new();
    let fetched = fetch(&entry, root.path(), &[mirror], &mut |p: &Progress| {
        seen.push((p.url.to_owned(), p.bytes, p.total_bytes));
    });
    assert_eq!(fetched.unwrap(), Fetched::Downloaded(folder.clone()));
    assert_eq!(names(&root), ["a", "b"]);
    assert_eq!(std::fs::read(folder.join("a")).unwrap(), b"first");
    assert_eq!(std::fs::read(folder.join("b")).unwrap(), b"second");
    assert_eq!(seen.last(), Some(&(format!("{url}b.gz"), 6, Some(6))));
    // No mirror is needed when all is there; a damaged file is fetched again, and only that.
    assert_eq!(quietly(&entry, root.path(), &[]).unwrap(), Fetched::Present(folder.clone()));
    std::fs::write(folder.join("b"), b"secund").unwrap();
    let mut urls = Vec::new();
    fetch(&entry, root.path(), &[mirror], &mut |p: &Progress| urls.push(p.url.to_owned())).unwrap();
    urls.dedup();
    assert_eq!(urls, [format!("{url}b.gz")]);
    assert_eq!(std::fs::read(folder.join("b")).unwrap(), b"second");
}

#[test]
fn a_mirror_that_fails_is_followed_by_the_next_one() {
    let entry = entry(&[("a", b"first"), ("b", b"second")]);
    let half = serve([("a.gz".into(), gzip(b"first"))].into());
    let whole = serve(
        [("x.tgz".into(), tarball(&[("d/e/b", b"second"), ("d/c", b"?"), ("a", b"first")]))].into(),
    );
    let archive = format!("{whole}x.tgz");
    let mirrors = [
        Mirror { url: &half, pack: Pack::GzipFiles },
        Mirror { url: &archive, pack: Pack::TarGzip },
    ];
    let root = TempDir::new().unwrap();
    let folder = root.path().join("toys");
    assert_eq!(quietly(&entry, root.path(), &mirrors).unwrap(), Fetched::Downloaded(folder));
    assert_eq!(names(&root), ["a", "b"]);
}

#[test]
fn one_missing_file_is_found_behind_the_others_in_a_large_archive() {
    // Bytes that do not compress: low digits of squares.
    let big: Vec<u8> = (0..3_000_000u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ (i.pow(2) >> 9) as u8)
        .collect();
    let entry = entry(&[("a", &big), ("b", b"second")]);
    let url = serve([("x.tgz".into(), tarball(&[("a", &big), ("b", b"second")]))].into()) + "x.tgz";
    let root = TempDir::new().unwrap();
    let folder = root.path().join("toys");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a"), &big).unwrap();
    let mirror = Mirror { url: &url, pack: Pack::TarGzip };
    let fetched = quietly(&entry, root.path(), &[mirror]).unwrap();
    assert_eq!(fetched, Fetched::Downloaded(folder));
}

#[test]
fn nothing_wrong_is_kept_and_every_mirror_is_heard() {
    let entry = entry(&[("a", b"first")]);
    let mut cut = gzip(&[7; 5]);
    cut.truncate(12);
    let bodies = [
        ("other/a.gz", gzip(b"fir5t")),
        ("long/a.gz", gzip(b"first and more")),
        ("short/a.gz", gzip(b"fir")),
        ("cut/a.gz", cut),
        ("lacks.tgz", tarball(&[("b", b"second")])),
        ("bad.tgz", gzip(&[1; 2000])),
    ];
    let base = serve(bodies.map(|(path, body)| (path.into(), body)).into());
    let files = ["other/", "long/", "short/", "cut/", "none/"].map(|path| format!("{base}{path}"));
    let archives = ["lacks.tgz", "bad.tgz"].map(|path| format!("{base}{path}"));
    let mirrors: Vec<Mirror> = files
        .iter()
        .map(|url| Mirror { url, pack: Pack::GzipFiles })
        .chain(archives.iter().map(|url| Mirror { url, pack: Pack::TarGzip }))
        .collect();
    let root = TempDir::new().unwrap();
    let message = quietly(&entry, root.path(), &mirrors).unwrap_err().to_string();
    assert_eq!(names(&root), [""; 0]);
    for need in [
        "cannot download `toys`: http://127.0.0.1:",
        "other/: a: content with sha256 ",
        "long/: a: more than 5 bytes; ",
        "short/: a: 3 bytes, need 5; ",
        "cut/: a: incomplete deflate stream; ",
        "none/: a: http status: 404; ",
        "lacks.tgz: the archive lacks a; ",
        "bad.tgz: unusable archive: ",
        "; check the network, or put the files a into ",
    ] {
        assert!(message.contains(need), "`{need}` is not in: {message}");
    }
}

#[test]
fn no_network_is_said_in_one_line() {
    // A port nothing listens on: bound, then let go.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let root = TempDir::new().unwrap();
    let entry = entry(&[("a", b"first")]);
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://127.0.0.1:{port}/");
        let mirror = Mirror { url: &url, pack: Pack::GzipFiles };
        let message = quietly(&entry, root.path(), &[mirror]).unwrap_err().to_string();
        let start = format!("cannot download `toys`: {url}: a: ");
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains("refused"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn a_server_that_does_not_speak_tls_is_an_answer_and_no_panic() {
    let url = serve(HashMap::new()).replace("http:", "https:");
    let mirror = Mirror { url: &url, pack: Pack::GzipFiles };
    let root = TempDir::new().unwrap();
    let message = quietly(&entry(&[("a", b"first")]), root.path(), &[mirror]).unwrap_err();
    assert!(message.to_string().starts_with("cannot download `toys`: https://"), "{message}");
}

#[test]
fn a_folder_that_cannot_be_written_ends_the_attempt() {
    let root = TempDir::new().unwrap();
    std::fs::write(root.path().join("toys"), "in the way").unwrap();
    let message = quietly(&entry(&[("a", b"first")]), root.path(), &[]).unwrap_err().to_string();
    assert_eq!(message, format!("cannot write {}", root.path().join("toys").display()));
}

/// A PNG of `images` rows of 1024 RGB pixels, and the same pixels as records with these labels.
fn batch(images: usize, labels: &[u8], salt: usize) -> (Vec<u8>, Vec<u8>) {
    let value = |image: usize, pixel: usize, channel: usize| {
        (image * 31 + pixel * 7 + channel * 101 + salt) as u8
    };
    let mut rgb = Vec::new();
    let mut records = Vec::new();
    for image in 0..images {
        (0..1024).for_each(|p| (0..3).for_each(|c| rgb.push(value(image, p, c))));
        records.push(labels[image]);
        (0..3).for_each(|c| (0..1024).for_each(|p| records.push(value(image, p, c))));
    }
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 1024, images as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&rgb).unwrap();
    (png, records)
}

#[test]
fn cifar_pngs_become_the_binary_files() {
    let (png1, bin1) = batch(2, &[3, 1], 0);
    let (png2, bin2) = batch(2, &[4, 9], 50);
    let (png3, bin3) = batch(2, &[5, 0], 90);
    let entry = entry(&[
        ("data_batch_1.bin", &bin1),
        ("data_batch_2.bin", &bin2),
        ("test_batch.bin", &bin3),
    ]);
    let members: [(&str, &[u8]); 6] = [
        ("package/package.json", b"{}"),
        ("package/data_batch_1.png", &png1),
        ("package/data_batch_2.png", &png2),
        ("package/test_batch.png", &png3),
        ("package/test_lables.json", b"[5,0]"),
        ("package/train_lables.json", b"[3,1,4,9]"),
    ];
    let mut fewer = members;
    fewer[5].1 = b"[3,1]";
    let mut broken = members;
    broken[2].1 = &png2[..png2.len() - 40];
    let mut narrow = members;
    narrow[2].1 = b"no PNG";
    let root = TempDir::new().unwrap();
    let attempt = |members: &[(&str, &[u8])]| {
        let url = serve([("p.tgz".into(), tarball(members))].into()) + "p.tgz";
        quietly(&entry, root.path(), &[Mirror { url: &url, pack: Pack::CifarPng }])
    };
    for (members, need) in [
        (&fewer, "p.tgz: data_batch_2.png: labels missing"),
        (&broken, "p.tgz: data_batch_2.png: unusable PNG"),
        (&narrow, "p.tgz: data_batch_2.png: unusable PNG"),
    ] {
        let message = attempt(members).unwrap_err().to_string();
        assert!(message.contains(need), "`{need}` is not in: {message}");
        assert_eq!(names(&root), ["data_batch_1.bin"]);
    }
    attempt(&members).unwrap();
    assert_eq!(names(&root), ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]);
    assert_eq!(std::fs::read(root.path().join("toys/data_batch_2.bin")).unwrap(), bin2);
}
