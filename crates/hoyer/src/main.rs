//! The `hoyer` command: parses, calls, and turns what came of it into an exit code.
//!
//! | code | means |
//! | --- | --- |
//! | 0 | done; also when whoever read the output has stopped reading |
//! | 1 | the promise was missed; the best that was reached is written |
//! | 2 | could not run; one line on stderr says what, where, and what to do |
//!
//! Not here: what the verbs do (`cmd`).
#![forbid(unsafe_code)]

mod cmd;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind as ErrorKindOfClap;

fn main() -> ExitCode {
    let cli = match cmd::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match cli.run(&mut std::io::stdout().lock()) {
        Ok(cmd::Verdict::Done) => ExitCode::SUCCESS,
        Ok(cmd::Verdict::PromiseMissed) => ExitCode::from(1),
        Err(error) if cmd::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&format!("{error:#}")));
            ExitCode::from(2)
        }
    }
}

/// Prints help and versions as they are, and anything else in one line.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_help = error.kind() == ErrorKindOfClap::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help || !error.use_stderr() {
        // Nobody reads: nothing to do about it.
        let _ = error.print();
        return if is_help { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    let text = error.to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or_default();
    let text = text.split("\n\nFor more information").next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    eprintln!("error: {}; see `hoyer --help`", one_line(text));
    ExitCode::from(2)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_lines_becomes_one() {
        assert_eq!(one_line("no model\n  is called `x`\n"), "no model is called `x`");
    }
}
