//! The first screen: what came out, in one sentence, and whether the promise was kept.
//!
//! Not here: the whole table of sizes (`sizes`).

use maud::{Markup, html};

use super::evidence::Evidence;
use super::names;
use super::numbers;
use crate::result::{Lead, Promise, Quantity, RunResult, Split};

/// Title, sentence, promises and the four numbers.
pub(super) fn section(evidence: &Evidence) -> Markup {
    let result = &evidence.result;
    html! {
        header {
            p.overline { (result.method) " · seed " (result.seed) }
            h1 {
                (names::breakable(&result.model)) " on " (names::breakable(&result.data)) ": "
                (gain(result))
            }
            p.lead { (sentence(result)) }
            @for promise in &result.promises { (promise_box(promise, &result.metric)) }
            (big_numbers(result))
        }
    }
}

/// The headline as plain text.
pub(super) fn title(result: &RunResult) -> String {
    format!("{} on {}: {}", result.model, result.data, gain(result))
}

/// What got smaller; where nothing did, how the metric changed.
fn gain(result: &RunResult) -> String {
    let lead = Lead::of(result);
    match lead.sizes(result) {
        [before, after] if before == after => {
            format!("test {} {} the dense network’s", result.metric, against(result))
        }
        _ => format!("{} {}", numbers::ratio(lead.ratio(result)), lead.gain()),
    }
}

fn sentence(result: &RunResult) -> String {
    let lead = Lead::of(result);
    let noun = lead.noun();
    let left = match lead.sizes(result) {
        [before, after] if before == after => format!("All {} {noun}", numbers::count(before)),
        [before, after] => {
            format!("Of {} {noun} {}", numbers::count(before), numbers::count(after))
        }
    };
    format!(
        "{left} are left. The test {} is {}, {} the dense network’s {}.",
        result.metric,
        numbers::metric(&result.metric, result.test_metric),
        against(result),
        numbers::metric(&result.metric, result.dense.metric),
    )
}

/// How the compressed metric stands to the dense one: `0.11 points below`.
fn against(result: &RunResult) -> String {
    let gap = result.test_metric - result.dense.metric;
    let size = match numbers::is_share(&result.metric) {
        true => numbers::points(gap),
        false => numbers::plain(gap.abs()),
    };
    match gap {
        gap if numbers::points(gap) == numbers::points(0.0) => "equal to".into(),
        gap if gap < 0.0 => format!("{size} below"),
        _ => format!("{size} above"),
    }
}

fn promise_box(promise: &Promise, metric: &str) -> Markup {
    let (class, mark, word) = match promise.kept {
        true => ("promise kept", "✓", "Promise kept"),
        false => ("promise missed", "✗", "Promise missed"),
    };
    html! {
        p class=(class) {
            span.mark aria-hidden="true" { (mark) }
            span { strong { (word) ": " } (asked(promise, metric)) "; reached "
                (reached(promise, metric)) "." }
        }
    }
}

/// What was asked for: `test accuracy of at least 98.40 %`.
fn asked(promise: &Promise, metric: &str) -> String {
    let split = match promise.split {
        Some(Split::Validation) => "validation ",
        Some(Split::Test) => "test ",
        None => "",
    };
    let limit = amount(promise, promise.limit, metric);
    match promise.quantity {
        Quantity::Metric => format!("{split}{metric} of at least {limit}"),
        Quantity::MetricDrop => format!("{split}{metric} at most {limit} below dense"),
        Quantity::Weights => format!("at most {limit} weights"),
        Quantity::FileBytes => format!("a file of at most {limit}"),
        Quantity::Macs => format!("at most {limit} multiply-accumulates"),
        Quantity::MacsShare => format!("at most {limit} of the multiply-accumulates"),
        Quantity::LatencyUs => format!("at most {limit} a sample"),
    }
}

/// What was reached, exactly where rounding would hide on which side of the limit it lies.
fn reached(promise: &Promise, metric: &str) -> String {
    let text = |value| amount(promise, value, metric);
    let (limit, reached) = (text(promise.limit), text(promise.reached));
    match limit == reached && promise.limit != promise.reached {
        true => {
            format!("{reached} (exactly {}, the limit being {})", promise.reached, promise.limit)
        }
        false => reached,
    }
}

/// A value in the unit of its promise.
fn amount(promise: &Promise, value: f64, metric: &str) -> String {
    match promise.quantity {
        Quantity::Metric => numbers::metric(metric, value),
        Quantity::MetricDrop if !numbers::is_share(metric) => numbers::plain(value),
        Quantity::MetricDrop => numbers::signed_points(value),
        Quantity::Weights | Quantity::Macs => numbers::mean_count(value),
        Quantity::FileBytes => numbers::bytes(value),
        Quantity::MacsShare => numbers::percent_short(value),
        Quantity::LatencyUs => numbers::micros(value),
    }
}

fn big_numbers(result: &RunResult) -> Markup {
    let ratios = &result.ratios;
    let metric = numbers::metric(&result.metric, result.test_metric);
    let dense = numbers::metric(&result.metric, result.dense.metric);
    let lead = Lead::of(result);
    let mut cells = vec![
        (lead.ratio(result), lead.gain()),
        (ratios.weights, Lead::Weights.gain()),
        (ratios.params, "fewer parameters"),
        (ratios.file_bytes, Lead::FileBytes.gain()),
    ];
    // It stands there once; where it is none of the others, parameters make room.
    let again = cells[1..].iter().rposition(|(_, what)| *what == lead.gain());
    cells.remove(1 + again.unwrap_or(1));
    html! {
        dl.big {
            @for (ratio, what) in cells { div { dt { (what) } dd { (numbers::ratio(ratio)) } } }
            div { dt { "test " (result.metric) ", dense " (dense) } dd { (metric) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::{bytes, percent};
    use super::*;

    #[test]
    fn a_promise_missed_by_less_than_a_digit_says_so() {
        let limit = 20_480.0;
        let missed = Promise::judge(Quantity::FileBytes, limit, limit + 1.0);
        let kept = Promise::judge(Quantity::FileBytes, limit, limit);
        let need = format!("{} (exactly 20481, the limit being 20480)", bytes(limit));
        assert_eq!(told(&missed), need);
        assert_eq!(told(&kept), bytes(limit));
    }

    #[test]
    fn a_promise_kept_with_room_is_short() {
        assert_eq!(told(&Promise::judge(Quantity::Metric, 0.984, 0.985)), percent(0.985));
    }

    fn told(promise: &Promise) -> String {
        reached(promise, "accuracy")
    }
}
