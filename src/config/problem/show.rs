//! How problems look on paper and on a terminal.

use std::fmt::Write;

use super::{Place, Problem, Problems, mask};

/// Lines longer than this are shown in part.
const WIDEST: usize = 140;

pub(super) fn problems(problems: &Problems, color: bool) -> String {
    let paint = Paint { color };
    let mut out = String::new();
    for problem in &problems.list {
        one(&mut out, problems, problem, &paint);
        out.push('\n');
    }
    let count = problems.list.len();
    let what = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
    let _ = writeln!(out, "{}", paint.bold(&format!("{what} in {}", problems.text.name)));
    out
}

fn one(out: &mut String, problems: &Problems, problem: &Problem, paint: &Paint) {
    let Some(place) = problem.place else {
        let _ = writeln!(out, "{}\n\n  {}", paint.bold(&problems.text.name), paint.red(&problem.cause));
        help(out, problem, paint);
        return;
    };
    let (line, column) = problems.text.position(place);
    let head = format!("{}:{line}:{column}  {}", problems.text.name, problem.path);
    let _ = writeln!(out, "{}\n", paint.bold(head.trim_end()));
    let mut marks = vec![(problems.text.widened(place), problem.cause.as_str(), '^')];
    if let Some((other, what)) = &problem.other {
        marks.push((problems.text.widened(*other), what.as_str(), '-'));
    }
    marks.sort_by_key(|(place, ..)| place.start);
    let width = marks.iter().map(|(place, ..)| problems.text.position(*place).0.to_string().len()).max().unwrap_or(1);
    let mut last = None;
    for (place, text, sign) in marks {
        let number = problems.text.position(place).0;
        if last.is_some_and(|last| number > last + 1) {
            let _ = writeln!(out, "  {:>width$} {}", "", paint.blue("…"));
        }
        let shown = last == Some(number);
        snippet(out, problems, &Mark { place, text, sign, width, shown }, paint);
        last = Some(number);
    }
    help(out, problem, paint);
}

fn help(out: &mut String, problem: &Problem, paint: &Paint) {
    if let Some(help) = &problem.help {
        let _ = writeln!(out, "\n  {} {help}", paint.green("help:"));
    }
}

/// One line of the file with something to say about a part of it.
struct Mark<'a> {
    place: Place,
    text: &'a str,
    sign: char,
    /// Digits of the largest line number shown.
    width: usize,
    /// The line stands there already.
    shown: bool,
}

fn snippet(out: &mut String, problems: &Problems, mark: &Mark<'_>, paint: &Paint) {
    let text = &problems.text;
    let line = text.line_at(mark.place);
    let content = text.slice(line);
    let within = |place: &Place| {
        let start = place.start.max(line.start);
        let end = place.end.min(line.end);
        (start < end).then(|| (start - line.start, end - line.start))
    };
    let hidden: Vec<(usize, usize)> = problems.masks.iter().filter_map(within).collect();
    let content = mask::line(content, &hidden);
    let (number, column) = text.position(mark.place);
    let length = text.slice(Place { end: mark.place.end.min(line.end), ..mark.place }).chars().count().max(1);
    // The part of a very long line that holds the mark.
    let skip = if content.chars().count() > WIDEST { (column - 1).saturating_sub(60) } else { 0 };
    let part: String = content.chars().skip(skip).take(WIDEST).map(printable).collect();
    let length = length.min(WIDEST.saturating_sub(column - 1 - skip)).max(1);
    let width = mark.width;
    if !mark.shown {
        let _ = writeln!(out, "  {} {}", paint.blue(&format!("{number:>width$} |")), part.trim_end());
    }
    let signs = mark.sign.to_string().repeat(length);
    let underline = format!("{signs} {}", mark.text);
    let underline = if mark.sign == '^' { paint.red(&underline) } else { paint.blue(&underline) };
    let _ = writeln!(
        out,
        "  {} {:indent$}{underline}",
        paint.blue(&format!("{:>width$} |", "")),
        "",
        indent = column - 1 - skip
    );
}

/// Tabs and control characters would move the caret or the terminal.
fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

struct Paint {
    color: bool,
}

impl Paint {
    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn red(&self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn green(&self, text: &str) -> String {
        self.with("1;32", text)
    }

    fn blue(&self, text: &str) -> String {
        self.with("34", text)
    }

    fn with(&self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
