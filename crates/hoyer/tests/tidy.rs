//! The rules of the house that the compiler does not know: which crate may use which, how long a
//! file may be, how it begins, and where unsafe code may live.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Code lines a file may have: no blanks, no comments, no tests in the file.
const LIMIT: usize = 500;

/// Which crates of the workspace each of them may use.
const DIRECTION: [(&str, &[&str]); 6] = [
    ("hoyer-kernels", &[]),
    ("hoyer-graph", &[]),
    ("hoyer-run", &["hoyer-kernels", "hoyer-graph"]),
    ("hoyer-learn", &["hoyer-kernels", "hoyer-graph", "hoyer-run"]),
    ("hoyer-zoo", &["hoyer-graph", "hoyer-kernels"]),
    ("hoyer", &["hoyer-kernels", "hoyer-graph", "hoyer-run", "hoyer-learn", "hoyer-zoo"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file of the workspace, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("crates"), root().join("benches")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(files.len() > 50, "only {} files found", files.len());
    files
}

/// The workspace's own dependencies of each crate, those of its tests included.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let ours = |package: &serde_json::Value| {
        let all = package["dependencies"].as_array().unwrap().iter().map(name);
        all.filter(|name| name.starts_with("hoyer")).collect()
    };
    metadata["packages"].as_array().unwrap().iter().map(|p| (name(p), ours(p))).collect()
}

fn wrong_arrows(dependencies: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let direction = BTreeMap::from(DIRECTION);
    let mut wrong = Vec::new();
    for (from, uses) in dependencies {
        let allowed = direction.get(from.as_str()).copied().unwrap_or_default();
        let bad = uses.iter().filter(|to| !allowed.contains(&to.as_str()));
        wrong.extend(bad.map(|to| format!("{from} -> {to}")));
    }
    wrong
}

fn code_lines(text: &str) -> usize {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn crates_use_each_other_in_one_direction() {
    let dependencies = dependencies();
    for (name, _) in DIRECTION {
        assert!(dependencies.contains_key(name), "{name} is not in the workspace");
    }
    assert_eq!(wrong_arrows(&dependencies), Vec::<String>::new());
}

#[test]
fn an_arrow_against_the_direction_is_seen() {
    let against = BTreeMap::from([("hoyer-graph".to_owned(), vec!["hoyer-run".to_owned()])]);
    assert_eq!(wrong_arrows(&against), ["hoyer-graph -> hoyer-run"]);
}

#[test]
fn no_file_is_longer_than_its_idea() {
    let is_table = |path: &Path| path.to_string_lossy().ends_with("_table.rs");
    for (path, text) in sources() {
        let lines = code_lines(&text);
        assert!(lines <= LIMIT || is_table(&path), "{}: {lines} lines of code", path.display());
    }
}

#[test]
fn blanks_comments_and_tests_are_not_code() {
    let text =
        "//! Doc\n\nuse a;\n    // why\nfn f() {}\n#[cfg(test)]\nmod tests {\nfn g() {}\n}\n";
    assert_eq!(code_lines(text), 2);
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} does not begin with //!", path.display());
    }
}

#[test]
fn no_example_in_the_documents_is_skipped() {
    for (path, text) in sources() {
        let skipped = text.lines().any(|line| {
            let line = line.trim_start().trim_start_matches(['/', '!']).trim_start();
            line.strip_prefix("```").is_some_and(|info| info.contains("ignore"))
        });
        assert!(!skipped, "{} has an example that does not run", path.display());
    }
}

#[test]
fn unsafe_code_is_forbidden_outside_the_kernels() {
    for name in ["graph", "run", "learn", "zoo", "hoyer"] {
        let path = root().join("crates").join(name).join("src/lib.rs");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{}", path.display());
    }
}
