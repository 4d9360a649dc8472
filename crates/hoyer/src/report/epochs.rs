//! All epochs of all stages on one axis.
//!
//! An epoch stands where it ends: the first at 1, the last at the number of epochs. A stage that
//! does not train has no width.
//!
//! Not here: the charts that use it (`timeline`, `losses`).

use hoyer_learn::record::{EpochRecord, StageRecord};
use maud::{Markup, html};

use super::chart::{Mark, Point, across};
use super::scale::{Kind, Scale};

/// Share of the axis from which on a stage can carry its name.
const ROOM_FOR_NAME: f64 = 0.17;
/// Share of the axis from which on a stage can carry its number.
const ROOM_FOR_NUMBER: f64 = 0.03;

/// One stage and the part of the axis it takes.
pub(super) struct Span<'a> {
    /// Its place among the stages, from 1.
    pub(super) number: usize,
    /// The stage.
    pub(super) stage: &'a StageRecord,
    /// Epochs before it.
    pub(super) start: f64,
    /// Epochs before it and in it.
    pub(super) end: f64,
}

/// The stages in order, each with its part of the axis.
pub(super) fn spans(stages: &[StageRecord]) -> Vec<Span<'_>> {
    let mut start = 0.0;
    let mut spans = Vec::new();
    for (i, stage) in stages.iter().enumerate() {
        let end = start + stage.epochs.len() as f64;
        spans.push(Span { number: i + 1, stage, start, end });
        start = end;
    }
    spans
}

/// The axis; `None` if nothing was trained.
pub(super) fn axis(spans: &[Span]) -> Option<Scale> {
    Scale::between(Kind::Linear, 0.0, spans.last()?.end)
}

impl Span<'_> {
    /// What this stage is called on the page.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.number, self.stage.kind.name())
    }

    /// One point an epoch, the kept one a dot; `say` puts its value in words.
    pub(super) fn points_with_kept(
        &self,
        value: fn(&EpochRecord) -> Option<f64>,
        say: impl Fn(f64) -> String,
    ) -> Vec<Point> {
        let mut points = self.points(value, say);
        for (point, epoch) in points.iter_mut().zip(&self.stage.epochs) {
            if self.stage.chosen_epoch == Some(epoch.epoch) {
                point.mark = Mark::Dot;
            }
        }
        points
    }

    /// One point an epoch; `say` puts its value in words.
    pub(super) fn points(
        &self,
        value: fn(&EpochRecord) -> Option<f64>,
        say: impl Fn(f64) -> String,
    ) -> Vec<Point> {
        let point = |(i, epoch): (usize, &EpochRecord)| {
            let y = value(epoch);
            let said = y.map(&say).unwrap_or_default();
            let chosen = self.stage.chosen_epoch == Some(epoch.epoch);
            let kept = if chosen { ", kept" } else { "" };
            Point {
                x: self.start + (i + 1) as f64,
                y,
                note: format!("{}, epoch {}{kept}: {said}", self.name(), epoch.epoch),
                mark: Mark::Plain,
            }
        };
        self.stage.epochs.iter().enumerate().map(point).collect()
    }
}

/// Bands and cuts behind the lines, named where there is room.
pub(super) fn bands(spans: &[Span], axis: &Scale) -> Markup {
    let place = |epoch| axis.place(epoch).unwrap_or_default();
    // Counted over the stages that have a width, so that neighbors differ.
    let trained = |number: usize| spans[..number].iter().filter(|s| s.start < s.end).count();
    html! {
        @for span in spans {
            @let (left, right) = (place(span.start), place(span.end));
            @if span.stage.epochs.is_empty() {
                line.cut x1=(across(left)) x2=(across(left)) y1="0" y2="100%" {
                    title { (span.name()) ": " (span.stage.settings) }
                }
            } @else {
                rect class=(if trained(span.number) % 2 == 0 { "band even" } else { "band" })
                    x=(across(left)) width=(across(right - left)) y="0" height="100%" {
                    title { (span.name()) ": " (span.stage.settings) }
                }
                text.stage x=(across((left + right) / 2.0)) y="-8" {
                    @if right - left >= ROOM_FOR_NAME { (span.stage.kind.name()) }
                    @else if right - left >= ROOM_FOR_NUMBER { (span.number) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoyer_learn::record::StageKind;

    fn stage(kind: StageKind, epochs: u32) -> StageRecord {
        let epochs = (1..=epochs).map(|epoch| EpochRecord {
            epoch,
            train_loss: Some(f64::from(epoch)),
            ..EpochRecord::default()
        });
        StageRecord { epochs: epochs.collect(), chosen_epoch: Some(2), ..StageRecord::new(kind) }
    }

    #[test]
    fn stages_follow_each_other_without_gaps() {
        let kinds = [(StageKind::Train, 3), (StageKind::Prune, 0), (StageKind::Finetune, 2)];
        let stages = kinds.map(|(kind, epochs)| stage(kind, epochs));
        let ends: Vec<_> = spans(&stages).iter().map(|span| (span.start, span.end)).collect();
        assert_eq!(ends, [(0.0, 3.0), (3.0, 3.0), (3.0, 5.0)]);
    }

    #[test]
    fn epochs_stand_where_they_end_and_the_kept_one_is_a_dot() {
        let stages = [stage(StageKind::Train, 3), stage(StageKind::Finetune, 3)];
        let points = spans(&stages)[1].points_with_kept(|e| e.train_loss, |loss| loss.to_string());
        assert_eq!(points.iter().map(|point| point.x).collect::<Vec<_>>(), [4.0, 5.0, 6.0]);
        let dots: Vec<_> = points.iter().map(|point| point.mark == Mark::Dot).collect();
        assert_eq!(dots, [false, true, false]);
        assert_eq!(points[1].note, "2 finetune, epoch 2, kept: 2");
    }

    #[test]
    fn without_training_there_is_no_axis() {
        assert_eq!(axis(&[]), None);
        assert_eq!(axis(&spans(&[stage(StageKind::Prune, 0)])), None);
    }
}
