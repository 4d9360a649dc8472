//! Tables of plain text: the first column to the left, numbers to the right.
//!
//! Not here: what stands in them (the verbs).

/// Lines of cells, each as wide as its column; two spaces between columns, none at the end.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|s| s.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(c, (cell, &width))| match c {
            0 => format!("{cell:<width$}"),
            _ => format!("  {cell:>width$}"),
        });
        let line: String = cells.collect();
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A row of a table.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// `266,200`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `98.41 %`
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// `54.5x`, or a dash where there is nothing to divide by.
pub(crate) fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.1}x"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let text = table(&[row(["", "dense"]), row(["accuracy", "1"]), row(["x"])]);
        assert_eq!(text, "          dense\naccuracy      1\nx\n");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 266_200].map(thousands), ["0", "999", "1,000", "266,200"]);
        assert_eq!((percent(0.98405), times(Some(54.505))), ("98.41 %".into(), "54.5x".into()));
        assert_eq!(times(None), "-");
    }
}
