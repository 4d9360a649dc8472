//! `report.html`: the evidence of a run as one page that needs nothing but itself.
//!
//! Invariants: every number on the page comes from the [`Evidence`]; names in it are escaped; no
//! network, no script; evidence that contradicts itself is refused.
//! Not here: the numbers themselves (`result`), writing the file (the command).

mod chart;
mod epochs;
mod evidence;
mod headline;
mod histograms;
mod layers;
mod losses;
mod names;
mod numbers;
mod page;
mod pixels;
mod recipe;
mod scale;
mod seeds;
mod sizes;
mod speed;
mod stages;
mod ticks;
mod timeline;

pub use evidence::{Evidence, MapOf, PixelMap, WeightHistogram};

use crate::error::Result;

/// The page for this evidence, as the text of an HTML file.
///
/// `examples/report_preview.rs` makes one from numbers that are not a measurement.
///
/// # Errors
/// [`Error::Evidence`](crate::Error::Evidence) if the parts of the evidence contradict each other.
pub fn render(evidence: &Evidence) -> Result<String> {
    evidence.check()?;
    Ok(page::page(evidence).into_string())
}
