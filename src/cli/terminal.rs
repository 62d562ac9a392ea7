//! Whether there is a terminal, whether it takes colour, and what is written there.
//!
//! Much of what is written comes from elsewhere: claims of a token that anybody sent, answers of servers. None of it may move
//! the cursor, paint, or begin a line of its own.

use std::io::IsTerminal;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ground::plain::is_deceptive;

/// SGR parameters that we paint with; any other sequence is somebody else's.
const CODES: [&str; 9] = ["0", "1", "2", "31", "32", "34", "1;31", "1;32", "1;33"];

/// Standard output is a terminal, and nobody asked for no colour (<https://no-color.org>).
pub fn stdout_takes_color() -> bool {
    std::io::stdout().is_terminal() && color_is_welcome()
}

/// The same of standard error.
pub fn stderr_takes_color() -> bool {
    std::io::stderr().is_terminal() && color_is_welcome()
}

/// In this colour (SGR parameters), where colour is wanted.
pub fn painted(text: &str, code: &str, color: bool) -> String {
    if color { format!("{}{text}{}", painting(code), painting("0")) } else { text.to_owned() }
}

fn painting(code: &str) -> String {
    format!("\u{1b}[{code}m")
}

/// One line on standard output. Whoever reads may stop reading: `| head` is no fault of ours.
pub fn line(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{}", harmless(&text.to_string()));
}

/// The same on standard error.
pub fn complaint(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{}", harmless(&text.to_string()));
}

/// Writes over the line of standard error that was written last; nothing but our own words.
pub fn meter(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let mut to = std::io::stderr().lock();
    let _ = to.write_fmt(text).and_then(|()| to.flush());
}

/// A text from elsewhere, as it stands within a line: what would change the terminal is spelled out, ends of lines too.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|character| push(&mut out, character));
    out
}

/// The same of every text within a value.
pub fn all_quoted<T: Serialize + DeserializeOwned>(value: &T) -> serde_json::Result<T> {
    fn walk(value: &mut Value) {
        match value {
            Value::String(text) => *text = quoted(text),
            Value::Array(list) => list.iter_mut().for_each(walk),
            Value::Object(map) => map.values_mut().for_each(walk),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut all = serde_json::to_value(value)?;
    walk(&mut all);
    serde_json::from_value(all)
}

/// Leaves ends of lines and our own colours; for what was put together of our words and others'.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let ours = CODES.iter().find_map(|code| {
            let painted = rest.strip_prefix("\u{1b}[")?.strip_prefix(code)?.strip_prefix('m')?;
            Some((code, painted))
        });
        if let Some((code, behind)) = ours {
            out.push_str(&painting(code));
            rest = behind;
            continue;
        }
        rest = rest.strip_prefix(character).unwrap_or_default();
        if character == '\n' { out.push(character) } else { push(&mut out, character) }
    }
    out
}

fn push(out: &mut String, character: char) {
    if is_deceptive(character) {
        out.push_str(&format!("\\u{:04x}", u32::from(character)));
    } else {
        out.push(character);
    }
}

pub fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

pub fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

#[expect(clippy::disallowed_methods, reason = "the terminal's own variables are the command line's business")]
fn color_is_welcome() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !set("NO_COLOR") && !dumb
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ATTACKS: [(&str, &str); 5] = [
        ("a\u{1b}[2Jb", "a\\u001b[2Jb"),
        ("a\u{1b}]0;title\u{7}b", "a\\u001b]0;title\\u0007b"),
        ("a\u{9b}31mb\u{7f}", "a\\u009b31mb\\u007f"),
        ("a\rb\u{202e}c\u{2066}", "a\\u000db\\u202ec\\u2066"),
        ("caf\u{e9} \u{4e2d} \"\\", "caf\u{e9} \u{4e2d} \"\\"),
    ];

    #[test]
    fn what_others_say_neither_moves_the_cursor_nor_paints_nor_begins_a_line() {
        for (text, shown) in ATTACKS {
            assert_eq!(quoted(text), shown);
            assert_eq!(harmless(text), shown, "wherever it is printed");
        }
        assert_eq!(quoted("a\n  passed \u{1b}[32m"), "a\\u000a  passed \\u001b[32m");
    }

    #[test]
    fn our_own_colours_and_lines_stay() {
        let line = format!("{}\nnext", painted("REFUSED", "1;31", true));
        assert_eq!(harmless(&line), "\u{1b}[1;31mREFUSED\u{1b}[0m\nnext");
        assert_eq!(harmless("\u{1b}[8mhidden"), "\\u001b[8mhidden");
    }

    #[test]
    fn every_text_of_a_value_is_quoted() {
        let value = json!({"summary": "\u{1b}[2J", "steps": [{"seen": "x\ny", "n": 1}], "none": null});
        let wanted = json!({"summary": "\\u001b[2J", "steps": [{"seen": "x\\u000ay", "n": 1}], "none": null});
        assert_eq!(all_quoted(&value).unwrap(), wanted);
    }
}
