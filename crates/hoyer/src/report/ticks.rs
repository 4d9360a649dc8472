//! Where an axis has its marks: round numbers, few of them.
//!
//! Steps are 1, 2 or 5 times a power of ten.
//!
//! Invariants, for `lo < hi` (both positive on a logarithmic axis) and `most >= 5`: ticks rise
//! strictly, lie in `[lo, hi]`, and there are at least two and at most `most + 1`. Other input
//! gives no ticks.
//! Not here: placing them on the page (`scale`), their text (`numbers`).

/// Fewest marks one may ask for. A step is up to 2.5 times as long as asked for, so fewer might
/// leave a single mark.
const LEAST_ROOM: usize = 5;

/// Marks of an axis of equal steps.
pub(super) fn linear(lo: f64, hi: f64, most: usize) -> Vec<f64> {
    let span = hi - lo;
    // A span lost in the rounding of its ends has no room for two different marks.
    if !span.is_finite() || span <= 1e-12 * lo.abs().max(hi.abs()) || most < LEAST_ROOM {
        return Vec::new();
    }
    let step = step_of_at_least(span / most as f64);
    let (first, last) = ((lo / step).ceil() as i64, (hi / step).floor() as i64);
    (first..=last).map(|i| clean(i, step)).filter(|tick| (lo..=hi).contains(tick)).collect()
}

/// Marks of a logarithmic axis: powers of ten, with 2 and 5 between them where there is room.
pub(super) fn logarithmic(lo: f64, hi: f64, most: usize) -> Vec<f64> {
    if !(lo > 0.0 && lo < hi && hi.is_finite()) || most < LEAST_ROOM {
        return Vec::new();
    }
    let decades = (lo.log10().floor() as i32)..=(hi.log10().ceil() as i32);
    let marks = |leads: &[f64], every: i32| -> Vec<f64> {
        let powers = decades.clone().filter(|power| power.rem_euclid(every) == 0);
        let marks = powers.flat_map(|power| leads.iter().map(move |lead| scaled(*lead, power)));
        marks.filter(|tick| (lo..=hi).contains(tick)).collect()
    };
    let choices = (1..).map(|every| marks(&[1.0], every));
    let mut choices =
        [marks(&[1.0, 2.0, 5.0], 1), marks(&[1.0, 3.0], 1)].into_iter().chain(choices);
    let ticks = choices.find(|ticks| ticks.len() <= most + 1).unwrap_or_default();
    if ticks.len() < 2 { linear(lo, hi, most) } else { ticks }
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `least`.
fn step_of_at_least(least: f64) -> f64 {
    let power = least.log10().floor() as i32;
    let leads = [1.0, 2.0, 5.0, 10.0].map(|lead| scaled(lead, power));
    leads.into_iter().find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(leads[3])
}

/// `lead * 10^power`, as close as its decimal text is.
fn scaled(lead: f64, power: i32) -> f64 {
    if power >= 0 { lead * 10f64.powi(power) } else { lead / 10f64.powi(-power) }
}

/// `i * step` without the rounding of the product: 3 times 0.1 is 0.3.
fn clean(i: i64, step: f64) -> f64 {
    if step < 1.0 { i as f64 / (1.0 / step).round().max(1.0) } else { i as f64 * step }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges from tiny to huge, around zero and far from it.
    fn ranges() -> impl Iterator<Item = (f64, f64)> {
        let starts = [-7.3e4, -1.0, -0.02, 0.0, 1e-7, 0.0137, 0.984, 1.0, 31.0, 4.9e6];
        let spans = [1e-5, 7e-4, 0.01, 0.0333, 0.5, 1.0, 9.99, 123.0, 2.5e5, 1e9];
        starts.into_iter().flat_map(move |lo| spans.map(|span| (lo, lo + span)))
    }

    fn assert_marks(ticks: &[f64], (lo, hi): (f64, f64), most: usize) {
        let n = ticks.len();
        assert!((2..=most + 1).contains(&n), "{n} ticks in [{lo}, {hi}]: {ticks:?}");
        assert!(ticks.windows(2).all(|w| w[0] < w[1]), "not rising: {ticks:?}");
        assert!(ticks.iter().all(|t| (lo..=hi).contains(t)), "outside [{lo}, {hi}]: {ticks:?}");
    }

    #[test]
    fn linear_ticks_are_few_rising_and_inside() {
        for (range, most) in ranges().flat_map(|range| (5..9).map(move |most| (range, most))) {
            assert_marks(&linear(range.0, range.1, most), range, most);
        }
    }

    #[test]
    fn logarithmic_ticks_are_few_rising_and_inside() {
        let positive = ranges().filter(|(lo, _)| *lo > 0.0);
        for (range, most) in positive.flat_map(|range| (5..9).map(move |most| (range, most))) {
            assert_marks(&logarithmic(range.0, range.1, most), range, most);
        }
    }

    #[test]
    fn linear_steps_are_equal_and_round() {
        for (lo, hi) in ranges() {
            let ticks = linear(lo, hi, 6);
            let step = (ticks[ticks.len() - 1] - ticks[0]) / (ticks.len() - 1) as f64;
            let lead = step / 10f64.powf(step.log10().floor());
            let round = [1.0, 2.0, 5.0, 10.0].iter().any(|need| (lead - need).abs() < 1e-3);
            assert!(round, "step {step} in [{lo}, {hi}]");
        }
    }

    #[test]
    fn ticks_are_the_numbers_they_print_as() {
        assert_eq!(linear(0.0, 0.5, 6), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!(linear(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(logarithmic(0.01, 1.0, 7), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]);
        assert_eq!(logarithmic(0.001, 1.0, 5), [0.001, 0.01, 0.1, 1.0]);
    }

    #[test]
    fn ranges_that_are_none_have_no_ticks() {
        for (lo, hi) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(linear(lo, hi, 5).is_empty());
            assert!(logarithmic(lo, hi, 5).is_empty());
        }
        assert!(logarithmic(0.0, 1.0, 5).is_empty());
        assert!(logarithmic(-1.0, 1.0, 5).is_empty());
    }
}
