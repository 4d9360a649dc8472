//! The verbs of the command; the tree of these modules is the tree of the verbs.
//!
//! Invariants: results go to the writer that is handed in, messages and progress bars to stderr.
//! Not here: exit codes (`main`).

mod bench;
mod compress;
mod data;
mod demo;
mod eval;
mod export;
mod input_flags;
mod inspect;
mod interrupt;
mod one_run;
mod out_folder;
mod progress;
mod recipe_flags;
mod roots;
mod run;
mod run_options;
mod summary;
mod table;
mod train;

use std::io::{ErrorKind, Write};

use clap::Parser;
use hoyer::result::RunResult;
use out_folder::OutFolder;
use summary::summary;

/// Makes neural networks small and proves it
#[derive(Parser)]
#[command(name = "hoyer", version, disable_help_subcommand = true, max_term_width = 80)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Compress(Box<compress::Compress>),
    Train(train::Train),
    Eval(eval::Eval),
    Run(run::Run),
    Bench(bench::Bench),
    Export(export::Export),
    Inspect(inspect::Inspect),
    Data(data::Data),
}

/// How a verb ended that could run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All that was asked for.
    Done,
    /// A promise was missed; the best that was reached is written.
    PromiseMissed,
}

impl Verdict {
    /// Whether a result, with all its seeds, keeps what was promised.
    fn of(result: &RunResult) -> Self {
        let seeds = result.seeds.iter().map(|run| run.promise_kept);
        let missed = seeds.chain([result.promise_kept()]).any(|kept| kept == Some(false));
        if missed { Self::PromiseMissed } else { Self::Done }
    }
}

/// Tells what a run reached, and how it ended: that does not depend on whether anybody reads on.
fn conclude(
    result: &RunResult,
    folder: &OutFolder,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Verdict> {
    let text = match json {
        true => result.to_json()?,
        false => format!(
            "{}\nmodel:  {}\nreport: {} (open it in a browser)\n",
            summary(result),
            folder.model().display(),
            folder.report().display()
        ),
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(anyhow::Error::from) {
        Err(error) if !is_broken_pipe(&error) => Err(error),
        _ => Ok(Verdict::of(result)),
    }
}

/// Whether it is only that nobody reads on.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
    })
}

impl Cli {
    /// Does what was asked, and writes results to `out`.
    ///
    /// # Errors
    /// If it could not be done.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<Verdict> {
        match self.verb {
            Verb::Demo(demo) => demo.run(out),
            Verb::Compress(compress) => compress.run(out),
            Verb::Train(train) => train.run(out).map(|()| Verdict::Done),
            Verb::Eval(eval) => eval.run(out).map(|()| Verdict::Done),
            Verb::Run(run) => run.run(out).map(|()| Verdict::Done),
            Verb::Bench(bench) => bench.run(out).map(|()| Verdict::Done),
            Verb::Export(export) => export.run(out).map(|()| Verdict::Done),
            Verb::Inspect(inspect) => inspect.run(out).map(|()| Verdict::Done),
            Verb::Data(data) => data.run(out).map(|()| Verdict::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_told_from_other_errors() {
        let pipe = std::io::Error::from(ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::from(pipe).context("cannot write")));
        let full = std::io::Error::from(ErrorKind::StorageFull);
        assert!(!is_broken_pipe(&anyhow::Error::from(full)));
    }
}
