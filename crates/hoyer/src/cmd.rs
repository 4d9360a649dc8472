//! The verbs of the command; the tree of these modules is the tree of the verbs.
//!
//! Invariants: results go to the writer that is handed in, messages and progress bars to stderr.
//! Not here: exit codes (`main`).

mod data;
mod progress;
mod roots;
mod table;

use std::io::Write;

use clap::Parser;

/// Makes neural networks small and proves it
#[derive(Parser)]
#[command(name = "hoyer", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
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

impl Cli {
    /// Does what was asked, and writes results to `out`.
    ///
    /// # Errors
    /// If it could not be done.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<Verdict> {
        match self.verb {
            Verb::Data(data) => data.run(out).map(|()| Verdict::Done),
        }
    }
}
