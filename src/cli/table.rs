//! Lists for people: columns that stand below one another.

use super::terminal;

/// Prints rows below headings; the last column is not padded.
pub fn print(headings: &[&str], rows: &[Vec<String>]) {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| terminal::quoted(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let headings: Vec<String> = headings.iter().map(|heading| heading.to_uppercase()).collect();
    for row in std::iter::once(&headings).chain(&rows) {
        let last = row.len().saturating_sub(1);
        let cells = row.iter().zip(&widths).enumerate();
        let line: Vec<String> = cells
            .map(|(place, (cell, width))| if place == last { cell.clone() } else { format!("{cell:<width$}") })
            .collect();
        say!("{}", line.join("  ").trim_end());
    }
}

/// A moment, to the minute: `2026-11-25 10:42Z`.
pub fn moment(time: crate::ground::Time) -> String {
    let seconds = i64::try_from(time.secs()).unwrap_or(0);
    jiff::Timestamp::from_second(seconds).map(|at| at.strftime("%Y-%m-%d %H:%MZ").to_string()).unwrap_or_default()
}

/// The same, or what stands for none.
pub fn moment_or(time: Option<crate::ground::Time>, none: &str) -> String {
    time.map_or_else(|| none.to_owned(), moment)
}

/// A list in one cell.
pub fn list(items: &[impl AsRef<str>]) -> String {
    if items.is_empty() { "-".to_owned() } else { items.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(" ") }
}
