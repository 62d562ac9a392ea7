//! Keeps secrets out of the lines that messages show.

use crate::config::suggest;

/// What stands for a masked character. Length is kept, so that carets stay where they belong.
const DOT: char = '•';

/// Words that make a key's value a secret, whatever the checks think of it.
const TELLING: [&str; 4] = ["secret", "password", "passphrase", "private_key"];

/// Whether what stands behind a key with this name is to be taken for a secret, also if the name is not quite right.
pub(super) fn is_telling(name: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    let own = plain(name);
    TELLING.iter().any(|word| own.contains(&plain(word))) || suggest::nearest(name, TELLING.into_iter()).is_some()
}

/// Masks byte ranges (relative to the line) and whatever follows a key that sounds like a secret.
pub(super) fn line(line: &str, ranges: &[(usize, usize)]) -> String {
    let mut hidden: Vec<(usize, usize)> = ranges.to_vec();
    hidden.extend(after_telling_keys(line));
    line.char_indices()
        .map(|(at, c)| {
            let inside = hidden.iter().any(|(start, end)| (*start..*end).contains(&at));
            if inside && !c.is_whitespace() { DOT } else { c }
        })
        .collect()
}

/// Ranges of plain values after `…secret…:`; references (`{env: …}`) and lists of them are left to be read.
fn after_telling_keys(line: &str) -> Vec<(usize, usize)> {
    let lower = line.to_ascii_lowercase();
    let code = lower.find(" #").map_or(&*lower, |end| lower.get(..end).unwrap_or_default());
    let mut found = Vec::new();
    for word in TELLING {
        for (at, _) in code.match_indices(word) {
            let rest = code.get(at + word.len()..).unwrap_or_default();
            let tail = rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || "_-\"'".contains(c)).len();
            let Some(value) = rest.get(tail..).and_then(|rest| rest.trim_start().strip_prefix(':')) else { continue };
            if !value.starts_with([' ', '\t']) {
                continue;
            }
            let start = code.len() - value.trim_start().len();
            // A quoted value may hold what would begin a comment elsewhere.
            let whole = lower.get(start..).unwrap_or_default();
            let value = if whole.starts_with(['"', '\'']) { whole } else { code.get(start..).unwrap_or_default() };
            let in_brackets = code.get(..at).unwrap_or_default().contains(['{', '[']);
            let length = value_length(value, in_brackets);
            let harmless = matches!(value.get(..length).map(str::trim), Some("true" | "false" | ""));
            if harmless || value.starts_with(['{', '[', '|', '>', '*', '&']) {
                continue;
            }
            found.push((start, start + length));
        }
    }
    found
}

/// A quoted value ends at its quote; a plain one at the end of the line, and within brackets at what may not stand in it.
fn value_length(value: &str, in_brackets: bool) -> usize {
    match value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        Some(quote) => quoted_length(value, quote),
        None if in_brackets => value.find([',', '}']).unwrap_or(value.len()),
        None => value.len(),
    }
}

/// Within `"`, a backslash takes its meaning from what follows; within `'`, two stand for one.
fn quoted_length(value: &str, quote: char) -> usize {
    let mut characters = value.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        let doubled = quote == '\'' && matches!(characters.peek(), Some((_, '\'')));
        if (character == '\\' && quote == '"') || (character == quote && doubled) {
            characters.next();
        } else if character == quote {
            return at + 1;
        }
    }
    value.len()
}
