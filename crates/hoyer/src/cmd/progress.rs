//! Progress bars on stderr: silent when stderr is no terminal, or when asked to be.
//!
//! Not here: what a run reports (`hoyer_learn`).

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over bytes of a download.
pub(crate) fn bytes(quiet: bool) -> ProgressBar {
    styled(quiet, "{msg:24} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}")
}

/// A bar over the epochs of a run.
pub(crate) fn epochs(quiet: bool) -> ProgressBar {
    styled(quiet, "{prefix:9} {bar:20} {pos}/{len} ETA {eta} {msg}")
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
