//! Progress on stderr: a bar on a terminal, a line an epoch where there is none (a log), nothing when asked to be quiet.
//!
//! Not here: what a run reports (`hoyer_learn::observer`).

use std::cell::Cell;
use std::io::{IsTerminal, Write};

use hoyer_learn::observer::{Observer, Progress};
use hoyer_learn::recipe::Stage;
use hoyer_learn::record::{EpochRecord, StageRecord};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::percent;

/// A bar over bytes of a download.
pub(crate) fn bytes(quiet: bool) -> ProgressBar {
    styled(quiet, "{msg:24} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}")
}

/// A bar for each stage of a run, or lines.
pub(crate) struct StageBar {
    bar: ProgressBar,
    quiet: bool,
    epochs: Cell<u32>,
    resumed: Cell<bool>,
}

impl StageBar {
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = styled(quiet, "{prefix:14} {bar:20} {percent:>3}% ETA {eta:>4} {msg}");
        Self { bar, quiet, epochs: Cell::new(0), resumed: Cell::new(false) }
    }

    /// Writes a line, above the bar if there is one. Asks the bar first: inside `suspend` it is locked.
    fn say(&self, line: &str) {
        match (self.quiet, self.bar.is_hidden()) {
            (true, _) => {}
            // Nobody is told if the log cannot be written; the run goes on.
            (false, true) => drop(writeln!(std::io::stderr(), "{line}")),
            (false, false) => self.bar.suspend(|| eprintln!("{line}")),
        }
    }
}

impl Observer for StageBar {
    fn stage_started(&self, index: usize, stages: usize, stage: &Stage, epochs_done: u32) {
        self.epochs.set(stage.epochs());
        self.resumed.set(epochs_done > 0);
        self.bar.reset();
        self.bar.set_prefix(format!("{}/{stages} {}", index + 1, stage.kind().name()));
        self.bar.set_message("");
    }

    fn step(&self, progress: Progress) {
        let steps = progress.steps as u64;
        let done = u64::from(progress.epoch.saturating_sub(1)) * steps + progress.step as u64;
        if self.bar.length() != Some(u64::from(self.epochs.get()) * steps) {
            self.bar.set_length(u64::from(self.epochs.get()) * steps);
        }
        if self.resumed.take() {
            // What was done before the stop says nothing about the time to come.
            self.bar.reset_eta();
        }
        self.bar.set_position(done);
    }

    fn epoch_done(&self, index: usize, record: &EpochRecord) {
        let accuracy = record.validation_accuracy.map_or_else(String::new, percent);
        let epoch = format!("epoch {} of {}", record.epoch, self.epochs.get());
        if self.bar.is_hidden() {
            let seconds = record.seconds;
            let line = format!("{} {epoch}, {seconds:.1} s  validation {accuracy:>8}", index + 1);
            self.say(&line);
        }
        self.bar.set_message(format!("{epoch} {accuracy}"));
    }

    fn stage_done(&self, index: usize, record: &StageRecord) {
        let accuracy = record.validation_metric.map_or_else(String::new, percent);
        let left = record.density().map_or_else(String::new, percent);
        let (kind, seconds) = (record.kind.name(), record.seconds);
        self.say(&format!(
            "{} {kind:9} {seconds:>6.1} s  validation {accuracy:>8}  weights left {left:>8}",
            index + 1
        ));
        self.bar.finish_and_clear();
    }

    fn message(&self, text: &str) {
        self.say(text);
    }
}

fn styled(quiet: bool, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target(quiet));
    let style = ProgressStyle::with_template(template).expect("the template is one of ours");
    bar.with_style(style)
}

fn target(quiet: bool) -> ProgressDrawTarget {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressDrawTarget::hidden();
    }
    ProgressDrawTarget::stderr()
}
