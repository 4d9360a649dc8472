//! Numbers as people read them: thousands separated, units, no more digits than mean something.
//!
//! Invariants: a number and its unit are joined by a space that does not break; what is not
//! finite reads "–", as does what is unknown.
//! Not here: ticks of an axis (`ticks`).

/// What stands for a value that is not known.
pub(super) const UNKNOWN: &str = "–";
/// Between a number and its unit.
const JOIN: char = '\u{a0}';

/// `266200` as `266,200`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count that may be too long for a table: from a billion on, in billions.
pub(super) fn long_count(value: u64) -> String {
    match value {
        0..1_000_000_000 => count(value),
        _ => format!("{}{JOIN}billion", digits(value as f64 / 1e9, 3)),
    }
}

/// A mean of counts: `4884.4` as `4,884`.
pub(super) fn mean_count(value: f64) -> String {
    known(value, |value| count(value.round().max(0.0) as u64))
}

/// A share as a percentage with two decimals: `0.9841` as `98.41 %`.
pub(super) fn percent(share: f64) -> String {
    known(share, |share| format!("{:.2}{JOIN}%", 100.0 * share))
}

/// A share as a percentage with three digits that count: `0.000183` as `0.0183 %`.
pub(super) fn percent_short(share: f64) -> String {
    known(share, |share| format!("{}{JOIN}%", digits(100.0 * share, 3)))
}

/// A difference of shares in points, without its sign: `0.0011` as `0.11 points`.
pub(super) fn points(share: f64) -> String {
    known(share, |share| format!("{:.2}{JOIN}points", 100.0 * share.abs()))
}

/// A difference of shares in points with its sign where it is negative: `-0.11 points`.
pub(super) fn signed_points(share: f64) -> String {
    let sign = if share < 0.0 && points(share) != points(0.0) { "−" } else { "" };
    format!("{sign}{}", points(share))
}

/// `54.504` as `54.5x`.
pub(super) fn ratio(value: Option<f64>) -> String {
    value.map_or(UNKNOWN.into(), |value| known(value, |value| format!("{}x", digits(value, 3))))
}

/// Bytes in the largest unit that leaves a whole number: `41003` as `40.0 KB`.
pub(super) fn bytes(value: f64) -> String {
    const KB: f64 = 1024.0;
    known(value, |value| match value {
        v if v < KB => format!("{v:.0}{JOIN}bytes"),
        v if v < KB * KB => format!("{:.1}{JOIN}KB", v / KB),
        v if v < KB * KB * KB => format!("{:.1}{JOIN}MB", v / KB / KB),
        v => format!("{:.1}{JOIN}GB", v / KB / KB / KB),
    })
}

/// `301.2` as `5 min 1 s`.
pub(super) fn duration(seconds: f64) -> String {
    known(seconds, |seconds| {
        let whole = seconds.round() as u64;
        match whole {
            _ if seconds < 10.0 => format!("{seconds:.1}{JOIN}s"),
            0..60 => format!("{whole}{JOIN}s"),
            60..3600 => format!("{}{JOIN}min {}{JOIN}s", whole / 60, whole % 60),
            _ => format!("{}{JOIN}h {}{JOIN}min", whole / 3600, whole % 3600 / 60),
        }
    })
}

/// Microseconds: `21.7` as `21.7 µs`.
pub(super) fn micros(value: f64) -> String {
    known(value, |value| format!("{}{JOIN}µs", digits(value, 3)))
}

/// A number without a unit, four digits that count: `0.04217`, `2.000e-4`.
pub(super) fn plain(value: f64) -> String {
    known(value, |value| digits(value, 4))
}

/// A round number on an axis, without zeros at its end: `0.05`, `2e-6`.
pub(super) fn tick(value: f64) -> String {
    let text = digits(value, 4);
    let (lead, exponent) = text.split_at(text.find('e').unwrap_or(text.len()));
    if !lead.contains('.') {
        return text;
    }
    format!("{}{exponent}", lead.trim_end_matches('0').trim_end_matches('.'))
}

/// A round share on an axis, as a percentage without zeros at its end: `99.5 %`.
pub(super) fn percent_tick(share: f64) -> String {
    // 1 - 0.001 is not quite 0.999: round where no tick has digits.
    let percent = (share * 1e8).round() / 1e6;
    let text = format!("{percent:.6}");
    format!("{}{JOIN}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The metric called `name`: an accuracy is a percentage, anything else a plain number.
pub(super) fn metric(name: &str, value: f64) -> String {
    if is_share(name) { percent(value) } else { plain(value) }
}

/// Whether the metric called `name` is a share, so that differences are points.
pub(super) fn is_share(name: &str) -> bool {
    name == "accuracy"
}

/// `n` digits that count, as a decimal where that is short and with an exponent elsewhere.
fn digits(value: f64, n: usize) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor() as i32;
    match magnitude {
        -4..=-1 => format!("{value:.*}", n - 1 + magnitude.unsigned_abs() as usize),
        0..=5 => format!("{value:.*}", (n - 1).saturating_sub(magnitude as usize)),
        _ => format!("{value:.*e}", n - 1),
    }
}

fn known(value: f64, text: impl Fn(f64) -> String) -> String {
    if value.is_finite() { text(value) } else { UNKNOWN.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (value, text) in cases {
            assert_eq!(count(value), text);
        }
        assert_eq!(long_count(999_999_999), "999,999,999");
        assert_eq!(long_count(4_089_184_256), "4.09\u{a0}billion");
    }

    #[test]
    fn units_follow_their_number() {
        let said = [
            percent(0.98416),
            percent_short(0.000_183),
            points(-0.0011),
            bytes(1023.0),
            bytes(41_003.0),
            duration(9.96),
            duration(301.2),
            duration(7_300.0),
            micros(3.1),
        ];
        let said = said.map(|text| text.replace(JOIN, " "));
        let need = [
            "98.42 %",
            "0.0183 %",
            "0.11 points",
            "1023 bytes",
            "40.0 KB",
            "10.0 s",
            "5 min 1 s",
            "2 h 1 min",
            "3.10 µs",
        ];
        assert_eq!(said, need);
    }

    #[test]
    fn ratios_keep_three_digits() {
        let said = [3.4218, 54.504, 122.0, 1_234.0].map(|value| ratio(Some(value)));
        assert_eq!(said, ["3.42x", "54.5x", "122x", "1234x"]);
        assert_eq!(ratio(None), UNKNOWN);
    }

    #[test]
    fn what_is_not_finite_reads_as_unknown() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let texts = [percent(value), bytes(value), duration(value), plain(value)];
            assert!(texts.iter().all(|text| text == UNKNOWN), "{texts:?}");
            assert_eq!(ratio(Some(value)), UNKNOWN);
        }
    }

    #[test]
    fn ticks_have_no_zeros_at_their_end() {
        let said = [0.0, 0.05, 1.0, 20.0, 5_000.0, 2e-6, 1e7].map(tick);
        assert_eq!(said, ["0", "0.05", "1", "20", "5000", "2e-6", "1e7"]);
        let said = [1.0 - 0.001, 0.5, 1.0, 0.0001].map(percent_tick);
        assert_eq!(said.map(|text| text.replace(JOIN, " ")), ["99.9 %", "50 %", "100 %", "0.01 %"]);
    }

    #[test]
    fn small_and_large_numbers_take_an_exponent() {
        assert_eq!(plain(2e-5), "2.000e-5");
        assert_eq!(plain(0.04217), "0.04217");
        assert_eq!(plain(3e7), "3.000e7");
    }
}
