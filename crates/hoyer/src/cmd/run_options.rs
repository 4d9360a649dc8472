//! Flags of every verb that trains.
//!
//! Not here: flags of a single verb.

use std::path::PathBuf;

/// How a run is made and shown; none of it changes the result.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunOptions {
    /// Threads to compute on; default: all cores. The result is the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Folder to look for data sets in first; others: $HOYER_DATA, the cache folder
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// No progress bars
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

impl RunOptions {
    pub(crate) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, |threads| threads as usize)
    }
}
