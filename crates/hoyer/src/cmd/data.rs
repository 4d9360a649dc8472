//! `hoyer data`: which data sets there are, and getting one.
//!
//! Not here: reading them (`hoyer_zoo::data`).

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use hoyer_zoo::data::catalog::{CATALOG, Entry, Format};
use hoyer_zoo::data::fetch::{Fetched, Progress, fetch};
use hoyer_zoo::data::lookup;
use serde_json::json;

use super::progress;
use super::roots::roots;
use super::table::{row, table, thousands};

/// List the known data sets, or download one
#[derive(clap::Args)]
pub(crate) struct Data {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    List(List),
    Fetch(Fetch),
}

/// The known data sets: how large they are, and where they lie
#[derive(clap::Args)]
struct List {
    /// Folder to look in first
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Download a data set, check it, and put it where it is found
#[derive(clap::Args)]
struct Fetch {
    /// Name of the data set, as `hoyer data list` gives it
    name: String,
    /// Folder to put it into; default: $HOYER_DATA, else the cache folder
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// No progress bar
    #[arg(long, short)]
    quiet: bool,
}

impl Data {
    /// # Errors
    /// If a data set is unknown, cannot be had, or `out` cannot be written.
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        match self.verb {
            Verb::List(list) => list.run(out),
            Verb::Fetch(fetch) => fetch.run(out),
        }
    }
}

/// Where a data set lies, if anywhere.
fn place(entry: &Entry, roots: &[PathBuf]) -> Option<String> {
    match entry.format {
        Format::Embedded => Some("embedded".into()),
        _ => lookup::find(entry, roots)
            .ok()
            .and_then(|files| Some(files.first()?.parent()?.display().to_string())),
    }
}

impl List {
    fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        let roots = roots(self.data_dir);
        if self.json {
            let sets: Vec<_> = CATALOG.iter().map(|entry| as_json(entry, &roots)).collect();
            writeln!(out, "{:#}", json!({ "data": sets }))?;
            return Ok(());
        }
        let mut rows = vec![row(["name", "train", "test", "shape", "classes", "MB", "is in"])];
        for entry in CATALOG {
            let [c, h, w] = entry.shape;
            rows.push(vec![
                entry.name.into(),
                thousands(entry.train as u64),
                thousands(entry.test as u64),
                format!("{c}x{h}x{w}"),
                entry.classes.len().to_string(),
                format!("{:.1}", entry.bytes() as f64 / 1e6),
                place(entry, &roots).unwrap_or_else(|| "not here".into()),
            ]);
        }
        write!(out, "{}", table(&rows))?;
        if rows.iter().any(|row| row.last().is_some_and(|place| place == "not here")) {
            writeln!(out, "\nGet one with `hoyer data fetch NAME`.")?;
        }
        Ok(())
    }
}

fn as_json(entry: &Entry, roots: &[PathBuf]) -> serde_json::Value {
    json!({
        "name": entry.name, "what": entry.what, "train": entry.train, "test": entry.test,
        "shape": entry.shape, "classes": entry.classes, "licence": entry.licence,
        "origin": entry.origin, "bytes": entry.bytes(), "place": place(entry, roots),
    })
}

impl Fetch {
    fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        let entry = Entry::find(&self.name)?;
        let root = roots(self.data_dir).into_iter().next().context("there is no data folder")?;
        let bar = progress::bytes(self.quiet);
        let mut show = |progress: &Progress| {
            if let Some(total) = progress.total_bytes {
                bar.set_length(total);
            }
            bar.set_message(progress.url.rsplit('/').next().unwrap_or_default().to_owned());
            bar.set_position(progress.bytes);
        };
        let fetched = fetch(entry, &root, entry.mirrors, &mut show);
        bar.finish_and_clear();
        match fetched? {
            Fetched::Embedded => writeln!(out, "{} is embedded: nothing to do", entry.name)?,
            Fetched::Present(at) => writeln!(out, "{} is in {}", entry.name, at.display())?,
            Fetched::Downloaded(at) => writeln!(out, "{} is now in {}", entry.name, at.display())?,
        }
        Ok(())
    }
}
