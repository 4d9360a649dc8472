//! Runs the command in a folder, with nothing of the user's around it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use hoyer::result::RunResult;

pub(crate) fn hoyer(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoyer"));
    command.current_dir(folder).env_remove("HOYER_DATA").env("XDG_CACHE_HOME", folder);
    command.stdin(Stdio::null());
    command
}

pub(crate) fn run(folder: &Path, line: &str) -> Output {
    hoyer(folder).args(line.split_whitespace()).output().unwrap()
}

/// What is printed by a run that must succeed.
pub(crate) fn done(folder: &Path, line: &str) -> String {
    let output = run(folder, line);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{line}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The result that `--json` prints, whether the promise was kept or not.
pub(crate) fn result(folder: &Path, line: &str) -> RunResult {
    let output = run(folder, line);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{line}: {error}");
    RunResult::from_json(&String::from_utf8(output.stdout).unwrap()).unwrap()
}

/// Runs what must not run, and gives its one line.
pub(crate) fn refused(folder: &Path, line: &str) -> String {
    let output = run(folder, line);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{line}: {text}");
    assert_eq!(text.lines().count(), 1, "{line}: {text}");
    assert_eq!(output.stdout, b"", "{line}");
    text.strip_prefix("error: ").expect("an error begins so").trim_end().to_owned()
}
